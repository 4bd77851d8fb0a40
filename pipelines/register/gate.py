"""Decides whether a version may become champion; pure, so that each rule can be tested alone."""

from collections.abc import Mapping
from math import isnan, nan

import numpy as np

from pipelines.register import Params
from pipelines.register.judgement import CONSTANT, Check, Code, Decision, Evidence, Figure, Former, Unjudged
from stages.judge import paired, statistics

ENOUGH = 0.95  # of the bootstraps must define both figures: an interval over fewer is of other test pictures than the drawn
UNJUDGED = "the champion cannot be judged on the present test data"
TOLERANCE = 1e-9  # 0.90 - 0.89 is 0.010000000000000009: what differs by less from a border lies on it, and that passes


def decide(  # noqa: PLR0913 - what a decision rests on
    model: Evidence,
    champion: Evidence | Unjudged | None,
    params: Params,
    code: Code,
    *,
    older: bool = False,
    former: Former | None = None,
) -> Decision:
    """Judge a model by whether its figures say anything, against the floor, the audit, its code and the champion.

    Args:
        model: the candidate.
        champion: the present champion on the present test data; None where there is none.
        params: the rules.
        code: what is known about the candidate's code.
        older: the candidate was registered before the champion: then its interval must show it to be better.
        former: the former champions on the same test data. Where the best one is better than the present one the candidate
            is held against it, and each class against the best value of any: losses that are each within the allowance
            would add up from champion to champion.
    """
    checks = [_evaluation(model, params), _floor(model, params), _audit(model, params), _code(code, params)]
    checks += _against(model, champion, params, older=older)
    if former is not None and champion is not None:
        checks += _not_below(model, champion, former, params)
    return Decision(tuple(checks))


def _evaluation(model: Evidence, params: Params) -> Check:
    """Hold where the evaluation says something by the metric: a verdict on nothing crowns nobody, whoever the rival is.

    What is degenerate by other figures alone is told, and decides nothing.
    """
    beside = f"; by other figures: {model.others}" if model.others else ""
    if model.degenerate is None:
        told = f"the evaluation does not say whether it is degenerate by {params.metric}; make it again (dvc repro evaluate)"
    elif not model.degenerate:
        return Check("evaluation", holds=True, reason=f"nothing degenerate by {params.metric} was found in it{beside}")
    else:
        why = "; ".join(f"{kind}: {reason}" for kind, reason in model.degenerate.items())
        told = f"degenerate by {params.metric}: {why}"
    rule = "allowed" if params.allow_degenerate else "not allowed"
    return Check("evaluation", params.allow_degenerate, f"{told}; which is {rule} (allow_degenerate){beside}")


def _floor(model: Evidence, params: Params) -> Check:
    figure = model.figure
    judged = figure.value if params.judged_by == "value" else figure.low
    if judged is None:
        return Check("quality", holds=False, reason=f"{params.metric} is {figure}: it has no {params.judged_by} to judge")
    end = "" if params.judged_by == "value" else "the low end of "
    holds = _within(params.min_quality - judged, 0.0)
    here, floor = _apart(judged, params.min_quality)
    return Check("quality", holds, f"{end}{params.metric} {figure} is {here} {'>=' if holds else '<'} {floor}")


def _within(drop: float, allowed: float) -> bool:
    """Tell whether a drop is no more than is allowed; exactly what is allowed is no more, whatever the last bits say."""
    return drop <= allowed + TOLERANCE


def _apart(one: float, other: float) -> tuple[str, str]:
    """Print two numbers with three digits, or as many more as it takes to tell them apart.

    Example:
        >>> _apart(0.7996, 0.8), _apart(0.25, 0.2), _apart(0.2, 0.2)
        (('0.7996', '0.8000'), ('0.250', '0.200'), ('0.200', '0.200'))
    """
    digits = range(3, 11) if abs(one - other) > TOLERANCE else [3]
    pairs = [(f"{one:.{d}f}", f"{other:.{d}f}") for d in digits]
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])


def _audit(model: Evidence, params: Params) -> Check:
    if model.verdict == "UNDECIDED":
        rule = "allowed" if params.allow_undecided else "not allowed"
        open_ = f"; not audited: {'; '.join(model.left_open)}" if model.left_open else ""
        return Check("audit", params.allow_undecided, f"the audit says UNDECIDED, which is {rule} (allow_undecided){open_}")
    return Check("audit", model.verdict == "PASS", f"the audit says {model.verdict}")


def _code(code: Code, params: Params) -> Check:
    if params.code == "any" and not code.clean:
        return Check("code", holds=True, reason=f"any code may register (register: code: any); {code.reason}")
    return Check("code", code.clean, code.reason)


def _against(model: Evidence, champion: Evidence | Unjudged | None, params: Params, *, older: bool) -> list[Check]:
    if champion is None:
        return [Check("champion", holds=True, reason="there is no champion yet")]
    if isinstance(champion, Unjudged):
        told = f"{UNJUDGED}: {champion.reason}; once it can be, rawline register TASK asks again"
        return [_undecided(told, params, older=older)]
    _comparable(model, champion)
    checks = [_not_worse(model, champion, params, "the champion", older=older)]
    if params.max_class_drop is None:
        return checks
    left = "" if older else _constant_class(champion, model)
    return [*checks, _each_class(model, champion.classes, params.max_class_drop, left=left)]


def _constant_class(one: Evidence, model: Evidence) -> str:
    """Return the class in which one model is no yardstick for another: its answers may be a constant, the other's are none.

    A constant is right about its class wherever it can be. Everywhere else, and by the headline, the model is a yardstick:
    that it was not shown to be better than a constant does not show it to be one.
    """
    return one.constant if CONSTANT not in (model.degenerate or {}) else ""


def _yardsticks(one: Evidence, model: Evidence) -> dict[str, Figure]:
    """Return the classes in which one model is a yardstick for another."""
    left = _constant_class(one, model)
    return {name: figure for name, figure in one.classes.items() if name != left and figure.value is not None}


def _comparable(model: Evidence, other: Evidence) -> None:
    if other.about != model.about:
        raise ValueError("a champion's figures compare only by one metric, measured alike on the same test data; judge it")


def _is_better(one: Evidence, other: Evidence) -> bool:
    return not _within((one.figure.value or 0.0) - (other.figure.value or 0.0), 0.0)


def _not_below(model: Evidence, champion: Evidence | Unjudged, former: Former, params: Params) -> list[Check]:
    """Hold when what must hold against the champion holds against former ones, too; no check where none was better.

    A champion that cannot be judged is no better than any of them.
    """
    checks = []
    if not isinstance(champion, Evidence) or _is_better(former.evidence, champion):
        _comparable(model, former.evidence)
        who = f"version {former.version}, the best former champion"
        checks.append(_not_worse(model, former.evidence, params, who, older=False))
    present = _yardsticks(champion, model) if isinstance(champion, Evidence) else {}
    past = [_yardsticks(one, model) for one in (former.evidence, *former.others)]
    best = dict(sorted((pair for one in past for pair in one.items()), key=lambda pair: _value(pair[1])))
    higher = {name: one for name, one in best.items() if _value(one) > _value(present.get(name))}
    if higher and params.max_class_drop is not None:
        checks.append(_each_class(model, higher, params.max_class_drop, "of those that a former champion was better in, "))
    reason = "; ".join(one.reason for one in checks)
    return [Check("former", all(one.holds for one in checks), reason)] if checks else []


def _value(figure: Figure | None) -> float:
    return (figure and figure.value) or 0.0


def _undecided(told: str, params: Params, *, older: bool) -> Check:
    """Hold where the rules let a new model replace a champion that it cannot be compared with."""
    if params.incomparable_champion == "replace" and not older:
        return Check("champion", holds=True, reason=f"{told}; it is replaced (register: incomparable_champion: replace)")
    way = "move the alias by hand, or set register: incomparable_champion: replace"
    return Check("champion", holds=False, reason=f"{told}; {'this model is the older one; ' if older else ''}{way}")


def _not_worse(model: Evidence, champion: Evidence, params: Params, who: str, *, older: bool) -> Check:
    """Hold when the drop is within ``max_drop`` and no interval shows a loss; an older model must have gained for sure.

    That no interval shows a loss does not show that there is none: with few pictures a small one stays unseen.
    """
    if model.figure.value is None or champion.figure.value is None:
        return Check("champion", holds=False, reason=f"not comparable: {model.figure} against {champion.figure}")
    gain, low, high, how = _difference(model, champion)
    if isnan(low):
        why = f"{how}, fewer than {ENOUGH:.0%} of {len(model.replicates)}, are both figures defined"
        return _undecided(f"it cannot be told whether this model is worse than {who}: {why}", params, older=older)
    told = f"{how} {gain:+.3f} [{low:+.3f}, {high:+.3f}]; {paired.COVERS}"
    if older:
        holds = gain > 0 and low > 0
        return Check(
            "champion", holds, f"registered before the champion and {'' if holds else 'not shown to be '}better: {told}"
        )
    if not _within(-gain, params.max_drop):
        drop, allowed = _apart(-gain, params.max_drop)
        return Check("champion", holds=False, reason=f"worse than {who} by {drop}, more than {allowed}: {told}")
    holds = _within(-high, 0.0)
    return Check("champion", holds, f"{'not ' if holds else ''}shown to be worse than {who}: {told}")


def _difference(model: Evidence, champion: Evidence) -> tuple[float, float, float, str]:
    """Return the gain over the champion with its interval, and how it was found: paired wherever both left what it takes.

    The interval is not a number where too few bootstraps define both figures.
    """
    if model.outcomes and model.outcomes.keys() == champion.outcomes.keys():
        names = sorted(model.outcomes)
        gain, low, high = paired.difference([model.outcomes[n] for n in names], [champion.outcomes[n] for n in names])
        return gain, low, high, f"paired over {len(names)} pictures"
    gain = (model.figure.value or 0.0) - (champion.figure.value or 0.0)
    if model.replicates and len(model.replicates) == len(champion.replicates):
        pairs = [
            (a, b) for a, b in zip(model.replicates, champion.replicates, strict=True) if a is not None and b is not None
        ]
        if len(pairs) < ENOUGH * len(model.replicates):
            return gain, nan, nan, f"in {len(pairs)} bootstraps"
        low, high = statistics.percentile_interval(np.array([a - b for a, b in pairs]))
        return gain, low, high, f"paired over {len(pairs)} bootstraps"
    one, two = _triple(model.figure), _triple(champion.figure)
    return *statistics.difference(one, two), "by their two intervals"


def _triple(figure: Figure) -> tuple[float, float, float]:
    value = figure.value or 0.0
    return value, value if figure.low is None else figure.low, value if figure.high is None else figure.high


def _each_class(model: Evidence, before: Mapping[str, Figure], allowed: float, which: str = "", left: str = "") -> Check:
    """Hold when no class falls by more than is allowed, but for one; ``which`` says of what classes it is told."""
    drops = {name: then.value - _value(model.classes.get(name)) for name, then in before.items() if then.value is not None}
    if left:
        drops.pop(left, None)
        which += f"without {left}, the constant answer that the champion is not shown to be better than, "
    bad = {name: drop for name, drop in sorted(drops.items()) if not _within(drop, allowed)}
    if bad:
        listed = ", ".join(f"{name} by {_apart(drop, allowed)[0]}" for name, drop in bad.items())
        return Check("classes", holds=False, reason=f"{which}fell by more than {allowed:.3f}: {listed}")
    return Check("classes", holds=True, reason=f"{which}none of {len(drops)} classes fell by more than {allowed:.3f}")

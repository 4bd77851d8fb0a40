"""Judges a model by group and by intersection of groups: PASS, FAIL or UNDECIDED.

Enters: ``data/preprocessed`` (test split and its ``group_*`` columns), ``data/evaluated/<task>`` and its metrics file.
Leaves: ``data/audited/<task>`` with ``groups.csv`` and ``report.html``, and ``data/metrics/audit_<task>.json`` with
    the verdict, its reasons, what was left open (``left_open``), what was allowed (``settings``: a PASS says nothing
    without its limits), which model was judged (``model_digest``), by which truth and groups (``audited_digest``) and
    by which code (``measuring_digest``).
Choices: none; thresholds are parameters. Needs no model. Without any ``group_*`` column the verdict is UNDECIDED, and so
    it is at best where a column holds no groups (an id) or the evaluation is degenerate (``stages/judge/degenerate.py``):
    nothing audited, or audited on nothing, must not read as a pass. What is degenerate by one figure does not pass by it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from stages.core import artefacts, dataset, digests, figures, files, measuring, seeds
from stages.core.errors import ParamsError
from stages.core.params import Params as Base
from stages.core.stage import Job, Keep, Metrics, Note, Progress, Record, Tags
from stages.judge import columns, degenerate, groups, permutations, statistics, strata, units, verdicts
from stages.judge.strata import Strata
from stages.judge.verdicts import Finding, Limits
from stages.parts import evaluators, reports
from stages.parts.evaluators import Evaluator, Mistake

MAX_GROUPS = 50  # of one column, as numbers of the run; the table holds all


class Params(Base):
    """What the audit allows and how hard it looks.

    Attributes:
        max_gap: largest gap allowed between the best and the worst group of a column.
        min_worst_group: smallest figure allowed for any group.
        min_group: units that hold what a figure is read from that a group needs to be compared, pictures where none belong
            together; smaller ones are only shown.
        max_groups: different values from which on a column's values are no groups: numbers are then sorted into four groups
            by quantile, a column of texts (ids, file names) is not audited, and nothing passes until it is named in
            ``leave_out``.
        leave_out: columns that are no groups, by name without ``group_``.
        alpha: the chance of a FAIL in the whole audit, over all its gaps and floors together, is at most this where every
            true gap, given the classes of the pictures, is at the limit or below and every true figure at the floor or
            above.
        num_permutations: deals of two groups within classes, made where bounds say FAIL, to ask how much classes explain.
        num_bootstraps: draws behind the standard error of a figure whose slope is not known.
        num_pictures: pictures shown of each worst group.
    """

    max_gap: Annotated[float, Field(gt=0, le=1)]
    min_worst_group: Annotated[float, Field(ge=0, le=1)]
    min_group: Annotated[int, Field(ge=2)]
    max_groups: Annotated[int, Field(ge=2, le=100)]
    leave_out: list[str]
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    num_permutations: Annotated[int, Field(ge=100, le=1_000_000)]
    num_bootstraps: Annotated[int, Field(ge=100, le=100_000)]
    num_pictures: Annotated[int, Field(ge=0, le=24)]


def run(job: Job[Params]) -> Iterator[Record]:
    """Compare the groups, judge the gaps, write table, page and verdict."""
    task, params = str(job.task), job.params
    folder = artefacts.evaluated(task)
    data = dataset.read(artefacts.PREPROCESSED).subset("test")
    ground = {measuring.AUDITED: measuring.audited(data), measuring.CODE: measuring.verdicts(task)}
    settings = evaluators.settings(folder)
    judge = evaluators.load(task, settings, data, folder)
    evaluation = evaluators.metrics(artefacts.evaluate_metrics(task))
    digests.require_tables(task, evaluation)
    sorted_columns, others = group_columns(judge, params)
    comparisons: list[groups.Comparison] = []
    for done, total, comparison in compared(judge, sorted_columns, params, job.seed):
        comparisons.append(comparison)
        yield Progress(done, total, "comparisons of groups")
    limits = Limits(params.max_gap, params.min_worst_group, params.alpha)
    judged = [measure.name for measure in judge.measures() if measure.judged]
    faults, of_figures = degenerate.parted(evaluation, judged)
    of_pictures = strata.of(judge.data.manifest["label"].astype("string").fillna("").tolist(), judge.contents())
    deal = dealer(judge, of_pictures, params, job.seed)
    found = verdicts.judge([c for c in comparisons if c.measure.judged], limits, deal)
    findings = verdicts.withheld(found, of_figures)
    verdict = verdicts.overall(findings, complete=not others and degenerate.says_something(faults))
    nothing, unit = reports.nothing(faults), unit_column(judge)
    strays = columns.strays({name: judge.data.manifest[f"group_{name}"] for name in others})
    refused = reports.refusals(others, f"audit.{task}", strays)
    about = refused + reports.remarks(sorted_columns, params.leave_out, f"audit.{task}", unit)
    reasons = reports.reasons(findings, limits, refused, nothing, unit, params.leave_out)
    left_open = reports.left_open(findings, others, params.leave_out, faults, params.min_group, drawn(judge, evaluation))
    with files.atomic(artefacts.audited(task)) as out:
        out.mkdir()
        reports.table(comparisons).to_csv(out / "groups.csv", index=False, lineterminator="\n")
        page_content = reports.Content(
            task, judge.data, verdict, reasons, findings, comparisons, limits, params.min_group, about, left_open,
            judge.units.num, judged, settings, of_pictures,
        )  # fmt: skip
        page = reports.render(page_content, evaluation, strips(judge, findings, params.num_pictures), folder, judge.legend)
        (out / "report.html").write_text(page, encoding="utf-8")
    content = summary(verdict, reasons, findings) | {"not_audited": others, "left_open": left_open}
    content |= {digests.MODEL: evaluation.get(digests.MODEL)} | ground
    files.write_json(artefacts.audit_metrics(task), content | {"settings": params.model_dump()})
    yield Metrics(figures.numbers(files.tidy({**content, **by_group(comparisons)})))
    yield Tags({"verdict": verdict})
    yield Note(f"{verdict}: {reasons[0]}")
    yield Keep(artefacts.audit_metrics(task))
    yield Keep(artefacts.audited(task), "audited")


def group_columns(judge: Evaluator, params: Params) -> tuple[list[columns.Column], dict[str, int]]:
    """Sort the pictures into groups by every column that is to be audited.

    Returns:
        The columns; by name how many different values those have that hold no groups.

    Raises:
        ParamsError: ``leave_out`` names a column that is not there.
    """
    names = [c.removeprefix("group_") for c in judge.data.groups()]
    if unknown := sorted(set(params.leave_out) - set(names)):
        raise ParamsError(
            f"leave_out names {', '.join(unknown)}, but the group columns are {', '.join(names) or 'none'}"
            f" (params.yaml: audit.*.leave_out)"
        )
    left_out = {*params.leave_out, unit_column(judge)}
    kept = {name: judge.data.manifest[f"group_{name}"] for name in names if name not in left_out}
    return columns.sort_into_groups(kept, params.max_groups)


def drawn(judge: Evaluator, evaluation: Mapping[str, Any]) -> reports.Drawn:
    """Return how the judged pictures are drawn, and which of their units stand elsewhere too."""
    return reports.Drawn("pictures" if judge.units.single else "units", unit_column(judge), units.torn(evaluation))


def unit_column(judge: Evaluator) -> str:
    """Return the group column that tells units, without ``group_``; empty where none does.

    It is no column to audit: each of its groups is a single draw.
    """
    name = judge.data.info.unit.removeprefix("group_")
    return name if f"group_{name}" in judge.data.groups() else ""


def compared(
    judge: Evaluator, found: list[columns.Column], params: Params, seed: int
) -> Iterator[tuple[int, int, groups.Comparison]]:
    """Compare every measure over every column and pair of columns."""
    ways = groups.groupings(found, params.min_group, judge.units)
    pairs = [(measure, way) for measure in judge.measures() for way in ways]
    for index, (measure, way) in enumerate(pairs):
        random = seeds.generator(seed, "audit", "bootstrap", measure.name, *way.columns)
        done = groups.compare(
            measure, way, min_group=params.min_group, num_bootstraps=params.num_bootstraps, random=random, units=judge.units
        )
        yield index + 1, len(pairs), done


def dealer(
    judge: Evaluator, of_pictures: Strata, params: Params, seed: int
) -> Callable[[groups.Comparison], permutations.Dealer]:
    """Return what asks whether the classes of the pictures explain a comparison."""

    def deal(comparison: groups.Comparison) -> permutations.Dealer:
        names, where = (*comparison.grouping.names, ""), (comparison.measure.name, *comparison.grouping.columns)

        def random(worse: int, better: int) -> np.random.Generator:
            return seeds.generator(seed, "audit", *where, names[worse], names[better])

        return permutations.Dealer(
            comparison,
            of_pictures.codes,
            num_deals=params.num_permutations,
            allowed=params.max_gap,
            random=random,
            units=judge.units,
        )

    return deal


def strips(judge: Evaluator, findings: list[Finding], num_pictures: int) -> list[reports.Strip]:
    """Draw the worst pictures of the groups that fared worst; of all pictures where these show none, or none is compared."""
    mistakes, found = judge.mistakes(), []
    for finding in reports.worst_groups(findings):
        grouping, worst = finding.comparison.grouping, finding.comparison.worst
        inside = [m for m in mistakes if grouping.codes[m.row] == worst]
        found.append(_strip(judge, f"{grouping.columns[0]}: {grouping.names[worst]}, the worst group", inside, num_pictures))
    return [one for one in found if one.shots] or [_strip(judge, "all test pictures", mistakes, num_pictures)]


def _strip(judge: Evaluator, title: str, mistakes: Sequence[Mistake], num_pictures: int) -> reports.Strip:
    shots = [reports.Shot(judge.draw(m), m.caption) for m in mistakes[:num_pictures]]
    return reports.Strip(f"{title} ({figures.plural(len(mistakes), 'picture')} with mistakes)", shots)


def by_group(comparisons: list[groups.Comparison]) -> dict[str, Any]:
    """Return the figure of each group of one column, for every judged measure, as far as a table of runs can hold them.

    Groups too small to be compared too: their n tells. Intersections are in ``groups.csv``, as is a column of more than
    ``MAX_GROUPS`` groups.
    """
    rows: dict[str, Any] = {}
    for comparison in comparisons:
        columns, names = comparison.grouping.columns, comparison.grouping.names
        if comparison.measure.judged and len(columns) == 1 and len(names) <= MAX_GROUPS:
            each = {name: found.content() for name, found in zip(names, comparison.estimates, strict=True)}
            rows.setdefault(comparison.measure.name, {})[columns[0]] = each
    return {"group": rows}


def _behind(comparison: groups.Comparison, chosen: Sequence[int]) -> dict[str, int]:
    """Return n, pictures and, where units are drawn, units of the groups behind a gap; a unit in several counts once."""
    pictures, units = comparison.behind(chosen)
    n = sum(comparison.estimates[g].n for g in chosen)
    return {"n": n, "pictures": pictures, **({} if comparison.single else {"units": units})}


def summary(verdict: str, reasons: list[str], findings: list[Finding]) -> dict[str, Any]:
    """Return the content of the metrics file: verdict, reasons, and gap and worst group per measure and column.

    ``pair`` names the best and the worst group, those of ``gap``; ``decisive`` the pair by which a gap fails, which need not
    be that one, with its own gap; ``uneven`` the groups that hold a pass up because they are worth too few.
    """
    gaps: dict[str, Any] = {}
    for finding in findings:
        comparison = finding.comparison
        entry: dict[str, Any] = {"verdict": finding.verdict, "more_pictures": finding.more, "more_units": finding.more_units}
        if finding.is_compared:
            gap = dict(zip(("value", "low", "high"), comparison.gap(), strict=True))
            entry |= {"gap": gap | {"p": finding.p, **_behind(comparison, comparison.compared)}}
            entry |= {"pair": _names(comparison, (comparison.best, comparison.worst))}
            worst = comparison.worst
            entry |= {"worst_group": {"name": comparison.grouping.names[worst], **comparison.estimates[worst].content()}}
        if finding.gap_fails:
            entry |= {"decisive": _decisive(comparison, finding.pair)}
        if comparison.uneven:
            entry |= {"uneven": {comparison.grouping.names[g]: _worth(comparison, g) for g in comparison.uneven}}
        gaps.setdefault(comparison.measure.name, {})[" x ".join(comparison.grouping.columns)] = entry
    return {"verdict": verdict, "reasons": reasons, "by_group": gaps}


def _worth(comparison: groups.Comparison, group: int) -> dict[str, float]:
    """Return how many units of a group hold what a figure is read from, what they are worth, and how many more would do."""
    held = comparison.estimates[group].num_holders
    return {"holders": held, "worth": comparison.worth[group], "more": comparison.lacks(group)}


def _decisive(comparison: groups.Comparison, pair: tuple[int, int]) -> dict[str, Any]:
    """Return the pair, better and worse, whose gap is shown to be too large, with that gap and its interval."""
    better, worse = ((e.value, e.low, e.high) for e in (comparison.estimates[g] for g in pair))
    gap = dict(zip(("value", "low", "high"), statistics.difference(better, worse), strict=True))
    return {"pair": _names(comparison, pair), "gap": gap | _behind(comparison, pair)}


def _names(comparison: groups.Comparison, chosen: Sequence[int]) -> list[str]:
    return [comparison.grouping.names[g] for g in chosen]

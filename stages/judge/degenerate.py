"""Names an evaluation that says nothing, however good its figures look: the one place that decides it.

``evaluate`` writes what is found into the metrics file (``degenerate``), report and card show it, and the gate lets no such
model become champion. The kinds, and when they hold:

* ``absent_class``: a class of the model has no unit (picture, object, pixel) in the truth of the test split;
* ``ignored_class``: likewise, and the truth leaves something out where it may have been (pixels of 255; objects that are
  crowds, difficult or ignored);
* ``single_class``: labels or pixels of one class alone (of detections one category is enough: nothing found is 0);
* ``constant_answer``: an answer that does not look at the picture does as well, that is, the 95 % interval of the model's
  gain over it on the same pictures does not lie above 0: one class everywhere (``constants``), or the model's own answers to
  other pictures (``dealt``);
* ``few_units``: fewer than ``LEAST`` units of pictures that hold what is judged (pictures without an object tell nothing of
  how objects fare), each picture one where none belong together, or units of so unequal size that they are worth fewer;
* ``exact``: every pixel of every picture right, since no learned model draws outlines to the pixel; or a figure between 0
  and 1 that is the same in each of a hundred units or more that have it and that none of them moves. That an interval is
  narrow, since a grid of recalls hides from the draws what varies, is no such thing.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stages.judge.estimate import Estimate

Names = list[str] | tuple[str, ...]  # of figures; a single one is no collection of its letters
KEY = "degenerate"  # of the metrics file
ASKED = "degenerate_asked"  # likewise: the figures of which it was asked
OTHERS = "the answer to another picture"
LEAST = 11  # from here on 1.96 standard errors, themselves estimated from N units, cover 92 % or more (Student's t, N - 1)
UNKNOWN = "unknown"
SOUND = "no"
_NAMED = 3


@dataclass(frozen=True)
class Fault:
    """Why an evaluation says nothing.

    Attributes:
        kind: one of those in the head of this module.
        reason: what was found, and what to do, in one line.
        figures: names of the figures that it concerns; empty for all.
    """

    kind: str
    reason: str
    figures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gain:
    """What a model gains over an answer that does not look at the picture, by one figure.

    Attributes:
        name: of the figure.
        title: of the figure, as in reports.
        model: the model's figure.
        constant: that of the other answer.
        low: lower end of the 95 % interval of their difference on the same pictures.
    """

    name: str
    title: str
    model: float
    constant: float
    low: float


def of_constant(answer: str, gains: Sequence[Gain]) -> list[Fault]:
    """Return the figures by which an answer that does not look at the picture does as well; undefined ones are passed over.

    Args:
        answer: what is said, in words.
        gains: of the model over it, one a figure.
    """
    even = [one for one in gains if math.isfinite(one.model) and math.isfinite(one.constant) and not one.low > 0]
    if not even:
        return []
    shown = ", ".join(f"{one.title} {one.constant:.3f} against the model's {one.model:.3f}" for one in even)
    reason = (
        f"{answer} is not shown to be worse: {shown}; that the model looks at the picture does not show here: train it "
        "further, or test on pictures of which more show the other answers"
    )
    return [Fault("constant_answer", reason, tuple(one.name for one in even))]


def of_classes(units: Mapping[str, float], unit: str, ignored: Mapping[str, str] | None = None) -> list[Fault]:
    """Return the classes of the model that the truth of the test split lacks.

    Args:
        units: by class how many units of it count.
        unit: what they are, for instance ``object``.
        ignored: by class where its units may have gone, in words; a class that is not named is plainly absent.
    """
    known = ignored or {}
    absent = [name for name, number in units.items() if not number]
    hidden = [name for name in absent if name in known]
    lost = [name for name in absent if name not in known]
    found = [
        Fault("ignored_class", f"class {name} has no {unit} that counts in the test split: {known[name]}") for name in hidden
    ]
    if lost:
        shown = f"of {len(lost)} of the model's {len(units)} classes ({_some(lost)})"
        reason = (
            f"the test split has no {unit} {shown}: nothing is known of what the model makes of them; add test pictures "
            "that show them, or train without them: take them out of the data and of the classes that the source is told "
            "(params.yaml: classes or mask_classes of acquire.<source>)"
        )
        found.append(Fault("absent_class", reason))
    return found


def of_variety(units: Mapping[str, float], unit: str) -> list[Fault]:
    """Return a fault where no two classes occur in the truth of the test split; see ``of_classes``."""
    present = [name for name, number in units.items() if number]
    if len(present) > 1:
        return []
    what = f"every {unit} of the test split is {present[0]}" if present else f"no {unit} of the test split counts"
    return [Fault("single_class", f"{what}: there is nothing to tell apart; see the labels, masks and splits")]


def of_units(num_units: int, num_pictures: int, worth: float | None = None, what: str = "that can be judged") -> list[Fault]:
    """Return a fault where too little of the test split is drawn for itself to give an interval.

    Args:
        num_units: units that hold what is judged.
        num_pictures: pictures of theirs that do.
        worth: units of equal size that they are worth (``Units.worth``), rounded to whole ones; as many as they are where it
            is not given.
        what: what these pictures have in common.

    Example:
        >>> [len(of_units(*numbers)) for numbers in ((10, 10), (11, 11), (10, 300), (41, 240, 1.4))]
        [1, 0, 1, 1]
    """
    if min(num_units, num_units if worth is None else round(worth)) >= LEAST:
        return []
    have, more = f"the test split has {num_pictures} pictures {what}", ""
    if num_units < num_pictures:
        have, more = f"{have}, of {num_units} units", " of other units"
    if num_units >= LEAST and worth is not None:
        have = f"{have} of very unequal size, worth {worth:.1f} of equal size"
    short = f"fewer than the {LEAST} that an interval needs: add test pictures{more} (params.yaml: acquire.test_share)"
    return [Fault("few_units", f"{have}, {short}")]


def of_exact(figures: Mapping[str, "Estimate"], all_right: Sequence[str] = ()) -> list[Fault]:
    """Return the figures that do not vary from picture to picture, whatever their intervals.

    Args:
        figures: headline figures by name.
        all_right: names of those that learned answers never bring to exactly 1.
    """
    flat = [name for name, one in figures.items() if one.alike or (name in all_right and one.value == 1.0)]
    if not flat:
        return []
    shown = ", ".join(f"{name} {figures[name].value:g}" for name in flat)
    reason = (
        f"the same in every picture to the last digit ({shown}): see whether the answer lies in the pictures or the masks"
    )
    return [Fault("exact", reason, tuple(flat))]


def of_constants(answer: str | None, constant: Sequence[Gain], others: Sequence[Gain]) -> list[Fault]:
    """Return the figures by which one answer everywhere does as well, and of the rest those by which answers of others do.

    Args:
        answer: what is said everywhere, in words; None where there is no such answer.
        constant: gains over it.
        others: gains over the model's own answers to other pictures.
    """
    found = of_constant(answer, constant) if answer else []
    named = {name for fault in found for name in fault.figures}
    return found + of_constant(OTHERS, [one for one in others if one.name not in named])


def content(faults: Sequence[Fault], asked: Sequence[Gain]) -> dict[str, Any]:
    """Return faults as the metrics file holds them; an empty list says that none was found of the figures asked.

    Args:
        faults: what was found.
        asked: the figures that were held against answers to other pictures.
    """
    return {KEY: [asdict(fault) | {"figures": list(fault.figures)} for fault in faults], ASKED: [one.name for one in asked]}


def is_told(evaluation: Mapping[str, Any]) -> bool:
    """Tell whether what a metrics file says of it is in the form of ``content``; one that says nothing is.

    Example:
        >>> fault = {"kind": "exact", "reason": "all right", "figures": ["miou"]}
        >>> [is_told({"degenerate": found}) for found in ([fault], [], "few_units", [1], [{"kind": "exact"}])]
        [True, True, False, False, False]
    """
    found = evaluation.get(KEY, [])
    return _are_words(evaluation.get(ASKED, [])) and isinstance(found, list) and all(map(_is_fault, found))


def _is_fault(raw: Any) -> bool:
    known = isinstance(raw, dict) and raw.keys() == {"kind", "reason", "figures"}
    return known and _are_words([raw["kind"], raw["reason"]]) and _are_words(raw["figures"])


def _are_words(raw: Any) -> bool:
    return isinstance(raw, list) and all(isinstance(word, str) for word in raw)


def of(evaluation: Mapping[str, Any], metric: str | None = None) -> dict[str, str] | None:
    """Return why an evaluation says nothing by a figure, reasons by kind; None where it does not say.

    Args:
        evaluation: content of the metrics file; those of before this was asked say nothing of it.
        metric: name of the figure; None for any. One that was not asked is sound by nobody's word.

    Example:
        >>> faults = [{"kind": "exact", "reason": "all right", "figures": ["miou"]}]
        >>> found = {"degenerate": faults, "degenerate_asked": ["miou", "picture_iou"]}
        >>> of(found, "miou"), of(found, "picture_iou"), of(found, "gain"), of({})
        ({'exact': 'all right'}, {}, None, None)
    """
    if KEY not in evaluation:
        return None
    asked = metric is None or metric in evaluation.get(ASKED, ())
    found = _by_kind(fault for fault in evaluation[KEY] if metric is None or _concerns(fault, (metric,)))
    return found if found or asked else None


def parted(evaluation: Mapping[str, Any], metrics: Names) -> tuple[dict[str, str] | None, dict[str, dict[str, str]]]:
    """Return why an evaluation says nothing by any figure, and why by single ones, reasons by kind.

    Args:
        evaluation: content of the metrics file.
        metrics: names of the figures.

    Returns:
        What concerns all figures, None where the evaluation does not say; and by name what concerns a figure alone, those
        left out by which it says something. A figure that was not asked is ``unknown``.

    Example:
        >>> faults = [{"kind": "constant_answer", "reason": "cat is as good", "figures": ["accuracy"]}]
        >>> parted({"degenerate": faults, "degenerate_asked": ["accuracy", "macro_f1"]}, ["accuracy", "macro_f1"])
        ({}, {'accuracy': {'constant_answer': 'cat is as good'}})
    """
    if KEY not in evaluation:
        return None, {}
    own = {name: _by_kind(fault for fault in evaluation[KEY] if name in fault["figures"]) for name in metrics}
    for name in set(metrics) - set(evaluation.get(ASKED, ())):
        own[name] = own[name] or {UNKNOWN: "dvc repro evaluate"}
    whole = _by_kind(fault for fault in evaluation[KEY] if not fault["figures"])
    return whole, {name: found for name, found in own.items() if found}


def _by_kind(faults: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for fault in faults:
        found.setdefault(fault["kind"], []).append(fault["reason"])
    return {kind: "; ".join(reasons) for kind, reasons in found.items()}


def says_something(found: Mapping[str, str] | None) -> bool:
    """Tell whether an audit may pass by an evaluation: none does by one that is degenerate, or that nobody asked.

    Args:
        found: why it says nothing by any figure, by kind; None where the evaluation does not tell.

    Example:
        >>> says_something({}), says_something({"few_units": "six"}), says_something(None)
        (True, False, False)
    """
    return found is not None and not found


def words(found: Mapping[str, str] | None) -> str:
    """Return the kinds in one line, for tags: ``no`` where there is none, ``unknown`` where nobody asked.

    Example:
        >>> words({"few_units": "...", "absent_class": "..."}), words({}), words(None)
        ('few_units, absent_class', 'no', 'unknown')
    """
    return UNKNOWN if found is None else ", ".join(found) or SOUND


def concerned(evaluation: Mapping[str, Any]) -> str:
    """Return the kinds in one line as ``words`` does, for where all figures stand: those of some name them.

    Example:
        >>> few = {"kind": "few_units", "reason": "6 pictures", "figures": []}
        >>> concerned({"degenerate": [{"kind": "exact", "reason": "all right", "figures": ["miou"]}, few]})
        'exact (miou), few_units'
        >>> concerned({"degenerate": []}), concerned({})
        ('no', 'unknown')
    """
    if KEY not in evaluation:
        return UNKNOWN
    found: dict[str, list[str]] = {}
    for fault in evaluation[KEY]:
        found.setdefault(fault["kind"], []).extend(fault["figures"] or [""])
    return ", ".join(kind + ("" if "" in names else f" ({', '.join(names)})") for kind, names in found.items()) or SOUND


def lines(evaluation: Mapping[str, Any], metrics: Names | None = None, *, others: bool = False) -> list[str]:
    """Return what was found in lines for a reader, each with the figures that it concerns.

    Args:
        evaluation: content of the metrics file.
        metrics: names of figures of which it must concern one; None for any.
        others: return what does not concern any of them instead.

    Example:
        >>> found = {"degenerate": [{"kind": "constant_answer", "reason": "black is as good", "figures": ["miou"]}]}
        >>> lines(found, ["miou"]), lines(found, ["iou"]), lines(found, ["iou"], others=True) == lines(found)
        (['constant_answer (miou): black is as good'], [], True)
    """
    return [_line(**fault) for fault in evaluation.get(KEY, ()) if _concerns(fault, metrics) != others]


def _concerns(fault: Mapping[str, Any], metrics: Names | None) -> bool:
    return not fault["figures"] or metrics is None or any(name in fault["figures"] for name in metrics)


def _line(kind: str, reason: str, figures: Sequence[str]) -> str:
    concerned = f" ({', '.join(figures)})" if figures else ""
    return f"{kind}{concerned}: {reason}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")

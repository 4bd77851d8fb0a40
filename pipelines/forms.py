"""Reads the metrics files of evaluation and audit, and refuses one of another form than these stages write."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.core import artefacts, digests, figures, files
from stages.core.errors import DataError
from stages.judge import degenerate

Content = dict[str, Any]
DEEPEST = 32  # a stage nests its figures four deep
COUNTED = {  # what a reader of the figures is told of, by key
    "limit": ("max_detections", "num_pictures_above"),
    "torn_units": ("units", "pictures"),  # named here, for ``judge.units`` takes numpy's import, and the summary is quick
    "torn_near_copies": ("pictures",),
}
COUNTS = ("n", "pictures", "units")  # of a class: numbers alone
LIMITS = ("max_gap", "min_worst_group", "min_group", "alpha")  # of the audit's settings, as the card says them


def evaluation(task: str) -> Content:
    """Return the content of an evaluation's metrics file.

    Raises:
        DataError: it is missing, broken, or of another form than ``evaluate`` writes.
    """
    return _read(artefacts.evaluate_metrics(task), faults_of_evaluation, f"evaluate@{task}")


def audit(task: str) -> Content:
    """Return the content of an audit's metrics file.

    Raises:
        DataError: it is missing, broken, or of another form than ``audit`` writes.
    """
    return _read(artefacts.audit_metrics(task), faults_of_audit, f"audit@{task}")


def _read(path: Path, faults: Callable[[Any], Iterator[str]], stage: str) -> Content:
    content = files.read_json(path)
    if fault := next(faults(content), ""):
        raise DataError(f"{path} cannot be read: {fault}; {digests.again(stage)}")
    return dict(content)


def faults_of_evaluation(content: Any) -> Iterator[str]:
    """Say what of an evaluation's metrics is of another form than the stage writes; those of before may say less.

    Example:
        >>> list(faults_of_evaluation({"miou": {"value": "x"}, "per_class": {"cat": {"iou": None}}}))
        ['a headline figure is no number']
        >>> list(faults_of_evaluation(None)), list(faults_of_evaluation({"per_class": []}))
        (['it is no table of figures'], ['per_class is of no form that the stage writes'])
    """
    if not isinstance(content, dict) or not _is_shallow(content):
        yield "it is no table of figures"
        return
    if not figures.are_sound(content):
        yield "a headline figure is no number"
    if not degenerate.is_told(content):
        yield _odd(degenerate.KEY)
    if not _are_classes(content.get("per_class", {})):
        yield _odd("per_class")
    yield from (_odd(key) for key, parts in COUNTED.items() if key in content and not _has_numbers(content[key], parts))


def faults_of_audit(content: Any) -> Iterator[str]:
    """Say what of an audit's metrics is of another form than the stage writes; those of before may say less.

    Example:
        >>> list(faults_of_audit({"verdict": "PASS", "reasons": ["no gap"], "left_open": None}))
        ['left_open is of no form that the stage writes']
    """
    if not isinstance(content, dict) or not _is_shallow(content):
        yield "it is no table of findings"
        return
    if not isinstance(content.get("verdict", ""), str):
        yield _odd("verdict")
    yield from (_odd(key) for key in ("reasons", "left_open") if not _are_words(content.get(key, [])))
    if "settings" in content and not (
        _has_numbers(content["settings"], LIMITS) and _are_words(content["settings"].get("leave_out"))
    ):
        yield _odd("settings")


def is_evidence(raw: Any) -> bool:
    """Tell whether what is stored with a version has the form that a registration writes; those of before may hold less.

    Example:
        >>> [is_evidence({"figure": {"value": value}, "replicates": [0.5, None]}) for value in (0.5, None, "x", 10**400)]
        [True, True, False, False]
        >>> is_evidence({"figure": {"value": 0.5}, "outcomes": "x"}), is_evidence({"figure": {"value": 0.5, "n": "x"}})
        (False, False)
    """
    if not isinstance(raw, dict) or not _is_shallow(raw):
        return False
    told = raw.get("degenerate")
    tables = [raw.get(key, {}) for key in ("classes", "figures", "outcomes")] + [{} if told is None else told]
    by = raw.get("degenerate_by", {})
    if not all(isinstance(table, dict) for table in (*tables, by)) or not degenerate.is_told(by):
        return False
    own = [raw.get("figure"), *tables[0].values(), *tables[1].values()]
    numbers = [*tables[2].values(), *(n for n in _listed(raw.get("replicates", [])) if n is not None)]
    words = [*_listed(raw.get("left_open", [])), *tables[3].values()]
    return (
        all(isinstance(one, dict) and "value" in one and figures.are_sound({"": one}) for one in own)
        and all(figures.is_number(number) for number in numbers)
        and all(isinstance(word, str) for word in words)
    )


def _listed(raw: Any) -> list[Any]:
    """Return a list as it is, and in the stead of anything else one item that nobody takes."""
    return raw if isinstance(raw, list) else [{}]


def _odd(key: str) -> str:
    return f"{key} is of no form that the stage writes"


def _is_shallow(content: Any, room: int = DEEPEST) -> bool:
    inside = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    return room > 0 and all(_is_shallow(one, room - 1) for one in inside)


def _are_words(raw: Any) -> bool:
    return isinstance(raw, list) and all(isinstance(word, str) for word in raw)


def _has_numbers(raw: Any, names: tuple[str, ...]) -> bool:
    return isinstance(raw, dict) and all(figures.is_number(raw.get(name)) for name in names)


def _are_classes(raw: Any) -> bool:
    whole = isinstance(raw, dict) and all(isinstance(own, dict) for own in raw.values())
    return whole and all(_is_part(name, part) for own in raw.values() for name, part in own.items())


def _is_part(name: str, raw: Any) -> bool:
    """Tell whether something may stand beside a class: a number, null where it is not defined, or a figure."""
    if isinstance(raw, Mapping):
        return name not in COUNTS and figures.is_figure(raw) and figures.are_sound({"": raw})
    return raw is None or figures.is_number(raw)

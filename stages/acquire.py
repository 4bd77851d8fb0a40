"""Brings pictures and their annotations in from one source, through one gate, into the data contract.

In: the user's files at ``path`` (``scenes`` brings its own). Out: ``data/acquired`` (files as they came, manifest, COCO
annotations, index masks; what the gate found in ``gate.json``, ``gate.csv``, ``gate.md``) and ``data/metrics/acquire.json``.
Choices: the source.

Pictures stream: one at a time is read, checked and stored; only their rows are kept. What concerns the whole set
(duplicates, splits, classes) is judged at the end, and a picture left out then is removed from the folder again.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from stages.core import artefacts, dataset, files, images, params, units, verdicts
from stages.core.cells import is_missing
from stages.core.errors import DataError
from stages.core.findings import Findings, Gate
from stages.core.items import Item, Mark, Source
from stages.core.params import Part
from stages.core.stage import Job, Keep, Metrics, Note, Progress, Record
from stages.core.text import is_name
from stages.core.verdicts import Entry
from stages.judge import degenerate
from stages.maths import rle
from stages.parts import gate

_EVERY = 100
_REPORTS = ("gate.json", "gate.csv", "gate.md")


class Params(params.Params):
    """What is acquired.

    Attributes:
        name: of the data set; it begins the names of registered models.
        source: where pictures come from.
        path: the user's file or folder, relative to the project's root.
        roots: further folders, relative to the project's root or absolute, that annotations may name files in; DVC does not
            watch them.
        val_share: share of validation pictures where the source gives no such split.
        test_share: share of test pictures where the source gives no such split; both together leave some for training.
        split_by: what the splits should have in equal shares: ``label``, the name of a ``group_`` column, or ``none``.
        unit: a column whose pictures belong together, for instance ``patient``: a ``group_`` column, with or without that
            word, or a camera column; null: each picture is a unit of its own.
        near_copies: ``unit``: a picture that is another one encoded anew, scaled or cropped by a little is one unit with it
            where no column tells otherwise; ``warn``: they are only named; ``ignore``: they are not looked for.
        path_pattern: a regular expression with named groups, looked for anywhere in the names of pictures; each group makes
            a ``group_`` column; null: none.
        gate: what becomes of each kind of fault.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    source: Annotated[str, Part("sources")]
    path: Annotated[str, Field(min_length=1)]
    roots: tuple[str, ...]
    val_share: Annotated[float, Field(ge=0, lt=1)]
    test_share: Annotated[float, Field(ge=0, lt=1)]
    split_by: Annotated[str, Field(pattern=r"^(label|none|group_\w+)$")]
    unit: str | None
    near_copies: Literal["unit", "warn", "ignore"]
    path_pattern: str | None
    gate: Gate

    @model_validator(mode="after")
    def _some_to_train_on(self) -> "Params":
        if self.val_share + self.test_share >= 1:
            raise ValueError(
                f"val_share {self.val_share:g} and test_share {self.test_share:g} leave no picture for training; "
                "expected less than 1 together"
            )
        return self


def run(job: Job[Params]) -> Iterator[Record]:
    """Acquire the data set.

    Raises:
        DataError: the source's layout is wrong, a class's name is none, the gate refuses something, or no picture is left in
            all or in a split that is asked for.
        ParamsError: the pattern of paths meets no picture, or there is no such column of units.
    """
    values = job.params
    source: Source = job.part("sources").build(path=Path(values.path), seed=job.seed, roots=tuple(map(Path, values.roots)))
    pattern = units.PathPattern(values.path_pattern)
    _named(source, values)
    findings = Findings(values.gate)
    with files.atomic(artefacts.ACQUIRED) as root:
        (root / "images").mkdir(parents=True)
        entries: list[Entry] = []
        for done, item in enumerate(source, 1):
            read = pattern.read(item, findings)
            entry = _take(root, read, source, findings) if read else None
            entries += [entry] if entry else []
            if done % _EVERY == 0 or done == len(source):
                yield Progress(done, len(source), "pictures")
        pattern.check()
        by = units.column(values.unit, entries)
        kept = _judge(entries, source, findings, job, by)
        _settle(root, entries, kept)
        summary = _summary(source, kept, by)
        yield from (Note(remark) for remark in source.remarks)
        yield from (Note(f"gate: {line}") for line in findings.lines())
        if summary["num_joined"]:
            told = f"{summary['num_joined']} of {len(kept)} pictures were put into the unit of a near copy of theirs"
            yield Note(f"{told}: they share its split and count as one with it (acquire.near_copies: unit)")
        given = entries and all(entry.split and entry.split != "train" for entry in entries)
        empty = "" if given else verdicts.empty_split(kept, _shares(values), by, findings)
        _refuse(findings, kept, empty, summary, job.work)
        names = source.labels, source.categories, source.mask_classes
        own = tuple(getattr(source, "category_ids", ()))
        info = dataset.Info(values.name, job.part("sources").name, *names, category_ids=own, unit=by)
        dataset.write(root, info, pd.DataFrame(_rows(kept)), [m for e in kept for m in _marks(e, source)])
        findings.write(root, summary)
    numbers = {**{k: v for k, v in summary.items() if isinstance(v, int)}, "gate": findings.counts()}
    files.write_json(artefacts.ACQUIRE_METRICS, numbers)
    yield Metrics(
        {k: float(v) for k, v in numbers.items() if isinstance(v, int)} | {"gate/findings": float(len(findings.found))}
    )
    yield from (Keep(artefacts.ACQUIRED / name, "gate") for name in _REPORTS)


def _named(source: Source, values: Params) -> None:
    """Refuse a class whose name would be more than a name wherever it is shown.

    Raises:
        DataError: it holds a line break or another control character.
    """
    for name in (*source.labels, *source.categories, *source.mask_classes):
        if not is_name(name):
            raise DataError(
                f"class {name!r} holds a line break or another control character; expected one line of text: rename it in "
                f"{values.path} (params.yaml: acquire.path)"
            )


def _take(root: Path, item: Item, source: Source, findings: Findings) -> Entry | None:
    """Check one picture and store its files; None where it is left out."""
    picture = gate.open_picture(item, findings)
    if picture is None:
        return None
    if _untold(item, source, findings):
        return None
    size = (picture.width, picture.height)
    marks = gate.check_marks(item, *size, findings)
    if marks is None:
        return None
    mask = None
    if item.load_mask:
        mask = gate.check_mask(item, *size, len(source.mask_classes), findings)
        if mask is None:
            return None
    elif _is_painted(source):
        mask = gate.paint_mask(marks, source.categories, *size)
    name = images.image_id(picture.content)
    entry = Entry(
        name, f"images/{name}{item.suffix}", item.name, *size, picture.pixels, item.split, item.label, marks,
        f"masks/{name}.png" if mask is not None else None, {**picture.camera, **item.camera}, dict(item.groups),
        thumb=picture.thumb, values=_values(mask), drawn=item.load_mask is not None,
        mask_pixels="" if mask is None else gate.digest(mask),
    )  # fmt: skip
    if not (root / entry.path).exists():
        (root / entry.path).write_bytes(picture.content)
    if mask is not None and not (root / _own_mask(entry)).exists():
        images.write_png(root / _own_mask(entry), mask)
    return entry


def _untold(item: Item, source: Source, findings: Findings) -> bool:
    """Note what a picture lacks that the set has, its label or its mask, and tell whether it is left out for that."""
    lacks = []
    if source.labels and item.label is None:
        lacks.append(("no_label", "others have a label, this one has none"))
    if source.mask_classes and item.load_mask is None and not _is_painted(source):
        lacks.append(("no_mask", "masks have classes in this set, this picture has no mask"))
    dropped = [findings.drops(kind, item.name, detail) for kind, detail in lacks]
    return any(dropped)


def _is_painted(source: Source) -> bool:
    """Tell whether a picture's mask is painted from its objects: then one without objects is all background.

    Where a set has no objects, a mask comes as a file, and that there is none says nothing of what the picture shows.
    """
    return bool(source.mask_classes and source.categories)


def _own_mask(entry: Entry) -> str:
    """Return where a mask lies until it is known which of several files with the same bytes stays: each has its own."""
    return f"masks/{entry.image_id}-{entry.mask_pixels}.png"


def _values(mask: NDArray[np.uint8] | None) -> frozenset[int]:
    """Return the values of an index mask (H, W); none where there is no mask."""
    return frozenset() if mask is None else frozenset(np.flatnonzero(np.bincount(mask.ravel())).tolist())


def _judge(entries: list[Entry], source: Source, findings: Findings, job: Job[Params], by: str) -> list[Entry]:
    """Judge what concerns the whole set and give every picture its unit and its split."""
    kept = verdicts.annotated(verdicts.unique(entries, findings), source.categories, findings)
    kept = units.told(kept, by, findings)
    if job.params.near_copies != "ignore":
        kept = units.near(kept, findings, join=job.params.near_copies == "unit")
    values, strata = job.params, "none" if job.params.split_by == by else job.params.split_by
    kept = verdicts.with_splits(kept, _shares(values), strata, job.seed)
    kept = units.torn(kept, findings)
    verdicts.check_units(kept, source, by, degenerate.LEAST, findings)
    verdicts.check_classes(kept, source, findings)
    return kept


def _shares(values: Params) -> dict[str, float]:
    return {"val": values.val_share, "test": values.test_share}


def _settle(root: Path, entries: list[Entry], kept: list[Entry]) -> None:
    """Give each mask that stays its name, and remove the files of pictures that were left out after they had been stored."""
    for entry in kept:
        if entry.mask:
            (root / _own_mask(entry)).rename(root / entry.mask)
    masks = {_own_mask(entry) for entry in entries if entry.mask}
    for path in sorted(masks | {entry.path for entry in entries} - {entry.path for entry in kept}):
        (root / path).unlink(missing_ok=True)


def _refuse(findings: Findings, kept: list[Entry], empty: str, summary: dict[str, Any], work: Path) -> None:
    """Stop where the gate says so or a split is empty, and leave the list of findings where the user can read it."""
    if kept and not empty and not any(finding.action == "refuse" for finding in findings.found):
        return
    work.mkdir(parents=True, exist_ok=True)
    findings.write(work, summary)
    findings.refused(work / "gate.md")
    why = empty or "no picture is left after the data gate"
    raise DataError(f"{why}{_foremost(findings)}; what the data gate found is in {work / 'gate.md'}")


def _foremost(findings: Findings) -> str:
    """Return what most pictures fell to, with the first of them; empty where nothing was found."""
    fallen = [finding for finding in findings.found if finding.action in {"quarantine", "refuse"}]
    for kind, count in Counter(finding.kind for finding in fallen).most_common(1):
        first = min(finding for finding in fallen if finding.kind == kind)
        return f" ({count} x {kind}, first {': '.join(filter(None, (first.file, first.detail)))})"
    return ""


def _summary(source: Source, kept: list[Entry], by: str) -> dict[str, Any]:
    splits = Counter(entry.split for entry in kept)
    return {
        "num_found": len(source),
        "num_images": len(kept),
        "num_units": len({entry.unit for entry in kept}),
        "num_joined": units.joined(kept, by),
        "num_objects": sum(len(entry.marks) for entry in kept),
        **{f"num_{split}": splits[split] for split in dataset.SPLITS},
        "remarks": list(source.remarks),
    }


def _rows(kept: list[Entry]) -> list[dict[str, Any]]:
    copies = units.learnt_copies(kept)
    return [_row(e) | ({dataset.NEAR_COPIES: list(copies[e.image_id])} if e.image_id in copies else {}) for e in kept]


def _row(entry: Entry) -> dict[str, Any]:
    row = {column: getattr(entry, column) for column in dataset.COLUMNS}
    groups = {column: None if is_missing(value) else value for column, value in entry.groups.items()}
    return {**row, dataset.UNIT: entry.unit, **entry.camera, **groups}


def _marks(entry: Entry, source: Source) -> Iterator[dict[str, Any]]:
    for mark in entry.marks:
        found = {
            "image_id": entry.image_id,
            "category_id": source.categories.index(mark.category) + 1,
            "bbox": [float(value) for value in mark.bbox],
            "area": _area(entry, mark),
            **mark.flags,
        }
        yield found if mark.segmentation is None else {**found, "segmentation": mark.segmentation}


def _area(entry: Entry, mark: Mark) -> float:
    if mark.segmentation is None:
        return float(mark.bbox[2] * mark.bbox[3])
    return float(rle.area(mark.segmentation, entry.height, entry.width))

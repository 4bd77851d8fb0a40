"""The data gate's judgement of the whole set: duplicates, contradictions, splits, classes."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stages.core import splits
from stages.core.dataset import SPLITS
from stages.core.errors import ParamsError, nearest
from stages.core.findings import Findings
from stages.core.items import Mark, Source


@dataclass(frozen=True)
class Entry:
    """One stored picture: its row of the manifest, its objects and the hash of its pixels."""

    image_id: str
    path: str
    source: str
    width: int
    height: int
    pixels: str
    split: str | None
    label: str | None
    marks: tuple[Mark, ...]
    mask: str | None
    camera: Mapping[str, Any]
    groups: Mapping[str, str]


def unique(entries: Sequence[Entry], findings: Findings) -> list[Entry]:
    """Judge pictures with equal pixels: contradictions, copies across splits, plain copies.

    Of copies the one in test stays, then the one in val, then the first by name: training gives way.

    Returns:
        The pictures that stay, sorted by name.
    """
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.pixels].append(entry)
    rank = {name: place for place, name in enumerate((*splits.ORDER, None))}
    kept: list[Entry] = []
    for _, group in sorted(groups.items()):
        group.sort(key=lambda e: (rank[e.split], e.source))
        if len(group) == 1 or not _contradict(group, findings):
            kept.extend(_survivors(group, findings))
    return sorted(kept, key=lambda e: e.source)


def _contradict(group: list[Entry], findings: Findings) -> bool:
    """Tell whether copies of one picture are left out because they carry other labels or objects."""
    said = [_content(entry) for entry in group]
    if len(set(said)) == 1:
        return False
    list_ = "; ".join(f"{entry.source}: {words}" for entry, words in zip(group, said, strict=True))
    actions = [findings.drops("conflicting_labels", entry.source, f"the same pixels, but {list_}") for entry in group]
    return all(actions)


def _content(entry: Entry) -> str:
    counts = Counter(mark.category for mark in entry.marks)
    objects = [f"{number} {category}" for category, number in sorted(counts.items())]
    return ", ".join(filter(None, [entry.label, *objects])) or "nothing"


def _survivors(group: list[Entry], findings: Findings) -> list[Entry]:
    first, kept = group[0], [group[0]]
    for entry in group[1:]:
        stays = True
        if entry.split != first.split and entry.split:
            detail = f"in {entry.split}, has the pixels of {first.source} in {first.split}"
            stays = not findings.drops("torn_duplicate", entry.source, detail)
        elif entry.image_id not in {other.image_id for other in kept}:
            stays = not findings.drops("duplicate_pixels", entry.source, f"has the pixels of {first.source}, in other bytes")
        if stays and entry.image_id in {other.image_id for other in kept}:
            findings.add("duplicate_file", entry.source, f"has the bytes of {first.source}")
            stays = False
        kept += [entry] if stays else []
    return kept


def annotated(entries: Sequence[Entry], categories: Sequence[str], findings: Findings) -> list[Entry]:
    """Judge pictures that have hardly any object of a class of which nearly all pictures have many."""
    gate, gone = findings.gate, set()
    for category in categories:
        counts = {entry.source: sum(mark.category == category for mark in entry.marks) for entry in entries}
        usual = _lower_quartile(list(counts.values()))
        for name, count in sorted(counts.items()):
            if usual >= gate.few_min_usual and count < gate.few_share * usual:
                detail = f"{count} {category}; three pictures in four have {usual} or more: never annotated?"
                gone |= {name} if findings.drops("suspiciously_few", name, detail) else set()
    return [entry for entry in entries if entry.source not in gone]


def _lower_quartile(counts: list[int]) -> int:
    return sorted(counts)[len(counts) // 4] if counts else 0


def with_splits(entries: Sequence[Entry], shares: Mapping[str, float], by: str, seed: int) -> list[Entry]:
    """Give every picture a split; those with equal pixels share it unless the source gave each its own.

    Args:
        entries: the pictures.
        shares: of ``val`` and ``test``.
        by: ``label``, a ``group_`` column, or ``none``.
        seed: of the pipeline.

    Raises:
        ParamsError: no picture has the column.
    """
    if by.startswith("group_") and entries and not any(by in entry.groups for entry in entries):
        known = sorted({name for entry in entries for name in entry.groups})
        raise ParamsError(
            f"split_by is '{by}', no column of the source; {nearest(by, known)} (params.yaml: acquire.split_by)"
        )
    units: dict[str, splits.Unit] = {}
    for entry in entries:
        stratum = {"label": entry.label, "none": ""}.get(by, entry.groups.get(by)) or ""
        held = units.get(entry.pixels)
        units[entry.pixels] = splits.Unit(
            entry.pixels,
            held.size + 1 if held else 1,
            held.stratum if held else stratum,
            (held and held.split) or entry.split,
        )
    chosen = splits.assign(list(units.values()), shares, seed)
    torn = {e.pixels for e in entries if e.split and e.split != units[e.pixels].split}
    return [replace(e, split=e.split if e.pixels in torn and e.split else chosen[e.pixels]) for e in entries]


def check_classes(entries: Sequence[Entry], source: Source, findings: Findings) -> None:
    """Note classes that have no picture or object, in all or in one of the splits."""
    of_pictures = {split: {e.label for e in entries if e.split == split} for split in SPLITS}
    of_objects = {split: {m.category for e in entries if e.split == split for m in e.marks} for split in SPLITS}
    for classes, found, what in ((source.labels, of_pictures, "picture"), (source.categories, of_objects, "object")):
        for name in classes:
            present = [split for split in SPLITS if name in found[split]]
            absent = [split for split in SPLITS if split not in present and any(e.split == split for e in entries)]
            if not present:
                findings.add("empty_class", "", f"class {name} has no {what}")
            elif absent:
                findings.add("class_absent_from_split", "", f"class {name} has no {what} in {' and '.join(absent)}")

"""The data gate's judgement of the whole set: duplicates, contradictions, splits, classes."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from stages.core import contradictions, images, splits
from stages.core.cells import is_missing
from stages.core.dataset import SPLITS
from stages.core.errors import ParamsError, nearest
from stages.core.findings import Findings
from stages.core.items import Mark, Source
from stages.maths.near_copies import Thumbnail


@dataclass(frozen=True)
class Entry:
    """One stored picture: its row of the manifest, its objects and the hash of its pixels.

    Attributes:
        unit: name of the unit it belongs to.
        copy_of: ``image_id`` of the picture that it is a near copy of; its own, or empty, where it is none.
        like: ``image_id`` of each picture that it is a near copy of, whether it counts as one unit with it or not.
        thumb: what it is compared by with others.
        values: those of its index mask, 255 among them.
        drawn: the mask came as a file.
        mask_pixels: hash of the index mask's values; empty where there is none.
    """

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
    unit: str = ""
    copy_of: str = ""
    like: tuple[str, ...] = ()
    thumb: Thumbnail | None = field(default=None, compare=False, repr=False)
    values: frozenset[int] = frozenset()
    drawn: bool = False
    mask_pixels: str = ""


def unique(entries: Sequence[Entry], findings: Findings) -> list[Entry]:
    """Judge pictures with equal pixels or equal bytes: contradictions, copies across splits, plain copies.

    Equal bytes give other pixels where a DNG is called ``.tif`` a second time: its preview is read.

    Of copies the one in test stays, then the one in val, then the first by name: training gives way.

    Returns:
        The pictures that stay, sorted by name.
    """
    groups: dict[str, list[Entry]] = defaultdict(list)
    same = splits.together((entry.pixels, entry.image_id) for entry in entries)
    for entry in entries:
        groups[same[entry.pixels]].append(entry)
    rank = {name: place for place, name in enumerate((*splits.ORDER, None))}
    kept: list[Entry] = []
    for _, group in sorted(groups.items()):
        group.sort(key=lambda e: (rank[e.split], e.source))
        if len(group) == 1 or not _contradict(group, findings):
            kept.extend(_survivors(group, findings))
    return sorted(kept, key=lambda e: e.source)


def _contradict(group: list[Entry], findings: Findings) -> bool:
    """Tell whether copies of one picture are left out because they carry other labels, objects or masks."""
    said = [f"{_content(entry)}{_difference(entry, group[0])}" for entry in group]
    if len(set(said)) == 1:
        return False
    list_ = "; ".join(f"{entry.source}: {words}" for entry, words in zip(group, said, strict=True))
    actions = [findings.drops("conflicting_labels", entry.source, f"the same pixels, but {list_}") for entry in group]
    return all(actions)


def _content(entry: Entry) -> str:
    counts = Counter(mark.category for mark in entry.marks)
    objects = [f"{number} {category}" for category, number in sorted(counts.items())]
    return ", ".join(filter(None, [entry.label, *objects])) or "nothing"


def _difference(entry: Entry, first: Entry) -> str:
    """Say in what two copies differ that have the same label and as many objects; painted masks say what objects say."""
    if _content(entry) != _content(first):
        return ""
    if not contradictions.same_objects(entry.marks, first.marks, first.height, first.width):
        return f", in other places or forms than {first.source}"
    if not (entry.drawn or first.drawn) or entry.mask_pixels == first.mask_pixels:
        return ""
    both = entry.mask_pixels and first.mask_pixels
    return f", with another mask than {first.source}" if both else f", with{'' if entry.mask_pixels else 'out'} a mask"


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
    """Give every picture a split; those of one unit or with equal pixels share it, unless the source gave each its own.

    Args:
        entries: the pictures, each with its unit.
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
    keys = splits.together([(entry.pixels, entry.unit) for entry in entries])
    held: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        held[keys[entry.pixels]].append(entry)
    units = {key: _unit(key, group, by) for key, group in held.items()}
    chosen = splits.assign(list(units.values()), shares, seed)
    return [_with_split(entry, units[keys[entry.pixels]], chosen) for entry in entries]


def _unit(key: str, group: Sequence[Entry], by: str) -> splits.Unit:
    """Return pictures that share a split; of several given ones the first of ``splits.ORDER`` is the unit's."""
    told = [{"label": e.label, "none": ""}.get(by, e.groups.get(by)) or "" for e in group]
    strata = Counter("" if by.startswith("group_") and is_missing(value) else value for value in told)
    given = {entry.split for entry in group}
    split = next((name for name in splits.ORDER if name in given), None)
    return splits.Unit(key, len(group), strata.most_common(1)[0][0], split, tuple(sorted(strata.items())))


def _with_split(entry: Entry, unit: splits.Unit, chosen: Mapping[str, str]) -> Entry:
    """Give a picture its unit's split; one to which the source gave another keeps it."""
    torn = entry.split is not None and entry.split != unit.split
    return entry if torn else replace(entry, split=chosen[unit.key])


def check_units(entries: Sequence[Entry], source: Source, by: str, least: int, findings: Findings) -> None:
    """Note a test split of fewer units than an interval needs, or of units worth fewer: now, not after a training.

    Units of unequal size count for fewer than they are, by Kish's number (``stages/judge/units.py``). Where the set has
    labels those of pictures with a label count, where it has objects those of pictures with one, where it has masks those of
    pictures with a pixel that is not 255, each for itself.

    Args:
        entries: the pictures that stay, each with its unit and split.
        source: what was read.
        by: the column that tells units; empty where none does.
        least: units that an interval needs.
        findings: where it is noted.
    """
    test = [entry for entry in entries if entry.split == "test"]
    told = {" with a label": [e for e in test if e.label is not None]} if source.labels else {}
    if source.categories:
        told[" with an object that counts"] = [e for e in test if any(mark.counts for mark in e.marks)]
    if source.mask_classes:
        told[" with a mask that counts"] = [e for e in test if e.values - {images.IGNORE}]
    judged = {what if len(held) < len(test) else "": held for what, held in (told or {"": test}).items()}
    for what, held in judged.items() if test else ():
        sizes = np.array([*Counter(entry.unit for entry in held).values()], np.float64)
        worth = sizes.sum() ** 2 / (sizes**2).sum() if held else 0.0
        if round(worth) < least:
            uneven = f", of very unequal size, worth {worth:.1f} of equal size" if sizes.size >= least else ""
            have = f"{_counted([e.unit for e in held], by)} ({len(held)} pictures{what}{uneven})"
            remedy = "bring more, or raise the share of a split that is drawn (params.yaml: acquire.test_share)"
            few = f"the test split has {have}, fewer than the {least} that an interval needs"
            findings.add("few_units", "", f"{few}: {remedy}")


def empty_split(entries: Sequence[Entry], shares: Mapping[str, float], by: str, findings: Findings) -> str:
    """Say which split is asked for and has no picture, why, and what to do; nothing where none is.

    A set that gives all its splits, of which none is train, is only judged or developed.

    Args:
        entries: the pictures that stay, each with its unit and split.
        shares: of ``val`` and ``test``; those above 0 are asked for, and so is train.
        by: the column that tells units; empty where none does.
        findings: what the gate found.
    """
    held = {entry.split for entry in entries}
    wanted = [split for split in SPLITS if split == "train" or shares[split] > 0]
    empty = next((split for split in wanted if entries and split not in held), None)
    if not empty:
        return ""
    where = _counted([entry.unit for entry in entries], by)
    if any(found.kind.startswith("torn_") and found.action == "quarantine" for found in findings.found):
        return f"split '{empty}' has no picture left: others of their units stand in other splits, and those stay"
    if len({entry.unit for entry in entries}) < len(wanted):
        return (
            f"split '{empty}' gets no picture: {where}; {len(wanted)} splits need {len(wanted)}: bring more units, name "
            "another column, or ask for fewer splits (params.yaml: acquire.unit, acquire.val_share, acquire.test_share)"
        )
    if empty == "train":
        return (
            f"of {len(entries)} pictures ({where}) none is left for training; lower val_share ({shares['val']:g}) or "
            f"test_share ({shares['test']:g}), or bring more pictures (params.yaml: acquire.val_share, acquire.test_share)"
        )
    return (
        f"split '{empty}' gets no picture of {len(entries)} ({where}); raise {empty}_share ({shares[empty]:g}), or bring "
        f"more pictures (params.yaml: acquire.{empty}_share)"
    )


def _counted(units: Collection[str], by: str) -> str:
    num = len(set(units))
    return f"{num} unit{'s' if num != 1 else ''}{f' in {by}' if by else ''}"


def check_classes(entries: Sequence[Entry], source: Source, findings: Findings) -> None:
    """Note classes that have no picture, object or pixel, in all or in one of the splits, and sets of one class alone."""
    of_pictures = {split: {e.label for e in entries if e.split == split} for split in SPLITS}
    of_objects = {split: {m.category for e in entries if e.split == split for m in e.marks if m.counts} for split in SPLITS}
    values = {split: {value for e in entries if e.split == split for value in e.values} for split in SPLITS}
    of_pixels = {split: {name for n, name in enumerate(source.mask_classes) if n in values[split]} for split in SPLITS}
    noted: set[tuple[str, str]] = set()
    for classes, found, what in (
        (source.labels, of_pictures, "picture"),
        (source.categories, of_objects, "object that counts"),
        (source.mask_classes, of_pixels, "pixel"),
    ):
        for name in classes:
            present = [split for split in SPLITS if name in found[split]]
            absent = [split for split in SPLITS if split not in present and any(e.split == split for e in entries)]
            where = f"in {' and '.join(absent)}" if present else ""
            if absent and not (what == "pixel" and (name, where) in noted):  # masks painted from the same objects
                kind = "class_absent_from_split" if present else "empty_class"
                findings.add(kind, "", f"class {name} has no {what} {where}")
                noted.add((name, where))
    _check_variety(entries, source, {name for split in SPLITS for name in of_pixels[split]}, findings)
    _check_black_and_white(entries, source.mask_classes, findings)


def _check_variety(entries: Sequence[Entry], source: Source, pixels: set[str], findings: Findings) -> None:
    """Note where labels or masks tell nothing apart; of objects one category is enough, since a picture may have none."""
    labels = {e.label for e in entries if e.label is not None}
    for classes, present, what in ((source.labels, labels, "pictures"), (source.mask_classes, pixels, "pixels that count")):
        if classes and len(present) == 1:
            findings.add("single_class", "", f"all {what} are {next(iter(present))}: there is nothing to tell apart")


def _check_black_and_white(entries: Sequence[Entry], classes: Sequence[str], findings: Findings) -> None:
    """Note masks that were drawn with 255 for a class: none has 255 beside a class, as the borders of real masks have."""
    drawn = [e for e in entries if e.drawn]
    white = [e for e in drawn if images.IGNORE in e.values]
    if white and all(e.values <= {0, images.IGNORE} for e in white):
        ours = ", ".join(f"{number} {name}" for number, name in enumerate(classes))
        detail = (
            f"{len(white)} of {len(drawn)} masks hold 0 and {images.IGNORE} alone, as if drawn in black and white, but "
            f"{images.IGNORE} means ignore: nothing is learnt or judged there; give a pixel the number of its class ({ours})"
        )
        findings.add("black_and_white_masks", "", detail)

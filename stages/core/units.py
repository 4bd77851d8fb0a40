"""What pictures belong together, so that they share a split and count as one draw: a patient, a video, a session, a burst.

A unit is told by a column of the source, or by one that a pattern reads from the picture's path. A picture that no unit is
told of is one with those that it is a near copy of, or of its own, and takes an ``image_id`` for a name.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from stages.core import splits
from stages.core.cells import is_missing
from stages.core.errors import ParamsError, nearest
from stages.core.findings import Findings
from stages.core.items import Item, group_column, group_columns
from stages.core.verdicts import Entry
from stages.maths import near_copies

_LOOKED_AT = 1000  # names among which the one that fits a pattern best is looked for


class PathPattern:
    r"""Reads group columns from the paths by which a source names its pictures.

    Args:
        pattern: a regular expression with named groups, looked for anywhere in the path: ``(?P<patient>p\d+)_`` makes
            the column ``group_patient``; None makes none.

    Raises:
        ParamsError: it is no regular expression, has no named group, or two that make one column.

    Example:
        >>> PathPattern(r"(?P<camera>\w+)/(?P<age>\d+)_").columns("phone/25_1_3.jpg")
        {'group_camera': 'phone', 'group_age': '25'}
    """

    def __init__(self, pattern: str | None) -> None:
        self._text = pattern
        self._missed: list[str] = []
        self._num_met = 0
        try:
            self._pattern = None if pattern is None else re.compile(pattern)
        except re.error as error:
            raise ParamsError(_told(pattern, f"no regular expression: {error}")) from error
        if self._pattern is not None and not self._pattern.groupindex:
            raise ParamsError(_told(pattern, "without a named group; expected for instance (?P<patient>p\\d+)_"))
        try:
            self._columns = group_columns(self._pattern.groupindex if self._pattern else ())
        except ValueError as error:
            raise ParamsError(_told(pattern, f"in which the groups {error}")) from error

    def columns(self, path: str) -> dict[str, str] | None:
        """Return the columns that a path holds, groups that took no part left out; None where the pattern does not meet."""
        if self._pattern is None:
            return {}
        met = self._pattern.search(path)
        return met and {self._columns[name]: value for name, value in met.groupdict().items() if value}

    def read(self, item: Item, findings: Findings) -> Item | None:
        """Add to a picture what its path holds; None where it is left out because the pattern does not meet.

        Raises:
            ParamsError: the source has one of the columns already.
        """
        found = self.columns(item.name)
        if found is None:
            self._missed.append(item.name)
            left_out = findings.drops("unmatched_path", item.name, f"does not meet acquire.path_pattern {self._text}")
            return None if left_out else item
        self._num_met += 1
        if twice := sorted(found.keys() & item.groups.keys()):
            raise ParamsError(
                _told(self._text, f"making {twice[0]}, a column that the source has; name its group otherwise")
            )
        return replace(item, groups={**item.groups, **found})

    def check(self) -> None:
        """Refuse a pattern that met no picture.

        Raises:
            ParamsError: it names the path that the longest beginning of the pattern meets.
        """
        if self._missed and not self._num_met:
            name, part = self._nearest()
            told = f"its beginning {part!r} meets {name!r}" if part else f"the first is {name!r}"
            raise ParamsError(_told(self._text, f"meeting none of {len(self._missed)} pictures; {told}"))

    def _nearest(self) -> tuple[str, str]:
        """Return a path and the longest beginning of the pattern that it meets; the first path where none is."""
        names, text = self._missed[:_LOOKED_AT], self._text or ""
        for end in range(len(text) - 1, 0, -1):
            try:
                part = re.compile(text[:end])
            except re.error:
                continue
            if met := next((name for name in names if (m := part.search(name)) and m.group()), None):
                return met, text[:end]
        return names[0], ""


def _told(pattern: str | None, what: str) -> str:
    return f"path_pattern is {pattern!r}, {what} (params.yaml: acquire.path_pattern)"


def column(name: str | None, entries: Sequence[Entry]) -> str:
    """Return the manifest's name of the column that tells units; empty where none is asked for.

    Args:
        name: a ``group_`` column, the same without ``group_``, the head of a column of the source's table, or a camera
            column.
        entries: the pictures.

    Raises:
        ParamsError: no picture has it.
    """
    if name is None or not entries:
        return ""
    groups = {key for entry in entries for key in entry.groups}
    cameras = {key for entry in entries for key in entry.camera}
    if (found := group_column(name)) in groups:
        return found
    if name in cameras:
        return name
    known = {key.removeprefix("group_") for key in groups} | cameras
    raise ParamsError(f"unit is '{name}', no column of the source; {nearest(name, known)} (params.yaml: acquire.unit)")


def told(entries: Sequence[Entry], by: str, findings: Findings) -> list[Entry]:
    """Give every picture its unit: the value of a column, or its own id where it has none.

    Args:
        entries: the pictures.
        by: what ``column`` returned.
        findings: where pictures without a value are noted; the rules may leave them out.
    """
    if not by:
        return [replace(entry, unit=entry.image_id) for entry in entries]
    kept = []
    for entry in entries:
        value = str(entry.groups.get(by, entry.camera.get(by, "")))
        unknown = is_missing(value)
        what = f"{value!r}, which names no unit" if value else "empty; others have it"
        if unknown and findings.drops("no_unit", entry.source, f"{by} is {what}"):
            continue
        kept.append(replace(entry, unit=entry.image_id if unknown else value))
    return kept


def near(entries: Sequence[Entry], findings: Findings, *, join: bool) -> list[Entry]:
    """Name near copies, and bring them into the unit of the picture that they are copies of.

    Equal pixels are copies whatever they show, a plain colour too. Units that a column tells stay as they are: a picture
    that two patients share does not make them one.

    Args:
        entries: the pictures, each with its unit.
        findings: where copies are noted; those of equal pixels are noted already.
        join: make them one unit.
    """
    once = {entry.pixels: entry for entry in reversed(entries) if entry.thumb is not None}  # the first of equal pixels
    shown = [entry for entry in entries if once.get(entry.pixels) is entry]
    sizes = np.array([(entry.width, entry.height) for entry in shown], np.int64).reshape(-1, 2)
    places, pairs = near_copies.copies([entry.thumb for entry in shown if entry.thumb is not None], sizes)
    known = {entry.pixels: shown[place] for entry, place in zip(shown, places, strict=True)}
    first = [known.get(entry.pixels, entry) for entry in entries]
    like: dict[str, list[str]] = defaultdict(list)
    for one, two in pairs.tolist():
        like[shown[one].pixels].append(shown[two].image_id)
        like[shown[two].pixels].append(shown[one].image_id)
    alike: dict[str, list[Entry]] = defaultdict(list)
    for entry, other in zip(entries, first, strict=True):
        alike[other.image_id].append(entry)
        if entry.pixels != other.pixels:
            detail = f"is a near copy of {other.source}{_differences(entry, other)}"
            findings.add("near_copy", entry.source, detail)
    names = {name: _name(name, group) for name, group in alike.items()}
    own = [entry.unit == entry.image_id and join for entry in entries]
    return [
        replace(
            entry,
            copy_of=other.image_id,
            like=tuple(like[entry.pixels]),
            unit=names[other.image_id] if joins else entry.unit,
        )
        for entry, other, joins in zip(entries, first, own, strict=True)
    ]


def joined(entries: Sequence[Entry], by: str) -> int:
    """Count the pictures that stand in the unit of a near copy: not in one of their own, nor in one that a column tells.

    Args:
        entries: the pictures, each with its unit.
        by: what ``column`` returned.
    """
    told = [entry.groups.get(by, entry.camera.get(by)) if by else None for entry in entries]
    own = [entry for entry, value in zip(entries, told, strict=True) if is_missing(value)]
    return sum(entry.unit != entry.image_id for entry in own)


def _name(first: str, group: Sequence[Entry]) -> str:
    """Return the unit of near copies: that of the picture they are copies of, or one that a column tells of a copy."""
    columns = {entry.image_id: entry.unit for entry in group if entry.unit != entry.image_id}
    return columns.get(first) or min(columns.values(), default=first)


def _differences(entry: Entry, first: Entry) -> str:
    """Say in what a copy differs from its picture that it should not."""
    own = [(entry.label, first.label, "label")]
    if {entry.unit, first.unit}.isdisjoint({entry.image_id, first.image_id}):
        own.append((entry.unit, first.unit, "unit"))
    return "".join(f", with the {what} {one} for {other}" for one, other, what in own if one != other)


def torn(entries: Sequence[Entry], findings: Findings) -> list[Entry]:
    """Note the pictures of units, and the near copies, that stand in several splits.

    Drawn splits tear no unit, but a row of pictures, each like the next, is no unit, and neighbours may stand apart.

    Returns:
        The pictures that stay: where the rules leave some out, those in test stay, then those in val.
    """
    columns = {e.source: e.unit for e in entries if e.unit not in (e.image_id, e.copy_of)}
    copies = {e.source: e.copy_of for e in entries if e.copy_of}
    gone: set[str] = set()
    listed: set[str] = set()
    for kind, names in (("torn_unit", columns), ("torn_near_copy", copies)):
        units: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            if entry.source in names and entry.source not in gone:
                units[names[entry.source]].append(entry)
        for name, group in sorted(units.items()):
            for entry, detail in _apart(name, group, kind):
                if entry.source not in listed and findings.drops(kind, entry.source, detail):
                    gone.add(entry.source)
                listed.add(entry.source)
    stay = {entry.image_id: entry for entry in entries if entry.source not in gone}
    for entry, detail in _beside(stay, listed):
        if findings.drops("torn_near_copy", entry.source, detail):
            gone.add(entry.source)
    return [entry for entry in entries if entry.source not in gone]


def learnt_copies(entries: Sequence[Entry]) -> dict[str, tuple[str, ...]]:
    """Return by ``image_id`` of a test picture the ids of its copies in train and val; pictures without any are left out.

    Copies have the same pixels, or are near copies of each other or of the same picture, whether they are one unit or not.
    """
    shown: dict[str, list[Entry]] = defaultdict(list)
    alike: dict[str, list[Entry]] = defaultdict(list)
    by_name = {entry.image_id: entry.pixels for entry in entries}
    for entry in entries:
        if entry.split != "test":
            shown[entry.pixels].append(entry)
            alike[entry.copy_of].append(entry)
    found = {}
    for entry in (one for one in entries if one.split == "test"):
        pixels = {entry.pixels, *(by_name[name] for name in entry.like if name in by_name)}
        copies = [other for held in pixels for other in shown.get(held, ())]
        copies += alike.get(entry.copy_of, ()) if entry.copy_of else ()
        found[entry.image_id] = tuple(sorted({other.image_id for other in copies}))
    return {name: copies for name, copies in found.items() if copies}


def _beside(entries: Mapping[str, Entry], listed: Collection[str]) -> Iterator[tuple[Entry, str]]:
    """Yield the pictures of which a near copy stands in a split that comes before theirs, and what is to be said of them."""
    rank = {split: place for place, split in enumerate(splits.ORDER)}
    for entry in entries.values():
        others = [entries[name] for name in entry.like if name in entries and entries[name].pixels != entry.pixels]
        before = [other for other in others if rank[str(other.split)] < rank[str(entry.split)]]
        if before and entry.source not in listed:
            other = min(before, key=lambda one: (rank[str(one.split)], one.source))
            yield entry, f"in {entry.split}, a near copy of {other.source} in {other.split}"


def _apart(name: str, group: Sequence[Entry], kind: str) -> Iterator[tuple[Entry, str]]:
    """Yield the pictures that do not stand in the first of a unit's splits, and what is to be said of them."""
    counts = Counter(entry.split for entry in group)
    first = next(split for split in splits.ORDER if counts[split])
    there = [entry for entry in group if entry.split == first]
    for entry in group:
        if entry.split == first:
            continue
        if kind == "torn_unit":
            yield entry, f"in {entry.split}; {counts[first]} of its unit {name} in {first}"
        elif entry.pixels not in {other.pixels for other in there}:
            yield entry, f"in {entry.split}, a near copy of {there[0].source} in {first}"

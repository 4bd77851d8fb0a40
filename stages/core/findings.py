"""What the data gate found and what became of it: nothing is dropped in silence."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field

from stages.core import files, params
from stages.core.errors import DataError
from stages.core.text import code, escaped, markdown

Drop = Literal["refuse", "quarantine"]
Judge = Literal["refuse", "quarantine", "warn"]
Tell = Literal["refuse", "warn"]
Share = Annotated[float, Field(gt=0, le=1)]
_SHOWN = 8


class Gate(params.Params):
    """What becomes of each kind of fault, and where the limits are.

    ``refuse`` stops the stage after everything was looked at; ``quarantine`` leaves the picture, or the object alone, out
    and lists it; ``warn`` keeps it and lists it; ``clip`` cuts a box at the picture's border and lists it.

    Attributes:
        unreadable: picture missing, empty, cut short, no picture, or outside the data set's folders.
        bad_annotation: the picture's annotation cannot be read, names a class that is not there, or gives it a group with a
            control character in its name.
        no_label: picture; the set has labels, this picture has none.
        no_mask: picture; the set has index masks and no objects to paint them from, this picture has none (an absent mask is
            not one of background alone; warn keeps the picture for tasks other than ``segment``).
        bad_mask: index mask unreadable, of another size than the picture, or with a class that is not there.
        size_differs: the annotation states another size than the picture has.
        box_without_area: object; width or height below ``min_box_px``.
        box_outside: object; no part of the box lies in the picture.
        box_overhanging: object; a part of the box lies outside.
        near_duplicate_box: object; overlaps an earlier box of its class with IoU of ``near_duplicate_iou`` or more.
        bad_segmentation: object; polygons or run lengths broken or of another size than the picture.
        overlapping_masks: picture; pixels that belong to several objects.
        duplicate_file: picture; the same bytes as an earlier one (a picture is named by its bytes, so one remains).
        duplicate_pixels: picture; the same pixels as another one in another file.
        torn_duplicate: picture; the same pixels in two of the given splits (quarantine leaves the one in test, then val).
        conflicting_labels: picture; the same pixels with other labels, objects or masks (quarantine leaves out all of them).
        suspiciously_few: picture; so few objects of a class that abounds elsewhere that they were hardly annotated.
        unmatched_path: picture; ``acquire.path_pattern`` does not meet its path.
        no_unit: picture; it has no value in the column that tells units, or `nan` and its like, and is one of its own.
        torn_unit: picture; its unit has pictures in another of the given splits (quarantine leaves those in test, then val).
        near_copy: picture; another one encoded anew, scaled or cropped by a little.
        torn_near_copy: picture; likewise, in another of the splits (quarantine leaves those in test, then those in val).
        few_units: the test split has fewer units than an interval needs: whatever is judged on it says nothing.
        empty_class: a class without a picture, an object that counts, or a pixel.
        class_absent_from_split: likewise in one of the splits: nothing is learnt of it, or nothing known of it is judged.
        single_class: all pictures, or all pixels that count, are of one class; there is nothing to tell apart.
        black_and_white_masks: index masks of 0 and 255 alone, where none has 255 beside a class: 255 means ignore, so that
            nothing is left of what was drawn.
        wrong_black_level: camera file; the black level it states is not where its pixels end.
        no_white_balance: camera file; it states none that is usable.
        min_box_px: smallest side of a box, in pixels.
        near_duplicate_iou: IoU from which two boxes of a class are one object annotated twice.
        few_share: a picture is suspicious below this share of the number of objects that three pictures in four reach.
        few_min_usual: smallest such number for which that is judged.
        black_floor_share: how far the darkest pixels may lie from the black level, as a share of the white level.
    """

    unreadable: Drop
    bad_annotation: Drop
    no_label: Judge
    no_mask: Judge
    bad_mask: Drop
    size_differs: Judge
    box_without_area: Drop
    box_outside: Drop
    box_overhanging: Literal["refuse", "quarantine", "clip", "warn"]
    near_duplicate_box: Judge
    bad_segmentation: Drop
    overlapping_masks: Judge
    duplicate_file: Drop
    duplicate_pixels: Judge
    torn_duplicate: Judge
    conflicting_labels: Judge
    suspiciously_few: Judge
    unmatched_path: Judge
    no_unit: Judge
    torn_unit: Judge
    near_copy: Tell
    torn_near_copy: Judge
    few_units: Tell
    empty_class: Tell
    class_absent_from_split: Tell
    single_class: Tell
    black_and_white_masks: Tell
    wrong_black_level: Judge
    no_white_balance: Judge
    min_box_px: Annotated[float, Field(gt=0)]
    near_duplicate_iou: Share
    few_share: Share
    few_min_usual: Annotated[int, Field(ge=2)]
    black_floor_share: Share


@dataclass(frozen=True, order=True)
class Finding:
    """One fault.

    Attributes:
        kind: a field of ``Gate``.
        file: the picture's name as the user knows it; empty where it concerns the whole set.
        object: position of the object among the picture's, from 0; -1 where it concerns the picture.
        detail: what is wrong, with its value.
        action: what became of it.
    """

    kind: str
    file: str
    object: int
    detail: str
    action: str


class Findings:
    """Collects findings and says what becomes of each."""

    def __init__(self, gate: Gate) -> None:
        """Begin an empty list under the rules of ``gate``."""
        self.gate = gate
        self.found: list[Finding] = []

    def add(self, kind: str, file: str, detail: str, position: int = -1) -> str:
        """Note a fault; what could steer a terminal in the file's name or in the detail is written out.

        Returns:
            The action that the rules give it; ``refuse`` counts as ``quarantine`` until the end.
        """
        action = str(getattr(self.gate, kind))
        self.found.append(Finding(kind, escaped(file), position, escaped(" ".join(detail.split())), action))
        return action

    def drops(self, kind: str, file: str, detail: str, position: int = -1) -> bool:
        """Note a fault and tell whether what has it is left out."""
        return self.add(kind, file, detail, position) in ("quarantine", "refuse")

    def counts(self) -> dict[str, int]:
        """Count findings by kind, every kind named."""
        counted = Counter(finding.kind for finding in self.found)
        kinds = [name for name in Gate.model_fields if isinstance(getattr(self.gate, name), str)]
        return {kind: counted[kind] for kind in kinds}

    def lines(self) -> list[str]:
        """Return one line per kind and action: how many, and the first files."""
        grouped: dict[tuple[str, str], list[Finding]] = {}
        for finding in sorted(self.found):
            grouped.setdefault((finding.kind, finding.action), []).append(finding)
        return [f"{len(g)} x {kind} ({action}): {_some(g)}" for (kind, action), g in grouped.items()]

    def refused(self, report: Path) -> None:
        """Stop where a fault must not pass.

        Args:
            report: file that lists them all.

        Raises:
            DataError: a finding's action is ``refuse``.
        """
        bad = sorted(f for f in self.found if f.action == "refuse")
        if bad:
            first = ": ".join(filter(None, (bad[0].file, bad[0].detail)))
            more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
            raise DataError(
                f"the data gate refuses {bad[0].kind}: {first}{more}; all are listed in {report} "
                f"(params.yaml: acquire.gate.{bad[0].kind})"
            )

    def write(self, folder: Path, summary: dict[str, object]) -> None:
        """Write ``gate.json``, ``gate.csv`` and ``gate.md`` into a folder."""
        rows = [asdict(finding) for finding in sorted(self.found)]
        files.write_json(folder / "gate.json", {"summary": summary, "counts": self.counts(), "findings": rows})
        pd.DataFrame(rows, columns=["kind", "file", "object", "detail", "action"]).to_csv(folder / "gate.csv", index=False)
        files.write_text(folder / "gate.md", self._page(summary))

    def _page(self, summary: dict[str, object]) -> str:
        facts = [f"* {key.replace('_', ' ')}: {_fact(value)}" for key, value in summary.items()]
        table = [_row("kind", "file", "object", "what is wrong", "action"), _row("---", "---", "---:", "---", "---")]
        table += [
            _row(f.kind, code(f.file), "" if f.object < 0 else str(f.object), markdown(f.detail), f.action)
            for f in sorted(self.found)
        ]
        body = table if self.found else ["Nothing was found."]
        return "\n".join(["# What the data gate found", "", *facts, "", *body, ""])


def _fact(value: object) -> str:
    return ("; ".join(map(markdown, value)) or "none") if isinstance(value, list) else markdown(value)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _some(group: Iterable[Finding]) -> str:
    names = list(dict.fromkeys(finding.file or finding.detail for finding in group))
    return ", ".join(names[:_SHOWN]) + (f" ... ({len(names)} in all)" if len(names) > _SHOWN else "")

"""Which pictures a gallery of masks shows first, and which class it names."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.judge import regions
from stages.parts.evaluators import _gallery
from stages.parts.evaluators.segment import Segment

Mask = NDArray[np.uint8]
SIDE = 128


def square(label: int, side: int, at: int = 8, onto: Mask | None = None) -> Mask:
    """Return a mask with a square of a class, beside what another holds."""
    found = np.zeros((SIDE, SIDE), np.uint8) if onto is None else onto.copy()
    found[at : at + side, at : at + side] = label
    return found


def gallery(pairs: dict[str, tuple[Mask, Mask]]) -> list[tuple[str, str]]:
    """Return name and caption of each picture with a mistake, the worst first, of truths and what was said of them."""
    names = ["background", "disc", "square", "tri"]
    judge = Segment(SimpleNamespace(info=SimpleNamespace(mask_classes=names)), Path())  # type: ignore[arg-type]
    judge.__dict__["rows"] = regions.gather([regions.observe(truth, said, 4) for truth, said in pairs.values()], 4)
    return [([*pairs][found.row], found.caption) for found in judge.mistakes()]


def test_a_real_miss_comes_before_stray_pixels() -> None:
    """Objects missed whole or in part, large and small, before nearly perfect masks with strays of an absent class."""
    disc = square(1, 40)
    small = square(2, 10, 100, disc)
    stray = disc.copy()
    stray[120, 100:107] = 3
    sliver = disc.copy()
    sliver[127, 120:123] = 3
    shown = gallery(
        {
            "seven stray pixels": (disc, stray),
            "a sliver of an object missed": (sliver, disc),
            "a third missed": (disc, square(1, 33)),
            "a small object missed": (small, disc),
            "a small object said": (disc, small),
            "all missed": (disc, np.zeros_like(disc)),
            "right": (disc, disc),
            "a stray pixel where nothing is": (square(0, 1), square(3, 1)),
        }
    )
    order = [name for name, _ in shown]
    assert order[:2] == ["all missed", "a third missed"]
    assert set(order[2:4]) == {"a small object missed", "a small object said"}
    assert order[4:] == ["seven stray pixels", "a sliver of an object missed", "a stray pixel where nothing is"]


def test_the_caption_names_the_class_with_the_most_wrong_pixels() -> None:
    """However few pixels another has that is all wrong; the weighed IoU, by which pictures are ordered, stands first."""
    said = square(1, 30)
    said[120, 100:107] = 3
    ((_, caption),) = gallery({"p": (square(1, 40), said)})
    disc, total = 40**2, SIDE**2
    unions, hits = [total - 30**2, disc, 7], [total - disc - 7, 30**2, 0]
    roots = np.sqrt(unions)
    weighed = (roots * np.divide(hits, unions)).sum() / roots.sum()
    assert caption == (
        f"IoU {weighed:.2f} weighed; 707 of 16,384 pixels wrong,\nmost of disc (700; its IoU {30**2 / disc:.2f})"
    )


@pytest.mark.parametrize("num", [1, 4])
def test_the_title_of_a_sheet_is_whole(num: int) -> None:
    """However narrow the sheet, it is broken into lines, and what stands below begins below them."""
    told = Segment.legend
    picture = np.full((60, 200, 3), 255, np.uint8)
    key = [("disc", (9, 9, 9))]
    sheets = [_gallery.sheet([picture] * num, ["caption"] * num, title, colours=key) for title in ("one", told * 2)]
    lines = _gallery._broken(told * 2, _gallery.ImageFont.load_default(14), sheets[0].shape[1] - 2 * _gallery.GAP_PX)
    assert " ".join(lines) == told * 2
    assert sheets[1].shape[0] - sheets[0].shape[0] == (len(lines) - 1) * _gallery.TITLE_PX > 0
    assert (sheets[1][:, -_gallery.GAP_PX :] == 255).all()


def test_a_caption_is_no_wider_than_its_picture() -> None:
    """Below a tall picture it is broken: it would run into the next one's."""
    picture = np.full((60, 60, 3), 255, np.uint8)
    sheet = _gallery.sheet([picture] * 4, ["", "IoU 0.82 weighed; 1,101 of 16,384 pixels wrong,", "", ""], "")
    left = 2 * (_gallery.THUMB_PX + _gallery.GAP_PX)
    assert (sheet[:, left:] == 255).all()
    assert (sheet[:, :left] < 255).any()

"""Drawings on plain ground are told apart by place, size, colour and label; their re-encoded and scaled copies are found."""

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from stages.maths import near_copies
from stages.maths.registration import apart
from tests.unit.maths.test_near_copies import COPIES, Picture, _found

PAINTS = ["#dc1e1e", "#1ea03c", "#1e3cdc", "#f0c814", "#9628aa", "#fa8214"]


def _shape(kind: int, centre: tuple[int, int], half: int, paint: str, *, line: int = 0) -> Picture:
    image = Image.new("RGB", (128, 128), "white")
    draw, (x, y) = ImageDraw.Draw(image), centre
    how: dict[str, Any] = {"outline": paint, "width": line} if line else {"fill": paint}
    if kind == 0:
        draw.ellipse((x - half, y - half, x + half, y + half), **how)
    elif kind == 1:
        draw.rectangle((x - half, y - half, x + half, y + half), **how)
    else:
        draw.polygon([(x - half, y + half), (x + half, y + half), (x, y - half)], **how)
    return np.asarray(image)


def _scattered(*, line: int = 0) -> list[Picture]:
    random = np.random.default_rng(11)
    pictures = []
    for number in range(160):
        half = int(random.integers(12, 32))
        centre = (int(random.integers(half, 128 - half)), int(random.integers(half, 128 - half)))
        paint = "black" if line else PAINTS[int(random.integers(6))]
        pictures.append(_shape(number % 3, centre, half, paint, line=line))
    return pictures


def _written(words: list[str]) -> list[Picture]:
    pictures = []
    for text in words:
        image = Image.new("RGB", (160, 64), "white")
        ImageDraw.Draw(image).text((12, 8), text, font=ImageFont.load_default(40), fill="black")
        pictures.append(np.asarray(image))
    return pictures


def _dots(seed: int, size: int = 160) -> Picture:
    """Return ten to thirty bright dots on black, as stained nuclei are."""
    random = np.random.default_rng(seed)
    down, across = np.mgrid[:size, :size]
    grey = np.full((size, size), 8.0)
    for _ in range(int(random.integers(10, 30))):
        y, x, radius = *random.uniform(0, size, 2), random.uniform(3, 7)
        grey += random.uniform(40, 160) * np.exp(-((((down - y) ** 2 + (across - x) ** 2) / (2 * radius**2)) ** 2))
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


SETS = {
    "filled": _scattered(),
    "outlines": _scattered(line=2),
    "colours": [_shape(0, (64, 64), 30, f"hsl({9 * n}, 90%, {light}%)") for n in range(40) for light in (35, 50, 65)],
    "places": [_shape(1, (x, y), 16, "black") for x in range(20, 110, 6) for y in range(20, 110, 6)],
    "sizes": [_shape(kind, (64, 64), half, "black") for kind in range(3) for half in range(12, 60, 3)],
    "numbers": _written([f"{n:05d}" for n in range(10_000, 90_000, 733)]),
}


@pytest.mark.parametrize("name", SETS)
def test_drawings_are_no_copies_of_each_other(name: str) -> None:
    """No two of a set are the same drawing, and none is joined to another one."""
    assert (_found(SETS[name]) == np.arange(len(SETS[name]))).all()


@pytest.mark.parametrize("kind", ["jpeg 50", "half", "double"])
@pytest.mark.parametrize("name", SETS)
def test_copies_of_drawings_are_found(name: str, kind: str) -> None:
    """Every fifth drawing has a copy in the set: at least 95 of 100 find it, and no other drawing is joined to any."""
    pictures, random = SETS[name], np.random.default_rng(12)
    chosen = np.arange(0, len(pictures), 5)
    found = _found([*pictures, *(COPIES[kind](pictures[i], random) for i in chosen)])
    assert (found[len(pictures) :] == found[chosen]).mean() >= 0.95
    others = np.setdiff1d(np.arange(len(pictures)), chosen)
    assert (found[others] == others).all()
    assert np.unique(found[chosen]).size == chosen.size


@pytest.mark.parametrize("kind", COPIES)
def test_copies_of_dots_are_found(kind: str) -> None:
    """Dots on black are many parts: their crops are found too, and each only by its own picture."""
    pictures, random = [_dots(seed) for seed in range(60)], np.random.default_rng(13)
    found = _found([*pictures, *(COPIES[kind](p, random) for p in pictures)])
    assert (found[:60] == found[60:]).mean() >= 0.95
    assert np.bincount(found).max() == 2


def test_a_lone_shape_tells_no_crop() -> None:
    """A crop of one shape on plain ground is another picture of such a set, grey level for grey level, and is left alone."""
    whole = _shape(0, (60, 60), 20, "black")
    assert not near_copies.thumbnail(whole).telling
    assert _found([whole, whole[3:-3, 3:-3]]).tolist() == [0, 1]
    assert near_copies.thumbnail(_dots(1)).telling


def test_units_do_not_depend_on_order() -> None:
    """Whatever order pictures come in, the same ones are one unit, named by the same one, and the same pairs are told."""
    random = np.random.default_rng(14)
    pictures = [_dots(seed) for seed in range(12)]
    pictures += [COPIES[kind](p, random) for p in pictures for kind in ("jpeg 50", "half", "cropped")]
    sizes = np.array([p.shape[1::-1] for p in pictures])
    thumbs = [near_copies.thumbnail(p) for p in pictures]
    found, pairs = near_copies.copies(thumbs, sizes)
    for _ in range(3):
        order = random.permutation(len(pictures))
        again, others = near_copies.copies([thumbs[i] for i in order], sizes[order])
        assert (order[again] == found[order]).all()
        assert {tuple(sorted(pair)) for pair in order[others].tolist()} == {tuple(pair) for pair in pairs.tolist()}


def test_apart_is_the_difference_where_it_is_largest() -> None:
    """A left half lighter by 5 grey levels is 5 apart; a ramp moved by half a pixel is that against its slope."""
    one, ramp = np.full((64, 64), 100.0), np.repeat(np.linspace(50, 200, 64)[None], 64, axis=0)
    two = one.copy()
    two[:, :32] += 5
    assert apart(one, two, np.zeros(4), 1.0) == pytest.approx(5)
    assert apart(one, one, np.zeros(4), 1.0) == 0
    slope = 150 / 63
    moved = np.array([0, 0, 0, 0.5])
    assert apart(ramp, ramp, moved, 1.0) == pytest.approx(0.5 * slope / np.sqrt(1 + (0.15 * slope) ** 2), rel=0.02)

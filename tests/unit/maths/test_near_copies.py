"""Re-encoded, scaled and cropped copies are found; hands that are only alike are none, and no chain grows."""

from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import affine_transform, gaussian_filter

from stages.maths import near_copies, registration
from tests.factories import texture
from tests.sources import SHARED

Picture = np.ndarray
HANDS = SHARED / "sign_digits"
needs_hands = pytest.mark.skipif(not HANDS.is_dir(), reason="../shared/data is not there")


def _jpeg(picture: Picture, quality: int) -> Picture:
    held = BytesIO()
    Image.fromarray(picture).save(held, "JPEG", quality=quality)
    return np.asarray(Image.open(held).convert("RGB"))


def _scaled(picture: Picture, factor: float) -> Picture:
    image = Image.fromarray(picture)
    return np.asarray(image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC))


def _cropped(picture: Picture, random: np.random.Generator) -> Picture:
    """Take off a twentieth of each side's length, at a random place."""
    height, width = picture.shape[:2]
    down, across = (max(1, round(n / 20)) for n in (height, width))
    y, x = random.integers(0, down + 1), random.integers(0, across + 1)
    return picture[y : y + height - down, x : x + width - across]


COPIES: dict[str, Callable[[Picture, np.random.Generator], Picture]] = {
    "jpeg 50": lambda p, r: _jpeg(p, 50),
    "half": lambda p, r: _jpeg(_scaled(p, 0.5), 90),
    "double": lambda p, r: _jpeg(_scaled(p, 2), 90),
    "cropped": lambda p, r: _jpeg(_cropped(p, r), 90),
    "cropped, half, jpeg 50": lambda p, r: _jpeg(_scaled(_cropped(p, r), 0.5), 50),
}


def _found(pictures: list[Picture]) -> Any:
    """Return for each picture the place of the one that it is a copy of."""
    thumbs = [near_copies.thumbnail(p) for p in pictures]
    return near_copies.copies(thumbs, np.array([p.shape[1::-1] for p in pictures]))[0]


@cache
def _hands() -> list[Picture]:
    return [np.asarray(Image.open(p).convert("RGB")) for p in sorted(HANDS.rglob("*.[jJ][pP][gG]"))]


@needs_hands
def test_hands_of_persons_are_no_copies() -> None:
    """Of 2,059 photographs of hands, many of one person and sign, at most one in a hundred is taken for another's copy."""
    found = _found(_hands())
    assert len(found) == 2059
    assert (found != np.arange(2059)).mean() <= 0.01
    assert np.bincount(found).max() <= 3


@needs_hands
@pytest.mark.parametrize("kind", COPIES)
def test_planted_copies_are_found(kind: str) -> None:
    """Among the 2,059, at least 95 of 100 copies are found, each as that of its own original."""
    hands, random = _hands(), np.random.default_rng(4)
    chosen = random.choice(len(hands), 200, replace=False)
    found = _found([*hands, *(COPIES[kind](hands[i], random) for i in chosen)])
    units = found[len(hands) :] == found[chosen]
    assert units.mean() >= 0.95
    others = np.setdiff1d(np.arange(len(hands)), chosen)
    assert (found[others] != others).mean() <= 0.01


@pytest.mark.parametrize("kind", COPIES)
def test_copies_of_made_pictures_are_found(kind: str) -> None:
    """Likewise where nothing but the pictures made here is there: every copy finds its original and nobody else."""
    random = np.random.default_rng(5)
    pictures = [texture(seed) for seed in range(40)]
    found = _found([*pictures, *(COPIES[kind](p, random) for p in pictures)])
    assert (found[:40] == found[40:]).mean() >= 0.95
    assert np.bincount(found).max() == 2


def test_no_chain_grows() -> None:
    """Sixty frames of a slow pan: each is nearly its neighbour, yet no unit spans more than what one picture resembles."""
    wide = cv2.resize(texture(1, 400), (1200, 400), interpolation=cv2.INTER_CUBIC)
    frames = [wide[140:260, 10 * n : 10 * n + 120] for n in range(60)]
    steps = [wide[140:260, 3 * n : 3 * n + 120] for n in range(200)]
    assert np.bincount(_found(frames)).max() <= 3
    found = _found(steps)
    assert np.bincount(found).max() > 1
    for first in np.unique(found):
        members = np.flatnonzero(found == first)
        assert np.abs(members - first).max() * 3 <= 0.14 * 120


def test_neighbours_of_a_pan_are_pairs_whoever_represents_them() -> None:
    """A representative stands for a few frames; where the next one's begin, the frames on both sides are a pair still."""
    wide = cv2.resize(texture(1, 400), (1200, 400), interpolation=cv2.INTER_CUBIC)
    frames = [wide[140:260, 3 * n : 3 * n + 120] for n in range(60)]
    thumbs = [near_copies.thumbnail(frame) for frame in frames]
    found, pairs = near_copies.copies(thumbs, np.full((60, 2), 120))
    told = {(one, two) for one, two in pairs.tolist()}
    assert np.unique(found).size > 1
    assert {(n, n + 1) for n in range(59)} <= told
    assert all(one < two and (two - one) * 3 <= 0.14 * 120 for one, two in told)


def test_a_burst_of_copies_is_one_unit() -> None:
    """More copies of a picture than there are candidates of each: all end at one representative, whatever their order."""
    random = np.random.default_rng(6)
    pictures = [texture(seed) for seed in range(10)]
    burst = [_jpeg(texture(99), int(q)) for q in np.linspace(50, 95, 40)]
    everything = [*pictures, *burst]
    order = random.permutation(len(everything))
    for places in (np.arange(len(everything)), order):
        found = _found([everything[i] for i in places])
        inside = np.flatnonzero(places >= 10)
        assert len(set(found[inside].tolist())) == 1
        assert (found[places < 10] == np.flatnonzero(places < 10)).all()


def test_registration_finds_what_was_moved() -> None:
    """Scale and shift of a picture moved by scipy come back, and the correlation is nearly 1 where both are."""
    random = np.random.default_rng(7)
    one = gaussian_filter(random.normal(size=(32, 32)), 2) * 200
    for _ in range(10):
        scale, shift = 1 + random.uniform(-0.06, 0.06, 2), random.uniform(-1.5, 1.5, 2)
        two = affine_transform(one, np.diag(1 / scale), 15.5 - (15.5 + shift) / scale, order=3, mode="nearest")
        at = np.zeros(4)
        assert registration.registered(one, two, at, 8) > 0.99
        assert at[::2] == pytest.approx(scale - 1, abs=0.02)
        assert at[1::2] == pytest.approx(shift, abs=0.3)


def test_what_says_too_little_is_left_alone() -> None:
    """Flat pictures, tiny ones, and the same scene in another shape are compared with nothing."""
    flat = [np.full((64, 64, 3), 100 + n, np.uint8) for n in range(5)]
    assert (_found(flat) == np.arange(5)).all()
    tiny = [cv2.resize(texture(1), (28, 28))] * 3
    assert (_found(tiny) == np.arange(3)).all()
    stretched = [texture(1), cv2.resize(texture(1), (240, 120))]
    assert (_found(stretched) == np.arange(2)).all()
    assert _found([texture(1), texture(1)]).tolist() == [0, 0]
    assert _found([texture(1)]).tolist() == [0]


def test_products_of_descriptors_are_exact() -> None:
    """They are whole numbers whose products fit float32, so that no order of summing or number of threads changes any."""
    thumbs = [near_copies.thumbnail(texture(n)) for n in range(30)]
    for held in (near_copies._forms([t.grey for t in thumbs]), near_copies._paints([t.colour for t in thumbs])):
        assert (held == np.rint(held)).all()
        assert np.abs(held).max() <= 128
        assert 3 * held.shape[1] * 128**2 < 2**24
        assert ((held @ held.T) == held.astype(np.int64) @ held.astype(np.int64).T).all()


def test_a_mosaic_is_seen_as_its_picture() -> None:
    """A 16 bit mosaic in linear light gives nearly the thumbnail of the picture that it shows, whatever its exposure."""
    grey = texture(3, 128)[..., 0].astype(np.float64) / 255
    whole = near_copies.thumbnail(np.asarray(np.rint(grey * 255), np.uint8)).grey.astype(float)
    for white in (1000, 60_000):
        mosaic = near_copies.thumbnail(np.asarray(np.rint(grey**2 * white), np.uint16)).grey.astype(float)
        assert np.corrcoef(whole.ravel(), mosaic.ravel())[0, 1] > 0.995

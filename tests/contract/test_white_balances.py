"""What every white balance promises, found by the folder."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core import parts
from stages.maths.bayer import PATTERNS, mosaic
from stages.maths.colour import neutral_gains
from stages.parts.white_balances import camera, grey_world

VALUES = {
    "gains": {"red": 2.0, "green": 1.0, "blue": 1.5},
    "shades_of_grey": {"norm": 6.0},
    "camera": {"fallback": "grey_world"},
}
FROM_PICTURE = ("grey_world", "white_patch", "shades_of_grey", "camera")


def _build(name: str):
    module = parts.load("white_balances", name, "test")
    return module.build(module.Params(**VALUES.get(name, {})))


@pytest.mark.parametrize("name", parts.known("white_balances"))
@pytest.mark.parametrize("camera_gains", [None, (2.0, 1.0, 1.5)])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (8, 9)])
def test_gains_are_three_positive_numbers(name: str, camera_gains, size: tuple[int, int]) -> None:
    """Whatever the picture (black, tiny, random), three finite positive gains come back."""
    for frame in (
        np.zeros(size, np.float32),
        np.random.default_rng(0).random(size).astype(np.float32) - 0.1,
        np.ones(size, np.float32),
    ):
        gains = np.array(_build(name)(frame, "GBRG", camera_gains))
        assert gains.shape == (3,)
        assert np.isfinite(gains).all()
        assert (gains > 0).all()


@pytest.mark.parametrize("name", FROM_PICTURE)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_grey_under_coloured_light_becomes_grey(name: str, pattern: str) -> None:
    """On a grey scene the estimate undoes the light, for each pattern."""
    light = np.array([0.5, 0.9, 0.6], np.float32)
    grey = np.random.default_rng(1).uniform(0.2, 1.0, (20, 20, 1)).astype(np.float32).repeat(2, 0).repeat(2, 1)
    gains = np.array(_build(name)(mosaic(grey * light, pattern), pattern, None))
    np.testing.assert_allclose(gains * light / (gains[1] * light[1]), 1.0, atol=1e-5)


def test_camera_gains_win_and_are_stood_in_for() -> None:
    """``camera`` takes the file's gains; without them it estimates, and with fallback ``none`` it leaves the colours."""
    frame = mosaic(np.full((8, 8, 3), (0.2, 0.4, 0.8), np.float32), "RGGB")
    build = lambda fallback: camera.build(camera.Params(fallback=fallback))  # noqa: E731 - short
    assert build("grey_world")(frame, "RGGB", (1.7, 1.0, 1.3)) == (1.7, 1.0, 1.3)
    np.testing.assert_allclose(build("grey_world")(frame, "RGGB", None), (2.0, 1.0, 0.5), rtol=1e-6)
    assert build("none")(frame, "RGGB", None) == (1.0, 1.0, 1.0)


def test_saturated_cells_do_not_tint_the_estimate() -> None:
    """A blown window says nothing about the light and is left out."""
    scene = np.full((16, 16, 3), (0.3, 0.6, 0.4), np.float32)
    scene[:6] = 1.0
    gains = grey_world.build(grey_world.Params())(mosaic(scene, "RGGB"), "RGGB", None)
    np.testing.assert_allclose(gains, (2.0, 1.0, 1.5), rtol=1e-5)


@pytest.mark.parametrize("name", parts.known("white_balances"))
@pytest.mark.parametrize("pattern", PATTERNS)
def test_digital_numbers_give_what_the_normalised_mosaic_gives(name: str, pattern: str) -> None:
    """The estimate from uint16 with its black level per position and white level is the one from black 0 and white 1."""
    black, white = (250.0, 256.5, 270.0, 262.0), 4095.0
    numbers = np.random.default_rng(5).integers(200, 4200, (41, 53)).astype(np.uint16)
    levels = np.tile(np.reshape(black, (2, 2)), (21, 27))[:41, :53]
    normalised = np.minimum((numbers - levels) / (white - levels), 1).astype(np.float32)
    expected = _build(name)(normalised, pattern, None)
    np.testing.assert_allclose(_build(name)(numbers, pattern, None, black, white), expected, rtol=1e-5)


def _plain(mosaic_: np.ndarray, pattern: str, norm: float) -> tuple[float, float, float]:
    """Estimate as the paper writes it, in float64: Minkowski means of the cells without a saturated pixel."""
    height, width = (n - n % 2 for n in mosaic_.shape)
    cells = (
        mosaic_[:height, :width]
        .astype(np.float64)
        .reshape(height // 2, 2, width // 2, 2)
        .transpose(0, 2, 1, 3)
        .reshape(-1, 4)
    )
    cells = cells[cells.max(axis=1) < 0.98].clip(0)
    colours = [cells[:, [p for p, c in enumerate(pattern) if c == color]].mean(axis=1) for color in "RGB"]
    if min(c.max() for c in colours) <= 0:
        return 1.0, 1.0, 1.0
    red, green, blue = (c.max() if np.isinf(norm) else (c**norm).mean() ** (1 / norm) for c in colours)
    return green / red, 1.0, green / blue


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(PATTERNS),
    st.sampled_from((1.0, 1.5, 6.0, 30.0, np.inf)),
    st.integers(2, 9),
    st.integers(2, 9),
    st.integers(0, 99),
)
def test_the_estimates_are_minkowski_means(pattern: str, norm: float, height: int, width: int, seed: int) -> None:
    """Grey world, shades of grey and white patch equal their formula in float64, odd sizes and negative values included."""
    frame = np.random.default_rng(seed).uniform(-0.05, 0.97, (height, width)).astype(np.float32)
    np.testing.assert_allclose(neutral_gains(frame, pattern, norm), _plain(frame, pattern, norm), rtol=1e-4)

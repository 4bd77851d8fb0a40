"""The camera chain keeps greys grey, white white and shadows dark, whatever the sensor states."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.maths import bayer, calibration, colour, sensor, tile_kernels, tiling
from stages.parts.demosaicers import bilinear, malvar2004

LINEAR = [bilinear.build(bilinear.Params()), malvar2004.build(malvar2004.Params())]
DEMOSAICERS = [*LINEAR, *map(tiling.in_square_root, LINEAR)]
MATRIX = (0.6722, -0.0635, -0.0963, -0.4287, 1.2460, 0.2028, -0.0908, 0.2162, 0.5668)
LEVELS = (250.0, 262.0, 270.0, 255.0)
WHITE = 4095.0


def _black(height: int, width: int) -> np.ndarray:
    return np.tile(np.reshape(LEVELS, (2, 2)), (height, width))[:height, :width]


def _developed(  # noqa: PLR0913 - the chain's inputs
    numbers, pattern, gains, demosaicer, *, levels=LEVELS, matrix=None
) -> np.ndarray:
    """Send digital numbers through the chain to linear sRGB."""
    known = calibration.srgb_from_camera(calibration.daylight(MATRIX), None) if matrix is None else matrix
    least = min(gains)
    at = tiling.levels(levels, WHITE, [gains["RGB".index(color)] / least for color in pattern])
    out = np.empty((*numbers.shape, 3), np.float32)

    def finish(planes, into):
        tile_kernels.to_linear(planes, known.astype(np.float32), np.float32(0), into)

    tiling.run(demosaicer, numbers, pattern, at, finish, out)
    return out


def _exposed(colors: np.ndarray, pattern: str, gains: tuple[float, float, float]) -> np.ndarray:
    """Return the digital numbers of linear camera colours under a light that needs these gains, black level per position."""
    raw = bayer.mosaic((colors / np.array(gains)).astype(np.float64), pattern)
    black = _black(*raw.shape)
    return (black + raw * (WHITE - black)).round().clip(0, WHITE).astype(np.uint16)


@pytest.mark.parametrize("pattern", bayer.PATTERNS)
@pytest.mark.parametrize("demosaic", DEMOSAICERS)
def test_grey_stays_grey_under_a_black_level_per_position(pattern: str, demosaic) -> None:
    """A grey patch comes out as one grey in all channels: one black level for all would tint it."""
    gains = (2.0, 1.0, 1.5)
    for level in (0.02, 0.18, 0.6):
        linear = _developed(_exposed(np.full((12, 14, 3), level), pattern, gains), pattern, gains, demosaic)
        np.testing.assert_allclose(linear, level, atol=2e-3)
    dark = _exposed(np.full((12, 14, 3), 0.02), pattern, gains)
    assert np.ptp(_developed(dark, pattern, gains, demosaic, levels=(250.0,) * 4)) > 0.005


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.floats(0.3, 4.0)] * 3), st.sampled_from(bayer.PATTERNS), st.sampled_from(DEMOSAICERS))
def test_blown_white_stays_neutral(gains: tuple[float, float, float], pattern: str, demosaic) -> None:
    """Saturated pixels are pure white for any gains, also those below 1: never magenta."""
    frame = np.full((8, 9), WHITE, np.uint16)
    linear = _developed(frame, pattern, gains, demosaic)
    assert (colour.srgb_from_linear(linear) == 255).all()


@pytest.mark.parametrize("demosaic", DEMOSAICERS)
def test_shadows_keep_their_mean(demosaic) -> None:
    """Noise around black is not clipped on the way, so that the mean of a dark frame is the true one."""
    rng = np.random.default_rng(0)
    true = 0.002
    noisy = (np.array(250.0) + true * (WHITE - 250) + rng.normal(0, 30, (400, 400))).round().astype(np.uint16)
    linear = _developed(noisy, "RGGB", (1.0, 1.0, 1.0), demosaic, levels=(250.0,) * 4, matrix=np.eye(3))
    assert linear.min() < 0
    assert linear.mean() == pytest.approx(true, abs=1e-4)
    assert np.maximum(linear, 0).mean() > 1.5 * true


def test_white_balance_comes_before_demosaicing() -> None:
    """On a grey edge under a coloured light, balancing first leaves at most three quarters of the colour fringe."""
    grey = np.repeat(np.where(np.arange(32) < 15, 0.1, 0.7)[None, :, None], 32, 0).repeat(3, 2)
    gains = (2.4, 1.0, 1.8)
    numbers = _exposed(grey, "RGGB", gains)
    before = _developed(numbers, "RGGB", gains, DEMOSAICERS[1], matrix=np.eye(3))
    after = _developed(numbers, "RGGB", (1.0, 1.0, 1.0), DEMOSAICERS[1], matrix=np.eye(3)) * np.array(gains)
    assert np.ptp(before, axis=2).max() < 0.75 * np.ptp(after, axis=2).max()


@pytest.mark.parametrize("pattern", bayer.PATTERNS)
def test_colours_come_back_through_a_known_camera(pattern: str) -> None:
    """24 patches rendered by the simulated camera without noise and developed again differ by under 1 code in the mean."""
    patches = np.random.default_rng(5).integers(20, 236, (4, 6, 3), dtype=np.uint8)
    scene = patches.repeat(12, 0).repeat(12, 1)
    model = sensor.Sensor("t", pattern, LEVELS, int(WHITE), tuple(MATRIX[i : i + 3] for i in (0, 3, 6)), 1e12, 0.0)
    light = (1.0, 1.0, 1.0)
    exposure = 1 / model.camera_from_linear_rgb().sum(axis=1).max()
    mosaic = sensor.expose(sensor.linear_from_srgb(scene), model, light, exposure, 100, None)
    linear = _developed(mosaic, pattern, tuple(1 / sensor.neutral(model, light)), DEMOSAICERS[0])
    assert np.abs(colour.srgb_from_linear(linear)[6::12, 6::12].astype(int) - patches).mean() < 1.0


def test_the_srgb_curve_is_exact_for_each_code() -> None:
    """All 256 codes turned linear come back as themselves, and the curve equals its formula."""
    codes = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(colour.srgb_from_linear(sensor.linear_from_srgb(codes).astype(np.float32)), codes)
    values = np.linspace(0, 1, 5001)
    formula = np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055) * 255
    assert np.abs(colour.srgb_from_linear(values.astype(np.float32)) - formula).max() <= 0.56


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 7), st.integers(1, 7), st.sampled_from(bayer.PATTERNS), st.sampled_from(DEMOSAICERS), st.integers(0, 99)
)
def test_no_size_gives_nan(height: int, width: int, pattern: str, demosaic, seed: int) -> None:
    """From 1 x 1 up, the chain gives finite numbers."""
    frame = np.random.default_rng(seed).integers(0, 4096, (height, width)).astype(np.uint16)
    linear = _developed(frame, pattern, (2.0, 1.0, 1.5), demosaic)
    assert np.isfinite(linear).all()


def test_absurd_matrices_are_refused() -> None:
    """A matrix without inverse is named."""
    with pytest.raises(ValueError, match="no inverse"):
        calibration.daylight([1.0] * 9)


@pytest.mark.parametrize("pattern", bayer.PATTERNS)
def test_a_wrong_pattern_is_doubted_and_a_right_one_is_not(pattern: str) -> None:
    """Where red and blue stand under a green light the two greens agree; a pattern moved by one column gives itself away."""
    scene = np.random.default_rng(1).uniform(0.2, 0.9, (30, 30, 1)).repeat(2, 0).repeat(2, 1) * np.array([0.4, 0.9, 0.6])
    mosaic = bayer.mosaic(scene.astype(np.float32), pattern)
    means = [float(mosaic[y::2, x::2].mean()) for y in (0, 1) for x in (0, 1)]
    assert not bayer.greens_differ(means, pattern)
    assert bayer.greens_differ(means, bayer.crop(pattern, 0, 1))

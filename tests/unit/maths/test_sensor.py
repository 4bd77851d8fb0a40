"""The simulated camera obeys optics: exposure and ISO scale the signal, noise follows the light, white is neutral."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import color

from stages.maths import sensor
from stages.parts.sources.scenes import CAMERAS

CAMERA = CAMERAS["a"]
DAY = (1.0, 1.0, 1.0)


def _grey(level: float, camera: sensor.Sensor = CAMERA, exposure: float = 0.5, iso: int = 100) -> np.ndarray:
    flat = np.full((64, 64, 3), level)
    return sensor.expose(flat, camera, DAY, exposure, iso, np.random.default_rng(1)).astype(np.float64)


def test_the_curve_is_scikit_images() -> None:
    """Undoing the sRGB curve agrees with an independent implementation on all codes."""
    codes = np.arange(256, dtype=np.uint8).reshape(1, -1, 1).repeat(3, axis=2)
    expected = color.rgb2xyz(codes)[..., 1].ravel()
    assert sensor.linear_from_srgb(codes)[0, :, 1] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("pattern", sensor.PATTERNS)
def test_a_mosaic_keeps_one_colour_per_pixel(pattern: str) -> None:
    """Pixel (y, x) holds the colour that stands at (y % 2, x % 2) of the pattern, odd sizes too."""
    colors = np.random.default_rng(0).random((7, 9, 3))
    found = sensor.mosaic(colors, pattern)
    for y in range(7):
        for x in range(9):
            assert found[y, x] == colors[y, x, "RGB".index(pattern[2 * (y % 2) + x % 2])]


def test_an_unknown_pattern_is_refused() -> None:
    """The known ones are named."""
    with pytest.raises(ValueError, match="'RGBG'; expected one of RGGB"):
        sensor.mosaic(np.zeros((2, 2, 3)), "RGBG")


@pytest.mark.parametrize("name", CAMERAS)
def test_white_balanced_grey_is_grey(name: str) -> None:
    """After black level, AsShotNeutral's gains make the phases of a grey card equal, per-phase black levels included."""
    camera = CAMERAS[name]
    light = (1.2, 1.0, 0.6)
    flat = np.full((128, 128, 3), 0.4)
    mosaic = sensor.expose(flat, camera, light, 0.5, 100, np.random.default_rng(2)).astype(np.float64)
    neutral = sensor.neutral(camera, light)
    levels = []
    for phase in range(4):
        y, x = divmod(phase, 2)
        black = camera.black_level[phase]
        signal = (mosaic[y::2, x::2].mean() - black) / (camera.white_level - black)
        levels.append(signal / neutral["RGB".index(camera.pattern[phase])])
    assert levels == pytest.approx([levels[0]] * 4, rel=0.01)


@settings(deadline=None, max_examples=50)
@given(level=st.floats(0.1, 0.5), exposure=st.floats(0.2, 0.8))
def test_signal_is_linear_in_light(level: float, exposure: float) -> None:
    """Twice the exposure or twice the reflectance give twice the signal above black."""
    once = _grey(level, exposure=exposure).mean() - 256
    assert _grey(level, exposure=exposure / 2).mean() - 256 == pytest.approx(once / 2, rel=0.02)
    assert _grey(level / 2, exposure=exposure).mean() - 256 == pytest.approx(once / 2, rel=0.02)


def test_noise_is_shot_and_read_noise() -> None:
    """The variance in electrons is the mean plus the read noise squared; ISO scales both signal and noise."""
    for iso, exposure in ((100, 0.5), (800, 0.05)):
        green = _grey(0.4, exposure=exposure, iso=iso)[0::2, 1::2] - 256
        per_electron = (CAMERA.white_level - 256) / CAMERA.full_well * iso / 100
        electrons = green / per_electron
        expected = 0.4 * exposure * CAMERA.full_well + CAMERA.read_noise**2
        assert electrons.var() == pytest.approx(expected, rel=0.15)


def test_white_saturates_at_the_white_level() -> None:
    """Overexposure ends at the white level, never above or around."""
    assert _grey(1.0, exposure=3.0).max() == CAMERA.white_level

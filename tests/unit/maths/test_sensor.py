"""The simulated camera obeys optics: exposure and ISO scale the signal, noise follows the light, white is neutral."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import color

from stages.maths import colour, noise, sensor
from stages.parts.sources.scenes import CAMERAS
from tests.references import sensor as reference

CAMERA = CAMERAS["a"]
DAY = (1.0, 1.0, 1.0)
IDENTITY = tuple(map(tuple, np.linalg.inv(sensor.XYZ_FROM_SRGB).tolist()))  # the camera sees linear sRGB


def _grey(level: float, camera: sensor.Sensor = CAMERA, exposure: float = 0.5, iso: int = 100) -> np.ndarray:
    flat = np.full((64, 64, 3), level)
    return sensor.expose(flat, camera, DAY, exposure, iso, 1).astype(np.float64)


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
    mosaic = sensor.expose(flat, camera, light, 0.5, 100, 2).astype(np.float64)
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


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 9), st.integers(1, 11), st.sampled_from(sensor.PATTERNS), st.sampled_from((None, 0, 7, 2**32 - 1)),
    st.integers(0, 99),
)  # fmt: skip
def test_the_pass_equals_the_plain_camera(height: int, width: int, pattern: str, seed: int | None, content: int) -> None:
    """Codes and floats, each pattern, size and black level: within half a digital number of numpy in float64."""
    camera = sensor.Sensor("t", pattern, (1000, 1010.5, 1020, 1030), 16383, CAMERA.color_matrix, 9000, 5.0)
    codes = np.random.default_rng(content).integers(0, 256, (height, width, 3), dtype=np.uint8)
    linear = sensor.linear_from_srgb(codes)
    expected = reference.expose(linear, camera, (1.1, 1.0, 0.7), 0.8, 200, seed).clip(0, 16383)
    for picture in (codes, linear):
        found = sensor.expose(picture, camera, (1.1, 1.0, 0.7), 0.8, 200, seed)
        assert found.shape == codes.shape[:2]
        np.testing.assert_allclose(found, expected, atol=0.52)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 15), st.integers(0, 15), st.integers(1, 16), st.integers(1, 16))
def test_noise_belongs_to_the_place_and_not_to_the_tile(top: int, left: int, height: int, width: int) -> None:
    """Any tile of the picture, wherever it begins, is that tile of the whole mosaic, bit for bit."""
    codes = np.random.default_rng(0).integers(0, 256, (31, 31, 3), dtype=np.uint8)
    whole = sensor.expose(codes, CAMERA, DAY, 0.7, 400, 5)
    tile = (slice(top, top + height), slice(left, left + width))
    np.testing.assert_array_equal(sensor.expose(codes[tile], CAMERA, DAY, 0.7, 400, 5, top=top, left=left), whole[tile])
    assert (whole != sensor.expose(codes, CAMERA, DAY, 0.7, 400, 6)).any()


@pytest.mark.parametrize("level", noise.LEVELS)
@pytest.mark.parametrize("value", [0.02, 0.2, 0.7])
def test_named_levels_have_their_mean_and_variance(level: str, value: float) -> None:
    """Over 260,000 pixels mean and variance lie within four standard errors of x and shot x + read (and quantisation)."""
    wanted = noise.LEVELS[level]
    camera = sensor.Sensor("t", "RGGB", (8192,) * 4, 65535, IDENTITY, 1 / wanted.shot, wanted.read**0.5 / wanted.shot)
    flat = np.full((512, 512, 3), value)
    scale = 65535 - 8192
    found = (sensor.expose(flat, camera, DAY, 1.0, 100, 3).astype(np.float64) - 8192) / scale
    variance = wanted.shot * value + wanted.read + 1 / 12 / scale**2
    if level == "darmstadt_high" and value > 0.5:
        return  # saturates now and then
    assert found.mean() == pytest.approx(value, abs=4 * (variance / found.size) ** 0.5)
    assert found.var() == pytest.approx(variance, rel=4 * (2 / found.size) ** 0.5)


@pytest.mark.parametrize("pattern", sensor.PATTERNS)
@pytest.mark.parametrize(("black", "white"), [(256, 4095 + 256), (1000, 16383), (0, 65535)])
def test_the_way_back_is_exact_from_twelve_bit(pattern: str, black: int, white: int) -> None:
    """Without noise and matrix each 8-bit code that a pixel kept comes back as itself; at 8 bit it would not."""
    codes = np.random.default_rng(4).permutation(np.arange(6 * 256) % 256).reshape(32, 16, 3).astype(np.uint8)
    kept = sensor.mosaic(codes.astype(np.float64), pattern).astype(np.uint8)
    for top, exact in ((white, True), (black + 255, False)):
        camera = sensor.Sensor("t", pattern, (black,) * 4, top, IDENTITY, 1e4, 0.0)
        mosaic = sensor.expose(codes, camera, DAY, 1.0, 100, None)
        back = colour.srgb_from_linear(((mosaic.astype(np.float32) - black) / (top - black)).astype(np.float32))
        assert (back == kept).all() == exact


def test_undoing_the_tone_curve_is_smoothsteps_inverse() -> None:
    """Toning the untoned value gives it back; black, white and the middle stay."""
    codes = np.arange(256) / 255
    untoned = sensor.linear_codes(undo_tone=True)
    x = np.where(untoned <= 0.0031308, 12.92 * untoned, 1.055 * untoned ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(3 * x**2 - 2 * x**3, codes, atol=1e-12)
    assert untoned[0] == pytest.approx(0, abs=1e-12)
    assert untoned[255] == pytest.approx(1)


def test_a_seed_that_the_generator_cannot_hold_is_refused() -> None:
    """Its range is named."""
    with pytest.raises(ValueError, match="seed is 4294967296; expected 0 to 4294967295"):
        sensor.expose(np.zeros((2, 2, 3)), CAMERA, DAY, 1.0, 100, 2**32)

"""What every demosaicer promises, found by the folder; where a library breaks a promise, the exemption is stated here."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stages.core import parts
from stages.maths import bayer, tiling
from stages.maths.bayer import PATTERNS
from stages.maths.tile_kernels import interleave

NAMES = parts.known("demosaicers")
CHOICES = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))["preprocess"]

STEP = {name: 1 / 65535 for name in NAMES if name.startswith("libraw_")}  # what a library rounds to
STEP |= {"opencv_ea": 1 / 65535, "opencv_vng": 1 / 255}
NOT_FLIPPED = {"libraw_aahd"}  # looks at rows from the top and at columns from the left
NOT_TRANSPOSED = {"libraw_aahd", "opencv_ea"}  # take the row where both directions are equally good, or look at rows first
names = pytest.mark.parametrize("name", NAMES)
frames = hnp.arrays(np.float32, st.tuples(st.integers(1, 7), st.integers(1, 5)), elements=st.floats(-1e6, 1e6, width=32))


@cache
def _build(name: str) -> tiling.Demosaicer:
    module = parts.load("demosaicers", name, "test")
    chosen = CHOICES.get(name, {}) if module.Params.model_fields else {}
    return module.build(module.Params(**chosen))


def _random(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width), dtype=np.float32)


def _tolerance(name: str) -> float:
    return STEP.get(name, 0.0) + 1e-5  # float32 sums in another order


@names
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 5), (7, 5), (16, 17)])
def test_form_and_flat_patch(name: str, pattern: str, size: tuple[int, int]) -> None:
    """(H, W) float32 becomes (H, W, 3) float32 of any size, finite, and a flat frame returns itself to the border."""
    found = _build(name)(np.full(size, 0.4, np.float32), pattern)
    assert found.shape == (*size, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 0.4, atol=1e-5)


@names
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_coloured_patch_returns_itself_to_the_border(name: str, pattern: str) -> None:
    """The mirrored border keeps the parity: a patch of one colour comes back, corners included."""
    patch = np.tile(np.array([0.8, 0.3, 0.1], np.float32), (9, 7, 1))
    np.testing.assert_allclose(_build(name)(bayer.mosaic(patch, pattern), pattern), patch, atol=_tolerance(name))


@names
@pytest.mark.parametrize("pattern", PATTERNS)
def test_grey_stays_grey(name: str, pattern: str) -> None:
    """A grey that changes evenly from side to side, as a wall does, gets no colour inside the frame."""
    ramp = np.linspace(0.1, 0.9, 49, dtype=np.float32) * np.linspace(0.8, 1.0, 40, dtype=np.float32)[:, None]
    found = _build(name)(ramp, pattern)[14:-14, 14:-14]
    assert np.ptp(found, axis=2).max() < 2e-3 + STEP.get(name, 0.0)


@names
@pytest.mark.parametrize("pattern", PATTERNS)
def test_measured_values_are_kept(name: str, pattern: str) -> None:
    """mosaic(demosaic(m)) = m: to the bit, or to the step that a library rounds to (and clips at 0 and 1)."""
    mosaic = _random(23, 18) * np.float32(1.0 if name in STEP else 1.5) - np.float32(0.0 if name in STEP else 0.2)
    kept = bayer.mosaic(_build(name)(mosaic, pattern), pattern)
    np.testing.assert_allclose(kept, mosaic, rtol=0, atol=STEP.get(name, 0.0) / 2 * 1.01)


@names
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("turn", ["columns", "rows", "transposed"])
def test_flips_and_transposition_change_nothing(name: str, pattern: str, turn: str) -> None:
    """A turned mosaic with the pattern that belongs to it gives the turned picture."""
    if name in (NOT_TRANSPOSED if turn == "transposed" else NOT_FLIPPED):
        pytest.skip("the library's own asymmetry")
    mosaic = _random(30, 27)
    expected = _build(name)(mosaic, pattern)
    if turn == "transposed":
        found = _build(name)(mosaic.T, bayer.transpose(pattern)).transpose(1, 0, 2)
    else:
        rows = slice(None, None, -1 if turn == "rows" else 1)
        columns = slice(None, None, -1 if turn == "columns" else 1)
        turned = bayer.flip(pattern, *mosaic.shape, rows=turn == "rows", columns=turn == "columns")
        found = _build(name)(mosaic[rows, columns], turned)[rows, columns]
    np.testing.assert_allclose(found, expected, atol=_tolerance(name))


@names
@pytest.mark.parametrize(("top", "left"), [(1, 0), (0, 1), (1, 1), (3, 2)])
def test_a_crop_with_the_matching_pattern_changes_nothing_inside(name: str, top: int, left: int) -> None:
    """A crop by an odd number of pixels moves the pattern; with the moved pattern the inside is the same."""
    mosaic, margin = _random(60, 57), max(12, _build(name).margin)
    for pattern in PATTERNS:
        whole = _build(name)(mosaic, pattern)[top:, left:]
        part = _build(name)(mosaic[top:, left:], bayer.crop(pattern, top, left))
        # A library may round elsewhere: its vector code meets other columns, AAHD counts over the whole frame.
        np.testing.assert_allclose(part[margin:, margin:], whole[margin:, margin:], atol=1e-6 + 4 * STEP.get(name, 0.0))


@names
@settings(max_examples=25, deadline=None)
@given(frame=frames, pattern=st.sampled_from(PATTERNS))
def test_finite_values_never_give_nan(name: str, frame: np.ndarray, pattern: str) -> None:
    """Any frame from 1 x 1 to 7 x 5, black, negative or far too bright, gives finite colours."""
    assert np.isfinite(_build(name)(frame, pattern)).all()


@names
@pytest.mark.parametrize("value", [0.0, -0.1, 1e-30, 1.0, 1.7])
def test_flat_frames_of_special_values_are_finite(name: str, value: float) -> None:
    """Where nothing varies, nothing is divided by zero: black, below black, denormal squares, white and above."""
    found = _build(name)(np.full((12, 14), value, np.float32), "RGGB")
    np.testing.assert_allclose(found, np.clip(value, 0, 1) if name in STEP else value, atol=1e-5)


@names
@pytest.mark.parametrize("pattern", PATTERNS)
def test_tiles_and_threads_change_no_bit(name: str, pattern: str) -> None:
    """However the frame is cut into tiles and whoever works on them, the result is the same to the bit."""
    mosaic, method = _random(75, 121) * 1.4 - 0.2, _build(name)
    whole = method(mosaic, pattern)
    for tile, num_threads in (((2, 200), 1), ((14, 34), 2), ((64, 16), 1)):
        out = np.full_like(whole, np.nan)
        tiling.run(method, mosaic, pattern, tiling.AS_IT_IS, interleave, out, num_threads=num_threads, tile=tile)
        np.testing.assert_array_equal(out, whole)


@names
@pytest.mark.parametrize("size", [(1, 1), (1, 3), (5, 8), (6, 33)])
def test_what_lay_in_the_working_memory_does_not_matter(name: str, size: tuple[int, int]) -> None:
    """Working planes and result full of NaN give the same tile as planes full of zeros, for inner parts of any size."""
    method = _build(name)
    tile = _random(size[0] + 2 * method.margin, size[1] + 2 * method.margin)
    found = []
    for filling in (0.0, np.nan):
        out = np.full((3, *size), filling, np.float32)
        method.fill(tile, out, np.full((method.num_scratch, *tile.shape), filling, np.float32))
        found.append(out)
    assert np.isfinite(found[0]).all()
    np.testing.assert_array_equal(found[0], found[1])


@names
def test_margin_keeps_the_parity(name: str) -> None:
    """The margin is even, so that a tile begins on red."""
    assert _build(name).margin % 2 == 0


@names
def test_a_wrong_pattern_is_named(name: str) -> None:
    """A pattern that is no Bayer pattern is refused with the four that are."""
    with pytest.raises(ValueError, match="'RGBG'; expected one of RGGB, BGGR, GRBG, GBRG"):
        _build(name)(np.zeros((4, 4), np.float32), "RGBG")


@names
def test_input_is_left_alone_and_result_repeats(name: str) -> None:
    """The mosaic is not written to, and the same mosaic gives the same picture; a read-only, strided view will do."""
    mosaic = _random(20, 22)
    copy, view = mosaic.copy(), mosaic[::1, ::-1]
    view.setflags(write=False)
    np.testing.assert_array_equal(_build(name)(view, "GRBG"), _build(name)(view, "GRBG"))
    np.testing.assert_array_equal(mosaic, copy)

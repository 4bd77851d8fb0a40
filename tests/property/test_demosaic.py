"""What every linear demosaicer must keep, whatever the picture."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stages.maths import bayer
from stages.parts.demosaicers import bilinear, malvar2004

METHODS = {"bilinear": bilinear.build(bilinear.Params()), "malvar2004": malvar2004.build(malvar2004.Params())}
BORDER = 10
RATIOS = 2e-5  # float32 sums in another order

methods = st.sampled_from(sorted(METHODS))
patterns = st.sampled_from(bayer.PATTERNS)
frames = hnp.arrays(
    np.float32, st.tuples(st.integers(2, 9), st.integers(2, 9)), elements=st.floats(-0.25, 2.0, width=32, allow_nan=False)
)


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("pattern", bayer.PATTERNS)
def test_equals_colour_demosaicing_inside_the_frame(method: str, pattern: str) -> None:
    """Inside the frame the result is that of an independent implementation, for each pattern and odd sizes."""
    reference = pytest.importorskip("colour_demosaicing")
    twin = {
        "bilinear": reference.demosaicing_CFA_Bayer_bilinear,
        "malvar2004": reference.demosaicing_CFA_Bayer_Malvar2004,
    }[method]
    mosaic = np.random.default_rng(1).random((41, 37)).astype(np.float32)
    expected = twin(mosaic.astype(np.float64), pattern)
    found = METHODS[method](mosaic, pattern)
    np.testing.assert_allclose(found[3:-3, 3:-3], expected[3:-3, 3:-3], atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(methods, patterns, frames)
def test_measured_values_are_kept(method: str, pattern: str, frame: np.ndarray) -> None:
    """mosaic(demosaic(m)) = m, to the bit."""
    np.testing.assert_array_equal(bayer.mosaic(METHODS[method](frame, pattern), pattern), frame)


@settings(max_examples=60, deadline=None)
@given(methods, patterns, frames)
def test_flips_and_transposition_change_nothing(method: str, pattern: str, frame: np.ndarray) -> None:
    """A turned mosaic with the pattern that belongs to it gives the turned picture."""
    demosaic, (height, width) = METHODS[method], frame.shape
    expected = demosaic(frame, pattern)
    turned = demosaic(frame[:, ::-1], bayer.flip(pattern, height, width, rows=False, columns=True))
    np.testing.assert_allclose(turned[:, ::-1], expected, atol=RATIOS)
    turned = demosaic(frame[::-1], bayer.flip(pattern, height, width, rows=True, columns=False))
    np.testing.assert_allclose(turned[::-1], expected, atol=RATIOS)
    turned = demosaic(frame.T, bayer.transpose(pattern))
    np.testing.assert_allclose(turned.transpose(1, 0, 2), expected, atol=RATIOS)


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize(("top", "left"), [(1, 0), (0, 1), (1, 1), (3, 2)])
def test_a_crop_with_the_matching_pattern_changes_nothing_inside(method: str, top: int, left: int) -> None:
    """A crop by an odd number of pixels moves the pattern; with the moved pattern the inside is the same."""
    mosaic = np.random.default_rng(2).random((30, 33)).astype(np.float32)
    for pattern in bayer.PATTERNS:
        whole = METHODS[method](mosaic, pattern)[top:, left:]
        part = METHODS[method](mosaic[top:, left:], bayer.crop(pattern, top, left))
        np.testing.assert_allclose(part[2:, 2:], whole[2:, 2:], atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(methods, patterns, st.integers(1, 7), st.integers(1, 7), st.floats(-1, 2, width=32))
def test_a_flat_frame_of_any_size_returns_itself_to_the_border(
    method: str, pattern: str, height: int, width: int, value: float
) -> None:
    """From 1 x 1 to 7 x 7, without NaN, all three channels are the value that was measured everywhere."""
    found = METHODS[method](np.full((height, width), value, np.float32), pattern)
    assert found.shape == (height, width, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, value, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    methods,
    patterns,
    hnp.arrays(np.float32, st.tuples(st.integers(1, 7), st.integers(1, 5)), elements=st.floats(0, 1, width=32)),
)
def test_tiny_frames_stay_finite(method: str, pattern: str, frame: np.ndarray) -> None:
    """1 x 1 to 7 x 5 frames never give NaN and keep what was measured."""
    found = METHODS[method](frame, pattern)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(bayer.mosaic(found, pattern), frame)


@pytest.mark.parametrize("pattern", bayer.PATTERNS)
def test_a_coloured_patch_returns_itself_to_the_border(pattern: str) -> None:
    """The mirrored border keeps the parity: a patch of one colour comes back, corners included (bilinear: exactly)."""
    patch = np.tile(np.array([0.8, 0.3, 0.1], np.float32), (8, 7, 1))
    np.testing.assert_allclose(METHODS["bilinear"](bayer.mosaic(patch, pattern), pattern), patch, atol=1e-6)
    np.testing.assert_allclose(METHODS["malvar2004"](bayer.mosaic(patch, pattern), pattern), patch, atol=1e-6)


@pytest.mark.parametrize(
    ("folder", "glob", "method", "published"),
    [
        ("kodak", "*.png", "bilinear", 30.24),
        ("kodak", "*.png", "malvar2004", 35.78),
        ("mcmaster", "*.tif", "bilinear", 32.30),
        ("mcmaster", "*.tif", "malvar2004", 34.43),
    ],
)
def test_quality_is_the_measured_one(folder: str, glob: str, method: str, published: float) -> None:
    """The mean CPSNR over the reference set (RGGB, 8 bit, border of 10 px left out) is the known figure within 0.03 dB."""
    files = sorted((Path(__file__).parents[2].parent / "shared" / "data" / folder).glob(glob))
    if not files:
        pytest.skip(f"the {folder} pictures are not here")
    values = []
    for file in files:
        truth = cv2.imread(str(file))[..., ::-1].astype(np.float32)
        found = METHODS[method](bayer.mosaic(truth, "RGGB"), "RGGB").round().clip(0, 255)
        error = (found - truth)[BORDER:-BORDER, BORDER:-BORDER]
        values.append(10 * np.log10(255**2 / np.mean(error.astype(np.float64) ** 2)))
    assert np.mean(values) == pytest.approx(published, abs=0.03)

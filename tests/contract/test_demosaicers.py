"""What every demosaicer promises, found by the folder."""

import numpy as np
import pytest

from stages.core import parts
from stages.maths.bayer import PATTERNS


def _build(name: str):
    module = parts.load("demosaicers", name, "test")
    return module.build(module.Params())


@pytest.mark.parametrize("name", parts.known("demosaicers"))
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 5), (7, 5), (16, 17)])
def test_form_and_flat_patch(name: str, pattern: str, size: tuple[int, int]) -> None:
    """(H, W) float32 becomes (H, W, 3) float32 of any size, finite, and a flat frame returns itself."""
    found = _build(name)(np.full(size, 0.4, np.float32), pattern)
    assert found.shape == (*size, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 0.4, atol=1e-5)


@pytest.mark.parametrize("name", parts.known("demosaicers"))
def test_a_wrong_pattern_is_named(name: str) -> None:
    """A pattern that is no Bayer pattern is refused with the four that are."""
    with pytest.raises(ValueError, match="'RGBG'; expected one of RGGB, BGGR, GRBG, GBRG"):
        _build(name)(np.zeros((4, 4), np.float32), "RGBG")


@pytest.mark.parametrize("name", parts.known("demosaicers"))
def test_input_is_left_alone_and_result_repeats(name: str) -> None:
    """The mosaic is not written to, and the same mosaic gives the same picture; a read-only, strided view will do."""
    mosaic = np.random.default_rng(0).random((20, 22)).astype(np.float32)
    copy, view = mosaic.copy(), mosaic[::1, ::-1]
    view.setflags(write=False)
    demosaic = _build(name)
    np.testing.assert_array_equal(demosaic(view, "GRBG"), demosaic(view, "GRBG"))
    np.testing.assert_array_equal(mosaic, copy)

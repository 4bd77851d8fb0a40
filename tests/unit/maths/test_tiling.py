"""A mosaic in tiles: the chain's figures, and independence of tiles and threads."""

import numpy as np
import pytest

from stages.maths import tile_kernels, tiling
from stages.maths.bayer import PATTERNS
from stages.parts.demosaicers import bilinear, malvar2004
from tests.references import chain

BLACK, WHITE, GAINS = (60.0, 64.0, 66.0, 70.0), 1023.0, (2.1, 1.0, 1.4)
MATRIX = np.array([[1.6, -0.5, -0.1], [-0.2, 1.4, -0.2], [0.0, -0.6, 1.6]])


def _frame(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(5).integers(40, 1024, (height, width)).astype(np.uint16)


def _fused(mosaic: np.ndarray, pattern: str, method: tiling.Demosaicer, *, codes: bool = False, **how) -> np.ndarray:
    at = tiling.levels(BLACK, WHITE, [GAINS["RGB".index(c)] for c in pattern])
    out = np.empty((*mosaic.shape, 3), np.uint8 if codes else np.float32)
    matrix, zero = MATRIX.astype(np.float32), np.float32(0)
    table = tile_kernels.srgb_codes()

    def finish(planes, into):
        if codes:
            tile_kernels.to_srgb(planes, matrix, zero, table, into)
        else:
            tile_kernels.to_linear(planes, matrix, zero, into)

    tiling.run(method, mosaic, pattern, at, finish, out, **how)
    return out


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [(2, 2), (7, 5), (18, 23)])
def test_fused_chain_equals_the_plain_one(pattern: str, size: tuple[int, int]) -> None:
    """One pass over tiles gives what the steps give one after the other, in linear light and within one code in sRGB."""
    mosaic, method = _frame(*size), bilinear.build(bilinear.Params())
    plain = chain.chain(mosaic, pattern, BLACK, WHITE, GAINS, MATRIX, chain.bilinear)
    np.testing.assert_allclose(_fused(mosaic, pattern, method), plain, atol=2e-6)
    codes = _fused(mosaic, pattern, method, codes=True).astype(int)
    assert np.abs(codes - chain.srgb(plain)).max() <= 1
    assert (codes == chain.srgb(plain)).mean() > 0.98


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("tile", [(2, 2), (6, 10), (32, 64), (500, 500)])
@pytest.mark.parametrize("num_threads", [1, 3])
def test_tiles_and_threads_change_no_bit(pattern: str, tile: tuple[int, int], num_threads: int) -> None:
    """The result is the same to the bit for any size of tile and any number of threads."""
    mosaic, method = _frame(61, 83), malvar2004.build(malvar2004.Params())
    np.testing.assert_array_equal(
        _fused(mosaic, pattern, method, tile=tile, num_threads=num_threads), _fused(mosaic, pattern, method)
    )


def test_memory_is_a_few_tiles_whatever_the_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker makes its room once, and the room does not grow with the frame."""
    made = []
    room = tiling._Room
    monkeypatch.setattr(tiling, "_Room", lambda *size: made.append(size) or room(*size))
    for frame in (_frame(300, 1100), _frame(900, 1700)):
        _fused(frame, "RGGB", malvar2004.build(malvar2004.Params()), num_threads=2)
    assert len(made) <= 4
    assert len(set(made)) == 1


def test_an_error_in_a_thread_is_not_swallowed() -> None:
    """What fails in a worker is raised where the chain was called."""

    def broken(tile, out, scratch):
        raise ValueError("broken method")

    with pytest.raises(ValueError, match="broken method"):
        _fused(_frame(300, 1100), "RGGB", tiling.Demosaicer(broken, margin=2), num_threads=2)


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan, -2.0])
def test_levels_that_cannot_be_are_refused(value: float) -> None:
    """White at or below black, and gains that are not positive, are named."""
    with pytest.raises(ValueError, match=r"white level .* is not above the black level 64"):
        tiling.levels([64.0] * 4, value, [1.0] * 4)
    if not value > 0:
        with pytest.raises(ValueError, match="expected positive numbers"):
            tiling.levels([64.0] * 4, 1023, [1.0, value, 1.0, 1.0])


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 7), (6, 4)])
def test_packed_cells_hold_the_measured_values_by_colour(pattern: str, size: tuple[int, int]) -> None:
    """Each channel of a packed frame is one position of the cell; green beside red comes before green beside blue."""
    mosaic = _frame(*size).astype(np.float32)
    packed = tiling.pack(mosaic, pattern, tiling.AS_IT_IS)
    assert packed.shape == ((size[0] + 1) // 2, (size[1] + 1) // 2, 4)
    red = pattern.index("R")
    for channel, place in enumerate((red, red ^ 1, red ^ 2, 3 - red)):
        there = mosaic[place // 2 :: 2, place % 2 :: 2]
        np.testing.assert_array_equal(packed[: there.shape[0], : there.shape[1], channel], there)


def test_the_square_root_domain_keeps_measured_values_and_flat_patches() -> None:
    """Between root and square only interpolated colours change; values below black come back with their sign."""
    mosaic = np.random.default_rng(2).uniform(-0.05, 1.0, (20, 26)).astype(np.float32)
    method = bilinear.build(bilinear.Params())
    rooted = tiling.in_square_root(method)
    found, plain = rooted(mosaic, "GRBG"), method(mosaic, "GRBG")
    same = plain == mosaic[..., None]
    np.testing.assert_allclose(found[same], plain[same], atol=1e-6)
    assert np.abs(found - plain).max() > 0.01
    np.testing.assert_allclose(rooted(np.full((5, 7), 0.3, np.float32), "RGGB"), 0.3, atol=1e-6)
    np.testing.assert_array_equal(mosaic, np.random.default_rng(2).uniform(-0.05, 1.0, (20, 26)).astype(np.float32))

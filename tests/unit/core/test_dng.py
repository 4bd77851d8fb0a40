"""A DNG of ours says to LibRaw exactly what was put in."""

from io import BytesIO

import numpy as np
import pytest
import rawpy
import tifffile

from stages.core import dng, raw
from stages.maths import calibration

MATRIX = np.array([[0.80, -0.22, -0.07], [-0.60, 1.45, 0.16], [-0.12, 0.19, 0.70]])


def _encode(pattern: str = "RGGB", size: tuple[int, int] = (48, 64)) -> tuple[bytes, np.ndarray]:
    mosaic = np.random.default_rng(0).integers(0, 4096, size, dtype=np.uint16)
    content = dng.encode(
        mosaic, pattern=pattern, black_level=(250, 256.5, 260, 252), white_level=4095, neutral=(0.5, 1.0, 0.8),
        color_matrix=MATRIX, model="Test A", iso=400,
    )  # fmt: skip
    return content, mosaic


@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG"])
def test_libraw_reads_what_was_written(pattern: str) -> None:
    """Pixels, pattern, black level of each phase, white level and white balance come back; the second green is 3."""
    content, mosaic = _encode(pattern)
    with rawpy.imread(BytesIO(content)) as file:
        assert np.array_equal(file.raw_image_visible, mosaic)
        assert "".join("RGBG"[c] for c in file.raw_pattern.ravel()) == pattern
        assert sorted(file.raw_pattern.ravel()) == [0, 1, 2, 3]
        blacks = [file.black_level_per_channel[c] for c in file.raw_pattern.ravel()]
        assert blacks == pytest.approx([250, 256.5, 260, 252], abs=0.5)
        assert file.white_level == 4095
        assert np.array(file.camera_whitebalance[:3]) == pytest.approx([2.0, 1.0, 1.25])


def test_our_reader_agrees() -> None:
    """Camera, ISO and the colour matrix arrive: white-balanced camera white is white in linear sRGB."""
    frame = raw.read(_encode()[0])
    assert (frame.camera, frame.iso) == ("Test A", 400)
    assert frame.srgb_from_camera is not None
    assert frame.srgb_from_camera.sum(axis=1) == pytest.approx([1, 1, 1])
    xyz_of_white = np.linalg.solve(MATRIX, [0.5, 1.0, 0.8])  # DNG's light: what the matrix makes of AsShotNeutral
    assert frame.calibration is not None
    xy = calibration.white_xy(frame.calibration, frame.camera_gains)
    assert xy == pytest.approx(xyz_of_white[:2] / xyz_of_white.sum(), abs=1e-4)


def test_equal_pictures_give_equal_bytes_without_a_date() -> None:
    """No software name and no time stand in the file."""
    content, _ = _encode()
    assert content == _encode()[0]
    with tifffile.TiffFile(BytesIO(content)) as file:
        assert not {"Software", "DateTime"} & {tag.name for tag in file.pages[0].tags.values()}

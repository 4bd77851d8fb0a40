"""A DNG of ours says to LibRaw exactly what was put in."""

import json
import shutil
import subprocess
from io import BytesIO
from pathlib import Path

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


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("size", "area"), [((301, 403), None), ((300, 404), (3, 4, 299, 401)), ((33, 47), (2, 1, 33, 47))])
def test_orientation_odd_sizes_and_areas_arrive(orientation: int, size: tuple, area: tuple | None) -> None:
    """LibRaw and our reader see the same pixels of the area, the same levels and the same way up."""
    mosaic = np.random.default_rng(1).integers(0, 4096, size, dtype=np.uint16)
    content = dng.encode(
        mosaic, pattern="GRBG", black_level=(250, 256, 260, 252), white_level=4095, neutral=(0.5, 1.0, 0.8),
        color_matrix=MATRIX, model="Test A", iso=400, orientation=orientation, active_area=area,
    )  # fmt: skip
    frame = raw.read(content)
    top, left, bottom, right = area or (0, 0, *size)
    np.testing.assert_array_equal(frame.mosaic, mosaic[top + top % 2 : bottom, left + left % 2 : right])
    assert frame.orientation == orientation
    with rawpy.imread(BytesIO(content)) as file:
        np.testing.assert_array_equal(file.raw_image_visible, frame.mosaic)
        assert file.sizes.flip == (0, 1, 3, 2, 4, 6, 7, 5)[orientation - 1]


def test_two_calibrations_arrive_with_their_lights() -> None:
    """Tungsten stands first, D65 second, to a millionth."""
    mosaic = np.zeros((8, 8), np.uint16)
    content = dng.encode(
        mosaic, pattern="RGGB", black_level=(0,) * 4, white_level=4095, neutral=(0.5, 1.0, 0.8), color_matrix=MATRIX,
        model="Test A", iso=400, tungsten_matrix=MATRIX * 1.1234567,
    )  # fmt: skip
    found = raw.read(content).calibration
    assert found is not None
    assert found.temperatures == (2856, 6504)
    np.testing.assert_allclose(found.camera_from_xyz, [MATRIX * 1.1234567, MATRIX], atol=1e-6)


def test_what_no_reader_could_use_is_not_written() -> None:
    """An unknown pattern or orientation and an active area outside the mosaic are refused with their values."""
    with pytest.raises(ValueError, match="orientation is 9; expected 1 to 8"):
        dng.encode(
            np.zeros((8, 8), np.uint16), pattern="RGGB", black_level=(0,) * 4, white_level=1, neutral=(1, 1, 1),
            color_matrix=MATRIX, model="T", iso=100, orientation=9,
        )  # fmt: skip
    with pytest.raises(ValueError, match="'RGBG'; expected one of RGGB"):
        _encode("RGBG")
    with pytest.raises(ValueError, match=r"\(0, 0, 9, 9\) leads out of a mosaic of 8 rows"):
        dng.encode(
            np.zeros((8, 8), np.uint16), pattern="RGGB", black_level=(0,) * 4, white_level=1, neutral=(1, 1, 1),
            color_matrix=MATRIX, model="T", iso=100, active_area=(0, 0, 9, 9),
        )  # fmt: skip


@pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
@pytest.mark.parametrize("pattern", ["RGGB", "GBRG"])
def test_exiftool_reads_what_was_written(pattern: str, tmp_path: Path) -> None:
    """Another program's reader finds every tag, and nothing wrong but the place of ISO (TIFF/EP's, which DNG allows)."""
    (tmp_path / "a.dng").write_bytes(_encode(pattern)[0])
    command = ["exiftool", "-json", "-n", "-validate", "-warning", "-a", "-all", str(tmp_path / "a.dng")]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)[0]
    assert found["BlackLevel"] == "250 256.5 260 252"
    assert found["CFAPattern2"] == " ".join(str("RGB".index(c)) for c in pattern)
    assert (found["WhiteLevel"], found["ISO"], found["Model"]) == (4095, 400, "Test A")
    assert [float(n) for n in found["AsShotNeutral"].split()] == [0.5, 1.0, 0.8]
    assert [float(n) for n in found["ColorMatrix1"].split()] == MATRIX.ravel().tolist()
    assert found.get("Warning", "ISO").count("ISO") == 1


@pytest.mark.skipif(not shutil.which("dcraw"), reason="dcraw is not installed")
@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG"])
def test_dcraw_reads_the_same_pixels(pattern: str, tmp_path: Path) -> None:
    """A raw developer of other make decodes the mosaic bit for bit and names the same pattern."""
    content, mosaic = _encode(pattern, (301, 403))
    (tmp_path / "a.dng").write_bytes(content)
    told = subprocess.run(["dcraw", "-i", "-v", str(tmp_path / "a.dng")], check=True, capture_output=True, text=True).stdout
    assert f"Filter pattern: {pattern[:2]}/{pattern[2:]}" in told
    assert "Camera multipliers: 2.000000 1.000000 1.250000" in told
    pixels = subprocess.run(["dcraw", "-c", "-D", "-4", "-t", "0", str(tmp_path / "a.dng")], check=True, capture_output=True)
    body = np.frombuffer(pixels.stdout[-2 * mosaic.size :], ">u2").reshape(mosaic.shape)
    np.testing.assert_array_equal(body, mosaic)

"""Camera files are decoded with their true levels, or refused in one line."""

import dataclasses
import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rawpy
import tifffile
from PIL import Image

from stages.core import dng_tags, libraw, raw, tiff
from stages.core.errors import DataError
from stages.maths import bayer
from tests.raws import MATRIX, make_dng

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "raw"
PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")


def _mosaic(height: int = 40, width: int = 50) -> np.ndarray:
    return np.random.default_rng(3).integers(64, 4000, (height, width)).astype(np.uint16)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_was_written_is_read(pattern: str, tmp_path: Path) -> None:
    """Mosaic, pattern, black level per position (not per colour), white level, gains, name and ISO come back."""
    content = make_dng(_mosaic(), pattern=pattern, black_level=(60, 64, 66, 70), white_level=4000)
    (tmp_path / "a.dng").write_bytes(content)
    for frame in (raw.read(content), raw.read(tmp_path / "a.dng")):
        np.testing.assert_array_equal(frame.mosaic, _mosaic())
        assert frame.pattern == pattern
        assert frame.black_level == (60, 64, 66, 70)
        assert frame.white_level == 4000
        assert frame.camera_gains == pytest.approx((2.0, 1.0, 1 / 0.7), abs=1e-4)
        assert (frame.camera, frame.iso, frame.orientation) == ("Test 1", 200, 1)


def test_the_matrix_takes_camera_white_to_white() -> None:
    """Without a white balance of its own the matrix is LibRaw's: the inverse of ColorMatrix x XYZ-from-sRGB."""
    frame = raw.read(make_dng(_mosaic(), neutral=(0, 1, 0)))
    assert frame.camera_gains is None
    xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
    camera = MATRIX @ xyz
    np.testing.assert_allclose(frame.srgb_from_camera, np.linalg.inv(camera / camera.sum(1, keepdims=True)), atol=2e-3)
    np.testing.assert_allclose(raw.read(make_dng(_mosaic())).srgb_from_camera.sum(axis=1), 1.0, atol=1e-9)


def _with_tags(mosaic: np.ndarray, tags: list, **fields) -> bytes:
    """Write a DNG with tags that dng.encode does not offer."""
    out = io.BytesIO()
    base = [(50706, 1, 4, bytes((1, 4, 0, 0)), True), (50708, 2, 0, "T", True), (33421, 3, 2, (2, 2), True)]
    with tifffile.TiffWriter(out, byteorder="<") as writer:
        writer.write(
            mosaic, photometric=32803, planarconfig=1, software=False, metadata=None, extratags=[*base, *tags], **fields
        )
    return out.getvalue()


@pytest.mark.parametrize(("top", "left"), [(0, 0), (1, 0), (0, 1), (1, 1), (2, 3)])
def test_active_area_with_odd_margins_keeps_the_pattern(top: int, left: int) -> None:
    """Each pixel keeps its colour and stays inside the area; LibRaw leaves out one line more where a margin is odd."""
    mosaic = _mosaic(40, 52)
    area = (50829, 4, 4, (top, left, 38, 50), True)
    frame = raw.read(_with_tags(mosaic, [(33422, 1, 4, bytes((0, 1, 1, 2)), True), area]))
    y, x = top + top % 2, left + left % 2
    height, width = frame.mosaic.shape
    assert height >= 35 - top
    assert y + height <= 38
    assert x + width <= 50
    np.testing.assert_array_equal(frame.mosaic, mosaic[y : y + height, x : x + width])
    assert frame.pattern == bayer.crop("RGGB", y - top, x - left)  # DNG states the pattern for the active area's origin


@pytest.mark.parametrize(("stated", "orientation"), [*((n, n) for n in range(1, 9)), (0, 1), (9, 1)])
def test_orientation_is_read(stated: int, orientation: int) -> None:
    """What EXIF states is kept, a number that it does not know is upright, and the size is that of the upright picture."""
    tags = [(33422, 1, 4, bytes((0, 1, 1, 2)), True), (274, 3, 1, stated, True)]
    frame = raw.read(_with_tags(_mosaic(40, 52), tags))
    assert frame.orientation == orientation
    assert frame.size == ((40, 52) if orientation > 4 else (52, 40))


@pytest.mark.parametrize("gains", [(1, 1, 1, 1), (0, 1, 0, 0), (2, 1, float("nan"), 0), (-1, 1, 2, 0), (0, 0, 0, 0)])
def test_gains_that_say_nothing_are_none(gains) -> None:
    """Ones, zeros, NaN and negative gains are no white balance."""
    assert dng_tags.usable_gains(gains) is None


def test_bad_files_end_in_one_line(tmp_path: Path) -> None:
    """Empty, truncated, foreign, missing: one line that names the file."""
    whole = make_dng(_mosaic())
    cases = {
        "empty.dng": b"",
        "cut.dng": whole[: len(whole) // 2],
        "head.dng": whole[:200],
        "text.dng": b"no picture at all" * 9,
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name) as caught:
            raw.read(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"none\.dng is missing"):
        raw.read(tmp_path / "none.dng")


@pytest.mark.skipif(not REAL.exists(), reason="the real camera files are not here")
@pytest.mark.parametrize("name", ["Blackmagic.dng", "DC0008L.KDC"])
def test_compressed_files_that_end_early_say_how_much_is_missing(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Each cut is one line of ours; LibRaw, which would print its own, is not asked where the tags tell."""
    whole = (REAL / name).read_bytes()
    for size in (20_000, len(whole) // 2, len(whole) - 2_000):
        with pytest.raises(DataError, match=rf"cut short: its pixels need \d+ bytes, it has {size}; copy it again"):
            raw.read(whole[:size])
    with pytest.raises(DataError, match="may be cut short"):
        raw.read(whole[:300])
    assert capfd.readouterr() == ("", "")


def test_stacked_colours_are_named() -> None:
    """What LibRaw tells of a Foveon sensor's file: three colours in each pixel, no pattern."""
    stacked = SimpleNamespace(raw_type=rawpy.RawType.Stack, raw_pattern=None)
    with pytest.raises(DataError, match=r"stacked colours, no mosaic.*; develop it elsewhere"):
        libraw._cell(stacked)  # no such file is at hand


def _foreign(mosaic: np.ndarray, photometric: int, tags: list) -> bytes:
    """Write a DNG of another kind of sensor."""
    out = io.BytesIO()
    with tifffile.TiffWriter(out, byteorder="<") as writer:
        head = [(50706, 1, 4, bytes((1, 4, 0, 0)), True)]
        writer.write(
            mosaic, photometric=photometric, planarconfig=1, software=False, metadata=None, extratags=[*head, *tags]
        )
    return out.getvalue()


X_TRANS = bytes((1, 0, 1, 1, 2, 1, 2, 1, 2, 0, 1, 0, 1, 2, 1, 1, 0, 1, 1, 2, 1, 1, 0, 1, 0, 1, 0, 2, 1, 2, 1, 0, 1, 1, 2, 1))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (
            _foreign(_mosaic(60, 60), 32803, [(33421, 3, 2, (6, 6), True), (33422, 1, 36, X_TRANS, True)]),
            r"6 x 6 of .*X-Trans",
        ),
        (
            _foreign(_mosaic(), 32803, [(33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes(4), True)]),
            "2 x 2 of 'RRRR'.*monochrome",
        ),
        (_foreign(_mosaic(), 32803, [(33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes((0, 1, 3, 2)), True)]), "RG[?]B"),
        (_foreign(_mosaic(), 1, []), "is monochrome"),
        (_foreign(np.repeat(_mosaic()[..., None], 3, 2), 34892, []), "demosaiced already .LinearRaw."),
    ],
)
def test_sensors_that_are_not_bayer_are_named(content: bytes, line: str, tmp_path: Path) -> None:
    """X-Trans, monochrome, other colours and developed DNG files are refused by name, with what to do."""
    (tmp_path / "other.dng").write_bytes(content)
    with pytest.raises(DataError, match=line) as caught:
        raw.read(tmp_path / "other.dng")
    assert "other.dng" in str(caught.value)
    assert "give the picture as PNG, JPEG or TIFF" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_any_picture_is_read_by_content() -> None:
    """Bytes of a PNG, a TIFF or a DNG and arrays of grey or colour are all told apart."""
    image = np.random.default_rng(0).integers(0, 256, (12, 14, 3), dtype=np.uint8)
    for kind in ("PNG", "TIFF"):
        out = io.BytesIO()
        Image.fromarray(image).save(out, kind)
        np.testing.assert_array_equal(raw.read_any(out.getvalue()), image)
    assert isinstance(raw.read_any(make_dng(_mosaic())), raw.Frame)
    assert raw.read_any(image[..., 0]).shape == (12, 14, 3)
    with pytest.raises(DataError, match="float64"):
        raw.read_any(image / 255.0)
    with pytest.raises(DataError, match="empty"):
        raw.read_any(b"")


def test_broken_tags_do_not_stop_a_readable_file() -> None:
    """Name and ISO are a courtesy: a directory that leads out of the file leaves them out."""
    for content in (b"II*\x00\xff\xff\xff\xff", b"II*\x00\x08\x00\x00\x00\xff\xff", b"II*\x00\x00\x00\x00\x00"):
        found = tiff.read(content)
        assert found is not None
        assert (found.first, found.exif, found.text(272), found.number(34855)) == ({}, {}, None, None)
    assert tiff.read(b"") is None
    assert tiff.read(make_dng(_mosaic())[:120]).first[256] == (50,)


@pytest.mark.skipif(not REAL.exists(), reason="the real camera files are not here")
def test_real_files_say_what_is_known_of_them() -> None:
    """Four cameras' files are read with the levels, patterns and white balances that their description states."""
    known = {
        "Blackmagic.dng": ("RGGB", 512, True, (4128, 2176)),
        "DC0008L.KDC": ("GRBG", 0, False, (768, 512)),
        "pidng_bad_metadata.dng": ("GBRG", 0, False, (640, 480)),
    }
    for name, (pattern, black, has_gains, size) in known.items():
        frame = raw.read(REAL / name)
        assert (frame.pattern, frame.black_level[0], frame.camera_gains is not None, frame.size) == (
            pattern,
            black,
            has_gains,
            size,
        )


def test_another_white_balance_has_another_matrix() -> None:
    """The camera's own gains give the file's matrix, others the one for their light, impossible ones the file's again."""
    frame = raw.read(make_dng(_mosaic()))
    assert frame.camera_gains is not None
    np.testing.assert_array_equal(frame.matrix_for(frame.camera_gains), frame.srgb_from_camera)
    other = frame.matrix_for((1.2, 1.0, 2.5))
    assert np.abs(other - frame.srgb_from_camera).max() > 0.02
    np.testing.assert_allclose(other.sum(axis=1), 1, atol=1e-9)
    np.testing.assert_array_equal(frame.matrix_for((1.0, 1.0, 1000.0)), frame.srgb_from_camera)
    assert dataclasses.replace(frame, calibration=None, srgb_from_camera=None).matrix_for((1.0, 1.0, 1.0)) is None

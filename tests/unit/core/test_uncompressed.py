"""An uncompressed mosaic taken straight from the file is the frame that LibRaw gives, whatever the layout."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core import raw, uncompressed
from stages.core.errors import DataError
from stages.core.frame import Frame
from stages.maths import bayer
from tests.references.bit_packing import packed

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "raw"
MATRIX = np.array([[0.6722, -0.0635, -0.0963], [-0.4287, 1.2460, 0.2028], [-0.0908, 0.2162, 0.5668]])
COLORS = {"R": 0, "G": 1, "B": 2}


def _write(mosaic: np.ndarray, tags: list | None = None, *, pattern: str = "RGGB", order: str = "<", **layout: Any) -> bytes:
    """Write a DNG by tifffile in any layout."""
    out = io.BytesIO()
    base = [
        (50706, 1, 4, bytes((1, 4, 0, 0)), True), (50708, 2, 0, "T", True), (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, bytes(COLORS[c] for c in pattern), True),
        (50728, 5, 3, (1, 2, 1, 1, 7, 10), True),
        (50721, 10, 9, tuple(v for n in (6722, -635, -963, -4287, 12460, 2028, -908, 2162, 5668) for v in (n, 10000)), True),
    ]  # fmt: skip
    with tifffile.TiffWriter(out, byteorder=order) as writer:
        writer.write(
            mosaic,
            photometric=32803,
            planarconfig=1,
            software=False,
            metadata=None,
            extratags=[*base, *(tags or [])],
            **layout,
        )
    return out.getvalue()


def _mosaic(height: int = 40, width: int = 52) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 65536, (height, width)).astype(np.uint16)


def _both(content: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[Frame, Frame]:
    """Read straight and by LibRaw."""
    with monkeypatch.context() as patch:
        patch.setattr(raw.libraw, "decode", lambda content: pytest.fail("the straight way was not taken"))
        straight = raw.read(content)
    with monkeypatch.context() as patch:
        patch.setattr(uncompressed, "is_plain", lambda directory: False)
        return straight, raw.read(content)


def _equal(one: Frame, other: Frame) -> None:
    np.testing.assert_array_equal(one.mosaic, other.mosaic)
    assert one.srgb_from_camera == pytest.approx(other.srgb_from_camera, abs=1e-12)
    for name in ("pattern", "black_level", "white_level", "camera_gains", "orientation", "camera", "iso"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", [{}, {"rowsperstrip": 7}, {"rowsperstrip": 100}, {"tile": (16, 32)}])
def test_each_layout_gives_libraws_frame(order: str, layout: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """One strip, many strips and tiles, in both byte orders."""
    mosaic = _mosaic()
    straight, by_libraw = _both(_write(mosaic, order=order, **layout), monkeypatch)
    _equal(straight, by_libraw)
    np.testing.assert_array_equal(straight.mosaic, mosaic)
    assert straight.mosaic.flags.writeable
    assert straight.mosaic.flags.c_contiguous
    assert straight.mosaic.dtype == np.dtype("=u2")


def test_a_tile_larger_than_the_picture_is_read_right() -> None:
    """Here LibRaw 0.22 takes the tile's rows for the picture's; the straight way does not."""
    np.testing.assert_array_equal(raw.read(_write(_mosaic(), tile=(64, 64))).mosaic, _mosaic())


@pytest.mark.parametrize("pattern", bayer.PATTERNS)
@pytest.mark.parametrize(
    "area", [(0, 0, 40, 52), (1, 0, 38, 50), (0, 1, 39, 51), (1, 1, 38, 50), (3, 2, 39, 51), (2, 2, 37, 49)]
)
@pytest.mark.parametrize("layout", [{}, {"tile": (16, 16)}])
def test_each_active_area_gives_libraws_frame(
    pattern: str, area: tuple, layout: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Odd margins cut the same lines, move pattern and black level alike, and each pixel keeps its colour and its level."""
    black = [(50713, 3, 2, (2, 2), True), (50714, 3, 4, (100, 110, 120, 130), True), (50829, 4, 4, area, True)]
    straight, by_libraw = _both(_write(_mosaic(), black, pattern=pattern, **layout), monkeypatch)
    _equal(straight, by_libraw)
    for phase, color in enumerate(straight.pattern):
        y, x = area[0] % 2 + phase // 2, area[1] % 2 + phase % 2
        stated = 2 * (y % 2) + x % 2
        assert pattern[stated] == color
        assert straight.black_level[phase] == 100 + 10 * stated


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([(50714, 3, 1, 77, True)], (77,) * 4),
        ([(50713, 3, 2, (1, 2), True), (50714, 3, 2, (100, 120), True)], (100, 120, 100, 120)),
        ([(50713, 3, 2, (2, 1), True), (50714, 3, 2, (100, 120), True)], (100, 100, 120, 120)),
        ([(50713, 3, 2, (2, 2), True), (50714, 5, 4, (1, 2, 3, 2, 5, 2, 7, 2), True)], (0.5, 1.5, 2.5, 3.5)),
        ([], (0,) * 4),
    ],
)
def test_black_levels_of_each_shape(tags: list, expected: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    """One level, one of each column, of each row or of each position, whole or fractional."""
    straight, by_libraw = _both(_write(_mosaic(), tags), monkeypatch)
    _equal(straight, by_libraw)
    assert straight.black_level == expected


@pytest.mark.parametrize(("white", "orientation"), [*zip([1023, 4095, 16383, 65535] * 2, range(1, 9), strict=True)])
def test_white_level_and_orientation(white: int, orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """10 to 16 bit and all ways to lie, mirrored ones too; without a white level it is 65,535."""
    tags = [(50717, 4, 1, white, True), (274, 3, 1, orientation, True), (34855, 3, 1, 800, True)]
    straight, by_libraw = _both(_write(_mosaic(), tags), monkeypatch)
    _equal(straight, by_libraw)
    assert (straight.white_level, straight.orientation, straight.iso) == (white, orientation, 800)
    assert raw.read(_write(_mosaic())).white_level == 65535


def test_black_deltas_are_worked_into_the_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A black level of each row and column leaves one level; saturated pixels stay saturated."""
    down, across = np.arange(40) % 5, np.arange(52) % 3
    light = np.random.default_rng(0).integers(0, 3000, (40, 52))
    mosaic = (100 + light + down[:, None] + across).astype(np.uint16)
    mosaic[0, 0] = 4095
    tags = [
        (50714, 3, 1, 100, True), (50717, 4, 1, 4095, True),
        (50715, 10, 52, tuple(v for n in across.tolist() for v in (n, 1)), True),
        (50716, 10, 40, tuple(v for n in down.tolist() for v in (n, 1)), True),
    ]  # fmt: skip
    straight, by_libraw = _both(_write(mosaic, tags), monkeypatch)
    _equal(straight, by_libraw)
    assert straight.mosaic[0, 0] == 4095
    found = straight.mosaic.astype(np.float64) - straight.black_level[0]
    assert np.abs(found - light).ravel()[1:].max() <= 0.51


def test_a_black_pattern_of_four_by_four_is_refused() -> None:
    """LibRaw would take its first value for all; here it is one clear line."""
    tags = [(50713, 3, 2, (4, 4), True), (50714, 3, 16, tuple(range(100, 116)), True)]
    with pytest.raises(DataError, match=r"stated for 4 x 4 positions with 16 values; expected 1 x 1"):
        raw.read(_write(_mosaic(), tags))


@pytest.mark.parametrize("layout", [{}, {"rowsperstrip": 7}, {"tile": (16, 32)}])
def test_a_file_cut_short_is_named(layout: dict[str, Any], tmp_path: Path) -> None:
    """A file that ends anywhere before its pixels do is refused in one line, never read as noise or zeros."""
    whole = _write(_mosaic(), **layout)
    for end in (8, 100, len(whole) // 2, len(whole) - 600):
        (tmp_path / "cut.dng").write_bytes(whole[:end])
        with pytest.raises(DataError, match=r"cut\.dng: .*(copy it again|LibRaw knows)") as caught:
            raw.read(tmp_path / "cut.dng")
        assert "\n" not in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 700), st.integers(0, 255), st.integers(0, 700), st.integers(0, 255))
def test_damaged_tags_end_in_one_line(at: int, value: int, other: int, second: int) -> None:
    """Any two bytes of the head may be wrong: the file is read, or refused in one line."""
    whole = bytearray(_write(_mosaic(), rowsperstrip=9))
    whole[at], whole[other] = value, second
    message = ""
    try:
        raw.read(bytes(whole))
    except DataError as error:
        message = str(error)
    assert "\n" not in message


def test_a_mosaic_in_a_plain_tiff_is_read() -> None:
    """A TIFF with a mosaic needs no DNG version."""
    out = io.BytesIO()
    tags = [(33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes((2, 1, 1, 0)), True)]
    tifffile.imwrite(out, _mosaic(), photometric=32803, planarconfig=1, metadata=None, extratags=tags)
    frame = raw.read(out.getvalue())
    np.testing.assert_array_equal(frame.mosaic, _mosaic())
    assert (frame.pattern, frame.camera_gains, frame.srgb_from_camera) == ("BGGR", None, None)


def _packed_dng(mosaic: np.ndarray, num_bits: int, **layout: Any) -> bytes:
    """Write a DNG of packed numbers: tifffile's file of 16 bits with its pixels and BitsPerSample replaced."""
    whole = bytearray(_write(mosaic, **layout))
    tags = raw.tiff.read(bytes(whole))
    (at,) = tags.first[273]
    for place in range(struct.unpack_from("<H", whole, 8)[0]):
        entry = 10 + 12 * place
        if struct.unpack_from("<H", whole, entry)[0] == 258:
            struct.pack_into("<H", whole, entry + 8, num_bits)
    return bytes(whole[: int(at)]) + packed(mosaic, num_bits).tobytes()


@pytest.mark.parametrize("num_bits", [10, 12, 14])
@pytest.mark.parametrize("width", [52, 53, 55])
def test_packed_numbers_give_libraws_frame(num_bits: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """10, 12 and 14 bits, rows that end within a byte; the white level is the largest number."""
    mosaic = np.random.default_rng(1).integers(0, 1 << num_bits, (40, width)).astype(np.uint16)
    straight, by_libraw = _both(_packed_dng(mosaic, num_bits), monkeypatch)
    _equal(straight, by_libraw)
    np.testing.assert_array_equal(straight.mosaic, mosaic)
    assert straight.white_level == (1 << num_bits) - 1


@pytest.mark.skipif(not REAL.exists(), reason="the real camera files are not here")
def test_a_real_packed_file_is_libraws(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Raspberry Pi's file of 10 packed bits."""
    straight, by_libraw = _both((REAL / "pidng_bad_metadata.dng").read_bytes(), monkeypatch)
    _equal(straight, by_libraw)


def test_the_mosaic_is_found_behind_a_thumbnail(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Adobe's converter writes it: a small picture and the colours come first, the mosaic in a subdirectory."""
    out = io.BytesIO()
    colors = [
        (50706, 1, 4, bytes((1, 4, 0, 0)), True), (50708, 2, 0, "T", True), (50728, 5, 3, (1, 2, 1, 1, 7, 10), True),
        (50721, 10, 9, tuple(v for n in (6722, -635, -963, -4287, 12460, 2028, -908, 2162, 5668) for v in (n, 10000)), True),
        (274, 3, 1, 6, True),
    ]  # fmt: skip
    pattern = [
        (33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes((1, 2, 0, 1)), True), (50714, 3, 1, 64, True),
        (50717, 4, 1, 4095, True),
    ]  # fmt: skip
    with tifffile.TiffWriter(out, byteorder="<") as writer:
        small = np.zeros((8, 10, 3), np.uint8)
        writer.write(small, photometric="rgb", subfiletype=1, subifds=1, software=False, metadata=None, extratags=colors)
        writer.write(
            _mosaic(), photometric=32803, planarconfig=1, subfiletype=0, software=False, metadata=None, extratags=pattern
        )
    straight, by_libraw = _both(out.getvalue(), monkeypatch)
    _equal(straight, by_libraw)
    assert (straight.pattern, straight.black_level, straight.white_level) == ("GBRG", (64,) * 4, 4095)
    assert (straight.camera, straight.orientation, straight.camera_gains) == ("T", 6, (2.0, 1.0, 1.428571))
    assert straight.calibration is not None


def test_the_default_crop_is_not_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to show; demosaicing wants the pixels around it, and LibRaw leaves them too."""
    straight, by_libraw = _both(_write(_mosaic(), [(50719, 4, 2, (4, 4), True), (50720, 4, 2, (30, 20), True)]), monkeypatch)
    _equal(straight, by_libraw)
    assert straight.mosaic.shape == (40, 52)


def _pairs(values: Any) -> tuple[int, ...]:
    return tuple(v for n in np.ravel(values).tolist() for v in (round(n * 10000), 10000))


def test_a_white_point_stands_in_for_the_neutral() -> None:
    """AsShotWhiteXY, which LibRaw passes over, gives the gains that its light needs."""
    out = io.BytesIO()
    tags = [
        (50706, 1, 4, bytes((1, 4, 0, 0)), True), (33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes((0, 1, 1, 2)), True),
        (50721, 10, 9, _pairs(MATRIX), True), (50729, 5, 2, _pairs((0.3457, 0.3585)), True),
    ]  # fmt: skip
    tifffile.imwrite(out, _mosaic(), photometric=32803, planarconfig=1, metadata=None, extratags=tags)
    frame = raw.read(out.getvalue())
    white = MATRIX @ [0.3457 / 0.3585, 1.0, (1 - 0.3457 - 0.3585) / 0.3585]
    assert frame.camera_gains == pytest.approx(white[1] / white, abs=1e-5)


def test_analog_balance_and_camera_calibration_are_worked_in() -> None:
    """Camera colours are AnalogBalance x CameraCalibration x ColorMatrix x XYZ (DNG 1.4, chapter 6)."""
    own, balance = np.diag([1.02, 1.0, 0.97]), np.array([1.5, 1.0, 0.8])
    tags = [(50723, 10, 9, _pairs(own), True), (50727, 5, 3, _pairs(balance), True)]
    found = raw.read(_write(_mosaic(), tags)).calibration
    assert found is not None
    np.testing.assert_allclose(found.camera_from_xyz[0], np.diag(balance) @ own @ MATRIX, atol=1e-6)

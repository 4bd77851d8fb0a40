"""Pictures come in as sRGB (H, W, 3) uint8, upright; what is no picture is named."""

import struct
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from stages.core import images, raw
from stages.core.errors import DataError
from tests import sources


def encoded(array, kind="PNG", **options):
    out = BytesIO()
    Image.fromarray(array).save(out, format=kind, **options)
    return out.getvalue()


def test_orientation_is_applied():
    """A picture stored lying down (EXIF orientation 6) comes out upright."""
    array = np.zeros((4, 6, 3), np.uint8)
    array[:2, :3] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = images.decode(encoded(array, exif=exif))
    np.testing.assert_array_equal(upright, np.rot90(array, -1))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
def test_every_mode_becomes_three_channels(mode):
    """Grey, palette, alpha and CMYK pictures are converted."""
    out = BytesIO()
    Image.new(mode, (3, 2)).save(out, format="TIFF" if mode == "CMYK" else "PNG")
    decoded = images.decode(out.getvalue())
    assert decoded.shape == (2, 3, 3)
    assert decoded.dtype == np.uint8


def test_sixteen_bit_grey_is_scaled():
    """65535 becomes 255, 0 stays 0."""
    decoded = images.decode(encoded(np.array([[0, 65535, 257]], np.uint16)))
    assert decoded[0, :, 0].tolist() == [0, 255, 1]


def test_a_truncated_jpeg_is_refused(tmp_path):
    """Half a JPEG is not silently filled with grey."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    content = encoded(noise, "JPEG")
    (tmp_path / "half.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"half\.jpg: cannot be decoded"):
        images.read_image(tmp_path / "half.jpg")


@pytest.mark.parametrize(("content", "words"), [(b"", "empty"), (b"hello", "not a picture")])
def test_what_is_no_picture_is_named(tmp_path, content, words):
    """An empty file and a text file give one line with the reason."""
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(DataError, match=words):
        images.read_image(tmp_path / "x.png")


def test_masks_come_back_as_written(tmp_path):
    """An index mask survives the round trip, 255 included; a colour picture is refused."""
    mask = np.array([[0, 1, 255]], np.uint8)
    images.write_png(tmp_path / "m.png", mask)
    np.testing.assert_array_equal(images.read_mask(tmp_path / "m.png"), mask)
    images.write_png(tmp_path / "c.png", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(DataError, match="single channel"):
        images.read_mask(tmp_path / "c.png")


def test_a_torn_avif_is_refused_like_any_other_file():
    """Its decoder raises a RuntimeError: one line, also for its size."""
    for read in (images.decode, images.upright_size, raw.read_any):
        with pytest.raises(DataError, match="cannot be decoded"):
            read(sources.torn_avif())


@pytest.mark.parametrize("fault", [RuntimeError, NotImplementedError, struct.error, KeyError, AssertionError, SyntaxError])
def test_whatever_a_decoder_raises_is_the_file_s_fault(fault, monkeypatch, tmp_path):
    """While it opens, while it decodes, as picture and as mask; too little memory is the machine's and stays what it is."""
    images.write_png(tmp_path / "a.png", np.zeros((2, 2), np.uint8))
    content = (tmp_path / "a.png").read_bytes()
    for place, kind in ((Image, "open"), (Image.Image, "__array_interface__")):
        for raised in (fault("odd"), MemoryError()):

            def fails(*_, raised=raised, **__):
                raise raised

            with monkeypatch.context() as patch:
                patch.setattr(place, kind, property(fails) if place is Image.Image else fails)
                with pytest.raises(MemoryError if isinstance(raised, MemoryError) else DataError):
                    images.decode(content)
                with pytest.raises(MemoryError if isinstance(raised, MemoryError) else DataError):
                    images.read_mask(tmp_path / "a.png")


@pytest.mark.parametrize("words", [
    "OpenCV(5.0.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 48000000 bytes in function",
    "out of memory error when reading image file", "[Errno 12] Cannot allocate memory", "b'Unsufficient memory'",
])  # fmt: skip
def test_too_little_memory_is_the_machine_s_in_whatever_words(words, monkeypatch, tmp_path):
    """Of OpenCV, Pillow, the system and LibRaw: no file is called torn for it."""
    images.write_png(tmp_path / "deep.png", np.zeros((2, 2, 3), np.uint16))

    def fails(*_):
        raise cv2.error(words)

    monkeypatch.setattr(cv2, "imdecode", fails)
    with pytest.raises(MemoryError, match="emory"):
        images.read_deep(tmp_path / "deep.png", 3)


@pytest.mark.parametrize(("kind", "name"), [("EPS", " but PostScript"), ("PDF", " but PDF"), ("DDS", ""), ("TGA", "")])
def test_only_pictures_of_the_formats_named_are_opened(kind, name, monkeypatch):
    """PostScript is a program: it is refused by its name, and Pillow's way to Ghostscript is never gone."""
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: pytest.fail("Ghostscript was run"))
    content = encoded(np.zeros((8, 8, 3), np.uint8), kind)
    for read in (images.decode, images.upright_size, raw.read_any):
        with pytest.raises(DataError, match=rf"not a picture of a format that is read \(PNG, .*\){name}$"):
            read(content)


@pytest.mark.parametrize("kind", images.FORMATS)
def test_every_format_named_is_read(kind):
    """The ones that docs/sources.md names, all of them."""
    array = np.zeros((8, 8, 3), np.uint8)
    assert images.decode(encoded(array, kind)).shape == (8, 8, 3)
    assert images.upright_size(encoded(array, kind)) == (8, 8)
    suffixes = " ".join(f"`{suffix}`" for suffix in images.FORMATS[kind])
    assert suffixes in (Path(__file__).parents[3] / "docs/sources.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", images.FORMATS)
def test_the_size_is_that_of_the_decoded_picture(kind):
    """Whatever the orientation, values that mean nothing among them; where the format holds none there is one size."""
    sizes = set()
    for orientation in range(10):
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = encoded(np.zeros((4, 6, 3), np.uint8), kind, exif=exif)
        sizes.add(images.upright_size(content))
        assert images.upright_size(content) == images.decode(content).shape[1::-1], orientation
    assert (4, 6) in sizes or kind in ("BMP", "GIF", "PPM", "JPEG2000")


def test_pictures_are_opened_at_one_door():
    """Nobody else calls Pillow's open, which would try every format it knows."""
    home = Path(__file__).parents[3]
    files = [file for room in ("stages", "pipelines") for file in (home / room).rglob("*.py")]
    assert [file.name for file in files if "Image.open(" in file.read_text(encoding="utf-8")] == ["images.py"]

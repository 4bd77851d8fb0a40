"""Pictures come in as sRGB (H, W, 3) uint8, upright; what is no picture is named."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from stages.core import images
from stages.core.errors import DataError


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

"""EXIF's orientation."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from stages.maths import orientation as exif


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_lie_as_pillow_lays_them(orientation: int) -> None:
    """All eight, of pictures with one and three channels, and back."""
    image = np.arange(4 * 7 * 3, dtype=np.uint8).reshape(4, 7, 3)
    tag = Image.Exif()
    tag[0x0112] = orientation
    stored = Image.fromarray(image)
    stored.getexif().update(tag)
    expected = np.asarray(ImageOps.exif_transpose(stored))
    np.testing.assert_array_equal(exif.upright(image, orientation), expected)
    np.testing.assert_array_equal(exif.upright(image[..., 0], orientation), expected[..., 0])
    np.testing.assert_array_equal(exif.as_stored(expected, orientation), image)
    assert exif.swaps_sides(orientation) == (expected.shape[0] == 7)


@pytest.mark.parametrize("orientation", [0, 9, -1])
def test_other_numbers_are_refused(orientation: int) -> None:
    """Each other number is named."""
    assert not exif.is_known(orientation)
    with pytest.raises(ValueError, match=f"orientation is {orientation}; expected 1 to 8"):
        exif.upright(np.zeros((2, 2)), orientation)

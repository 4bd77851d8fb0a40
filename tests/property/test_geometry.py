"""Boxes, polygons and masks follow the picture, there and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from stages.maths import geometry

sides = st.integers(1, 60)
fits = st.sampled_from(["stretch", "letterbox", "none"])


def _place(width: int, height: int, fit: str, size: int) -> geometry.Placement:
    return geometry.place(width, height, fit, None if fit == "none" else size)


@settings(max_examples=150, deadline=None)
@given(sides, sides, fits, st.integers(8, 64), st.data())
def test_boxes_return_from_the_canvas(width: int, height: int, fit: str, size: int, data) -> None:
    """A box inside the picture maps into the canvas and back onto itself."""
    at = _place(width, height, fit, size)
    x = sorted(data.draw(st.lists(st.floats(0, width), min_size=2, max_size=2)))
    y = sorted(data.draw(st.lists(st.floats(0, height), min_size=2, max_size=2)))
    box = np.array([[x[0], y[0], x[1], y[1]]])
    there = geometry.boxes_to(box, at)
    assert (there >= -1e-9).all()
    assert (there <= np.array([at.canvas_width, at.canvas_height] * 2) + 1e-9).all()
    np.testing.assert_allclose(geometry.boxes_back(there, at), box, atol=1e-9)


@settings(max_examples=80, deadline=None)
@given(sides, sides, fits, st.integers(8, 64))
def test_letterbox_keeps_the_shape_and_fills_the_rest(width: int, height: int, fit: str, size: int) -> None:
    """The picture lies inside the canvas; letterbox has one scale up to the rounding of a pixel; padding is 255 in masks."""
    at = _place(width, height, fit, size)
    image = geometry.place_image(np.full((height, width, 3), 9, np.uint8), at, 114)
    mask = geometry.place_mask(np.full((height, width), 3, np.uint8), at, 255)
    assert image.shape[:2] == mask.shape == (at.canvas_height, at.canvas_width)
    inside = mask == 3
    assert inside.sum() == at.new_width * at.new_height
    assert (mask[~inside] == 255).all()
    assert (image[~inside] == 114).all()
    assert (image[inside] == 9).all()
    if fit == "letterbox":
        assert abs(at.new_width - width * size / max(width, height)) <= 1
        assert max(at.new_width, at.new_height) == size


@settings(max_examples=60, deadline=None)
@given(sides, sides, st.sampled_from(["stretch", "letterbox"]), st.integers(1, 3), st.integers(0, 99))
def test_masks_grown_by_whole_numbers_return_to_the_bit(width: int, height: int, fit: str, factor: int, seed: int) -> None:
    """A mask on a canvas at least as large comes back as it was."""
    mask = np.random.default_rng(seed).integers(0, 5, (height, width), dtype=np.uint8)
    at = geometry.place(width, height, fit, max(width, height, 8) * factor)
    np.testing.assert_array_equal(geometry.mask_back(geometry.place_mask(mask, at, 255), at), mask)


def test_nearest_takes_the_centre_of_a_pixel() -> None:
    """A mask made half as large is not shifted: a centred square stays centred (cv2.INTER_NEAREST would shift it)."""
    mask = np.zeros((90, 90), np.uint8)
    mask[30:60, 30:60] = 1
    small = geometry.place_mask(mask, geometry.place(90, 90, "stretch", 40), 255)
    np.testing.assert_array_equal(small, small[::-1, ::-1])


@settings(max_examples=50, deadline=None)
@given(
    st.integers(4, 40),
    st.integers(4, 40),
    st.sampled_from(["stretch", "letterbox", "none"]),
    st.integers(8, 48),
    st.integers(0, 99),
)
def test_rle_follows_as_the_mask_does(width: int, height: int, fit: str, size: int, seed: int) -> None:
    """RLE, compressed or as counts, gives the mask that pycocotools decodes, with its area."""
    rng = np.random.default_rng(seed)
    mask = (rng.random((height, width)) > 0.5).astype(np.uint8)
    code = coco.encode(np.asfortranarray(mask))
    at = _place(width, height, fit, size)
    mark = {
        "bbox": [0, 0, width, height],
        "segmentation": {"size": code["size"], "counts": code["counts"].decode()},
        "area": 1,
    }
    placed = geometry.place_annotation(mark, at)
    witness = geometry.place_mask(mask, at, 0)
    np.testing.assert_array_equal(coco.decode(placed["segmentation"]), witness)
    assert placed["area"] == coco.area(coco.encode(np.asfortranarray(witness))) == witness.sum()


@settings(max_examples=50, deadline=None)
@given(st.integers(10, 60), st.integers(10, 60), st.sampled_from(["stretch", "letterbox"]), st.integers(20, 80))
def test_polygons_follow_like_boxes(width: int, height: int, fit: str, size: int) -> None:
    """A rectangle as polygon maps onto the same corners as the box, and its area scales."""
    at = _place(width, height, fit, size)
    x0, y0, x1, y1 = width * 0.2, height * 0.1, width * 0.9, height * 0.7
    mark = {
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]],
        "area": (x1 - x0) * (y1 - y0),
    }
    placed = geometry.place_annotation(mark, at)
    left, top, box_width, box_height = placed["bbox"]
    corners = [left, top, left + box_width, top, left + box_width, top + box_height, left, top + box_height]
    np.testing.assert_allclose(placed["segmentation"][0], corners, atol=2e-4)
    assert placed["area"] == pytest.approx(box_width * box_height, rel=1e-3)
    assert mark["bbox"][0] == x0  # the original is left alone


def test_boxes_follow_pixels() -> None:
    """A coloured rectangle's box maps onto the coloured pixels of the resized picture."""
    image = np.zeros((100, 200, 3), np.uint8)
    image[20:60, 40:120] = 255
    for fit, size in (("stretch", 50), ("letterbox", 100), ("stretch", 300), ("letterbox", 400)):
        at = geometry.place(200, 100, fit, size)
        seen = geometry.place_image(image, at, 0)[..., 0] > 127
        rows, columns = seen.any(1).nonzero()[0], seen.any(0).nonzero()[0]
        found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        np.testing.assert_allclose(geometry.boxes_to(np.array([[40.0, 20, 120, 60]]), at)[0], found, atol=1.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100), st.integers(0, 70), st.integers(3, 20), st.integers(3, 20))
def test_an_outline_made_smaller_comes_back_within_a_pixel(x: int, y: int, width: int, height: int) -> None:
    """At four fifths of its size an edge may lie one pixel off, as decision 009 says, and no more; at its size none does."""
    corners = [float(v) for v in (x, y, x + width, y, x + width, y + height, x, y + height)]
    for size, off in ((96, 1), (120, 0)):
        at = geometry.place(120, 90, "letterbox", size)
        small = coco.decode(coco.merge(coco.frPyObjects([geometry.polygon_to(corners, at)], size, size)))
        back = geometry.mask_back(small, at)
        far = np.ones((90, 120), bool)
        far[max(y - off, 0) : y + height + off, max(x - off, 0) : x + width + off] = False
        assert not back[far].any()
        assert back[y + off : y + height - off, x + off : x + width - off].all()

"""Boxes and run lengths agree with plain counting."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stages.maths import boxes, painting, rle

MASKS = arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))
BOXES = st.tuples(st.integers(-20, 40), st.integers(-20, 40), st.integers(1, 30), st.integers(1, 30))


@settings(deadline=None, max_examples=50)
@given(MASKS)
def test_run_lengths_lose_nothing(mask: np.ndarray) -> None:
    """Decoding gives the mask back; the area is the number of its pixels; the size is height, width."""
    coded = rle.encode(mask)
    assert np.array_equal(rle.decode(coded, *mask.shape), mask)
    assert rle.area(coded, *mask.shape) == mask.sum()
    assert rle.size(coded) == mask.shape


@settings(deadline=None, max_examples=50)
@given(st.lists(arrays.arrays(bool, (6, 7)), min_size=1, max_size=5))
def test_shared_area_counts_every_pixel_once_too_often(masks: list[np.ndarray]) -> None:
    """It is the sum of all areas less the area of the union."""
    expected = sum(int(m.sum()) for m in masks) - int(np.any(masks, axis=0).sum())
    assert rle.shared_area([rle.encode(m) for m in masks], 6, 7) == expected


def test_more_than_255_objects_are_counted() -> None:
    """A list of more than 255 areas overflows in pycocotools; ours does not."""
    mask = np.zeros((20, 20), dtype=bool)
    mask[3, 4] = True
    assert rle.shared_area([rle.encode(mask)] * 300, 20, 20) == 299


@pytest.mark.parametrize(
    "broken",
    [
        [[1.0, 2.0]],
        [],
        {"counts": [3]},
        {"size": [2, 2], "counts": [3]},
        {"size": [2], "counts": "1"},
        {"size": [2, 2], "counts": 5},
    ],
)
def test_broken_outlines_are_refused(broken: object) -> None:
    """A ValueError, never another."""
    with pytest.raises(ValueError, match=r"segmentation|size"):
        rle.area(broken, 4, 4)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=50)
@given(BOXES, BOXES)
def test_iou_is_that_of_the_painted_pixels(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    """On whole pixels the formula equals counting."""
    canvas = np.zeros((2, 100, 100), dtype=bool)
    for layer, (x, y, w, h) in zip(canvas, (one, other), strict=True):
        layer[y + 20 : y + h + 20, x + 20 : x + w + 20] = True
    expected = (canvas[0] & canvas[1]).sum() / (canvas[0] | canvas[1]).sum()
    both = np.array([one, other], dtype=np.float64)
    found = boxes.iou(both, both)
    assert found[0, 1] == found[1, 0] == pytest.approx(expected)


@settings(deadline=None, max_examples=30)
@given(st.lists(BOXES, max_size=30), st.integers(1, 40))
def test_overlapping_boxes_are_all_pairs_of_enough_iou(given_: list[tuple[int, ...]], pairs: int) -> None:
    """However few pairs are held at a time, each box is told with all earlier ones that it overlaps."""
    both = np.array(given_, dtype=np.float64).reshape(-1, 4)
    whole = boxes.iou(both, both)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boxes, "_PAIRS", pairs)
        found = {
            (later, int(e)): iou for later, at, row in boxes.overlapping(both, 0.3) for e, iou in zip(at, row, strict=True)
        }
    assert found == {(i, j): whole[i, j] for i in range(len(both)) for j in range(i) if whole[i, j] >= 0.3}


def test_ten_thousand_boxes_take_little_memory() -> None:
    """All pairs at once would be 800 MB a table."""
    random = np.random.default_rng(0)
    many = np.c_[random.random((10_000, 2)) * 4000, 5 + 60 * random.random((10_000, 2))]
    tracemalloc.start()
    found = sum(1 for _ in boxes.overlapping(many, 0.8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found < 100
    assert peak < 30e6


@settings(deadline=None, max_examples=50)
@given(BOXES)
def test_a_clipped_box_lies_inside(box: tuple[int, int, int, int]) -> None:
    """Its area is that of the part inside; a box inside stays as it is."""
    x, y, w, h = boxes.clip(box, 30, 25)
    assert 0 <= x <= x + w <= 30
    assert 0 <= y <= y + h <= 25
    inside = sum(1 for i in range(box[0], box[0] + box[2]) if 0 <= i < 30) * sum(
        1 for j in range(box[1], box[1] + box[3]) if 0 <= j < 25
    )
    assert w * h == inside


@settings(deadline=None, max_examples=50)
@given(st.lists(arrays.arrays(bool, (5, 5)), min_size=1, max_size=4))
def test_visible_areas_divide_the_union(layers: list[np.ndarray]) -> None:
    """Each pixel belongs to the last layer that covers it."""
    shown = painting.visible(layers)
    assert np.array_equal(np.sum(shown, axis=0) == 1, np.any(layers, axis=0))
    assert np.array_equal(shown[-1], layers[-1])

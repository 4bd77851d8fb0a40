"""The embedded data set is what it says: exact, balanced where it must be, biased as much as asked."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import rawpy

from stages.core import images, raw
from stages.core.items import Item
from stages.maths import rle
from stages.parts import gate
from stages.parts.sources import scenes

NUM = 1152


def _source(seed: int = 7, **values: float) -> scenes.Scenes:
    content = {"num_images": NUM, "size_px": 96, "bias": 0.8, "light_ink_share": 0.25, "max_others": 3, **values}
    return scenes.build(scenes.Params(**content), path=Path(), seed=seed)


@pytest.fixture(scope="module")
def items() -> list[Item]:
    """A few pictures of each split."""
    source = _source()
    return [source.item(index) for index in (*range(12), *range(700, 712), *range(900, 912))]


def test_the_test_split_is_a_balanced_design_whatever_the_bias() -> None:
    """Every class meets every environment, ink, light and camera equally often, so no group is told by another."""
    for bias in (0.0, 1.0):
        plans = [plan for plan in map(_source(bias=bias).plan, range(NUM)) if plan.split == "test"]
        cells: dict[object, int] = {}
        for plan in plans:
            for cell in (
                (plan.classes[0], plan.environment, plan.ink),
                (plan.classes[0], plan.light, plan.camera),
                (plan.environment, plan.light, plan.ink, plan.camera),
            ):
                cells[cell] = cells.get(cell, 0) + 1
        assert len(plans) == 288
        assert set(cells.values()) == {8, 12}


@pytest.mark.parametrize(("bias", "expected"), [(0.0, 1 / 3), (0.6, 0.6 + 0.4 / 3), (1.0, 1.0)])
def test_the_bias_is_planted_in_training_as_asked(bias: float, expected: float) -> None:
    """The share of pictures on their class's own environment is bias + (1 - bias) / 3 within four standard errors."""
    plans = [plan for plan in map(_source(bias=bias).plan, range(NUM)) if plan.split != "test"]
    share = np.mean([plan.environment == scenes.own(plan.classes[0]) for plan in plans])
    assert abs(share - expected) <= 4 * np.sqrt(expected * (1 - expected) / len(plans))


def test_another_bias_changes_environments_alone() -> None:
    """Objects, places, inks and cameras stay, and so do the pictures whose environment stays."""
    low, high = _source(bias=0.2), _source(bias=0.9)
    for index in range(60):
        one, other = low.plan(index), high.plan(index)
        assert (one.classes, one.ink, one.light, one.camera) == (other.classes, other.ink, other.light, other.camera)
    for index in range(6):
        assert low.item(index).marks == high.item(index).marks
        same = low.plan(index).environment == high.plan(index).environment
        assert (low.item(index).load() == high.item(index).load()) == same


def test_light_ink_is_rare_in_training_as_asked() -> None:
    """Its share follows ``light_ink_share`` in train and val and is one half in test."""
    plans = list(map(_source(light_ink_share=0.2).plan, range(NUM)))
    assert np.mean([p.ink == "light" for p in plans if p.split != "test"]) == pytest.approx(0.2, abs=0.05)
    assert np.mean([p.ink == "light" for p in plans if p.split == "test"]) == 0.5


def test_no_handwriting_stands_in_two_splits() -> None:
    """Each sample of the digits belongs to one split."""
    pools = {split: {d.tobytes() for digits in pool for d in digits} for split, pool in _source().digits.items()}
    assert not pools["train"] & pools["test"]
    assert not pools["train"] & pools["val"]
    assert not pools["val"] & pools["test"]


def test_boxes_are_tight_and_masks_exact(items: list[Item]) -> None:
    """Each box is the bounding box of its visible area, areas do not overlap, and their union is the index mask."""
    for item in items:
        assert item.load_mask is not None
        mask = item.load_mask()
        painted = np.zeros_like(mask)
        for mark in item.marks:
            assert mark.segmentation is not None
            area = rle.decode(mark.segmentation, *mask.shape)
            rows, columns = np.nonzero(area)
            assert mark.bbox == (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
            assert not painted[area].any()
            painted[area] = scenes.CLASSES.index(mark.category) + 1
        assert np.array_equal(painted, mask)


def test_the_label_is_the_largest_objects_class(items: list[Item]) -> None:
    """The principal object is taller than any other and names the picture; others are at most three."""
    for item in items:
        tallest = max(item.marks, key=lambda mark: mark.bbox[3])
        assert tallest.category == item.label
        assert 1 <= len(item.marks) <= 4


def test_pictures_depend_on_seed_and_number_alone() -> None:
    """Painting one picture needs no other: the same bytes in any order; another seed gives other bytes."""
    alone, after = _source(), _source()
    after.item(3)
    assert alone.item(5).load() == after.item(5).load() != _source(seed=8).item(5).load()
    assert len({images.image_id(alone.item(n).load()) for n in range(20)}) == 20


def test_ink_sets_itself_off_by_day_and_night(items: list[Item]) -> None:
    """Developed by LibRaw, the strokes differ from their ground by more than the noise, in every light and ink."""
    seen = set()
    for item in items:
        assert item.load_mask is not None
        with rawpy.imread(BytesIO(item.load())) as raw:
            grey = raw.postprocess(use_camera_wb=True, no_auto_bright=True, adjust_maximum_thr=0).mean(axis=2)
        mask = item.load_mask() > 0
        assert abs(grey[mask].mean() - grey[~mask].mean()) > 20
        seen.add((item.groups["group_light"], item.groups["group_ink"]))
    assert len(seen) == 4


def test_the_simulated_cameras_raise_no_alarm() -> None:
    """No file of ours looks as if its black level lied, the flattest scene (light ink on brick by day) included."""
    source = _source()
    for index in range(0, NUM, 4):
        if (plan := source.plan(index)).environment == "brick" and plan.ink == "light":
            assert gate.black_level_lie(raw.read(source.item(index).load()), 0.03) is None

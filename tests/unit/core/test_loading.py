"""Pictures reach the training with their truth, and the same ones for the same seed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.core import dataset, loading
from stages.core.errors import DataError
from stages.core.images import IGNORE, read_mask, write_png
from stages.core.loading import Examples
from stages.core.policy import serialise
from tests.factories import make_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dataset.Dataset:
    return make_dataset(tmp_path_factory.mktemp("data") / "set", num_images=12, size_px=48)


@given(st.integers(0, 200), st.integers(1, 40), st.none() | st.integers(0, 5))
def test_order_takes_each_picture_once_in_even_batches(num: int, size: int, seed: int | None) -> None:
    """Each index comes once; batches are no larger than asked and differ by one at most: none of one beside full ones."""
    batches = loading.order(num, size, seed)
    assert sorted(int(i) for batch in batches for i in batch) == list(range(num))
    sizes = [len(batch) for batch in batches]
    assert all(s <= size for s in sizes)
    assert not sizes or max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("task", ["classify", "detect", "segment", "instance"])
def test_items_carry_the_tables_truth(data: dataset.Dataset, task: str) -> None:
    """Label, boxes, categories and masks are those of the manifest, annotations.json and the mask's file."""
    examples, marks = Examples(data, task, 64), data.annotations()
    for index, row in enumerate(data.manifest.to_dict("records")):
        item = examples[index]
        if task == "classify":
            assert data.info.labels[item.label] == row["label"]
        if task in ("detect", "instance"):
            own = marks[row["image_id"]]
            assert item.categories.tolist() == [m["category_id"] for m in own]
            assert item.boxes.tolist() == [
                [m["bbox"][0], m["bbox"][1], m["bbox"][0] + m["bbox"][2], m["bbox"][1] + m["bbox"][3]] for m in own
            ]
        if task == "instance":
            assert item.masks is not None
            for mask, box in zip(item.masks, item.boxes, strict=True):
                ys, xs = np.nonzero(mask)
                inside = box + np.array([-1, -1, 1, 1])  # polygons may gain or lose half a pixel at the rim
                assert inside[0] <= xs.min() <= xs.max() < inside[2]
                assert inside[1] <= ys.min() <= ys.max() < inside[3]
        if task == "segment":
            assert item.mask is not None
            assert item.mask.shape == item.image.shape[:2]


def test_crowds_and_boxes_without_area_stay_out(data: dataset.Dataset) -> None:
    """A crowd and a box without width are no objects to learn from; a split of such alone is refused."""
    first = data.coco["annotations"][0]
    bad = [{**first, "iscrowd": 1}, {**first, "ignore": 1}, {**first, "bbox": [3, 3, 0, 9]}]
    only = replace(data, coco={**data.coco, "annotations": bad})
    examples = Examples(only, "detect", 64)
    assert sum(len(examples[i].boxes) for i in range(len(examples))) == 0
    with pytest.raises(DataError, match="no box with an area"):
        loading.require(only, "detect", "train")


def _batches(data: dataset.Dataset, memory_mb: int, workers: int, seed: int, task: str = "detect") -> list[loading.Batch]:
    policy = {"online": serialise([{"name": "Affine", "translate_percent": [-0.2, 0.2], "p": 1.0}], 0.3, "augment.online")}
    examples = Examples(data, task, memory_mb)
    plan = loading.order(len(examples), 5, 1)
    return list(loading.batches(examples, plan, workers, loading.online(policy), seed))


def test_memory_and_workers_change_nothing(data: dataset.Dataset) -> None:
    """Pictures, boxes and their augmentation are the same from memory or disk, in line or from threads."""
    first = _batches(data, 64, 0, 3)
    for memory, workers in ((0, 0), (64, 3), (0, 3)):
        other = _batches(data, memory, workers, 3)
        assert len(other) == len(first)
        for (images, targets), (images_b, targets_b) in zip(first, other, strict=True):
            assert torch.equal(images, images_b)
            assert all(torch.equal(a["boxes"], b["boxes"]) for a, b in zip(targets, targets_b, strict=True))


def test_augmentation_differs_by_epoch_and_by_picture(data: dataset.Dataset) -> None:
    """Another epoch's seed moves pictures otherwise, and pictures of a batch do not share their draw (the workers' trap)."""
    first, second = _batches(data, 64, 2, 3), _batches(data, 64, 2, 4)
    assert not torch.equal(first[0][0], second[0][0])
    one = replace(data, manifest=data.manifest.iloc[[0]])
    twice = Examples(one, None, 64)
    twice.ids = ["a", "b"]
    twice._rows = twice._rows * 2
    policy = {"online": serialise([{"name": "Affine", "translate_percent": [-0.3, 0.3], "p": 1.0}], 0.3, "augment.online")}
    images, _ = next(loading.batches(twice, [np.array([0, 1])], 2, loading.online(policy), 3))
    assert not torch.equal(images[0], images[1])


def test_an_empty_policy_is_none() -> None:
    """No policy and a policy without transforms cost nothing."""
    assert loading.online(None) is None
    assert loading.online({"online": serialise([], 0.3, "augment.online")}) is None


def test_what_a_task_lacks_is_one_clear_line(tmp_path: Path) -> None:
    """Empty split, missing labels, boxes, masks or outlines are told apart, with the place to look."""
    bare = make_dataset(tmp_path / "bare", num_images=6, size_px=48, labels=False, boxes=False, masks=False)
    with pytest.raises(DataError, match="no pictures"):
        loading.require(bare.subset("nothing"), "classify", "train")
    with pytest.raises(DataError, match="have no label"):
        loading.require(bare, "classify", "train")
    with pytest.raises(DataError, match="no box"):
        loading.require(bare, "detect", "train")
    with pytest.raises(DataError, match="lacks the mask of 6 of 6"):
        loading.require(bare, "segment", "train")
    full = make_dataset(tmp_path / "full", num_images=6, size_px=48)
    marks = [{k: v for k, v in m.items() if k != "segmentation"} for m in full.coco["annotations"]]
    with pytest.raises(DataError, match="without a segmentation"):
        loading.require(replace(full, coco={**full.coco, "annotations": marks}), "instance", "train")
    for task in ("classify", "detect", "segment", "instance"):
        loading.require(full, task, "train")


def test_classes_without_examples_are_named(tmp_path: Path) -> None:
    """A class that no picture shows, or no box, or no pixel of a mask, is found; 255 is no class."""
    data = make_dataset(tmp_path / "set", num_images=12, size_px=48)
    assert loading.empty_classes(data, "classify") == []
    rows = data.manifest[data.manifest["label"] != "square"]
    assert loading.empty_classes(replace(data, manifest=rows), "classify") == ["square"]
    marks = [m for m in data.coco["annotations"] if m["category_id"] != 1]
    assert loading.empty_classes(replace(data, coco={**data.coco, "annotations": marks}), "detect") == ["disc"]
    assert loading.empty_classes(data, "segment") == []
    never = replace(data, info=replace(data.info, mask_classes=(*data.info.mask_classes, "never")))
    assert loading.empty_classes(never, "segment") == ["never"]
    name = data.info.mask_classes[1]
    for path in data.manifest["mask"]:
        mask = read_mask(data.root / path)
        write_png(data.root / path, np.where(mask == 1, IGNORE, mask).astype(np.uint8))
    assert loading.empty_classes(data, "segment") == [name]


def test_pictures_of_two_sizes_are_refused() -> None:
    """A batch of two sizes says what is expected instead of failing in numpy."""
    none = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    items = [loading.Item(np.zeros((4, s, 3), np.uint8), 0, *none) for s in (4, 5)]
    with pytest.raises(DataError, match="one size"):
        loading.collate(items)

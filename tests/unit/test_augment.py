"""The augment stage: copies of the training split alone, the same each time, even cells, everything dropped counted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.register import card
from stages import augment
from stages.core import artefacts, dataset, files, images, params
from stages.core.errors import ParamsError
from stages.core.policy import load_online
from stages.core.stage import Job
from stages.maths import rle
from stages.maths.balancing import num_copies
from tests.factories import make_dataset

BASE = params.read(Path(__file__).parents[2] / "params.yaml")["augment"] | {"sheet_pictures": 2}


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dataset.Dataset:
    """A project with a preprocessed data set as the current folder."""
    monkeypatch.chdir(tmp_path)
    return make_dataset(artefacts.PREPROCESSED, num_images=24)


def _run(seed: int = 7, **changes: Any) -> dataset.Dataset:
    section = params.section(augment.Params, {**BASE, **changes}, "augment")
    list(augment.run(Job(section.values, section.choices, seed, Path("work"))))
    return dataset.read(artefacts.AUGMENTED)


def _content() -> dict[str, bytes]:
    return {str(f): f.read_bytes() for f in sorted(artefacts.AUGMENTED.rglob("*")) if f.is_file()}


def test_only_the_training_split_is_augmented(source: dataset.Dataset) -> None:
    """Validation and test pictures are neither there nor changed; originals are there to the bit, copies name theirs."""
    before = {f: f.read_bytes() for f in sorted(artefacts.PREPROCESSED.rglob("*")) if f.is_file()}
    after = _run(copies=2, max_copies=2)
    assert {f: f.read_bytes() for f in before} == before
    train = source.subset("train").manifest
    assert set(after.manifest["split"]) == {"train"}
    assert set(after.manifest["origin"]) == set(train["image_id"])
    assert len(after.manifest) == 3 * len(train)
    for row in train.itertuples():
        assert (after.root / row.path).read_bytes() == (source.root / row.path).read_bytes()
    assert {f"{train['image_id'][0]}-1", f"{train['image_id'][0]}-2"} <= set(after.manifest["image_id"])
    assert after.groups() == source.groups()


def test_annotations_of_copies_agree_with_their_masks(source: dataset.Dataset) -> None:
    """Boxes lie in the picture, surround the RLE mask, have an area, and the index mask shows the same class there."""
    after = _run(copies=2, max_copies=2)
    marks = after.annotations()
    copies = after.manifest[after.manifest["image_id"] != after.manifest["origin"]]
    for row in copies.itertuples():
        index_mask = images.read_mask(after.root / row.mask)
        for mark in marks[row.image_id]:
            x, y, width, height = mark["bbox"]
            assert min(x, y) >= 0
            assert x + width <= row.width + 1e-3
            assert y + height <= row.height + 1e-3
            mask = rle.decode(mark["segmentation"], row.height, row.width)
            assert mask.sum() == mark["area"] > 0
            rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
            # the factory's polygons run through the centres of border pixels, so that their masks lack up to two lines
            np.testing.assert_allclose(
                [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], [x, y, x + width, y + height], atol=2.01
            )
            assert (index_mask[mask] == mark["category_id"]).mean() > 0.8  # objects may lie over each other


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(source: dataset.Dataset) -> None:
    """Sheets, tables and pictures are equal run by run; a copy depends on its picture, not on how many there are."""
    _run()
    first = _content()
    _run()
    assert _content() == first
    _run(copies=2)
    more = _content()
    pictures = [name for name in first if "/images/" in name]
    assert all(more[name] == first[name] for name in pictures)
    _run(seed=8)
    other = _content()
    assert any(other[name] != first[name] for name in pictures)


def test_what_is_dropped_is_counted(source: dataset.Dataset) -> None:
    """Copied boxes are those kept and those dropped, by class and by transforms, and the metrics say the same."""
    push = [{"name": "Affine", "translate_percent": {"x": [0.5, 0.5], "y": [0.0, 0.0]}, "p": 0.5}]
    after = _run(offline=push, min_visibility=0.6)
    report = files.read_json(artefacts.AUGMENTED / "report.json")
    metrics = files.read_json(artefacts.AUGMENT_METRICS)
    marks = after.annotations()
    kept = sum(len(marks[name]) for name in marks if "-" in name)
    assert metrics["num_boxes_dropped"] > 0
    assert metrics["num_boxes_copied"] - metrics["num_boxes_dropped"] == kept
    for table in (report["boxes_by_class"], report["boxes_by_transforms"]):
        assert sum(line["copied"] for line in table.values()) == metrics["num_boxes_copied"]
        assert sum(line["dropped"] for line in table.values()) == metrics["num_boxes_dropped"]
    assert report["boxes_by_transforms"]["none"]["dropped"] == 0
    assert report["boxes_by_transforms"]["Affine"]["dropped"] == metrics["num_boxes_dropped"]


def test_balance_evens_the_cells(source: dataset.Dataset) -> None:
    """With ``label_x_group`` all cells become as many as the largest, within ``max_copies``."""
    source = make_dataset(artefacts.PREPROCESSED, num_images=60, seed=1)
    after = _run(copies=0, balance="label_x_group", balance_group="group_setting", max_copies=50)
    sizes = after.manifest.groupby(["label", "group_setting"]).size()
    before = source.subset("train").manifest.groupby(["label", "group_setting"]).size()
    assert before.min() < before.max() == sizes.max()
    assert sizes.min() == sizes.max()
    report = files.read_json(artefacts.AUGMENTED / "report.json")["pictures_by_cell"]
    assert {cell["after"] for cell in report.values()} == {sizes.max()}


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=60), st.integers(0, 3), st.integers(0, 8))
def test_copies_even_out_as_far_as_allowed(cells: list[str], copies: int, room: int) -> None:
    """No row exceeds the cap, rows of a cell differ by one at most, and uncapped cells all reach the same size."""
    cap = copies + room
    numbers = num_copies(cells, copies, cap)
    assert max(numbers) <= cap
    target = max(cells.count(c) for c in cells) * (1 + copies)
    for cell in set(cells):
        own = [n for n, c in zip(numbers, cells, strict=True) if c == cell]
        assert max(own) - min(own) <= 1
        assert max(own) == cap or len(own) + sum(own) == target


def test_policy_file_loads_for_training(source: dataset.Dataset) -> None:
    """``policy.json`` holds both lists, and the online one changes a picture."""
    after = _run()
    policy = files.read_json(artefacts.AUGMENTED / "policy.json")
    names = [t["__class_fullname__"] for t in policy["offline"]["transform"]["transforms"]]
    assert names == ["Affine", "RandomBrightnessContrast"]
    assert load_online(policy)
    assert after.info == source.info


def test_the_default_policy_mirrors_nothing() -> None:
    """A mirrored digit is another sign, so the default for handwriting holds no flip, transposition or quarter turn."""
    mirrors = {"HorizontalFlip", "VerticalFlip", "Transpose", "D4", "SquareSymmetry", "RandomRotate90"}
    assert not mirrors & {entry["name"] for key in ("offline", "online") for entry in BASE[key]}


def test_a_sheet_for_each_task(source: dataset.Dataset) -> None:
    """Classes, boxes, masks and instances are drawn, one sheet each, originals beside copies and online views."""
    _run()
    sheets = sorted(f.stem for f in (artefacts.AUGMENTED / "sheets").iterdir())
    assert sheets == ["classify", "detect", "instance", "segment"]
    plain, drawn = (images.read_image(artefacts.AUGMENTED / "sheets" / f"{n}.png") for n in ("classify", "detect"))
    assert plain.shape == drawn.shape
    assert (plain != drawn).any()


def test_without_copies_the_split_passes_as_it_is(source: dataset.Dataset) -> None:
    """``copies: 0`` and empty lists leave the training split, with an empty policy."""
    after = _run(copies=0, offline=[], online=[])
    assert len(after.manifest) == len(source.subset("train").manifest)
    assert len(after.coco["annotations"]) == len(source.subset("train").coco["annotations"])
    assert not load_online(files.read_json(artefacts.AUGMENTED / "policy.json"))


@pytest.mark.parametrize("made", [{"copies": 0}, {"copies": 0, "balance": "label", "max_copies": 0}, {"copies": 1}])
def test_the_card_names_no_transform_that_made_no_copy(source: dataset.Dataset, made: dict[str, Any]) -> None:
    """Those of the copies stand on the card where there are copies, whatever was asked for."""
    copied = len(_run(**made).manifest) > len(source.subset("train").manifest)
    named = card.policy(files.read_json(artefacts.AUGMENTED / "policy.json"))
    assert ("Affine" in named) == copied
    assert "HueSaturationValue" in named


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"balance": "label_x_group"}, "does not go with balance_group"),
        ({"balance": "label_x_group", "balance_group": "group_inkk"}, "did you mean 'group_ink'"),
        ({"copies": 20}, "max_copies 10 is below copies 20"),
        ({"offline": []}, "copies would only repeat"),
        ({"online": [{"name": "Afine"}]}, r"augment\.online\[0\]\.name is 'Afine'; did you mean 'Affine'"),
        ({"offline": [{"name": "CenterCrop", "height": 8, "width": 8}]}, "size and type must stay"),
    ],
)
def test_wrong_values_end_in_one_line(source: dataset.Dataset, changes: dict[str, Any], message: str) -> None:
    """Contradictions and wrong names stop the stage at its door, before anything is written."""
    with pytest.raises(ParamsError, match=message) as caught:
        _run(**changes)
    assert "\n" not in str(caught.value)
    assert not artefacts.AUGMENTED.exists()

"""Every source delivers what the data contract says, whatever its layout on disk."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from torchvision import datasets

from stages.core import artefacts, images, params, parts
from tests import sources

FOLDERS = ("train", "valid", "test")  # as Roboflow calls them


@pytest.fixture(autouse=True)
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda _: True)  # the generated batches have other checksums
    monkeypatch.setattr(datasets.CIFAR10, "_load_meta", _meta_without_checksum)


def _meta_without_checksum(self: object) -> None:
    self.classes = [f"class {n}" for n in range(10)]  # type: ignore[attr-defined]


def test_every_part_of_the_family_is_tried() -> None:
    """No source is left without a small set in its layout."""
    assert {make(Path("unused"))[0] for name, make in sources.LAYOUTS.items() if name in parts.known("sources")} | {
        "torchvision"
    } == set(parts.known("sources"))


@pytest.mark.parametrize("name", parts.known("sources"))
def test_parts_have_the_familys_form(name: str) -> None:
    """A source has frozen parameters and a build."""
    module = parts.load("sources", name, "acquire.source")
    assert issubclass(module.Params, params.Params)
    assert callable(module.build)


@pytest.mark.parametrize("layout", sources.LAYOUTS)
def test_the_contract_holds(layout: str, tmp_path: Path) -> None:
    """Rows are sorted and unique, files lie where they say and are named by their bytes, masks fit, COCO opens."""
    source, part = sources.LAYOUTS[layout](tmp_path / "input")
    data, _ = sources.run(source, tmp_path / "input", part)
    ids = list(data.manifest["image_id"])
    assert ids == sorted(set(ids))
    assert set(data.manifest["split"]) <= {"train", "val", "test"}
    for row in data.manifest.itertuples():
        assert images.image_id((data.root / row.path).read_bytes()) == row.image_id
        assert row.label in data.info.labels or not data.info.labels
        if data.info.mask_classes:
            mask = images.read_mask(data.root / row.mask)
            assert mask.shape == (row.height, row.width)
            assert set(np.unique(mask)) <= {*range(len(data.info.mask_classes)), images.IGNORE}
    book = COCO()
    book.dataset = data.coco
    book.createIndex()
    assert len(book.anns) == len(data.coco["annotations"])
    for mark in data.coco["annotations"]:
        x, y, w, h = mark["bbox"]
        assert w > 0
        assert h > 0
        assert x >= 0
        assert y >= 0
        if "segmentation" in mark:
            assert book.annToMask(mark).sum() == mark["area"]


@pytest.mark.parametrize("layout", ["scenes", "voc", "coco", "yolo", "imagefolder", "csv", "raw"])
def test_the_same_input_gives_the_same_bytes(layout: str, tmp_path: Path) -> None:
    """Run twice, every file of the output is equal."""
    source, part = sources.LAYOUTS[layout](tmp_path / "input")

    def taken() -> dict[str, bytes]:
        sources.run(source, tmp_path / "input", part)
        return {
            p.relative_to(artefacts.DATA).as_posix(): p.read_bytes()
            for p in sorted(artefacts.DATA.rglob("*"))
            if p.is_file()
        }

    assert taken() == taken()


def test_voc_reads_lists_boxes_and_flags(tmp_path: Path) -> None:
    """The lists give the splits; corners are edges or, as VOC itself counts, pixels from 1."""
    source, part = sources.voc(tmp_path)
    data, _ = sources.run(source, tmp_path, part)
    assert data.manifest["split"].value_counts().to_dict() == {"train": 4, "val": 1, "test": 1}
    assert data.coco["annotations"][0]["bbox"] == [1.0, 2.0, 10.0, 10.0]
    data, _ = sources.run(source, tmp_path, {**part, "corners": "pixels"})
    assert data.coco["annotations"][0]["bbox"] == [0.0, 1.0, 11.0, 11.0]


def test_voc_flags_what_is_difficult_and_says_so(tmp_path: Path) -> None:
    """Objects marked difficult stay, for judging to spare them; they are learnt from where the parameters say so."""
    source, part = sources.voc(tmp_path)
    sources.put(tmp_path / "Annotations/p0.xml", sources.xml([("cat", 1, 2, 11, 12)], difficult=1))
    for keep, expected in ((True, (1, None)), (False, (1, 1))):
        data, _ = sources.run(source, tmp_path, {**part, "keep_difficult": keep})
        marks = [m for m in data.coco["annotations"] if m["difficult"]]
        assert [(m["difficult"], m.get("ignore")) for m in marks] == [expected]
    assert "1 objects marked difficult are not learnt from, nor judged" in sources.notes(
        source, tmp_path, {**part, "keep_difficult": False}
    )


def test_coco_keeps_its_own_ids_and_what_is_to_be_ignored(tmp_path: Path) -> None:
    """The data set knows the annotations' own category ids; an object marked ``ignore`` stays one."""
    source, part = sources.coco(tmp_path)
    content = json.loads((tmp_path / "instances.json").read_text())
    content["annotations"][0]["ignore"] = 1
    sources.put(tmp_path / "instances.json", json.dumps(content))
    data, _ = sources.run(source, tmp_path, part)
    assert data.info.category_ids == (3, 7)
    assert sum(mark.get("ignore", 0) for mark in data.coco["annotations"]) == 1


def test_coco_paints_masks_from_instances(tmp_path: Path) -> None:
    """Polygon and run lengths become classes in order of their ids, an object without outline becomes ignore."""
    source, part = sources.coco(tmp_path)
    data, _ = sources.run(source, tmp_path, part)
    assert data.info.categories == ("cat", "dog")
    mask = images.read_mask(data.root / data.manifest["mask"].iloc[0])
    assert mask[5, 5] == 1
    assert mask[10, 20] == 2
    assert mask[22, 32] == images.IGNORE
    assert mask[0, 0] == 0
    assert data.groups() == ["group_stain"]


def test_yolo_scales_boxes_and_outlines(tmp_path: Path) -> None:
    """Shares of the picture's size become pixels; data.yaml's path of another machine does no harm."""
    source, part = sources.yolo(tmp_path)
    data, _ = sources.run(source, tmp_path, part)
    marks = next(iter(data.annotations().values()))
    assert marks[0]["bbox"] == pytest.approx([5, 12, 10, 6])
    assert marks[1]["bbox"] == pytest.approx([24, 18, 12, 9])
    assert set(data.manifest["split"]) == {"train", "val", "test"}


def test_imagefolder_counts_as_people_do_and_keeps_given_splits(tmp_path: Path) -> None:
    """Class 9 comes before class 10; train/ and valid/ are splits."""
    source, part = sources.imagefolder(tmp_path / "a")
    data, _ = sources.run(source, tmp_path / "a", part)
    assert data.info.labels == ("9", "10")
    for split in ("train", "valid", "test"):
        sources.imagefolder(tmp_path / "b" / split, 4)
    for n, file in enumerate(sorted((tmp_path / "b").rglob("*.png"))):
        sources.put(file, sources.picture(100 + n))
    data, _ = sources.run(source, tmp_path / "b", part)
    assert data.manifest["split"].value_counts().to_dict() == {"train": 4, "val": 4, "test": 4}


def test_a_tables_other_columns_become_groups(tmp_path: Path) -> None:
    """Given splits stay, other columns are groups under a tidy name."""
    source, part = sources.csv(tmp_path)
    data, _ = sources.run(source, tmp_path, part)
    assert data.groups() == ["group_camera_used"]
    assert data.manifest["split"].value_counts().to_dict() == {"train": 4, "val": 4, "test": 4}


def test_camera_files_carry_their_columns(tmp_path: Path) -> None:
    """Pattern, levels, white balance, ISO and camera come from the file itself."""
    source, part = sources.raw(tmp_path)
    data, _ = sources.run(source, tmp_path, part)
    row = data.manifest.set_index("source").loc["f0.dng"]
    assert row["cfa"] in ("RGGB", "GBRG")
    assert len(row["black_level"]) == 4
    assert row["white_level"] in (4095, 16383)
    assert row["camera"].startswith("Rawline")
    assert row["group_light"] == "day"


def test_torchvision_sets_keep_their_test_split_and_get_a_validation(tmp_path: Path) -> None:
    """CIFAR10 has train and test: val is taken from train, test stays whole."""
    source, part = sources.cifar(tmp_path, 20)
    data, _ = sources.run(source, tmp_path, part, val_share=0.2)
    assert data.manifest["split"].value_counts().to_dict() == {"train": 80, "val": 20, "test": 20}


def test_pets_trimaps_become_masks(tmp_path: Path) -> None:
    """1 is the animal, 2 the ground, 3 its border and ignored."""
    source, part = sources.pets(tmp_path)
    data, _ = sources.run(source, tmp_path, part)
    row = data.manifest.set_index("source").loc["Abyssinian_0.jpg"]
    trimap = images.read_mask(tmp_path / "oxford-iiit-pet/annotations/trimaps/Abyssinian_0.png")
    expected = np.select([trimap == 1, trimap == 2], [1, 0], images.IGNORE)
    assert np.array_equal(images.read_mask(data.root / row["mask"]), expected)
    assert row["group_species"] == "cat"


def test_a_folder_that_roboflow_exports_is_read_as_it_is(tmp_path: Path) -> None:
    """train/, valid/, test/ with their own annotation files: the pictures lie beside them, and its name is no class."""
    categories = [{"id": 0, "name": "yard", "supercategory": "none"}]
    categories += [{"id": n, "name": name, "supercategory": "yard"} for n, name in ((1, "cat"), (2, "dog"))]
    for number, (folder, num) in enumerate(zip(FOLDERS, (4, 2, 2), strict=True)):
        pictures, marks = [], []
        for n in range(num):
            name = f"p{number}{n}_png.rf.0a1b.jpg"
            sources.put(tmp_path / folder / name, sources.picture(10 * number + n, form="JPEG"))
            pictures.append({"id": n, "license": 1, "file_name": name, "height": 30, "width": 40})
            box = {"bbox": [2, 3, 10, 12], "area": 120, "segmentation": [], "iscrowd": 0}
            marks.append({"id": n, "image_id": n, "category_id": 1 + n % 2, **box})
        content = {"info": {}, "licenses": [], "categories": categories, "images": pictures, "annotations": marks}
        sources.put(tmp_path / folder / "_annotations.coco.json", json.dumps(content))
    splits = zip(("train", "val", "test"), FOLDERS, strict=True)
    files = {split: f"{folder}/_annotations.coco.json" for split, folder in splits}
    data, found = sources.run("coco", tmp_path, {**sources.COCO, "annotations": files, "images": None})
    assert data.manifest["split"].value_counts().to_dict() == {"train": 4, "val": 2, "test": 2}
    assert data.info.categories == ("cat", "dog")
    assert len(data.coco["annotations"]) == 8
    assert "unreadable" not in found

"""What a set does not tell is not taken for a no: a picture without a mask is not one of background alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.core import artefacts, dataset, images, loading
from stages.core.errors import DataError
from tests import sources

PART = {**sources.CSV, "label_column": None, "mask_column": "mask", "mask_classes": ["ground", "cell"]}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _table(root: Path, num: int, masked: set[int], nothing: str = "") -> None:
    """Write pictures of one split each in turn, train, val, test; only ``masked`` have a mask."""
    rows = ["path,label,mask,split"]
    mask = np.zeros((30, 40), np.uint8)
    mask[5:20, 5:30] = 1
    for n in range(num):
        sources.put(root / f"{n}.png", sources.picture(n))
        Image.fromarray(mask).save(root / f"m{n}.png")
        rows.append(f"{n}.png,{('cat', 'dog')[n % 2]},{f'm{n}.png' if n in masked else nothing},{dataset.SPLITS[n % 3]}")
    sources.put(root / "pictures.csv", "\n".join(rows))


def _details(kind: str) -> list[str]:
    return [finding["detail"] for finding in sources.findings() if finding["kind"] == kind]


@pytest.mark.parametrize("nothing", ["", "NA", "-"])
def test_an_empty_cell_is_no_mask(nothing: str, tmp_path: Path) -> None:
    """Four of forty pictures have a mask: the others are left out, counted in a line, and no background is made up."""
    _table(tmp_path, 40, {0, 10, 20, 30}, nothing)
    lines = sources.notes("csv", tmp_path, PART)
    assert any(line.startswith("gate: 36 x no_mask (quarantine): 1.png, 11.png") for line in lines)
    data = dataset.read(artefacts.ACQUIRED)
    assert sorted(data.manifest["source"]) == ["0.png", "10.png", "20.png", "30.png"]
    assert all(images.read_mask(data.root / path).sum() == 15 * 25 for path in data.manifest["mask"])
    assert len(list((data.root / "masks").iterdir())) == len(list((data.root / "images").iterdir())) == 4


def test_a_picture_that_is_kept_has_no_mask(tmp_path: Path) -> None:
    """Told to warn, the manifest says null; what needs every mask refuses the split, what needs none does not."""
    _table(tmp_path, 12, {0, 1, 2})
    part: dict[str, Any] = {**PART, "label_column": "label"}
    data, found = sources.run("csv", tmp_path, part, gate={"no_mask": "warn"})
    assert sorted(found["no_mask"]) == sorted(f"{n}.png" for n in range(3, 12))
    rows = data.manifest.set_index("source")["mask"]
    assert set(rows.index[rows.notna()]) == {"0.png", "1.png", "2.png"}
    train = data.subset("train")
    with pytest.raises(DataError, match=r"lacks the mask of 3 of 4 pictures.*acquire\.gate\.no_mask"):
        loading.require(train, "segment", "train")
    loading.require(train, "classify", "train")


def test_a_set_without_any_mask_has_none(tmp_path: Path) -> None:
    """Classes of masks make no mask: nothing is left, and the reason says how many lacked one."""
    _table(tmp_path, 6, set())
    with pytest.raises(DataError, match=r"6 x no_mask, first 0\.png: .*this picture has no mask"):
        sources.run("csv", tmp_path, PART)


def test_a_picture_without_objects_is_all_background_where_masks_are_painted(tmp_path: Path) -> None:
    """An image of COCO's without annotations says that it has no object: it stays, and so does its mask of zeros."""
    source, part = sources.LAYOUTS["coco"](tmp_path)
    file = tmp_path / "instances.json"
    content = json.loads(file.read_text())
    content["annotations"] = [mark for mark in content["annotations"] if mark["image_id"] != 0]
    file.write_text(json.dumps(content))
    data, found = sources.run(source, tmp_path, part)
    assert "no_mask" not in found
    row = data.manifest.set_index("source").loc["p0.png"]
    assert images.read_mask(data.root / row["mask"]).max() == 0


@pytest.mark.parametrize("empty", ["no mask", "all ignored"])
def test_few_test_pictures_with_a_mask_are_named(empty: str, tmp_path: Path) -> None:
    """Twelve test pictures are enough; where ten of them have no mask, or one of 255 alone, two are judged."""
    _table(tmp_path, 36, set(range(36)))
    sources.run("csv", tmp_path, PART)
    assert not _details("few_units")
    test = [n for n in range(36) if n % 3 == 2]
    if empty == "no mask":
        _table(tmp_path, 36, {n for n in range(36) if n not in test[2:]})
    for n in test[2:]:
        Image.fromarray(np.full((30, 40), images.IGNORE, np.uint8)).save(tmp_path / f"m{n}.png")
    sources.run("csv", tmp_path, PART, gate={"no_mask": "warn"})
    (line,) = _details("few_units")
    assert line.startswith("the test split has 2 units (2 pictures with a mask that counts), fewer than the 11")

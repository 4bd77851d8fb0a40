"""The preprocess stage: one conversion for stage and model, annotations that follow, faults that are listed."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import rawpy

from stages import preprocess
from stages.core import artefacts, dataset, files, images, params
from stages.core.errors import DataError, ParamsError
from stages.core.stage import Job, Note
from stages.maths import orientation as exif
from stages.maths import rle
from tests.factories import make_dataset
from tests.raws import make_dng

BASE = params.read(Path(__file__).parents[2] / "params.yaml")["preprocess"]
KODAK = Path(__file__).parents[2].parent / "shared" / "data" / "kodak"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project as the current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(**changes: Any) -> list[Any]:
    section = params.section(preprocess.Params, {**BASE, **changes}, "preprocess")
    return list(preprocess.run(Job(section.values, section.choices, 7, Path("work"))))


def _recipe(**changes: Any) -> dict[str, Any]:
    return {"seed": 7, "preprocess": {**BASE, **changes}}


def _camera_files(num: int = 4) -> None:
    """Write a data set of camera files, each with one box, an RLE mask and an index mask, 60 x 40."""
    rows, marks = [], []
    with files.atomic(artefacts.ACQUIRED) as folder:
        (folder / "images").mkdir(parents=True)
        for index in range(num):
            mosaic = np.random.default_rng(index).integers(64, 2000, (40, 60)).astype(np.uint16)
            content = make_dng(mosaic, pattern=("RGGB", "BGGR", "GRBG", "GBRG")[index % 4])
            name = images.image_id(content)
            (folder / "images" / f"{name}.dng").write_bytes(content)
            mask = np.zeros((40, 60), np.uint8)
            mask[8:24, 12:48] = 1
            images.write_png(folder / "masks" / f"{name}.png", mask)
            row = {"image_id": name, "path": f"images/{name}.dng", "width": 60, "height": 40, "split": "train", "label": "a"}
            rows.append({**row, "source": f"{index}.dng", "mask": f"masks/{name}.png"})
            box = {"image_id": name, "category_id": 1, "bbox": [12, 8, 36, 16], "area": 576}
            marks.append({**box, "segmentation": rle.encode(mask.astype(bool))})
        info = dataset.Info("raws", "test", labels=("a",), categories=("a",), mask_classes=("background", "a"))
        dataset.write(folder, info, pd.DataFrame(rows), marks)


@pytest.mark.parametrize(("fit", "size"), [("stretch", 32), ("letterbox", 32), ("none", None)])
def test_camera_files_become_pictures_with_their_truth(project: Path, fit: str, size: int | None) -> None:
    """Pictures, masks, boxes and RLE agree with each other at each way to size; the manifest says what the camera did."""
    _camera_files()
    _run(fit=fit, size_px=size)
    data = dataset.read(artefacts.PREPROCESSED)
    assert set(data.manifest["cfa"]) == {"RGGB", "BGGR", "GRBG", "GBRG"}
    assert set(data.manifest["black_level"]) == {"64 64 64 64"}
    assert set(data.manifest["white_balance"]) == {"2.0000 1.0000 1.4286"}
    assert set(data.manifest["iso"]) == {200}
    marks = data.annotations()
    for row in data.manifest.itertuples():
        image, mask = images.read_image(data.root / row.path), images.read_mask(data.root / row.mask)
        assert image.shape[:2] == mask.shape == (row.height, row.width)
        (mark,) = marks[row.image_id]
        np.testing.assert_array_equal(rle.decode(mark["segmentation"], row.height, row.width), mask == 1)
        x, y, width, height = mark["bbox"]
        rows, columns = (mask == 1).any(1).nonzero()[0], (mask == 1).any(0).nonzero()[0]
        np.testing.assert_allclose(
            [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], [x, y, x + width, y + height], atol=0.51
        )
        assert (set(np.unique(mask)) - {0, 1}) == ({255} if fit == "letterbox" else set())


def test_stage_and_model_take_the_same_path(project: Path) -> None:
    """``prepare`` with the written recipe gives the stage's picture, from a path and from bytes, to the bit."""
    _camera_files(2)
    _run(size_px=32)
    recipe = files.read_json(artefacts.PREPROCESSED / "recipe.json")
    done = dataset.read(artefacts.PREPROCESSED)
    for row in done.manifest.itertuples():
        file = artefacts.ACQUIRED / "images" / f"{row.image_id}.dng"
        for source in (file, file.read_bytes()):
            np.testing.assert_array_equal(preprocess.prepare(recipe, source).image, images.read_image(done.root / row.path))


def test_the_same_input_gives_the_same_bytes(project: Path) -> None:
    """Run twice, every file of the output is equal, whatever the threads did."""
    _camera_files()
    runs = []
    for _ in range(2):
        _run(size_px=32)
        runs.append({str(f): f.read_bytes() for f in sorted(artefacts.PREPROCESSED.rglob("*")) if f.is_file()})
    assert runs[0] == runs[1]


def test_prepare_maps_boxes_and_masks_back() -> None:
    """What a model finds in the prepared picture comes back in the pixels of the picture given."""
    image = np.zeros((50, 100, 3), np.uint8)
    image[10:30, 20:80] = 255
    prepared = preprocess.prepare(_recipe(fit="letterbox", size_px=200), image)
    assert (prepared.width, prepared.height, prepared.scale_x, prepared.offset_y) == (100, 50, 2.0, 50)
    np.testing.assert_allclose(prepared.boxes_back(np.array([[40.0, 70, 160, 110]])), [[20, 10, 80, 30]])
    bright = prepared.image[..., 0] > 127
    np.testing.assert_array_equal(prepared.mask_back(bright), image[..., 0] > 0)


def test_bad_files_are_refused_or_listed_never_dropped_in_silence(project: Path) -> None:
    """``refuse`` stops with one line that names the file and keeps the old output; ``skip`` lists it and goes on."""
    _camera_files(3)
    broken = sorted((artefacts.ACQUIRED / "images").iterdir())[1]
    broken.write_bytes(broken.read_bytes()[:900])
    artefacts.PREPROCESSED.mkdir(parents=True)
    (artefacts.PREPROCESSED / "old").write_text("kept")
    with pytest.raises(DataError, match=broken.name) as caught:
        _run(size_px=32)
    assert "\n" not in str(caught.value)
    assert (artefacts.PREPROCESSED / "old").exists()
    records = _run(size_px=32, on_error="skip")
    assert any(isinstance(r, Note) and broken.name in r.text for r in records)
    report = files.read_json(artefacts.PREPROCESSED / "report.json")
    assert [entry["image_id"] for entry in report["left_out"]] == [broken.stem]
    assert len(dataset.read(artefacts.PREPROCESSED).manifest) == 2
    assert files.read_json(artefacts.PREPROCESS_METRICS)["num_left_out"] == 1
    for file in (artefacts.ACQUIRED / "images").iterdir():
        file.write_bytes(b"")
    with pytest.raises(DataError, match=r"no picture .* could be prepared"):
        _run(size_px=32, on_error="skip")


def test_a_mask_of_another_size_is_named(project: Path) -> None:
    """An index mask that does not match its picture is a fault of the data, not something to stretch over."""
    data = make_dataset(artefacts.ACQUIRED, num_images=3)
    images.write_png(data.root / data.manifest["mask"][0], np.zeros((10, 12), np.uint8))
    with pytest.raises(DataError, match=r"is 12 x 10, its picture shape_.* 64 x 64"):
        _run(size_px=32)


def test_ordinary_pictures_pass(project: Path) -> None:
    """Kept at their size, ordinary pictures and annotations are what they were, without camera columns."""
    before = make_dataset(artefacts.ACQUIRED, num_images=6)
    _run(fit="none", size_px=None)
    after = dataset.read(artefacts.PREPROCESSED)
    for old, new in zip(before.manifest.itertuples(), after.manifest.itertuples(), strict=True):
        np.testing.assert_array_equal(images.read_image(before.root / old.path), images.read_image(after.root / new.path))
    assert [m["bbox"] for m in after.coco["annotations"]] == [m["bbox"] for m in before.coco["annotations"]]
    assert before.groups() == after.groups()
    assert "cfa" not in after.manifest.columns


def test_simulated_raw_returns_the_picture_it_came_from() -> None:
    """Rendered back and developed, a picture comes back but for the demosaicing; with noise a bit less; always the same."""
    file = KODAK / "03.png"
    image = images.read_image(file) if file.exists() else np.full((64, 64, 3), 130, np.uint8)
    clean = {**BASE["simulation"], "full_well": 1e12, "read_noise": 0.0, "white_level": 65535}
    recipe = _recipe(fit="none", size_px=None, simulate_raw=True, simulation=clean)
    noisy = _recipe(fit="none", size_px=None, simulate_raw=True, simulation={**BASE["simulation"], "iso": 3200})
    errors = [cv2.PSNR(preprocess.prepare(r, image).image, image) for r in (recipe, noisy)]
    assert errors[0] > 31
    assert errors[1] < errors[0]
    np.testing.assert_array_equal(preprocess.prepare(noisy, image).image, preprocess.prepare(noisy, image).image)
    flat = np.full((16, 16, 3), (200, 90, 40), np.uint8)
    neutral_camera = [3.2404542, -1.5371385, -0.4985314, -0.9692660, 1.8760108, 0.0415560, 0.0556434, -0.2040259, 1.0572252]
    same = _recipe(fit="none", size_px=None, simulate_raw=True, simulation={**clean, "color_matrix": neutral_camera})
    assert np.abs(preprocess.prepare(same, flat).image.astype(int) - flat).max() <= 1  # gains of 1 are true here
    assert np.abs(preprocess.prepare(recipe, flat).image.astype(int) - flat).max() <= 1


def test_levels_that_contradict_are_named_and_can_be_overridden(tmp_path: Path) -> None:
    """A white level below black is refused with the key to set; the stated values then win, also over the pattern."""
    file = tmp_path / "lies.dng"
    file.write_bytes(make_dng(np.full((40, 40), 500, np.uint16), black_level=(600,) * 4, white_level=550))
    with pytest.raises(DataError, match=r"lies\.dng: white level 550 is not above the black level 600.*preprocess"):
        preprocess.prepare(_recipe(), file)
    done = preprocess.prepare(_recipe(black_level=100.0, white_level=900.0, pattern="GRBG"), file).development
    assert done is not None
    assert (done.black_level, done.white_level, done.pattern) == ((100.0,) * 4, 900.0, "GRBG")


def test_missing_white_balance_is_stood_in_for_and_recorded() -> None:
    """A file without usable gains is balanced by the fallback, and the record says that it stated none."""
    mosaic = np.tile(np.array([[400, 700], [700, 550]], np.uint16), (20, 20))
    done = preprocess.prepare(_recipe(), make_dng(mosaic, neutral=(1, 1, 1))).development
    assert done is not None
    assert done.without_gains
    np.testing.assert_allclose(done.gains, (636 / 336, 1.0, 636 / 486), rtol=1e-4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_is_upright(orientation: int) -> None:
    """What the file states turns or mirrors the developed picture, not the mosaic: colours stay; LibRaw lays it the same."""
    content = make_dng(np.add.outer(np.arange(0, 900, 30), np.arange(64, 1064, 20)).astype(np.uint16))
    flat = preprocess.prepare(_recipe(fit="none", size_px=None), content).image
    tag = content.index(bytes((0x12, 0x01, 0x03, 0x00, 0x01, 0x00, 0x00, 0x00)))
    turned = content[: tag + 8] + bytes((orientation, 0)) + content[tag + 10 :]
    image = preprocess.prepare(_recipe(fit="none", size_px=None), turned).image
    np.testing.assert_array_equal(image, exif.upright(flat, orientation))
    with rawpy.imread(BytesIO(turned)) as file:
        by_libraw = file.postprocess(no_auto_bright=True)
    assert by_libraw.shape == image.shape
    assert np.corrcoef(by_libraw.ravel(), image.ravel())[0, 1] > 0.99


def test_wrong_values_are_explained() -> None:
    """A fit without a size, an unknown demosaicer and a broken recipe end in one line each."""
    with pytest.raises(ParamsError, match="fit none and size_px null go together"):
        params.section(preprocess.Params, {**BASE, "fit": "none"}, "preprocess")
    with pytest.raises(ParamsError, match="did you mean 'malvar2004'"):
        params.section(preprocess.Params, {**BASE, "demosaicer": "malvr2004"}, "preprocess")
    with pytest.raises(ParamsError, match="recipe lacks 'seed'"):
        preprocess.prepare({"preprocess": BASE}, np.zeros((4, 4, 3), np.uint8))


def test_the_recipe_is_complete(project: Path) -> None:
    """The recipe written is JSON that needs no params.yaml: it holds the values and the parts' values."""
    _camera_files(1)
    _run(size_px=32)
    recipe = json.loads((artefacts.PREPROCESSED / "recipe.json").read_text())
    assert recipe["preprocess"]["camera"] == {"fallback": "grey_world"}
    assert recipe["preprocess"]["size_px"] == 32

"""The camera report says what is known of a data set's camera files, and that the rest is unknown."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from stages import preprocess
from stages.core import artefacts, dataset, files, images, params
from stages.core.stage import Job, Keep
from stages.parts.cameras import _measured, _report
from tests.factories import make_dataset
from tests.raws import make_dng

ROOT = Path(__file__).parents[2]
RAW = ROOT.parent / "shared" / "data" / "raw"
KODAK = ROOT.parent / "shared" / "data" / "kodak"
BASE = params.read(ROOT / "params.yaml")["preprocess"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project as the current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(**changes: Any) -> list[Any]:
    section = params.section(preprocess.Params, {**BASE, **changes}, "preprocess")
    return list(preprocess.run(Job(section.values, section.choices, 7, Path("work"))))


def _recipe(**changes: Any) -> dict[str, Any]:
    return {"seed": 7, "preprocess": {**BASE, "fit": "none", "size_px": None, **changes}}


def _camera_files() -> None:
    """Write eight camera files of two groups, the dark one under a lying black level, and one that is broken."""
    rows = []
    with files.atomic(artefacts.ACQUIRED) as folder:
        (folder / "images").mkdir(parents=True)
        for index in range(9):
            dark = index % 2
            light = np.linspace(0.02, 0.2 if dark else 1.1, 128)[None].repeat(96, axis=0)
            noise = np.random.default_rng(index).normal(0, 6, light.shape)
            mosaic = (600 * dark + 64 + light * 3000 + noise).round().clip(0, 3100).astype(np.uint16)
            content = make_dng(mosaic, white_level=3100)[: 900 if index == 8 else None]
            name = images.image_id(content)
            (folder / "images" / f"{name}.dng").write_bytes(content)
            row = {
                "image_id": name,
                "path": f"images/{name}.dng",
                "width": 128,
                "height": 96,
                "split": "train",
                "label": "a",
            }
            rows.append({**row, "source": f"<{index}>.dng", "mask": None, "group_light": "dark" if dark else "bright"})
        dataset.write(folder, dataset.Info("raws", "test", labels=("a",)), pd.DataFrame(rows), [])


def test_the_stage_reports_camera_files_by_camera_and_group(project: Path) -> None:
    """Figures by camera and audit group, suspicions, what could not be developed; kept for the record; no word unescaped."""
    _camera_files()
    records = _run(on_error="skip")
    found = files.read_json(artefacts.CAMERA_REPORT / "camera.json")
    assert found["num_files"] == 8
    (camera,) = found["by_camera"]
    assert (camera["camera"], camera["iso"], camera["gains"]) == ("Test 1", 200, [2.0, 1.0, 1.428571])
    groups = found["by_group"]["light"]
    assert {name: group["num_files"] for name, group in groups.items()} == {"bright": 4, "dark": 4}
    assert groups["bright"]["clipped_share"] > 0.05
    assert groups["dark"]["clipped_share"] == 0
    assert groups["bright"]["num_suspicious"] == 0
    assert groups["dark"]["num_suspicious"] == 4
    assert len(found["faults"]) == 1
    page = (artefacts.CAMERA_REPORT / "camera.html").read_text(encoding="utf-8")
    assert "&lt;1&gt;.dng" in page
    assert "<1>" not in page
    assert "could not be developed" in page
    assert len(pd.read_csv(artefacts.CAMERA_REPORT / "camera.csv")) == 8
    assert any(isinstance(r, Keep) and r.path == artefacts.CAMERA_REPORT for r in records)


def test_unknown_colours_are_called_unknown(project: Path) -> None:
    """Nobody knows the true colours of a camera file: the figures are null and the page says unknown."""
    _camera_files()
    _run(on_error="skip")
    found = files.read_json(artefacts.CAMERA_REPORT / "camera.json")
    assert found["all"]["color_error_ciede2000"] is None
    assert found["all"]["cpsnr_db"] is None
    assert files.read_json(artefacts.PREPROCESS_METRICS)["mean_color_error_ciede2000"] is None
    assert "the true colours are not known" in (artefacts.CAMERA_REPORT / "camera.html").read_text(encoding="utf-8")


def test_equal_files_give_equal_bytes(project: Path) -> None:
    """A second run writes the same report, byte for byte."""
    _camera_files()
    _run(on_error="skip")
    first = {path.name: path.read_bytes() for path in artefacts.CAMERA_REPORT.iterdir()}
    _run(on_error="skip")
    assert first == {path.name: path.read_bytes() for path in artefacts.CAMERA_REPORT.iterdir()}


def test_ordinary_pictures_have_no_camera(project: Path) -> None:
    """Without camera files there is no page, and the numbers say so."""
    make_dataset(artefacts.ACQUIRED)
    _run()
    assert {path.name for path in artefacts.CAMERA_REPORT.iterdir()} == {"camera.json"}
    assert files.read_json(artefacts.CAMERA_REPORT / "camera.json")["num_files"] == 0


def test_a_simulated_camera_knows_the_truth(project: Path) -> None:
    """With simulate_raw the original is the truth: both errors are stated."""
    make_dataset(artefacts.ACQUIRED)
    _run(simulate_raw=True)
    values = files.read_json(artefacts.PREPROCESS_METRICS)
    assert 0 < values["mean_color_error_ciede2000"] < 20
    assert 15 < values["mean_cpsnr_db"] < 60


def test_errors_are_those_of_their_definitions() -> None:
    """A plain mean square gives the CPSNR; equal pictures differ by nothing; other sizes cannot be compared."""
    truth = np.random.default_rng(0).integers(20, 200, (50, 60, 3)).astype(np.uint8)
    difference, cpsnr = _measured.compare(truth + np.uint8(5), truth)
    assert cpsnr == pytest.approx(20 * np.log10(255 / 5))
    assert difference is not None
    assert 1 < difference < 4  # a twentieth of the range in lightness alone is about 2
    assert _measured.compare(truth, truth) == (0.0, None)
    assert _measured.compare(truth, truth[1:]) == (None, None)


@pytest.mark.skipif(not KODAK.exists(), reason="needs ../shared/data/kodak")
def test_the_simulated_sensors_noise_is_found_again() -> None:
    """On a photograph without grain of its own, the noise found is that of the simulated camera within 15 %."""
    light = cv2.GaussianBlur(images.read_image(KODAK / "04.png"), (0, 0), 2.5)
    simulation = {**BASE["simulation"], "noise": "own", "full_well": 3000, "read_noise": 20.0}
    done = preprocess.prepare(_recipe(simulate_raw=True, simulation=simulation), light)
    taken = _measured.measure(done, "a", {}, thumbnail=False)
    assert taken is not None
    (own,) = _report.gather.by_camera([taken])
    assert own.noise is not None
    assert own.noise.std(0.18) == pytest.approx(np.sqrt(0.18 / 3000 + (20 / 3000) ** 2), rel=0.15)


@pytest.mark.skipif(not RAW.exists(), reason="needs ../shared/data/raw")
def test_lies_of_real_files_are_named() -> None:
    """The page of the real camera files names the black level that is wrong, and shows every file."""
    taken = [
        _measured.measure(preprocess.prepare(_recipe(), path), path.name, {}, thumbnail=True)
        for path in sorted(RAW.iterdir())
    ]
    known = [item for item in taken if item]
    content = json.loads(json.dumps(files.tidy({**_report.gather.content(known), "faults": []})))
    page = _report.render(known, content, "raw", "malvar2004")
    assert "stated black level 0/0/0/0" in page
    assert page.count("<figure>") == 5
    assert {own["camera"] for own in content["by_camera"]} >= {"Blackmagic Pocket Cinema Camera 4K", "unknown"}


@pytest.mark.parametrize("output", ["linear_rgb", "packed_raw"])
def test_other_outputs_are_shown_too(output: str) -> None:
    """Thumbnails of linear light and packed mosaics are sRGB pictures."""
    mosaic = np.full((40, 60), 1000, np.uint16)
    done = preprocess.prepare(_recipe(output=output), make_dng(mosaic))
    taken = _measured.measure(done, "a", {}, thumbnail=True)
    assert taken is not None
    assert taken.thumbnail is not None
    assert taken.thumbnail.dtype == np.uint8
    assert taken.thumbnail.shape[2] == 3

"""Linear light and packed mosaics go the whole way: from camera files to a registered model that answers a camera file."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from pipelines import predict, run_stage, show
from pipelines.overlay import merge
from stages.core import artefacts, dataset, files, images
from stages.core.stage import Note
from tests.pipeline import chain_project
from tests.raws import make_dng

TASK = "classify"


@pytest.fixture(params=[pytest.param("linear_rgb", marks=pytest.mark.long), "packed_raw"])
def project(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run every stage in this process on tiny scenes, as the project's overlay for the output says; give the output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    raw = merge(
        *(yaml.safe_load((chain_project.HOME / f).read_text()) for f in ("params.yaml", f"params/{request.param}.yaml"))
    )
    chain_project.shrink(raw, (TASK,))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    for name in run_stage.STAGES:
        task = TASK if name in run_stage.PER_TASK else None
        module, job = run_stage.load_job(name, task, raw, tmp_path / "work" / name)
        found = [record.text for record in module.run(job) if isinstance(record, Note)]
        assert not [text for text in found if "left out" in text]
    return str(request.param)


@pytest.mark.slow
def test_from_camera_files_to_a_registered_model(project: str, tmp_path: Path) -> None:
    """Every data set and the model say what they hold; the model answers and draws a camera file, and names its faults."""
    prepared, augmented = dataset.read(artefacts.PREPROCESSED), dataset.read(artefacts.AUGMENTED)
    pixels = prepared.info.pixels
    assert pixels.output == augmented.info.pixels.output == project
    assert len(set(pixels.mean)) == pixels.num_channels
    for data in (prepared, augmented):
        for path in data.manifest["path"]:
            pixels.read(data.root / path)
    assert files.read_json(artefacts.finetuned(TASK) / "model.json")["pixels"] == files.tidy(pixels.content())
    (tmp_path / "a.dng").write_bytes(make_dng(np.random.default_rng(0).integers(64, 3000, (41, 60)).astype(np.uint16)))
    images.write_png(tmp_path / "b.png", np.full((30, 40, 3), 120, np.uint8))
    name = "models:/scenes-classify@challenger"
    card, camera, ordinary = predict.predict(name, [tmp_path / "a.dng", tmp_path / "b.png"], 0.0)
    assert card["pixels"]["output"] == project
    assert isinstance(camera, predict.Result)
    assert isinstance(ordinary, predict.Result)
    assert camera.answer is not None, camera.fault
    assert (camera.answer["width"], camera.answer["height"]) == (60, 41)
    if project == "packed_raw":
        assert "b.png: this is no camera file" in ordinary.fault
    else:
        assert ordinary.answer is not None
    show.show(str(artefacts.finetuned(TASK)), [tmp_path / "a.dng"], min_score=0.0, folder=tmp_path / "drawn", as_json=True)
    drawn = images.read_image(tmp_path / "drawn" / "a.png")
    assert drawn.shape == (41 * 8, 60 * 8, 3)

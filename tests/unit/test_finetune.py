"""Finetuning: every task ends in a model that loads, repeatable to the byte, with a fair twin, after a kill too."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from stages import finetune
from stages.core import artefacts, checkpoint, dataset, files
from stages.core.errors import DataError, ParamsError
from stages.core.policy import serialise
from stages.core.seeds import derive
from stages.core.stage import Metrics, Note, Progress
from stages.parts.backbones import resnet18
from tests.training_project import finetune_job, hashes, make_backbone, make_inputs

FIGURE = {"classify": "val_accuracy", "detect": "val_map50", "instance": "val_mask_map50", "segment": "val_miou"}
POLICY = {"offline": None, "online": [{"name": "RandomBrightnessContrast", "p": 1.0}]}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_inputs()
    make_backbone()
    files.write_json(artefacts.AUGMENTED / "policy.json", {"online": serialise(POLICY["online"], 0.3, "augment.online")})


@pytest.mark.parametrize("task", sorted(FIGURE))
def test_each_task_ends_in_a_model_that_loads(task: str) -> None:
    """Best and last weights, card, curves and metrics are there; the card carries recipe and policy; the model answers."""
    files.write_json(artefacts.PREPROCESSED / "recipe.json", {"size_px": 64})
    records = list(finetune.run(finetune_job(task)))
    folder = artefacts.finetuned(task)
    assert {path.name for path in folder.iterdir()} == {"best.safetensors", "last.safetensors", "model.json", "curves.csv"}
    figures = files.read_json(artefacts.finetune_metrics(task))
    assert figures["epochs"] == 2
    assert 0 <= figures[FIGURE[task]] <= 1
    steps = [r for r in records if isinstance(r, Metrics) and r.step]
    assert all({"train/loss", "val/loss", FIGURE[task].replace("_", "/", 1)} <= set(r.values) for r in steps)
    trained = checkpoint.load(folder, device="cpu")
    assert trained.card["recipe"] == {"size_px": 64}
    assert trained.card["policy"]["online"]
    assert len(trained.predict([np.zeros((64, 64, 3), np.uint8)])) == 1


def test_classes_are_counted_as_each_head_counts() -> None:
    """``detect`` knows three categories, ``segment`` four classes with the background, in the data set's order."""
    for task, names in (
        ("detect", ["disc", "square", "triangle"]),
        ("segment", ["background", "disc", "square", "triangle"]),
    ):
        list(finetune.run(finetune_job(task, f"work-{task}", epochs=1)))
        assert checkpoint.load(artefacts.finetuned(task), device="cpu").card["classes"] == names


@pytest.mark.parametrize(
    ("task", "key"),
    [("classify", "labels"), ("detect", "categories"), ("instance", "categories"), ("segment", "mask_classes")],
)
def test_a_class_without_a_training_example_is_said(task: str, key: str) -> None:
    """In a note before the training, in every task, and in model.json for the card; where all have one, nothing."""
    setting, notes = finetune._prepare(finetune_job(task))
    assert "no_example" not in setting.card
    assert not any("no training example" in note.text for note in notes)
    for folder in (artefacts.AUGMENTED, artefacts.PREPROCESSED):
        content = files.read_json(folder / "dataset.json")
        files.write_json(folder / "dataset.json", content | {key: [*content[key], "never"]})
    setting, notes = finetune._prepare(finetune_job(task))
    assert notes[0].text == "no training example of 'never': the model cannot learn it"
    assert setting.card["no_example"] == ["never"]


@pytest.mark.parametrize("task", ["classify", "detect"])
def test_equal_runs_give_equal_bytes(task: str) -> None:
    """Twice the same, whatever the global generator's state and the number of loading threads."""
    found = []
    for seed, workers in ((1, 0), (2, 2)):
        torch.manual_seed(seed)
        list(finetune.run(finetune_job(task, f"work{seed}", loading={"memory_mb": 64, "workers": workers})))
        found.append(hashes(artefacts.finetuned(task)) | {"m": artefacts.finetune_metrics(task).read_text()})
    assert found[0] == found[1]


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_killed_run_goes_on_to_the_same_bytes(stop_after: int) -> None:
    """Killed in the model's training or in its twin's and run again: the uninterrupted run's files."""
    list(finetune.run(finetune_job("classify", "whole", scratch_twin=True)))
    expected = hashes(artefacts.finetuned("classify"))
    shutil.rmtree(artefacts.finetuned("classify"))
    killed, seen = finetune.run(finetune_job("classify", "parts", scratch_twin=True)), 0
    for record in killed:
        seen += isinstance(record, Progress)
        if seen == stop_after:
            break
    killed.close()
    assert not artefacts.finetuned("classify").exists()
    list(finetune.run(finetune_job("classify", "parts", scratch_twin=True)))
    assert hashes(artefacts.finetuned("classify")) == expected


def test_the_twin_differs_by_its_backbone_alone() -> None:
    """With the twin's own backbone in place of the pretrained one, both trainings are the same to the bit."""
    job = finetune_job("classify", scratch_twin=True)

    twin = resnet18.build(resnet18.Params(weights="random"), seed=finetune.twin_seed(job.seed, "classify"), pretrained=False)
    checkpoint.save(artefacts.PRETRAINED / "backbone.safetensors", twin.state_dict())
    list(finetune.run(job))
    curves = pd.read_csv(artefacts.finetuned("classify") / "curves.csv")
    assert curves["val/loss"].tolist() == curves["scratch/val/loss"].tolist()
    folder = artefacts.finetuned("classify")
    assert (folder / "best.safetensors").read_bytes() == (folder / "scratch.safetensors").read_bytes()
    figures = files.read_json(artefacts.finetune_metrics("classify"))
    assert figures["val_accuracy"] == figures["scratch_val_accuracy"]


def test_each_seed_has_a_twin_of_its_own() -> None:
    """The twin starts from weights drawn from the pipeline's seed, none of which are those that pretraining started from."""

    def start(seed: int) -> dict[str, torch.Tensor]:
        setting, _ = finetune._prepare(replace(finetune_job("classify"), seed=seed))
        return dict(finetune._model(setting).backbone.state_dict())

    def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
        return torch.equal(one["layer1.0.conv1.weight"], two["layer1.0.conv1.weight"])

    found = {seed: start(seed) for seed in (7, 8)}
    assert all(torch.equal(value, found[7][name]) for name, value in start(7).items())
    assert not same(found[7], found[8])
    for seed in (0, derive(7, "pretrain", "weights")):
        other = resnet18.build(resnet18.Params(weights="random"), seed=seed, pretrained=False)
        assert not same(found[7], dict(other.state_dict()))


@pytest.mark.parametrize(("curve", "last", "rising"), [((0.1, 0.2, 0.3, 0.4), 1, 1), ((0.1, 0.4, 0.3, 0.2), 0, 0)])
def test_a_curve_that_still_rises_is_said_to(
    curve: tuple[float, ...], last: int, rising: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a note and in the metrics, of the model and of its twin; a curve that came to its end is not mentioned."""
    shown = iter(curve * 2)
    monkeypatch.setattr(finetune, "_judge", lambda *_: {"val/loss": 1.0, "val/accuracy": next(shown)})
    records = list(finetune.run(finetune_job("classify", epochs=4, scratch_twin=True)))
    told = [r.text for r in records if isinstance(r, Note) and "more epochs may help" in r.text]
    assert len(told) == 2 * last
    assert all("(finetune.classify.epochs)" in line for line in told)
    figures = files.read_json(artefacts.finetune_metrics("classify"))
    for prefix in ("", "scratch_"):
        assert (figures[f"{prefix}best_is_last"], figures[f"{prefix}still_rising"]) == (last, rising)
    final = [r for r in records if isinstance(r, Metrics) and r.step is None][-1]
    assert final.values["best_is_last"] == last  # noqa: PD011 - no frame


def test_frozen_keeps_the_backbone_and_full_does_not() -> None:
    """After ``frozen`` the model's backbone, statistics included, is the pretrained one; after ``full`` it has moved."""
    before = checkpoint.read(artefacts.PRETRAINED / "backbone.safetensors")
    kept = {}
    for tuning in ("frozen", "full"):
        list(finetune.run(finetune_job("classify", f"work-{tuning}", tuning, epochs=1)))
        after = checkpoint.read(artefacts.finetuned("classify") / "last.safetensors")
        kept[tuning] = all(torch.equal(after[f"backbone.{k}"], v) for k, v in before.items())
    assert kept == {"frozen": True, "full": False}


def test_class_weights_even_out_the_classes() -> None:
    """Weights times counts are equal for all classes that have pictures, and an absent class weighs nothing."""
    data = dataset.read(artefacts.AUGMENTED).subset("train")
    rows = data.manifest[data.manifest["label"] != "square"].iloc[1:]
    weights = finetune._class_weights(dataset.Dataset(data.root, data.info, rows, data.coco))
    counts = [int((rows["label"] == name).sum()) for name in data.info.labels]
    products = [float(w) * c for w, c in zip(weights, counts, strict=True)]
    assert products[0] == pytest.approx(products[2])
    assert float(weights[1]) == 0


def test_a_class_without_pictures_is_said() -> None:
    """Training goes on, and one note names the class that cannot be learned."""
    data = dataset.read(artefacts.AUGMENTED)
    rows = data.manifest[data.manifest["label"] != "square"]
    dataset.write(artefacts.AUGMENTED, data.info, rows, [])
    records = list(finetune.run(finetune_job("classify", epochs=1)))
    assert any("'square'" in r.text for r in records if isinstance(r, Note))


def test_nothing_to_learn_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tuning that leaves no weight to learn, or only weights that do not, is named before an optimiser is made."""

    def nothing(params: object, *, model: torch.nn.Module) -> list[dict[str, object]]:
        return [{"params": [], "scale": 1.0}]

    def still(params: object, *, model: torch.nn.Module) -> list[dict[str, object]]:
        return [{"params": list(model.requires_grad_(requires_grad=False).parameters()), "scale": 1.0}]

    for build in (nothing, still):
        job = finetune_job("classify", "work", "frozen")
        monkeypatch.setattr(job.part("tuning").module, "build", build)
        with pytest.raises(
            ParamsError, match=r"'linear' with the tuning 'frozen' has no weights.*tasks\.classify\.tuning\)$"
        ):
            list(finetune.run(job))


def test_faults_are_one_line() -> None:
    """A head of another task, a twin for boxes, missing masks, an empty split and a missing backbone are told apart."""
    with pytest.raises(ParamsError, match="which answers segment"):
        list(finetune.run(finetune_job("classify", head="unet")))
    with pytest.raises(ParamsError, match="only classify has a twin"):
        list(finetune.run(finetune_job("detect", scratch_twin=True)))
    shutil.rmtree(artefacts.PRETRAINED)
    with pytest.raises(DataError, match=r"backbone\.json is missing"):
        list(finetune.run(finetune_job("classify")))
    make_inputs(masks=False)
    with pytest.raises(DataError, match="lacks the mask"):
        list(finetune.run(finetune_job("segment")))
    data = dataset.read(artefacts.AUGMENTED)
    dataset.write(artefacts.AUGMENTED, data.info, data.manifest[data.manifest["split"] != "train"], [])
    with pytest.raises(DataError, match="no pictures"):
        list(finetune.run(finetune_job("classify")))

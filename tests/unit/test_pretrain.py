"""Pretraining: repeatable to the byte, on training pictures only, and it goes on after a kill."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from stages import pretrain
from stages.core import artefacts, checkpoint, dataset, files
from stages.core.errors import DataError, ParamsError
from stages.core.stage import Metrics, Note, Progress
from tests.training_project import hashes, make_inputs, pretrain_job


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_inputs()


def test_it_leaves_what_the_contract_promises() -> None:
    """Backbone, its card, curves and metrics with the random control beside them are written; the backbone has moved."""
    records = list(pretrain.run(pretrain_job()))
    assert {path.name for path in artefacts.PRETRAINED.iterdir()} == {"backbone.safetensors", "backbone.json", "curves.csv"}
    figures = files.read_json(artefacts.PRETRAIN_METRICS)
    assert {"knn_accuracy", "spread", "effective_rank", "random_knn_accuracy", "random_spread"} <= set(figures)
    assert list(pd.read_csv(artefacts.PRETRAINED / "curves.csv")["epoch"]) == [1, 2]
    assert [r.step for r in records if isinstance(r, Metrics) and r.step] == [1, 2]
    job = pretrain_job()
    fresh = job.part("backbones").build(seed=1, pretrained=True)
    checkpoint.fill(fresh, artefacts.PRETRAINED / "backbone.safetensors")


@pytest.mark.parametrize("method", ["simclr", "denoising_autoencoder"])
def test_equal_runs_give_equal_bytes(method: str) -> None:
    """Twice the same, whatever the global generator's state before."""
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        list(pretrain.run(pretrain_job(f"work{seed}", ssl=method)))
        found.append(hashes(artefacts.PRETRAINED) | {"m": artefacts.PRETRAIN_METRICS.read_text()})
    assert found[0] == found[1]


def test_a_killed_run_goes_on_to_the_same_bytes() -> None:
    """Killed after its first epoch and run again: the uninterrupted run's files."""
    list(pretrain.run(pretrain_job("whole")))
    expected = hashes(artefacts.PRETRAINED)
    shutil.rmtree(artefacts.PRETRAINED)
    killed = pretrain.run(pretrain_job("parts"))
    for record in killed:
        if isinstance(record, Progress):
            break
    killed.close()
    assert not artefacts.PRETRAINED.exists()
    list(pretrain.run(pretrain_job("parts")))
    assert hashes(artefacts.PRETRAINED) == expected


def test_other_splits_and_labels_do_not_teach() -> None:
    """The backbone is the same when test pictures and all labels are gone: it saw training pictures alone."""
    list(pretrain.run(pretrain_job("a")))
    expected = hashes(artefacts.PRETRAINED)["backbone.safetensors"]
    data = dataset.read(artefacts.PREPROCESSED)
    rows = data.manifest[data.manifest["split"] == "train"].assign(label=None)
    bare = dataset.Info(data.info.name, data.info.source)
    dataset.write(artefacts.PREPROCESSED, bare, rows, [])
    records = list(pretrain.run(pretrain_job("b")))
    assert hashes(artefacts.PRETRAINED)["backbone.safetensors"] == expected
    assert any("skipped" in r.text for r in records if isinstance(r, Note))
    assert not {"knn_accuracy", "knn_still_rising"} & files.read_json(artefacts.PRETRAIN_METRICS).keys()


@pytest.mark.parametrize(("curve", "last"), [((0.1, 0.2, 0.3, 0.4), 1), ((0.4, 0.3, 0.2, 0.1), 0)])
def test_a_probe_that_still_rises_is_said_to(curve: tuple[float, ...], last: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a note and in the metrics; the looks before and after the training are no part of the curve."""
    shown = iter((0.9, *curve, 0.0))
    monkeypatch.setattr(pretrain, "_look", lambda *_: {"knn_accuracy": next(shown)})
    records = list(pretrain.run(pretrain_job(epochs=4)))
    assert any("(pretrain.epochs)" in r.text for r in records if isinstance(r, Note)) == bool(last)
    figures = files.read_json(artefacts.PRETRAIN_METRICS)
    assert (figures["knn_best_is_last"], figures["knn_still_rising"]) == (last, last)


def test_without_labels_the_largest_object_is_the_class() -> None:
    """A set of boxes alone is probed by the category of each picture's largest object."""
    make_inputs(labels=False)
    records = list(pretrain.run(pretrain_job(epochs=0)))
    assert any("largest object" in r.text for r in records if isinstance(r, Note))
    assert "knn_accuracy" in files.read_json(artefacts.PRETRAIN_METRICS)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m[m["split"] != "val"], "split 'val' has no picture"),
        (lambda m: m.assign(label=m["label"].where(m["split"] != "val")), "no label and no object in split 'val'"),
        (lambda m: m.assign(label=None), "no label and no object in split 'train' and 'val'"),
    ],
)
def test_a_probe_that_is_skipped_says_why(change: Callable[[pd.DataFrame], pd.DataFrame], reason: str) -> None:
    """An empty validation split is not a lack of labels."""
    file = artefacts.PREPROCESSED / "manifest.parquet"
    change(pd.read_parquet(file)).to_parquet(file, index=False)
    told = [record.text for record in pretrain.run(pretrain_job()) if isinstance(record, Note)]
    assert f"{reason}: the kNN probe is skipped" in told[0]


def test_a_batch_without_others_is_one_line() -> None:
    """SimCLR tells a picture from the others of its batch: a batch of one, or a rest of one, is refused; others learn so."""
    with pytest.raises(
        ParamsError, match=r"batch_size 1 makes a batch of 1 .* simclr compares at least 2.*pretrain\.batch_size"
    ):
        list(pretrain.run(pretrain_job(batch_size=1)))
    data = dataset.read(artefacts.PREPROCESSED)
    rows = data.manifest[data.manifest["split"] == "train"].iloc[:3]
    dataset.write(artefacts.PREPROCESSED, data.info, rows, [])
    with pytest.raises(ParamsError, match="batch_size 2 makes a batch of 1 of the 3 training pictures"):
        list(pretrain.run(pretrain_job(batch_size=2)))
    alone = {"view_px": 64, "min_scale": 0.5, "noise": 0.1, "hole_share": 0.3, "width": 16}
    list(pretrain.run(pretrain_job(batch_size=1, epochs=1, ssl="denoising_autoencoder", denoising_autoencoder=alone)))


def test_no_training_pictures_is_one_line() -> None:
    """An empty training split says so."""
    data = dataset.read(artefacts.PREPROCESSED)
    rows = data.manifest[data.manifest["split"] != "train"]
    dataset.write(artefacts.PREPROCESSED, data.info, rows, [])
    with pytest.raises(DataError, match="no picture in split 'train'"):
        list(pretrain.run(pretrain_job()))

"""Models on disk come back whole, and equal content gives equal bytes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.core import checkpoint
from stages.core.errors import DataError
from tests.training_project import HEAD_OF, HEADS

BACKBONE = {"name": "resnet18", "params": {"weights": "random"}}


def card(task: str = "classify") -> dict[str, object]:
    head = {"name": HEAD_OF[task], "params": HEADS[HEAD_OF[task]]}
    return {"format": 1, "task": task, "classes": ["a", "b", "c"], "size_px": [64, 64], "backbone": BACKBONE, "head": head}


def write(folder: Path, task: str = "classify") -> torch.nn.Module:
    torch.manual_seed(0)
    model = checkpoint.build(card(task))
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps(card(task)))
    checkpoint.save(folder / "best.safetensors", model.state_dict())
    return model


def test_equal_weights_give_equal_bytes(tmp_path: Path) -> None:
    """Neither the order of the dictionary nor the order in memory (channels-last) nor the time shows in the file."""
    state = {"b": torch.rand(2, 3, 4, 4), "a": torch.arange(3), "c": torch.tensor(7)}
    turned = {k: state[k].to(memory_format=torch.channels_last) if k == "b" else state[k].clone() for k in reversed(state)}
    checkpoint.save(tmp_path / "one.safetensors", state)
    checkpoint.save(tmp_path / "two.safetensors", turned)
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    back = checkpoint.read(tmp_path / "one.safetensors")
    assert all(torch.equal(back[k], state[k]) and back[k].dtype == state[k].dtype for k in state)


@pytest.mark.parametrize("task", sorted(HEAD_OF))
def test_a_loaded_model_answers_in_order_for_any_sizes(tmp_path: Path, task: str) -> None:
    """``predict`` gives numpy dictionaries in the order of the pictures, sizes mixed, each as if it were alone."""
    write(tmp_path / "model", task)
    trained = checkpoint.load(tmp_path / "model", device="cpu")
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((64, 64), (48, 80), (64, 64))]
    together, alone = trained.predict(pictures), [trained.predict([p])[0] for p in pictures]
    for picture, answer, single in zip(pictures, together, alone, strict=True):
        assert all(isinstance(v, np.ndarray) for v in answer.values())
        assert {k: (v.shape[1:], v.dtype) for k, v in answer.items()} == {
            k: (v.shape[1:], v.dtype) for k, v in single.items()
        }
        if task == "classify":
            assert np.allclose(answer["scores"], single["scores"], atol=1e-5)
            assert answer["scores"].sum() == pytest.approx(1, abs=1e-5)
        if task == "segment":
            assert answer["mask"].shape == picture.shape[:2]
    assert trained.card["task"] == task
    assert trained.predict([]) == []


def test_missing_broken_and_foreign_files_are_one_line(tmp_path: Path) -> None:
    """Each fault of a model's folder says which file and what would be right."""
    with pytest.raises(DataError, match=r"model\.json is missing"):
        checkpoint.load(tmp_path)
    write(tmp_path / "model")
    with pytest.raises(DataError, match=r"scratch\.safetensors is missing.*Found there: best\.safetensors"):
        checkpoint.load(tmp_path / "model", "scratch")
    (tmp_path / "model" / "last.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(DataError, match="cannot be read"):
        checkpoint.load(tmp_path / "model", "last")
    checkpoint.save(tmp_path / "model" / "last.safetensors", {"other": torch.zeros(1)})
    with pytest.raises(DataError, match="does not fit the model"):
        checkpoint.load(tmp_path / "model", "last")
    (tmp_path / "model" / "model.json").write_text(json.dumps({**card(), "format": 99}))
    with pytest.raises(DataError, match="format 99"):
        checkpoint.load(tmp_path / "model")


def test_a_picture_of_another_form_is_refused(tmp_path: Path) -> None:
    """Grey, float or planar arrays are named with their shape."""
    write(tmp_path / "model")
    trained = checkpoint.load(tmp_path / "model", device="cpu")
    for wrong in (np.zeros((64, 64), np.uint8), np.zeros((64, 64, 3), np.float32)):
        with pytest.raises(DataError, match=r"picture 0 is .* expected \(H, W, 3\) uint8"):
            trained.predict([wrong])


def test_a_model_of_packed_mosaics_takes_them_alone(tmp_path: Path) -> None:
    """The card says what pictures hold: 16-bit cells give an answer that their means change, sRGB is refused by name."""
    pixels = {"output": "packed_raw", "mean": [0.2, 0.15, 0.15, 0.1], "std": [0.1, 0.1, 0.1, 0.1]}
    model = checkpoint.build({**card(), "pixels": pixels})
    cells = np.random.default_rng(0).integers(0, 65536, (64, 64, 4), dtype=np.uint16)
    answers = []
    for name, mean in (("one", 0.2), ("two", 0.9)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.json").write_text(json.dumps({**card(), "pixels": {**pixels, "mean": [mean, 0.15, 0.15, 0.1]}}))
        checkpoint.save(folder / "best.safetensors", model.state_dict())
        trained = checkpoint.load(folder, device="cpu")
        answers.append(trained.predict([cells])[0]["scores"])
        with pytest.raises(DataError, match=r"picture 0 is .* uint8; expected \(H, W, 4\) uint16 packed_raw"):
            trained.predict([np.zeros((64, 64, 3), np.uint8)])
    assert not np.allclose(*answers)

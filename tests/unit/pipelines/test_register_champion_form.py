"""Whatever a champion's package says of itself, it is read or refused in one line: the alias may point to anybody's."""

from pathlib import Path
from typing import Any

import pytest

from pipelines import predict_worker
from pipelines.register import judging, registry
from pipelines.register.judgement import Unjudged
from stages.core import files
from stages.core.errors import DataError
from tests.factories import make_dataset

CLASSES = ["disc", "square", "triangle"]
CARD = {"task": "classify", "classes": CLASSES, "recipe": {}}
FLAVOR = b"flavors: {python_function: {loader_module: mlflow.pyfunc.model, model_code_path: x}}\n"
UNREAD = {
    "no text": b"[",
    "too deep": b"a: " + b"[" * 3000 + b"]" * 3000,
    "no UTF-8": b"\xff\xfe\xff",
    "no date": b"a: 2026-13-01",
    "a value as a merge": b"a: {<<: 3}",
}
FOREIGN = {
    "flavours that are a number": b"flavors: 3",
    "a flavour that is a number": b"flavors: {python_function: 3}",
    "itself": b"flavors: &a {python_function: *a}",
    "a list": b"- a",
    "nothing": b"",
    "a loader of lists": b"flavors: {python_function: {loader_module: [[a]], model_code_path: x}}",
    "a task that is none": FLAVOR + b"metadata: 3",
    "a task in a word": FLAVOR + b"metadata: a task",
}


@pytest.mark.parametrize("text", [*UNREAD, *FOREIGN])
def test_whatever_stands_in_its_mlmodel_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    """``predict`` reads the same file in a process without our code: there it is a package of another form."""
    (tmp_path / "MLmodel").write_bytes((UNREAD | FOREIGN)[text])
    with pytest.raises(DataError, match="its MLmodel cannot be read" if text in UNREAD else "no model that rawline packed"):
        judging._check_form(tmp_path)
    with pytest.raises(predict_worker.Foreign, match="cannot be read" if text in UNREAD else r"flavours|loads|no task"):
        predict_worker.check_form(tmp_path)


def test_the_form_of_a_package_of_ours_passes(tmp_path: Path) -> None:
    """Both readers take it."""
    (tmp_path / "MLmodel").write_bytes(FLAVOR + b"metadata: {task: classify}")
    judging._check_form(tmp_path)
    predict_worker.check_form(tmp_path)


@pytest.mark.parametrize("odd", [
    {"classes": 3}, {"classes": {"disc": 1}}, {"classes": None}, {"recipe": [1]}, {"recipe": "x"}, {"pixels": 3},
    {"pixels": {"output": "srgb"}}, {"pixels": {"output": "srgb", "mean": 3, "std": 3}}, {"task": ["classify"]},
])  # fmt: skip
def test_a_card_of_another_form_is_told_in_one_line(tmp_path: Path, odd: dict[str, Any]) -> None:
    """Its ``model.json`` is as somebody left it."""
    data = make_dataset(tmp_path / "data", num_images=4)
    place = tmp_path / "artifacts" / "model" / "model.json"
    files.write_json(place, CARD)
    assert judging._card(tmp_path, "classify", data) == CARD
    files.write_json(place, CARD | odd)
    with pytest.raises(DataError, match=r"^it"):
        judging._card(tmp_path, "classify", data)


def test_a_champion_of_another_form_is_one_that_cannot_be_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registration goes on: the reason stands in one line."""
    (tmp_path / "MLmodel").write_bytes(UNREAD["too deep"])
    monkeypatch.setattr(registry, "download", lambda *_: tmp_path)
    monkeypatch.setattr(judging, "_judge", lambda package, *_: judging._check_form(package))
    found = judging.judge(None, "shapes", "3", "classify", "accuracy")  # type: ignore[arg-type]
    assert isinstance(found, Unjudged)
    assert found.reason.startswith("version 3: its MLmodel cannot be read")
    assert "\n" not in found.reason

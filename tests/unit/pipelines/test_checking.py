"""All of params.yaml is checked before anything runs."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines import checking
from pipelines.overlay import merge
from stages.core.errors import ParamsError

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with the project's graph, of which three stages are enough."""
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text("stages: {acquire: {}, preprocess: {}, finetune: {}}\n")
    return tmp_path


def _raw() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    return copy.deepcopy(content)


def test_the_project_s_own_parameters_are_right() -> None:
    """What is committed passes."""
    checking.check_all(_raw())


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("preproces", {}, "preproces is unknown; did you mean 'preprocess'?"),
        ("preprocess.demosaicer", "malvr2004", "did you mean 'malvar2004'?"),
        ("preprocess.size_px", "128", "preprocess.size_px is '128'"),
        ("preprocess.sizepx", 128, "did you mean 'size_px'?"),
        ("tasks", ["classify"], "expected a mapping"),
        ("tasks.classify", "linear", "tasks.classify is 'linear'; expected {head: ..., tuning: ...}"),
        ("tasks.classify.haed", "linear", "tasks.classify.haed is unknown; did you mean 'head'?"),
        ("tasks.classify.head", "linaer", "tasks.classify.head is 'linaer', no part of stages/parts/heads"),
        ("name", None, "name is None; input should be a valid string (params.yaml: name)"),
        ("seed", "a", "seed is 'a'; expected a whole number from 0 on"),
        ("seed", True, "seed is True"),
        ("seed", -1, "seed is -1"),
    ],
)
def test_a_slip_is_named_with_what_is_right(path: str, value: Any, words: str) -> None:
    """Unknown section, unknown part, wrong type, unknown key; told where the value stands in the file."""
    raw = _raw()
    *way, last = path.split(".")
    node = raw
    for word in way:
        node = node[word]
    node[last] = value
    with pytest.raises(ParamsError) as caught:
        checking.check_all(raw)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_was_found_right_is_not_checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same values with the same code cost nothing; another value is checked."""
    calls = []
    monkeypatch.setattr(checking, "check_all", calls.append)
    raw = _raw()
    checking.check_once(raw)
    checking.check_once(raw)
    assert len(calls) == 1
    checking.check_once({**raw, "seed": 8})
    assert len(calls) == 2


@pytest.mark.parametrize("output", ["linear_rgb", "packed_raw"])
def test_transforms_for_srgb_do_not_go_with_another_output(project: Path, output: str) -> None:
    """The policy and what models see are held against each other before anything runs; the overlay of the output fits."""
    (project / "dvc.yaml").write_text("stages: {preprocess: {}, augment: {}}\n")
    raw = _raw()
    raw["preprocess"]["output"] = output
    with pytest.raises(ParamsError, match=rf"augment\.offline\[1\]: RandomBrightnessContrast .*output is {output}"):
        checking.check_all(raw)
    right = merge(_raw(), yaml.safe_load((ROOT / f"params/{output}.yaml").read_text()))
    assert right["preprocess"]["output"] == output
    checking.check_all(right)

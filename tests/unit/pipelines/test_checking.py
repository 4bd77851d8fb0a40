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
        ("finetune.classify.epochs", 0, "finetune.classify.epochs is 0; input should be greater than or equal to 1"),
        ("finetune.classify.epochs", -1, "finetune.classify.epochs is -1; input should be greater than or equal to 1"),
        ("finetune.detect.batch_size", 0, "finetune.detect.batch_size is 0; input should be greater than or equal to 1"),
        ("finetune.classify.learning_rate", "1e-3", "write 0.001 (params.yaml: finetune.classify.learning_rate)"),
        (
            "finetune.classify.learning_rate",
            float("inf"),
            "finetune.classify.learning_rate is inf; expected a finite number",
        ),
        (
            "finetune.detect.faster_rcnn.anchor_px",
            [12.0, 0.0, 48.0, 80.0],
            "faster_rcnn.anchor_px.1 is 0.0; input should be greater",
        ),
        (
            "acquire.test_share",
            0.85,
            "acquire: val_share 0.15 and test_share 0.85 leave no picture for training; expected less than 1",
        ),
        ("acquire.test_share", 1.0, "acquire.test_share is 1.0; input should be less than 1"),
        ("acquire.val_share", -0.1, "acquire.val_share is -0.1; input should be greater than or equal to 0"),
        ("acquire.path", "", "acquire.path is ''; string should have at least 1 character"),
        ("preprocess.size_px", 0, "preprocess.size_px is 0; input should be greater than or equal to 8"),
        (
            "preprocess.simulation.black_level",
            4095.0,
            "preprocess.simulation: black_level 4095 is not below white_level 4095",
        ),
        ("preprocess.white_level", 0.0, "preprocess.white_level is 0.0; input should be greater than 0"),
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


GRAPH = """
stages:
  acquire: {cmd: a, deps: ["${acquire.path}", "code/${acquire.source}.py"], outs: [data/acquired]}
  preprocess: {cmd: p, deps: ["${preprocess.from}"], outs: [{data/preprocessed: {persist: true}}]}
  finetune: {foreach: "${tasks}", do: {cmd: f, deps: ["${finetune.from}"], outs: [data/finetuned]}}
"""


@pytest.mark.parametrize(("section", "path", "missing"), [
    ("acquire", "data/raww", True),
    ("acquire", "data/raw", False),
    ("acquire", "data/tracked", False),  # dvc pull brings it
    ("acquire", "data/tracked/part", False),
    ("acquire", "s3://bucket/pictures", False),
    ("acquire", None, False),  # its own check tells
    ("preprocess", "data/acquired", False),  # a stage makes it
    ("preprocess", "data/acquired/images", False),
    ("preprocess", "data/aquired", True),
    ("finetune", "elsewhere", True),
])  # fmt: skip
def test_a_parameter_that_names_data_which_is_not_there_is_named(
    project: Path, section: str, path: str | None, *, missing: bool
) -> None:
    """DVC's own word is an errno and a path; it is told before anything starts, each time."""
    (project / "dvc.yaml").write_text(GRAPH)
    (project / "data/raw").mkdir(parents=True)
    (project / "data/tracked.dvc").write_text("outs: []")
    key = {"acquire": "path"}.get(section, "from")
    given = {"acquire": {"path": "data/raw"}, "preprocess": {"from": "data/raw"}, "finetune": {"from": "data/raw"}}
    given[section] = {key: path}  # type: ignore[dict-item]
    if not missing:
        checking.check_inputs(given)
        return
    checking.check_inputs(given, only={"preprocess", "acquire", "finetune"} - {section})
    with pytest.raises(ParamsError, match=rf"'{path}' is not there.*\(params.yaml: {section}\.{key}\)"):
        checking.check_inputs(given)


@pytest.mark.parametrize(
    "side", ["outs: ['${acquire.path}']", "metrics: ['${acquire.path}']", "wdir: data, outs: [raw: {cache: true}]"]
)
def test_what_another_stage_makes_is_not_missing(project: Path, side: str) -> None:
    """A stage that downloads or exports the pictures may stand above acquire, and names the same parameter."""
    fetch = f"fetch: {{cmd: f, {side}}}".replace("raw: {cache: true}", "{raw: {cache: true}}")
    (project / "dvc.yaml").write_text(f"stages:\n  {fetch}\n  acquire: {{cmd: a, deps: ['${{acquire.path}}']}}\n")
    checking.check_inputs({"acquire": {"path": "data/raw"}})

"""The flow knows how many cores a stage takes."""

from pathlib import Path

import pytest

from pipelines import cores
from pipelines.graph import Node

ROOT = Path(__file__).parents[3]


def _node(deps: tuple[str, ...], *keys: str) -> Node:
    return Node("finetune@x", ("true",), deps, {"params.yaml": keys}, (), (), frozenset())


@pytest.mark.parametrize(("threads", "expected"), [(0, 8), (3, 3), (20, 8)])
def test_a_training_takes_the_threads_that_params_state(
    threads: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 means every core; no stage takes more than there are."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(f"finetune: {{x: {{compute: {{threads: {threads}}}}}}}\nother: 1\n")
    assert cores.taken(_node(("stages/core/compute.py",), "finetune.x", "other", "absent.key"), 8) == expected


def test_other_stages_take_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What neither trains nor predicts takes one core; what predicts takes all."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("audit: {}\n")
    assert cores.taken(_node(("data/evaluated",), "audit"), 8) == 1
    assert cores.taken(_node(("stages/core/checkpoint.py",), "audit"), 8) == 8


def test_the_names_are_files_of_the_project() -> None:
    """Where the modules that load torch are renamed, this list follows."""
    assert all((ROOT / name).is_file() for name in cores.MODELS)

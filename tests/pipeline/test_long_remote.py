"""What one clone has made and pushed, a second clone pulls: the same bytes, and nothing to do."""

import json

import pytest

from tests.pipeline import fresh_clone
from tests.pipeline.fresh_clone import Clone

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def clones(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, Clone]:
    """Give a clone that ran and pushed to a remote in a folder, and a second one that pulled from it."""
    base = tmp_path_factory.mktemp("remote")
    origin = fresh_clone.origin(base / "origin", ("classify",))
    origin.git("config", "receive.denyCurrentBranch", "updateInstead")
    first = fresh_clone.clone(origin.root, base / "first")
    for words in (
        ("dvc", "remote", "add", "--default", "team", str(base / "team's storage")),
        ("rawline", "repro"), ("git", "add", "-A"), ("git", "commit", "-q", "-m", "made"), ("git", "push", "-q"),
        ("dvc", "push"),
    ):  # fmt: skip
        done = first.run(*words)
        assert done.returncode == 0, done.stdout
    second = fresh_clone.clone(origin.root, base / "second")
    done = second.run("dvc", "pull")
    assert done.returncode == 0, done.stdout
    return first, second


def test_everything_is_up_to_date_after_pulling(clones: tuple[Clone, Clone]) -> None:
    """``dvc status`` finds nothing stale, against the lock and against the remote."""
    _, second = clones
    for words in (("dvc", "status"), ("dvc", "status", "--cloud")):
        done = second.run(*words)
        assert done.returncode == 0, done.stdout
        assert "up to date" in done.stdout or "in sync" in done.stdout, done.stdout


def test_the_outputs_are_the_first_clones_own(clones: tuple[Clone, Clone]) -> None:
    """Every file of every output is there, with the same bytes, and can be read without the first clone."""
    first, second = clones
    assert first.lock() == second.lock()
    for outs in first.lock().values():
        for path in outs:
            files = [f for f in [first.root / path, *(first.root / path).rglob("*")] if f.is_file()]
            assert files, path
            for file in files:
                assert (second.root / file.relative_to(first.root)).read_bytes() == file.read_bytes()
    json.loads((second.root / "data/registered/classify.json").read_text(encoding="utf-8"))


def test_a_bare_repro_runs_nothing_there(clones: tuple[Clone, Clone]) -> None:
    """DVC believes the lock that came with the commit: no stage runs in the second clone."""
    _, second = clones
    done = second.run("dvc", "repro")
    assert done.returncode == 0, done.stdout
    assert "Running stage" not in done.stdout
    assert "up to date" in done.stdout


def test_what_the_second_clone_offers_works_there(clones: tuple[Clone, Clone]) -> None:
    """``rawline repro`` ends with a model that this clone can load; nothing is trained anew."""
    first, second = clones
    done = second.run("rawline", "repro")
    assert done.returncode == 0, done.stdout
    assert "Running stage 'finetune" not in done.stdout
    picture = next((second.root / "data/preprocessed").rglob("*.png"))
    answer = second.run("rawline", "predict", "models:/scenes-classify@challenger", str(picture))
    assert answer.returncode == 0, done.stdout + answer.stdout
    same = ("acquire", "preprocess", "augment", "pretrain", "finetune@classify", "evaluate@classify", "audit@classify")
    assert [first.lock()[name] for name in same] == [second.lock()[name] for name in same]

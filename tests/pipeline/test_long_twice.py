"""Two of everything at once: two runs in one folder, two clones, two flows."""

import re
from dataclasses import dataclass

import pytest

from tests.pipeline import fresh_clone
from tests.pipeline.fresh_clone import Clone, Running

pytestmark = pytest.mark.long
NOISE = re.compile(r"Traceback|^\w*(?:Error|Warning)\b", re.MULTILINE)
VERSIONS = """
from mlflow.tracking import MlflowClient
client = MlflowClient("sqlite:///tracking/mlflow.db")
print("VERSIONS", len(client.search_model_versions("name='scenes-classify'")))
"""


@dataclass(frozen=True)
class Pair:
    """Two clones of the same name, of one user, and their first runs, which went on at the same time."""

    clones: list[Clone]
    runs: list[Running]
    codes: list[int]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Give the two clones, each after its first run."""
    base = tmp_path_factory.mktemp("twice")
    origin = fresh_clone.origin(base / "origin", ("classify",))
    (base / "one/home").mkdir(parents=True)
    (base / "two").mkdir()
    (base / "two/home").symlink_to(base / "one/home")
    clones = [fresh_clone.clone(origin.root, base / name / "project") for name in ("one", "two")]
    runs = [clone.start("rawline", "repro") for clone in clones]
    return Pair(clones, runs, together(*runs))


def versions(clone: Clone) -> int:
    """Return how many versions of the model the clone's registry has."""
    return int(clone.run("python", "-c", VERSIONS).stdout.rpartition("VERSIONS ")[2])


def together(*runs: Running) -> list[int]:
    """Return the exit status of each when all have ended."""
    try:
        return [run.wait() for run in runs]
    finally:
        for run in runs:
            run.kill()


def ran(run: Running) -> list[str]:
    """Return the stages that a command ran, each as often as it did."""
    return re.findall(r"^Running stage '([^']+)'", run.output, re.MULTILINE)


def test_two_clones_do_not_see_each_other(pair: Pair) -> None:
    """Both end well, each having run its own stages, with the same bytes and a model in its own registry."""
    assert pair.codes == [0, 0], pair.runs[0].output + pair.runs[1].output
    for clone, run in zip(pair.clones, pair.runs, strict=True):
        assert not NOISE.search(run.output), run.output
        assert sorted(ran(run)) == sorted(clone.lock())
        assert "scenes-classify version 1" in run.output
        assert versions(clone) >= 1
    assert pair.clones[0].lock() == pair.clones[1].lock()


def test_two_runs_in_one_folder_double_nothing(pair: Pair) -> None:
    """Started together on stale data, one works; the other waits for it or refuses in one line. No stage runs twice."""
    clone = pair.clones[0]
    before, registered = clone.lock(), versions(clone)
    params = clone.params()
    params["pretrain"]["learning_rate"] = 0.003
    clone.write(params)
    runs = [clone.start("rawline", "repro") for _ in range(2)]
    codes = together(*runs)
    assert 0 in codes, runs[0].output + runs[1].output
    for run, code in zip(runs, codes, strict=True):
        assert not NOISE.search(run.output), run.output
        told = re.findall(r"^(?:rawline:|ERROR:)", run.output, re.MULTILINE)
        assert not code or told in (["rawline:"], ["ERROR:"], ["ERROR:", "rawline:"]), run.output  # dvc's own, and ours
    names = [name for run in runs for name in ran(run)]
    assert len(names) == len(set(names)), names
    assert "up to date" in clone.run("dvc", "status").stdout
    assert clone.lock()["preprocess"] == before["preprocess"]
    assert clone.lock()["pretrain"] != before["pretrain"]
    assert versions(clone) == registered + 1


def test_two_flows_in_one_folder_take_nothing_from_each_other(pair: Pair) -> None:
    """Started together on stale data, they share a server; the first to end does not stop it, and no stage runs twice."""
    clone = pair.clones[1]
    params, registered = clone.params(), versions(clone)
    params["audit"]["classify"]["max_gap"] = 0.234
    clone.write(params)
    runs = [clone.start("rawline", "flow") for _ in range(2)]
    codes = together(*runs)
    assert 0 in codes, runs[0].output + runs[1].output
    for run, code in zip(runs, codes, strict=True):
        assert "Traceback" not in run.output, run.output
        assert "Crashed" not in run.output, run.output
        assert not code or re.search(r"^(?:rawline:|ERROR:)", run.output, re.MULTILINE), run.output
    assert "up to date" in clone.run("dvc", "status").stdout
    assert versions(clone) == registered + 1


def test_two_flows_of_two_clones_end_well(pair: Pair) -> None:
    """Each flow runs in its own folder: what one of them needs is not taken away by the other's end."""
    for clone in pair.clones:
        params = clone.params()
        params["audit"]["classify"]["max_gap"] = 0.123
        clone.write(params)
    runs = [clone.start("rawline", "flow") for clone in pair.clones]
    assert together(*runs) == [0, 0], runs[0].output + runs[1].output
    for clone, run in zip(pair.clones, runs, strict=True):
        assert "Traceback" not in run.output, run.output
        assert "up to date" in clone.run("dvc", "status").stdout

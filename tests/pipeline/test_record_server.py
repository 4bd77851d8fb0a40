"""With MLflow out of reach a stage finishes; its record is kept and sent later, complete and once."""

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline import toy
from tests.pipeline.mlflow_server import Server
from tests.pipeline.slow import Slow

FILES = ("params.yaml", "environment.json", "requirements.txt", "numbers.txt")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Return a server that is not running yet."""
    server = Server(tmp_path)
    yield server
    server.stop()


@pytest.mark.long
def test_a_record_that_mlflow_missed_is_sent_later_whole_and_once(server: Server, tmp_path: Path) -> None:
    """Down: the stage ends well with one warning, soon. Up: sync sends all of it; a second sync adds nothing."""
    project = toy.make(tmp_path / "project", dvc=False)
    project.env = {"MLFLOW_TRACKING_URI": server.uri}
    done = project.rawline("stage", "acquire")
    assert done.returncode == 0
    assert (project.root / "data/acquire/numbers.txt").exists()
    warnings = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(warnings) == 1, done.stderr
    assert "is out of reach: nothing answers there (connection refused)" in warnings[0]
    assert "rawline sync" in warnings[0]
    down = project.rawline("sync")
    assert down.returncode == 75
    assert "out of reach" in down.stderr
    server.start()
    for _ in range(2):
        sent = project.rawline("sync")
        assert sent.returncode == 0, sent.stderr
        assert len((sent.stdout + sent.stderr).splitlines()) == 1, sent.stdout
        (parent,) = project.parents()
        (run,) = project.children(parent).values()
        assert (parent.info.status, run.info.status) == ("FINISHED", "FINISHED")
        curve = project.client.get_metric_history(run.info.run_id, "train/loss")
        assert [(m.step, m.value) for m in curve] == [(0, 1.0), (1, 0.5)]
        assert [a.path for a in project.client.list_artifacts(run.info.run_id, "outs")] == ["outs/numbers.txt"]
    assert "MLflow has everything" in sent.stdout


def test_curves_grow_in_mlflow_and_outlive_the_server(server: Server, tmp_path: Path) -> None:
    """Epochs are seen while the stage runs; the server goes away and comes back in the middle, and nothing is missing."""
    project = toy.make(tmp_path / "project", dvc=False)
    project.env = {"MLFLOW_TRACKING_URI": server.uri}
    project.set("acquire", num_epochs=100_000, sleep_s=0.25)
    server.start()
    stage = project.start(sys.executable, "toy.py", "stage", "acquire")
    end = time.monotonic() + 600
    seen = 0
    while seen < 2 and time.monotonic() < end:
        time.sleep(0.3)
        run = next((r for r in project.runs() if r.info.run_name == "acquire"), None)
        seen = len(project.client.get_metric_history(run.info.run_id, "train/loss")) if run else 0
    assert stage.poll() is None
    assert seen >= 2
    server.stop()
    while not list((project.root / ".rawline/spool").glob("*/problem.txt")) and time.monotonic() < end:
        time.sleep(0.1)
    server.start()
    (project.root / "enough").touch()
    output, _ = stage.communicate(timeout=600)
    assert stage.returncode == 0, output
    project.settle()
    project.rawline("sync")
    (parent,) = project.parents()
    run = project.children(parent)["acquire"]
    steps = [point.step for point in project.client.get_metric_history(run.info.run_id, "train/loss")]
    assert len(steps) > seen
    assert steps == list(range(len(steps)))
    assert f"\n  [{steps[-1]}] train/loss" in output
    assert f"\n  [{steps[-1] + 1}] train/loss" not in output
    assert run.info.status == "FINISHED"


@pytest.mark.long
@pytest.mark.slow
def test_a_slow_server_gets_words_first_and_each_file_once(server: Server, tmp_path: Path) -> None:
    """Files take longer than the limit: the runs are seen meanwhile, every file arrives, and none is sent twice."""
    server.start()
    slow = Slow(server.port, delay_s=9.0)
    try:
        project = toy.make(tmp_path / "project", dvc=False)
        project.env = {"MLFLOW_TRACKING_URI": slow.uri, "MLFLOW_HTTP_REQUEST_TIMEOUT": "8"}
        stage = project.start(sys.executable, "toy.py", "stage", "acquire")
        end = time.monotonic() + 600
        early = False
        while not (early and len(slow.uploads) == len(FILES)) and time.monotonic() < end:
            found = [run for run in project.runs() if run.info.run_name == "acquire"]
            early = early or (bool(found) and "final" in found[0].data.metrics and found[0].info.status == "FINISHED")
            assert early or "numbers.txt" not in slow.uploads
            time.sleep(0.1)
        output, _ = stage.communicate(timeout=600)
        assert stage.returncode == 0, output
        project.settle()
        (parent,) = project.parents()
        (run,) = project.children(parent).values()
        assert [a.path for a in project.client.list_artifacts(run.info.run_id, "outs")] == ["outs/numbers.txt"]
        assert "params.yaml" in [a.path for a in project.client.list_artifacts(parent.info.run_id)]
        assert parent.info.status == "FINISHED"
        assert slow.uploads == dict.fromkeys(FILES, 1)
    finally:
        slow.stop()


@pytest.mark.long
def test_a_server_too_slow_for_files_says_what_waits(server: Server, tmp_path: Path) -> None:
    """Nothing arrives within three growing limits: one line names how much waits; numbers are there; sync sends the rest."""
    server.start()
    slow = Slow(server.port, delay_s=3600.0)
    project = toy.make(tmp_path / "project", dvc=False)
    try:
        project.env = {"MLFLOW_TRACKING_URI": slow.uri, "MLFLOW_HTTP_REQUEST_TIMEOUT": "2", "RAWLINE_RECORDER": "off"}
        assert project.rawline("stage", "acquire").returncode == 0
        done = project.rawline("sync")
        assert done.returncode == 75
        told = re.search(r"MLflow is slow: (\S+) did not arrive within \d+ s; 4 files, 0.0 MB wait", done.stderr)
        assert told, done.stderr
        assert slow.uploads[told[1]] == 3
        (run,) = [run for run in project.runs() if run.info.run_name == "acquire"]
        assert run.data.metrics["final"] == 1.0
        slow.delay_s = 0.0
        assert project.rawline("sync").returncode == 0
        assert [a.path for a in project.client.list_artifacts(run.info.run_id, "outs")] == ["outs/numbers.txt"]
    finally:
        slow.stop()

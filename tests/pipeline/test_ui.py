"""``rawline ui`` twice at once: both show their pages, and the first to end takes nothing from the second; killed, none."""

import signal
import subprocess
from pathlib import Path

import pytest

from pipelines import services
from tests.pipeline.flow_project import RAWLINE, WAIT_S, until
from tests.projects import make_project


def addresses(log: Path) -> dict[str, str]:
    """Return what a ``rawline ui`` has printed, by server."""
    lines = [line.split() for line in log.read_text().splitlines()]
    return {words[0]: words[1].partition("/#")[0] for words in lines if words and words[0] in ("MLflow", "Prefect")}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project whose user has servers of nobody else."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", str(WAIT_S))
    for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    found = make_project(tmp_path / "p", "stages: {}\n")
    (found / "tracking").mkdir()
    return found


@pytest.mark.long
def test_a_killed_one_leaves_no_server(project: Path, tmp_path: Path) -> None:
    """The login of MLflow's server is known to nobody any more: it ends, and so does Prefect's, which had one user."""
    log = tmp_path / "log"
    with log.open("w") as output, subprocess.Popen([*RAWLINE, "ui"], cwd=project, stdout=output, stderr=output) as user:
        try:
            until(lambda: "Press Ctrl-C" in log.read_text() or "rawline: " in log.read_text(), 2 * WAIT_S)
            found = addresses(log)
            assert set(found) == {"MLflow", "Prefect"}, log.read_text()
            assert services.answers(f"{found['MLflow']}/health", 60)
        finally:
            user.kill()
    until(lambda: not services.answers(f"{found['MLflow']}/health", 60), WAIT_S)
    until(lambda: not services.answers(f"{found['Prefect']}/api/health", 60), WAIT_S)


@pytest.mark.long
def test_two_at_once_do_not_fight(project: Path, tmp_path: Path) -> None:
    """Each has an MLflow server of its own, they share Prefect's, and after the second nothing is left."""
    logs = [tmp_path / name for name in ("first", "second")]
    users = []
    for log in logs:
        with log.open("w") as output:
            users.append(subprocess.Popen([*RAWLINE, "ui"], cwd=project, stdout=output, stderr=output))
    try:
        until(lambda: all("Press Ctrl-C" in log.read_text() or "rawline:" in log.read_text() for log in logs), 2 * WAIT_S)
        first, second = map(addresses, logs)
        assert first["Prefect"] == second["Prefect"], [log.read_text() for log in logs]
        assert first["MLflow"] != second["MLflow"]
        users[0].send_signal(signal.SIGTERM)
        users[0].wait(timeout=WAIT_S)
        assert services.answers(f"{second['Prefect']}/api/health", 60)
        assert services.answers(f"{second['MLflow']}/health", 60)
        users[1].send_signal(signal.SIGHUP if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL else signal.SIGTERM)
        users[1].wait(timeout=WAIT_S)
        assert not services.answers(f"{second['Prefect']}/api/health", 1)
        assert not services.answers(f"{second['MLflow']}/health", 1)
    finally:
        for user in users:
            user.terminate()
            user.wait(timeout=WAIT_S)

"""Whatever ends a command is one line and a status that is not 0."""

import errno
from pathlib import Path

import click
import pytest

from pipelines import cli, faults
from stages.core.errors import DataError, InfrastructureError


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the project."""
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("error", "words", "status"),
    [
        (DataError("a.png is empty"), "rawline: a.png is empty", 1),
        (InfrastructureError("MLflow is out of reach"), "rawline: MLflow is out of reach", 75),
        (OSError(errno.ENOSPC, "No space left", "data/x.png"), "no space left on the disk while writing data/x.png", 1),
        (DataError("a\x1b]0;x\x07\x1b[2J.png is empty"), r"rawline: a\x1b]0;x\x07\x1b[2J.png is empty", 1),
        (MemoryError(), "not enough memory", 1),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "not enough memory", 1),
        (KeyboardInterrupt(), "interrupted", 130),
        (click.UsageError("No such command 'x'."), "No such command 'x'.", 2),
        (SystemExit(3), "", 3),
    ],
)
def test_a_known_fault_is_one_line(
    error: BaseException, words: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line says what is wrong; no traceback is shown or kept."""
    assert faults.report(error) == status
    text = capsys.readouterr().err
    assert words in text
    assert "Traceback" not in text
    assert len(text.strip().splitlines()) <= 1


def test_a_full_disk_is_no_reason_to_try_again(capsys: pytest.CaptureFixture[str]) -> None:
    """However it was told: a training must not be repeated three times onto a full disk."""
    error = InfrastructureError("no space left on the disk while writing x; free some and run again")
    error.__cause__ = OSError(errno.ENOSPC, "No space left")
    assert faults.report(error) == 1


def test_an_unknown_fault_keeps_its_traceback_in_a_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line names the file."""
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 / 0
    assert faults.report(caught.value) == 1
    line = capsys.readouterr().err.strip()
    (kept,) = (project / ".rawline/tracebacks").iterdir()
    assert line == f"rawline: ZeroDivisionError: division by zero (traceback: {kept})"
    assert "_ = 1 / 0" in kept.read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["stage", "acqire"], "'acqire' is no stage; did you mean 'acquire'?"),
        (["stage", "finetune"], "finetune needs a task, one of classify"),
        (["stage", "finetune", "clasify"], "'clasify' is no task; did you mean 'classify'?"),
        (["stage", "acquire", "classify"], "acquire takes no task"),
        (["params", "use", "nowhere.yaml"], "nowhere.yaml is missing"),
    ],
)
def test_a_slip_of_the_user_names_what_is_right(
    project: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error and status 1."""
    (project / "params.yaml").write_text("seed: 1\nname: x\ntasks: {classify: {}}\n")
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 1
    assert told in capsys.readouterr().err


def test_a_word_at_the_end_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """``sys.exit`` takes a line, a number or nothing; the line reaches the screen."""
    assert [faults.report(SystemExit(code)) for code in ("the disk is gone", 3, None, 0)] == [1, 3, 0, 0]
    assert capsys.readouterr().err == "rawline: the disk is gone\n"

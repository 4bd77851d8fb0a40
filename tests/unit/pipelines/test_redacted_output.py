"""No output of a command, and no file that it leaves, holds a secret; what is none is printed as it is."""

import base64
import io
import json
import os
import socket
import sys
from pathlib import Path

import pytest

from pipelines import screens
from tests.pipeline import toy

SECRET = "s3cr3tW0rd"  # noqa: S105 - it is nobody's


@pytest.fixture
def port() -> int:
    """A port of loopback where nothing answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


COMMANDS = {
    "sync": ["sync"],
    "doctor": ["doctor"],
    "register": ["register", "classify"],
    "predict": ["predict", "models:/m@champion", "a.png"],
    "predict an address": ["predict", f"http://me:{SECRET}@127.0.0.1:1/model", "a.png", "--trust"],
    "an unknown word": ["sync", f"--to=http://me:{SECRET}@127.0.0.1:1"],
    "repro": ["repro"],
}
LONG = ("doctor", "register")
CASES = [pytest.param(name, "http", marks=[pytest.mark.long] if name in LONG else []) for name in COMMANDS]
CASES.append(pytest.param("sync", "postgresql"))


@pytest.mark.slow
@pytest.mark.parametrize(("command", "scheme"), CASES)
def test_no_command_shows_or_keeps_a_secret(command: str, scheme: str, port: int, tmp_path: Path) -> None:
    """Against a server that does not answer: neither the screen nor any file below the project holds the password."""
    project = toy.make(tmp_path)
    uri = f"{scheme}://me:{SECRET}@127.0.0.1:{port}" + ("/db" if scheme == "postgresql" else "")
    project.env = {"MLFLOW_TRACKING_URI": uri, "PREFECT_API_URL": f"http://me:{SECRET}@127.0.0.1:{port}/api"}
    (tmp_path / "a.png").write_bytes(b"")
    done = project.rawline(*COMMANDS[command])
    assert SECRET not in done.stdout + done.stderr
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
    assert command in ("sync", "repro") or done.returncode


SHOWS = """
import sys
from pathlib import Path
from pipelines import cli, predict
from stages.core.errors import DataError

def answers(name, paths, min_score, trust):
    yield {"task": "classify", "classes": ["cat", "boarding_pass", "token"], "recipe": {}}
    for path in paths:
        scores = {"cat": 0.5, "boarding_pass": 0.481234, "token": 0.018766}
        found = {"width": 8, "height": 6, "label": "cat", "scores": scores}
        yield predict.Result(path, None if path.stem == "bad" else found, "bad.png is missing")

predict.predict = answers
cli.main(sys.argv[1:])
"""
OUTPUTS = {
    "summary": ["summary"],
    "a table and a fault": ["predict", "m", "a.png", "bad.png"],
    "json": ["predict", "m", "a.png", "bad.png", "--json"],
    "a usage error": ["predict"],
    "an error": ["register", "nothing"],
}
HELD = {
    "a token": {"GITHUB_TOKEN": SECRET},
    "a password": {"MLFLOW_TRACKING_URI": f"http://me:{SECRET}@127.0.0.1:1"},
    "a token as user name": {"SOMEWHERE": f"https://{SECRET}@host/x"},
    "a short password": {"SOMEWHERE": "https://me:pw@host/x"},
}


@pytest.mark.parametrize("command", OUTPUTS)
def test_what_is_no_secret_is_printed_as_without_secrets(command: str, tmp_path: Path) -> None:
    """Whatever the environment holds, the bytes of both streams and the exit status are the same."""
    (tmp_path / "params.yaml").write_text("tasks: {classify: {}, detect: {}}\n")
    (tmp_path / "shows.py").write_text(SHOWS)

    def told(held: dict[str, str]) -> tuple[str, str, int]:
        done = toy.Project(tmp_path, {"PYTHONPATH": str(toy.HOME), **held}).run(
            sys.executable, "shows.py", *OUTPUTS[command]
        )
        return done.stdout, done.stderr, done.returncode

    plain = told({})
    assert plain[0] + plain[1]
    for name, held in HELD.items():
        if name == "a token" or command == "json":
            assert told(held) == plain, name
    if command == "json":
        first, second = json.loads(plain[0])
        assert first["scores"] == {"cat": 0.5, "boarding_pass": 0.481234, "token": 0.018766}
        assert "bad.png is missing" in second["error"]


def test_a_screen_is_guarded_whatever_the_environment_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address of a parameter may be printed where no variable holds a secret."""
    for name in [name for name in os.environ if name not in ("PATH", "HOME")]:
        monkeypatch.delenv(name)
    below = io.StringIO()
    monkeypatch.setattr(sys, "stdout", below)
    monkeypatch.setattr(sys, "stderr", below)
    screens.guard_screen()
    first = sys.stdout
    screens.guard_screen()
    assert sys.stdout is first
    print(f"from https://me:{SECRET}@host/x?token={SECRET}")  # noqa: T201 - a library's line
    print("to", file=sys.stderr)  # noqa: T201
    assert below.getvalue() == "from https://***@host/x?token=***\nto\n"


def test_bytes_are_redacted_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes bytes, or wraps the stream below, shows no secret either; what is no text passes as it is."""
    monkeypatch.setenv("GITHUB_TOKEN", SECRET)
    below = io.BytesIO()
    screen = screens.Screen(io.TextIOWrapper(below, "utf-8"))
    screen.buffer.write(f"a {SECRET} ".encode() + b"\xff\n")
    screen.writelines(["b ", SECRET])
    screen.flush()
    assert below.getvalue() == b"a *** \xff\nb ***"
    with pytest.raises(TypeError):
        screen.write(b"x")  # type: ignore[arg-type] - as a text stream does


def test_prefects_login_is_masked_in_every_form_and_shown_on_demand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whole, its second half, in base64 as it is sent; only what its reader asked for shows it."""
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "rawline:w0rd-of-mine")
    sent = base64.b64encode(b"rawline:w0rd-of-mine").decode()
    for form in ("rawline:w0rd-of-mine", "w0rd-of-mine", sent):
        assert form not in screens.redact(f"it sent {form} there")
    monkeypatch.setattr(sys, "stdout", screens.Screen(sys.stdout))
    screens.guard_screen()
    sys.stdout.write("rawline:w0rd-of-mine")
    screens.reveal("type rawline:w0rd-of-mine")
    said = capsys.readouterr().out
    assert said.count("w0rd-of-mine") == 1
    assert "type rawline:w0rd-of-mine" in said

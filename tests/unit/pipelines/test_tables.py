"""A path in a table names a file however narrow the terminal is."""

from pathlib import Path

import pytest

from pipelines import show
from pipelines.develop import batch
from pipelines.predict import Result

NAME = Path("/a folder of a patient", "and of one more study", "with pictures by the thousand", "images", "yard 001.jpg")


@pytest.mark.parametrize("columns", ["20", "80", "200"])
def test_a_path_is_never_broken(columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Predictions and developed files alike: each path stands whole in one line with what is said of it."""
    monkeypatch.setenv("COLUMNS", columns)
    answer = {"width": 48, "height": 32, "scores": {"disc": 0.75, "square": 0.25}}
    list(show._as_tables({"task": "classify"}, [Result(NAME, answer)]))
    batch._table([{"file": str(NAME), "size": "48 x 32", "clipped": "0 %"}])
    lines = [line for line in capsys.readouterr().out.splitlines() if str(NAME) in line]
    assert len(lines) == 2
    assert all("48 x 32" in line for line in lines)
    assert "disc" in lines[0]
    assert "0.750" in lines[0]

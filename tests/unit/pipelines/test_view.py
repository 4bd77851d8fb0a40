"""A person sees what goes on, without a flood."""

import pytest

from pipelines import view
from stages.core.stage import Metrics, Note, Progress


def test_plain_output_is_sparse(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand steps in a moment print nothing; after ten seconds a line says how far it is; no figures, no line."""
    now = iter([0.0, *[1.0] * 3000])
    monkeypatch.setattr(view.time, "monotonic", lambda: next(now, 11.0))
    with view.View("finetune@classify", interactive=False) as shown:
        for done in range(1000):
            shown.show(Progress(done, 5000, "steps"))
        for _ in range(2001):
            view.time.monotonic()
        shown.show(Progress(2000, 5000, "steps"))
        shown.show(Metrics({"val/accuracy": 0.91234}, step=3))
        shown.show(Metrics({"map": 0.5, "map.low": 0.4, "map.n": 9, "per_class/cat/f1": 0.7, "per_class/cat/f1.n": 4}))
        shown.show(Metrics({}))
        shown.show(Note("done"))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "  2000/5000 steps (11 s)",
        "  [3] val/accuracy 0.9123",
        "  map 0.5  and 4 more numbers in MLflow",
        "  done",
    ]


def test_a_terminal_gets_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines and bar do not disturb each other; words in brackets are no markup."""
    with view.View("acquire", interactive=True) as shown:
        shown.show(Progress(1, 2, "pictures"))
        shown.show(Note("[bold]as is[/bold]"))
        shown.show(Progress(2, 2, "pictures"))
    assert "[bold]as is[/bold]" in capsys.readouterr().out


@pytest.mark.parametrize("interactive", [False, True])
def test_no_name_steers_the_terminal(capsys: pytest.CaptureFixture[str], interactive: bool) -> None:
    """What a file's or a class's name holds besides letters is written out."""
    with view.View("acquire", interactive=interactive) as shown:
        shown.show(Note("gate: a\x1b]0;x\x07.png"))
        shown.show(Metrics({"per\x1b[2J": 0.5}))
    told = capsys.readouterr().out
    assert "a\\x1b]0;x\\x07.png" in told
    assert "\x1b]0" not in told
    assert "per\\x1b[2J" in told

"""Shows a person what a stage does: a bar in a terminal, sparse plain lines anywhere else."""

import sys
import time
from types import TracebackType
from typing import Any, Self

from stages.core.stage import Metrics, Note, Progress, Record
from stages.core.text import escaped

EVERY_S = 10.0
MANY = 12  # numbers in one line; the record has all of them
DEEP = 2  # a name of more parts is of a class or a group
BESIDE = (".low", ".high", ".n", ".pictures", ".units", ".p")  # of a figure


class View:
    """Prints records as they come; use it as a context.

    Args:
        title: what runs, for instance ``finetune@classify``.
        interactive: whether to draw bars; whether the output is a terminal when None.
    """

    def __init__(self, title: str, *, interactive: bool | None = None) -> None:
        self.title = title
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}
        self._told: dict[str, float] = {}
        self._begin = time.monotonic()
        if sys.stdout.isatty() if interactive is None else interactive:
            self._bars = _bars()

    def __enter__(self) -> Self:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bars:
            self._bars.stop()

    def show(self, record: Record) -> None:
        """Show one record; a kept file is not worth a line, and what could steer the terminal is written out."""
        match record:
            case Metrics(values, step) if values:
                head = "  " if step is None else f"  [{step}] "
                chief = [name for name in values if name.count("/") < DEEP and not name.endswith(BESIDE)][:MANY]
                shown = [f"{name} {values[name]:.4g}" for name in chief]
                more = [f"and {len(values) - len(chief)} more numbers in MLflow"] * (len(values) > len(chief))
                self._line(escaped(head + "  ".join(shown + more)))
            case Note(text):
                self._line(f"  {escaped(text)}")
            case Progress(done, total, what):
                self._progress(done, total, what)

    def _line(self, text: str) -> None:
        if self._bars:
            self._bars.console.print(text, markup=False, highlight=False)
        else:
            print(text, flush=True)  # noqa: T201 - this is the terminal's side

    def _progress(self, done: int, total: int, what: str) -> None:
        if self._bars:
            if what not in self._tasks:
                self._tasks[what] = self._bars.add_task(f"{self.title}: {what}", total=total)
            self._bars.update(self._tasks[what], completed=done, total=total)
        elif time.monotonic() - self._told.setdefault(what, self._begin) > EVERY_S:
            self._told[what] = time.monotonic()
            self._line(f"  {done}/{total} {what} ({time.monotonic() - self._begin:.0f} s)")


def _bars() -> Any:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - rarely

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, transient=True)

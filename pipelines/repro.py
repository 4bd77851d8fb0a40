"""``rawline repro``: checks the parameters, runs ``dvc repro``, closes the record, sums up."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from pipelines import settings, summary
from pipelines.checking import check_once
from pipelines.dvc_stage import end_group
from pipelines.record import database, processes
from pipelines.record import execution as executions
from stages.core import params as parameters
from stages.core.errors import InfrastructureError, RawlineError

GRACE_S = 15.0
WORDS = {"NotReached": "not reached"}
WORDS = {"NotReached": "not reached"}


def repro(targets: Sequence[str], *, force: bool = False) -> int:
    """Bring the targets up to date and say what came of it.

    Args:
        targets: DVC stages; all when empty.
        force: run stages although nothing has changed.

    Returns:
        The exit status: that of ``dvc repro``.
    """
    begin = time.monotonic()
    check_once(parameters.read())
    _prepare_database()
    code, execution = _run([*targets, *(["--force"] if force else [])])
    if execution is None:
        if code == 0:
            click.echo("All is up to date: nothing had to run.\n")
            summary.show()
        return code
    outcome = executions.close_execution(execution, exit_code=code)
    _tell(outcome, time.monotonic() - begin)
    if code == 0:
        summary.show()
    return code


def _prepare_database() -> None:
    file = settings.sqlite_file(settings.tracking_uri())
    if file is None or database.is_ready(file):
        return
    click.echo("Preparing the MLflow database ...")
    try:
        database.prepare()
    except RawlineError:
        raise
    except Exception as error:
        raise InfrastructureError(f"the MLflow database {file} cannot be prepared: {error}; see rawline doctor") from error


def _run(arguments: Sequence[str]) -> tuple[int, str | None]:
    """Run ``dvc repro`` in its own process group; return its status and the execution that its stages opened."""
    environment = {key: value for key, value in os.environ.items() if key != executions.VARIABLE}
    command = [sys.executable, "-m", "dvc", "repro", *arguments]
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True) as process:
        execution = executions.name_of("dvc", processes.owner(process.pid))
        with _all_stop(process):
            code = process.wait()
    return code, execution if executions.exists(execution) else None


@contextmanager
def _all_stop(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """End the whole group when the block is left early: SIGTERM to dvc alone would leave its stage running."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    except BaseException:
        end_group(process, GRACE_S)  # type: ignore[arg-type]  # bytes or text makes no difference here
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(outcome: executions.Outcome, seconds: float) -> None:
    count = {state: sum(s.state == state for s in outcome.states.values()) for state in executions.KINDS}
    told = ", ".join(f"{number} {WORDS.get(state, state.lower())}" for state, number in count.items() if number)
    click.echo(f"\n{sum(count.values())} stages in {seconds / 60:.1f} min: {told}")
    for name, state in outcome.states.items():
        if state.state in ("Failed", "Killed"):
            click.echo(f"  {click.style(name, fg='red')}: {state.message}")
    if not outcome.sent:
        click.echo(f"rawline: {outcome.problem}; the record is kept: rawline sync", err=True)
    click.echo()

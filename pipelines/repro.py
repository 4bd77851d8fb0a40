"""``rawline repro``: checks the parameters, runs ``dvc repro``, closes the record, sums up."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click

from pipelines import dvc_busy, interrupts, last_run, origin, registered, settings, summary
from pipelines.checking import check_inputs, check_once
from pipelines.dvc_stage import end_group
from pipelines.graph import Graph
from pipelines.leash import leash
from pipelines.record import absence, closing, database, doubts, freshness, identity, lockfile, processes, wanted
from pipelines.record import execution as executions
from pipelines.redaction import redact
from pipelines.run_stage import STAGES
from stages.core import params as parameters
from stages.core.errors import InfrastructureError, RawlineError
from stages.core.text import escaped

GRACE_S = 15.0
FAILED = ("Failed", "Killed")
WORDS = {"NotReached": "not reached", "NotAsked": "not asked for"}


def repro(targets: Sequence[str], *, force: bool = False) -> int:
    """Bring the targets up to date and say what came of it.

    Args:
        targets: DVC stages; all when empty.
        force: run stages although nothing has changed.

    Returns:
        The exit status: that of ``dvc repro``, or the signal's that ended it; 1 where inputs were edited as a stage ran. DVC
        forgets what such a stage left, so that the next run makes it anew.

    Raises:
        InfrastructureError: another dvc is at work on the same files.
    """
    begin = time.monotonic()
    raw = parameters.read()
    check_once(raw)
    graph = lockfile.load_graph(Path.cwd())  # once: dvc.yaml may be edited while dvc runs
    check_inputs(raw, only=_needed(graph, targets))
    prepare_database()
    closing.learn()
    _forget(graph)
    before = lockfile.bookings(Path.cwd(), graph)
    code, execution = _run([*targets, *(["--force"] if force else [])])
    ran = closing.edited(execution) if execution else {}
    edited = ran | doubts.named(Path.cwd(), graph)  # also what DVC has just restored
    status = code or int(bool(edited))
    failed = False
    if execution:
        outcome = executions.close_execution(execution, exit_code=status)
        failed = any(one.state in FAILED for one in outcome.states.values())
        _tell(outcome, graph, time.monotonic() - begin)
    elif code == 0:
        _tell_unrun(graph, targets, before, begin)
    _forget(graph, ran)
    _tell_frozen(graph)
    if edited:
        click.echo(f"  {shlex.join(['rawline', 'repro', *edited])} makes them anew", err=True)
    if code == dvc_busy.FAULT and not failed and (busy := dvc_busy.blocked(_asked(graph, targets), Path.cwd())):
        raise InfrastructureError(busy)
    if status == 0:
        _agree()
        summary.show()
    return status


def _forget(graph: Graph, ran: Iterable[str] = ()) -> None:
    """Have DVC forget what was made while inputs were edited, and say so; what did not run now was made before."""
    for name, what in doubts.forget(Path.cwd(), graph).items():
        when = "" if name in ran else " before"
        told = f"{what} changed while {name} ran{when}; its outputs fit neither version for certain"
        click.echo(f"rawline: {told}, and dvc.lock has them no longer", err=True)


def _tell_frozen(graph: Graph) -> None:
    """Name what is not to be believed and frozen: DVC makes it anew once it is not."""
    for name, what in doubts.named(Path.cwd(), graph, frozen=True).items():
        click.echo(f"rawline: {name} is frozen, and its outputs are doubtful: {what} changed while they were made", err=True)
        click.echo(f"  {shlex.join(['dvc', 'unfreeze', name])}, then {shlex.join(['rawline', 'repro', name])}", err=True)


def _asked(graph: Graph, targets: Sequence[str]) -> Graph:
    """Return the stages that DVC was asked for; all where that is DVC's to say."""
    asked = wanted.stages(graph, {"kind": "dvc"}, _command(targets))
    return graph if asked is None else Graph({name: graph.nodes[name] for name in asked})


def _needed(graph: Graph, targets: Sequence[str]) -> set[str] | None:
    """Return the stages that targets need, by their names in ``dvc.yaml``; None for all, and where that is DVC's to say."""
    if not targets:
        return None
    asked = _asked(graph, targets)
    return None if asked is graph else asked.in_root()


def _command(targets: Sequence[str]) -> str:
    return shlex.join(["dvc", "repro", *targets])


def _tell_unrun(graph: Graph, targets: Sequence[str], before: lockfile.Entries, begin: float) -> None:
    """Say what came of a run in which none of rawline's stages ran; what DVC restored is put on record as any other.

    A stage of ours that is booked anew and opened no execution was restored. Whether other commands ran nobody knows.
    """
    command, entries = _command(targets), lockfile.bookings(Path.cwd(), graph)
    asked = wanted.stages(graph, {"kind": "dvc"}, command)
    changed = [name for name, entry in entries.items() if before.get(name) != entry]
    ours = [name for name in changed if name in graph.nodes and graph.nodes[name].runs in STAGES]
    if changed:
        others = [name for name in changed if name not in ours]
        for told, names in (("Restored from DVC's cache", ours), ("Booked by DVC", others)):
            if names:
                click.echo(f"\n{told}: {', '.join(names)}")
        execution = executions.open_execution("repro", tags={"command": redact(command)}, wanted=asked or ())
        states = dict.fromkeys(ours, "Cached") | dict.fromkeys(others, "Completed")
        outcome = executions.close_execution(execution, exit_code=0, states=states)
        _tell(outcome, graph, time.monotonic() - begin)
    elif targets:
        known = absence.Known(asked, {}, 0)
        found = absence.states(graph, {}, known, lambda node: freshness.is_fresh(node, entries, Path.cwd()))
        click.echo("What was asked for is up to date: nothing had to run.")
        _warn(found, graph)
        click.echo()
    else:
        last_run.settle()
        click.echo("All is up to date: nothing had to run.\n")


def _warn(states: Mapping[str, executions.StageState], graph: Graph) -> None:
    """Name the stages whose figures are of before; those of another folder's ``dvc.yaml`` run when they are named."""
    behind = [name for name, state in states.items() if state.state == "NotAsked" and state != absence.UNSURE]
    if behind:
        elsewhere = [name for name in behind if name not in graph.select([]).nodes]
        ways = [["rawline", "repro"]] * (len(elsewhere) < len(behind)) + [["rawline", "repro", *elsewhere]] * bool(elsewhere)
        click.echo(f"Not asked for and not up to date, so that their figures are of before: {', '.join(behind)}")
        click.echo(f"  {' and '.join(map(shlex.join, ways))} brings them up to date")


def _agree() -> None:
    """Register what DVC's cache restored a receipt of; a bare ``dvc repro`` cannot."""
    for line in registered.reconcile():
        click.echo(line)


def prepare_database() -> None:
    """Make MLflow's database ready, where it is the project's own: of two processes that do it at once one fails.

    Raises:
        InfrastructureError: it cannot be made ready.
    """
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
    environment = origin.environment({key: value for key, value in os.environ.items() if key != executions.VARIABLE})
    environment[executions.CLOSER] = str(os.getpid())
    command = [sys.executable, "-m", "dvc", "repro", *arguments]
    with interrupts.interruptible() as interrupted, leash(GRACE_S) as held:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            held.hold(process.pid)
            mark = identity.mark(processes.owner(process.pid))
            return process.wait(), executions.found(mark)
        finally:  # the whole group: SIGTERM to dvc alone would leave its stage running
            if process.poll() is None:
                click.echo(f"\nrawline: ending dvc and its stage, within {GRACE_S:.0f} s ...", err=True)
            end_group(process, GRACE_S)
            process.wait()
    click.echo("rawline: interrupted; what was done is booked, rawline repro goes on from there", err=True)
    return interrupted.status, None


def _tell(outcome: executions.Outcome, graph: Graph, seconds: float) -> None:
    count = {state: sum(s.state == state for s in outcome.states.values()) for state in executions.KINDS}
    told = ", ".join(f"{number} {WORDS.get(state, state.lower())}" for state, number in count.items() if number)
    click.echo(f"\n{sum(count.values())} stages in {seconds / 60:.1f} min: {told}")
    for name, state in outcome.states.items():
        if state.state in FAILED:
            click.echo(f"  {click.style(name, fg='red')}: {escaped(state.message)}")
    _warn(outcome.states, graph)
    if not outcome.sent:
        click.echo(f"rawline: {outcome.problem}; the record is kept: rawline sync", err=True)
    click.echo()

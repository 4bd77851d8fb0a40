"""One stage as a Prefect task: DVC judges, Prefect shows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Cancelled, Completed, Failed
from prefect.tasks import Task, exponential_backoff

from pipelines import dvc_hashes
from pipelines.dvc_stage import Groups, How, Outcome, reproduce
from pipelines.graph import Graph, Node
from pipelines.record import doubts
from stages.core.errors import InfrastructureError

RETRIES = 3  # after the first try: about 5, 10 and 20 s later
BACKOFF_S = 5.0
ADVICE = ("To track the changes with git", "\tgit add ", "To enable auto staging", "\tdvc config ", "Use `dvc push`")


@dataclass(frozen=True)
class Run:
    """What every stage of one flow run shares.

    Attributes:
        root: the DVC project.
        force: run stages although nothing changed.
        timeout_s: of one stage's commands; None for none.
        env: variables for every subprocess.
        groups: the process groups that are running.
    """

    root: Path
    force: bool = False
    timeout_s: float | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    groups: Groups = field(default_factory=Groups)


def is_infrastructure(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Retry what asks for it by its exit status, what the system killed, a busy lock of DVC's; never a stage's own failure.

    A command that has ended well is not run again: its outputs are booked, or the reader is told how to book them.
    """
    return isinstance(state.result(raise_on_failure=False), InfrastructureError)


@task(
    task_run_name="{node.name}", persist_result=False, cache_policy=NO_CACHE, retries=RETRIES,
    retry_delay_seconds=exponential_backoff(BACKOFF_S), retry_jitter_factor=0.2, retry_condition_fn=is_infrastructure,
)  # fmt: skip
def run_stage(node: Node, run: Run) -> State[Any]:
    """Run one stage by DVC and say what DVC did: Completed, Cached, Stale, TimedOut, Cancelled or Failed.

    Raises:
        InfrastructureError: something outside the stage failed; Prefect tries again, ``RETRIES`` times at most.
    """
    log = get_run_logger()
    outcome, edited = attempt(node, run, say=log.info, warn=log.warning)
    if edited:
        doubts.drop(run.root, Graph({node.name: node}), node.name)
        return Failed(name="Stale", message=f"{', '.join(edited)} changed while {node.name} ran; run it again")
    if outcome.fault and not outcome.commands_ended_well and not run.groups.closed:
        raise InfrastructureError(f"{node.name}: {outcome.fault}: {outcome.reason}")
    return _state(node, outcome, run)


def attempt(
    node: Node, run: Run, say: Callable[[str], None] = print, warn: Callable[[str], None] = print
) -> tuple[Outcome, list[str]]:
    """Run a stage once, and save its work where DVC alone failed.

    Returns:
        What happened, and what the stage reads that was edited while its outputs were made, which fit neither version for
        certain.
    """
    alone = Graph({node.name: node})
    doubts.forget(run.root, alone)
    before = dvc_hashes.dependencies(run.root, node.name)
    outcome = reproduce(
        node, run.root, run.groups, force=run.force, timeout_s=run.timeout_s, env=run.env, say=lambda line: _tell(say, line)
    )
    if outcome.how is How.RESTORED:  # from the run cache, maybe what is not to be believed
        return outcome, [*doubts.named(run.root, alone).values()]
    if outcome.how is not How.RAN and not needs_commit(outcome):
        return outcome, []
    edited = dvc_hashes.edited(before, dvc_hashes.dependencies(run.root, node.name))
    if outcome.how is How.FAILED and not edited and dvc_hashes.commit(run.root, node.name):
        warn("DVC failed after the command had ended well; dvc commit has booked its outputs, so nothing is lost")
        return replace(outcome, how=How.RAN), []
    return outcome, edited


def needs_commit(outcome: Outcome) -> bool:
    """Tell whether the command ended well and only DVC failed after it: a second run would delete what it made."""
    cut = outcome.fault is not None or outcome.status < 0
    return outcome.how is How.FAILED and outcome.commands_ended_well and cut


def _tell(say: Callable[[str], None], line: str) -> None:
    if not line.startswith(ADVICE):
        say(line)


def _state(node: Node, outcome: Outcome, run: Run) -> State[Any]:
    match outcome.how:
        case How.RAN:
            return Completed(message=f"ran in {outcome.seconds:.1f} s")
        case How.RESTORED:
            return Completed(name="Cached", message="restored from DVC's cache")
        case How.UNCHANGED:
            return Completed(name="Cached", message="nothing it reads has changed")
        case How.TIMED_OUT:
            return Failed(name="TimedOut", message=f"{node.name} was ended after {run.timeout_s:g} s (--stage-timeout)")
        case How.STOPPED:
            return Cancelled(message="the flow was stopped; the stage's processes were ended")
    kept = f"; its outputs lie there and can be booked: dvc commit --force {node.name}" if needs_commit(outcome) else ""
    return Failed(message=f"{outcome.reason}{kept}")

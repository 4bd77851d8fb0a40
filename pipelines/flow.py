"""The Prefect flow: one task run per stage of DVC's graph, whatever that graph is."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import Task, exponential_backoff

from pipelines import dvc_hashes
from pipelines.dvc_stage import LOCKED, Groups, How, Outcome, reproduce
from pipelines.flow_artifacts import publish
from pipelines.graph import Graph, Node, read
from stages.core.errors import InfrastructureError

RETRIES = 3
POLL_S = 1.0


@dataclass(frozen=True)
class Run:
    """What every stage of one flow run shares."""

    root: Path
    force: bool = False
    timeout_s: float | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    groups: Groups = field(default_factory=Groups)


def is_infrastructure(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Retry what a busy lock, memory or the network broke; never the stage's own failure."""
    return isinstance(state.result(raise_on_failure=False), InfrastructureError)


@task(
    task_run_name="{node.name}", persist_result=False, cache_policy=None, retries=RETRIES,
    retry_delay_seconds=exponential_backoff(5), retry_jitter_factor=0.2, retry_condition_fn=is_infrastructure,
)  # fmt: skip
def run_stage(node: Node, run: Run) -> State[Any]:
    """Run one stage by DVC and say what DVC did: Completed, Cached, Stale, TimedOut, Cancelled or Failed."""
    log = get_run_logger()
    before = dvc_hashes.dependencies(run.root, node.name)
    outcome = reproduce(
        node, run.root, run.groups, force=run.force, timeout_s=run.timeout_s, env=run.env, say=log.info
    )
    edited = dvc_hashes.edited(before, dvc_hashes.dependencies(run.root, node.name))
    if needs_commit(outcome) and not edited and dvc_hashes.commit(run.root, node.name):
        log.warning("DVC's lock was busy when the command ended; its outputs were booked by dvc commit instead of a second run")
        outcome = replace(outcome, how=How.RAN)
    if edited and outcome.how is How.RAN:
        dvc_hashes.forget(run.root, node.name)
        return Failed(name="Stale", message=f"{', '.join(edited)} changed while {node.name} ran; run again")
    return _state(node, outcome, run)


def needs_commit(outcome: Outcome) -> bool:
    """Tell whether the command ended well and only DVC failed after it: a second run would delete what it made."""
    locked = any(LOCKED.search(line) for line in outcome.tail)
    return outcome.how is How.FAILED and outcome.commands_ended_well and (locked or outcome.fault is not None)


def _state(node: Node, outcome: Outcome, run: Run) -> State[Any]:
    took = f"{outcome.seconds:.1f} s"
    match outcome.how:
        case How.RAN:
            return Completed(message=f"ran in {took}", data=str(outcome.how))
        case How.RESTORED:
            return Completed(name="Cached", message="restored from DVC's run cache", data=str(outcome.how))
        case How.UNCHANGED:
            return Completed(name="Cached", message="nothing it reads has changed", data=str(outcome.how))
        case How.TIMED_OUT:
            return Failed(name="TimedOut", message=f"{node.name} was ended after {run.timeout_s:g} s (--stage-timeout)")
        case How.STOPPED:
            return Cancelled(message="the flow was stopped; its processes were ended")
    if outcome.fault:
        raise InfrastructureError(f"{node.name}: {outcome.fault}: {outcome.reason}")
    return Failed(message=outcome.reason)


@flow(name="rawline", validate_parameters=False, persist_result=False)
def rawline(
    targets: list[str] | None = None, force: bool = False, max_parallel: int = 2, stage_timeout_s: float | None = None,
    root: str | None = None,
) -> State[Any]:  # fmt: skip
    """Bring the pipeline up to date as ``dvc repro`` does, independent stages in parallel.

    Args:
        targets: stages wanted, with all they need; None means the whole graph.
        force: run stages although nothing they read has changed.
        max_parallel: stages at a time.
        stage_timeout_s: end a stage's processes after so many seconds; None means never.
        root: the DVC project; None means the current folder.
    """
    place = Path(root or ".").resolve()
    graph = read(place).select(targets or [])
    run = Run(place, force, stage_timeout_s)
    with _stopping(run.groups), ThreadPoolTaskRunner(max_workers=max_parallel) as runner:
        states = _walk(graph, run, runner, max_parallel)
    publish(place, graph, states)
    return _verdict(graph, states)


@contextmanager
def _stopping(groups: Groups) -> Iterator[None]:
    """End every process group when the block is left by an interrupt or a signal."""
    try:
        yield
    except BaseException:
        groups.stop()
        raise


def _walk(graph: Graph, run: Run, runner: ThreadPoolTaskRunner[Any], slots: int) -> dict[str, State[Any]]:
    """Start each stage when all it needs has ended; below a failed one Prefect shows ``NotReady``."""
    waiting = dict(graph.nodes)
    futures: dict[str, PrefectFuture[Any]] = {}
    states: dict[str, State[Any]] = {}
    ended: Queue[str] = Queue()
    while waiting or len(states) < len(futures):
        for node in [n for n in waiting.values() if all(up in states for up in n.upstream & graph.nodes.keys())]:
            if len(futures) - len(states) >= slots:
                break
            upstream = [futures[up] for up in sorted(node.upstream & graph.nodes.keys())]
            futures[node.name] = future = runner.submit(run_stage, {"node": node, "run": run}, wait_for=upstream)
            future.add_done_callback(lambda _, name=node.name: ended.put(name))
            del waiting[node.name]
        try:
            name = ended.get(timeout=POLL_S)
        except Empty:
            continue
        futures[name].wait()
        states[name] = futures[name].state
    return states


def _verdict(graph: Graph, states: Mapping[str, State[Any]]) -> State[Any]:
    bad = [name for name, state in states.items() if not state.is_completed()]
    ran = sum(state.is_completed() and state.name != "Cached" for state in states.values())
    told = f"{ran} ran, {len(states) - ran - len(bad)} cached, {len(graph.nodes)} in all"
    if not bad:
        return Completed(message=told)
    return Failed(message=f"{told}; not done: " + ", ".join(f"{name} ({states[name].name})" for name in bad))

"""The Prefect flow: one task run per stage of DVC's graph, whatever that graph is."""

from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.futures import PrefectConcurrentFuture, PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from pipelines import cores, flow_artifacts
from pipelines.flow_task import Run, run_stage
from pipelines.graph import Graph, read
from pipelines.record import execution
from stages.core.errors import RawlineError

ASK_S = 5.0
RECORD = {"Stale": "Failed", "TimedOut": "Killed", "Cancelled": "Killed", "Crashed": "Killed", "NotReady": "NotReached"}
"""What a Prefect state is called in MLflow's record, where the names differ."""


@flow(name="rawline", validate_parameters=False, persist_result=False)
def rawline(
    targets: list[str] | None = None, force: bool = False, max_parallel: int = 2, stage_timeout_s: float | None = None,
    root: str | None = None,
) -> State[Any]:  # fmt: skip
    """Bring the pipeline up to date as ``dvc repro`` does, independent stages in parallel as far as the cores go.

    Args:
        targets: stages wanted, with all they need; None means the whole graph.
        force: run stages although nothing they read has changed.
        max_parallel: stages at a time; fewer where they would take more cores than there are.
        stage_timeout_s: end a stage's processes after so many seconds; None means never.
        root: the DVC project; None means the current folder.
    """
    with chdir(root or "."):
        try:
            graph = read().select(targets or [])
        except RawlineError as error:
            return Failed(message=str(error))
        with recorded() as (variables, states):
            run = Run(Path.cwd(), force, stage_timeout_s, variables)
            _walk(graph, run, max_parallel, states)
        flow_artifacts.publish(Path.cwd(), graph, variables.get(execution.VARIABLE))
    if run.groups.closed:
        return Cancelled(message="cancelled; the processes of the stages that were running have been ended")
    return verdict(states)


@contextmanager
def recorded() -> Iterator[tuple[dict[str, str], dict[str, State[Any]]]]:
    """Keep MLflow's record of the flow, the same that a bare ``dvc repro`` leaves.

    Yields:
        Variables for every subprocess, and where the state of each stage is to be put.
    """
    tags = {"prefect.flow_run_id": str(flow_run.id), "prefect.url": str(flow_run.ui_url or "")}
    name = execution.open_execution("flow", name=flow_run.name, tags=tags)
    states: dict[str, State[Any]] = {}
    code: int | None = None
    try:
        yield {execution.VARIABLE: name}, states
        code = 0 if all(state.is_completed() for state in states.values()) else 1
    finally:
        told = {stage: RECORD.get(str(state.name), str(state.name)) for stage, state in states.items()}
        outcome = execution.close_execution(name, exit_code=code, states=told)
        if not outcome.sent:
            get_run_logger().warning("MLflow's record is kept and will be sent later (rawline sync): %s", outcome.problem)


def _walk(graph: Graph, run: Run, slots: int, states: dict[str, State[Any]]) -> None:
    """Start each stage when all it needs has ended and its cores are free; below a failed one Prefect shows ``NotReady``."""
    waiting, there = dict(graph.nodes), cores.total()
    needs = {name: cores.taken(node, there) for name, node in waiting.items()}
    futures: dict[str, PrefectConcurrentFuture[Any]] = {}
    ended: Queue[str] = Queue()
    with ThreadPoolTaskRunner[Any](max_workers=slots) as runner, _stopping(run):
        while waiting or len(states) < len(futures):
            ready = [n for n in waiting.values() if all(up in states for up in n.upstream & graph.nodes.keys())]
            for node in ready:
                running = [name for name in futures if name not in states]
                if len(running) == slots or needs[node.name] > there - sum(needs[name] for name in running):
                    continue
                upstream = [futures[up] for up in sorted(node.upstream & graph.nodes.keys())]
                future = runner.submit(run_stage, {"node": node, "run": run}, wait_for=upstream)
                futures[node.name] = future
                future.add_done_callback(partial(_ended, ended, node.name))
                del waiting[node.name]
            if name := _next(ended, run):
                futures[name].wait()
                states[name] = futures[name].state


def _ended(queue: "Queue[str]", name: str, _future: PrefectFuture[Any]) -> None:
    queue.put(name)


def _next(ended: "Queue[str]", run: Run) -> str | None:
    """Return a stage that has ended, or None after a while; meanwhile see whether someone cancels the flow."""
    try:
        return ended.get(timeout=ASK_S)
    except Empty:
        if _is_cancelled():
            run.groups.stop()
        return None


def _is_cancelled() -> bool:
    """Ask Prefect whether the flow run was cancelled on its page; a runner sends a signal, a plain run must ask."""
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(flow_run.id).state
    return bool(state and (state.is_cancelling() or state.is_cancelled()))


@contextmanager
def _stopping(run: Run) -> Iterator[None]:
    """End every process group when the block is left by an interrupt or a signal."""
    try:
        yield
    except BaseException:
        run.groups.stop()
        raise


def verdict(states: Mapping[str, State[Any]]) -> State[Any]:
    """Return the flow's state: Completed when every stage is."""
    bad = [name for name, state in states.items() if not state.is_completed()]
    cached = sum(state.is_completed() and state.name == "Cached" for state in states.values())
    told = f"{len(states) - cached - len(bad)} ran, {cached} cached"
    if not bad:
        return Completed(message=told)
    return Failed(message=f"{told}; not done: " + ", ".join(f"{name} ({states[name].name})" for name in bad))

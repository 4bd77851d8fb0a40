"""The Prefect flow: one task run per stage of DVC's graph, whatever that graph is.

Prefect's server shows the work and does not carry it: while it is away stages go on and are booked, and the flow waits for
it at the end.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.futures import PrefectConcurrentFuture, PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed, Running
from prefect.task_runners import ThreadPoolTaskRunner

from pipelines import cores, flow_artifacts, flow_server, interrupts, origin, registered
from pipelines.checking import check_inputs
from pipelines.flow_task import Run, run_stage
from pipelines.graph import Graph, read
from pipelines.record import execution
from pipelines.redaction import redact
from stages.core import params as parameters
from stages.core.errors import RawlineError

REACHED: ContextVar[list[State[Any]] | None] = ContextVar("reached", default=None)
"""Where the flow leaves its states, Running and how it ended, for the process that runs it: Prefect's server may be away."""
RECORD = {"Stale": "Failed", "TimedOut": "Killed", "Cancelled": "Killed", "Crashed": "Killed", "NotReady": "NotReached"}
"""What a Prefect state is called in MLflow's record, where the names differ."""


@flow(name="rawline", validate_parameters=False, persist_result=False)
def rawline(
    targets: list[str] | None = None, force: bool = False, max_parallel: int = 2, stage_timeout_s: float | None = None,
    root: str | None = None,
) -> State[Any]:  # fmt: skip
    """Bring the pipeline up to date as ``dvc repro`` does, independent stages in parallel as far as the cores go.

    Args:
        targets: stages wanted, with all they need; None means those of the root's ``dvc.yaml``.
        force: run stages although nothing they read has changed.
        max_parallel: stages at a time; fewer where they would take more cores than there are.
        stage_timeout_s: end a stage's processes after so many seconds; None means never.
        root: the DVC project; None means the current folder, and any other than the current one is refused.
    """
    _reached(Running())
    if root and Path(root).resolve() != Path.cwd().resolve():
        return _reached(Failed(message=f"this run belongs to {root}, not to {Path.cwd()}; serve it there: rawline serve"))
    with interrupts.hangup_ends():
        return _reached(_bring_up_to_date(targets, max_parallel, Run(Path.cwd(), force, stage_timeout_s)))


def _reached(state: State[Any]) -> State[Any]:
    if (reached := REACHED.get()) is not None:
        reached.append(state)
    return state


def _bring_up_to_date(targets: list[str] | None, max_parallel: int, run: Run) -> State[Any]:
    try:
        origin.require(run.root)  # a served run is loaded by Prefect's runner
        graph = read().select(targets or [])
        if (run.root / parameters.FILE).is_file():
            check_inputs(parameters.read(run.root / parameters.FILE), run.root, only=graph.in_root())
    except RawlineError as error:
        return Failed(message=str(error))
    with recorded(graph.nodes) as (variables, states):
        run = replace(run, env=variables)
        _walk(graph, run, max_parallel, states)
    if run.groups.closed:
        return Cancelled(message="cancelled; the processes of the stages that were running have been ended")
    if all(state.is_completed() for state in states.values()):
        for line in registered.reconcile():  # DVC's cache restores receipts, not registrations
            get_run_logger().info(line)
    if flow_server.wait_for():
        _publish(run, graph, states)
    return verdict(states)


def _publish(run: Run, graph: Graph, states: Mapping[str, State[Any]]) -> None:
    try:
        flow_artifacts.publish(run.root, graph, states, run.env.get(execution.VARIABLE))
    except Exception as error:  # noqa: BLE001 - whatever Prefect's client raises: the work is done and booked
        get_run_logger().warning("Prefect's server did not take the flow's artifacts: %s", error)


@contextmanager
def recorded(wanted: Iterable[str] | None = None) -> Iterator[tuple[dict[str, str], dict[str, State[Any]]]]:
    """Keep MLflow's record of the flow, the same that a bare ``dvc repro`` leaves.

    Args:
        wanted: the stages that the flow was asked for; the others are nobody's fault. None means all.

    Yields:
        Variables for every subprocess, and where the state of each stage is to be put.
    """
    tags = {"prefect.flow_run_id": str(flow_run.id), "prefect.url": redact(str(flow_run.ui_url or ""))}
    name = execution.open_execution("flow", name=flow_run.name, tags=tags, wanted=wanted)
    states: dict[str, State[Any]] = {}
    code: int | None = None
    try:
        yield {execution.VARIABLE: name}, states
        code = 0 if all(state.is_completed() for state in states.values()) else 1
    except Exception:  # its stages may all be well, and the flow is not; a signal leaves killed stages, which tell
        code = 1
        raise
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
    with ThreadPoolTaskRunner[Any](max_workers=slots) as runner, _noting(futures, states), _stopping(run):
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
            name = ended.get()
            futures[name].wait()
            states[name] = futures[name].state


@contextmanager
def _noting(futures: Mapping[str, PrefectConcurrentFuture[Any]], states: dict[str, State[Any]]) -> Iterator[None]:
    """Note how the stages ended that were going on when the block was left by a signal: they were reached, and killed."""
    try:
        yield
    finally:
        for name in futures.keys() - states.keys():
            state = futures[name].state
            states[name] = state if state.is_final() else Cancelled(message="ended by a signal")


def _ended(queue: "Queue[str]", name: str, _future: PrefectFuture[Any]) -> None:
    queue.put(name)


@contextmanager
def _stopping(run: Run) -> Iterator[None]:
    """End every process group when the block is left by an interrupt or a signal, or when the run is cancelled.

    A thread asks for the latter: a question that Prefect's server is slow to answer must not keep the next stage waiting.
    """
    over = threading.Event()
    asking = threading.Thread(target=copy_context().run, args=(_ask, run, over), daemon=True)
    asking.start()
    try:
        yield
    except BaseException:
        with interrupts.deaf():
            run.groups.stop()
        raise
    finally:
        over.set()


def _ask(run: Run, over: threading.Event) -> None:
    while not over.wait(flow_server.ASK_S):
        if flow_server.is_cancelled():
            run.groups.stop()
            return


def verdict(states: Mapping[str, State[Any]]) -> State[Any]:
    """Return the flow's state: Completed when every stage is."""
    bad = [name for name, state in states.items() if not state.is_completed()]
    cached = sum(state.is_completed() and state.name == "Cached" for state in states.values())
    told = f"{len(states) - cached - len(bad)} ran, {cached} cached"
    if not bad:
        return Completed(message=told)
    return Failed(message=f"{told}; not done: " + ", ".join(f"{name} ({states[name].name})" for name in bad))

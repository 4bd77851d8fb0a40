"""Says why a stage of the graph did not run in an execution; nobody's stage becomes red because another was wanted.

``Cached`` is a claim: what the stage made is what a run would make now. It holds where the stage's own entry fits, nothing
makes the stage run all the same (``--force``), and every stage above it has run or is ``Cached``; below one that is not
up to date nothing is, whatever its entry says. An entry that fits and is not to be believed (``doubts``) is ``Stale``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipelines.graph import Graph, Node
from pipelines.record.execution import StageState

STATUS = {
    "Completed": "FINISHED", "Cached": "FINISHED", "Failed": "FAILED", "Killed": "KILLED", "NotReached": "KILLED",
    "NotAsked": "FINISHED", "Stale": "FINISHED", "Unknown": "KILLED",
}  # fmt: skip
BAD = ("Failed", "Killed", "NotReached")
GOOD = ("Completed", "Cached")
UNSURE = StageState(
    "NotAsked", "not run in this execution; nobody knows whether it is up to date: dvc repro --force -s makes sure"
)
STALE = "{edited} changed while it ran before; its outputs fit neither version for certain: rawline repro {name}"
FROZEN = "{edited} changed while its outputs were made, and it is frozen: dvc unfreeze {name}, then rawline repro {name}"


@dataclass(frozen=True)
class Known:
    """What is known of an execution at its end.

    Attributes:
        asked: the stages that were asked for; None where nobody says.
        told: states that the scheduler knows better.
        exit_code: the scheduler's exit status; None where it is not known.
        regardless: the stages that run whatever their entry says, where they are asked for.
    """

    asked: frozenset[str] | None
    told: Mapping[str, str]
    exit_code: int | None
    regardless: frozenset[str] = frozenset()


def states(
    graph: Graph, ran: Mapping[str, StageState], known: Known, is_fresh: Callable[[Node], bool | None],
    edited: Callable[[Node], str] = lambda _node: "",
) -> dict[str, StageState]:  # fmt: skip
    """Return the state of each stage that did not run.

    Args:
        graph: the execution's graph.
        ran: the stages that ran.
        known: what was asked for, and what the scheduler says.
        is_fresh: tells whether what dvc booked for a stage still fits; None where that is not known.
        edited: tells what was edited while that was made; empty where it may be believed.
    """
    found: dict[str, StageState] = {}
    for node in graph.nodes.values():
        if node.name not in ran:
            state = _state(node, {**ran, **found}, known, is_fresh)
            told = edited(node) if state.state == "Cached" else ""
            words = (FROZEN if node.frozen else STALE).format(edited=told, name=node.name)
            found[node.name] = StageState("Stale", words) if told else state
    return found


def _state(
    node: Node, others: Mapping[str, StageState], known: Known, is_fresh: Callable[[Node], bool | None]
) -> StageState:
    told = known.told.get(node.name)
    if told and told != "Cached":
        return StageState(told if told in STATUS else "Failed", "" if told in STATUS else told)  # type: ignore[arg-type]
    wanted = known.asked is None or node.name in known.asked
    broken = sorted(up for up in node.upstream if up in others and others[up].state in BAD)
    if broken and wanted:
        return StageState("NotReached", f"not reached: {', '.join(broken)} did not complete")
    behind = sorted(up for up in node.upstream if up in others and others[up].state not in GOOD)
    own = node.name not in known.regardless and is_fresh(node)
    fresh = own or (told == "Cached" and not node.frozen)
    if fresh and not behind:
        return StageState("Cached")
    if node.frozen:
        return StageState("NotAsked", "frozen: dvc does not run it, and it is not up to date")
    if fresh:  # its entry fits what was made of other parameters or inputs than those of now, or nobody knows of which
        unsure = all(others[up] == UNSURE for up in behind)
        return (
            UNSURE
            if unsure
            else StageState("NotAsked", f"not run: it reads what {', '.join(behind)} made, which is not up to date")
        )
    return UNSURE if own is None else _stale(others, known, wanted=wanted)


def _stale(others: Mapping[str, StageState], known: Known, *, wanted: bool) -> StageState:
    bad = sorted(name for name, state in others.items() if state.state in ("Failed", "Killed"))
    if not wanted:
        return StageState("NotAsked", "not asked for in this execution, and not up to date")
    if known.asked is None:
        return StageState("NotAsked", "not run in this execution, and not up to date; whether it was asked for is not known")
    if bad:
        return StageState("NotReached", f"not reached: the execution ended with {', '.join(bad)}")
    if known.exit_code == 0:
        return StageState("NotAsked", "dvc ended well without running it; dvc status tells why")
    return StageState("NotReached", "not reached: dvc failed or was stopped before it")

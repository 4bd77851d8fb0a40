"""Decides a version's standing at the moment it acts, and moves its aliases.

The order makes every kill harmless: the version (with the decision it was made under) comes first, then the decision where a
newer one was taken, then the aliases, last the tag ``settled``. A version without that tag is decided anew by the next
registration, against the champion of that time; one that has it changes nothing any more.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from pipelines.register import Params, ages, gate, judgement, registrations, registry, rivals
from pipelines.register.history import GIVEN_BACK, NONE, History, stamp
from pipelines.register.rivals import Rival
from stages.core.errors import InfrastructureError
from stages.core.stage import Note

SETTLED = "settled"
AGAINST = "gate_against"
AT = "gate_at"  # when the gate was asked
CODE = "clean code"  # what a settled version may wait for
JUDGED = "a champion that can be judged"
ATTEMPTS = 5


@dataclass(frozen=True)
class Case:
    """A candidate before the gate.

    Attributes:
        client: of the registry.
        name: registered model.
        task: the task.
        found: the candidate's evidence.
        model: what tells its weights, whatever it was judged by.
        code: what is known about its code.
        params: the rules.
        render: writes the card that goes with a decision and the version's number.
    """

    client: MlflowClient
    name: str
    task: str
    found: judgement.Evidence
    model: ages.Model
    code: judgement.Code
    params: Params
    render: Callable[[judgement.Decision, str], str]

    @property
    def history(self) -> History:
        """The aliases of the registered model."""
        return History(self.client, self.name)


@dataclass(frozen=True)
class Verdict:
    """What the gate said, and against which champion."""

    decision: judgement.Decision
    rival: Rival


def decide(case: Case, champion: str) -> Generator[Note, None, Verdict]:
    """Return the gate's verdict against a champion, after a line where that one must be judged first.

    Args:
        case: the candidate.
        champion: the champion's version, ``none`` for none.
    """
    rival = yield from rivals.of(case.client, case.name, champion, case.task, case.found)
    older = champion != NONE and registrations.read(case.client, case.name).older(case.model, int(champion))
    former = rivals.best(case.client, case.name, case.history.former(), case.found)
    return Verdict(gate.decide(case.found, rival.evidence, case.params, case.code, older=older, former=former), rival)


def settle(case: Case, version: ModelVersion, verdict: Verdict | None) -> Generator[Note, None, None]:
    """Move the aliases as the gate says now, and mark the version as settled.

    Args:
        case: the candidate.
        version: its version.
        verdict: the gate's, where it was asked a moment ago.

    Raises:
        InfrastructureError: others moved the alias again and again.
    """
    own = str(version.version)
    if verdict is None:
        case.history.withdraw(own)
    for _ in range(ATTEMPTS):
        holder = case.history.holder(registry.CHAMPION)
        if verdict is None or holder not in (own, verdict.rival.version):
            verdict = yield from _anew(case, version, holder)
        if holder == own or not verdict.decision.champion:  # own: after a kill, or made so by hand
            return _finish(case, own)
        overtaken = case.history.move(registry.CHAMPION, holder, own, why(verdict.decision))
        if not overtaken:
            return _finish(case, own)
        yield Note(f"{case.name}: champion moved to {overtaken} at the same time; deciding again")
        verdict = yield from _anew(case, version, overtaken)
        _give_back(case, own, overtaken, verdict)
    raise InfrastructureError(
        f"{case.name}: champion was moved {ATTEMPTS} times while this registration tried; run it again"
    )


def _give_back(case: Case, own: str, overtaken: str, verdict: Verdict) -> None:
    """Undo a move that overwrote another one, where the gate would not have made it."""
    if overtaken != NONE and not verdict.decision.champion and case.history.holder(registry.CHAMPION) == own:
        case.history.move(registry.CHAMPION, own, overtaken, f"{GIVEN_BACK}; {why(verdict.decision)}")


def _anew(case: Case, version: ModelVersion, champion: str) -> Generator[Note, None, Verdict]:
    """Ask the gate once more and write its answer over the earlier one."""
    own = str(version.version)
    if champion == own:
        return Verdict(judgement.Decision(()), rivals.Rival(own, None))
    verdict = yield from decide(case, champion)
    before = case.client.get_model_version(case.name, own)
    tags = booked(verdict)
    for key in [key for key in before.tags if key.startswith("gate.") and key not in tags]:
        case.client.delete_model_version_tag(case.name, own, key)
    tag(case, before, tags)
    describe(case, own, verdict.decision)
    return verdict


def tag(case: Case, version: ModelVersion, tags: Mapping[str, str]) -> None:
    """Give a version tags, those alone that say something else than it has."""
    for key in [key for key, value in tags.items() if version.tags.get(key) != value]:
        case.client.set_model_version_tag(case.name, str(version.version), key, tags[key])


def describe(case: Case, own: str, decision: judgement.Decision) -> None:
    """Make the card the version's description; how to load it names the version, which has its number only now."""
    case.client.update_model_version(case.name, own, registry.shorten(case.render(decision, own)))


def waits_for(client: MlflowClient, version: ModelVersion | None) -> list[str]:
    """Return what a version lacks that may come without a new model, where it lacks nothing else.

    Committing its code may make it champion, and so may whatever lets a champion be judged that could not be.
    """
    if version is None:
        return []
    refused = {key: line for key, line in version.tags.items() if key.startswith("gate.") and line.startswith("no:")}
    may_come = {"gate.code": CODE} | {
        key: JUDGED for key, line in refused.items() if line.startswith(f"no: {gate.UNJUDGED}") and key == "gate.champion"
    }
    champion = History(client, version.name).holder(registry.CHAMPION)
    if champion == str(version.version) or not refused.keys() <= may_come.keys():
        return []
    return [may_come[key] for key in sorted(refused)]


def _finish(case: Case, own: str) -> None:
    """Give challenger to the newest version, and mark this one as settled."""
    newest = case.history.holder(registry.CHALLENGER)
    if newest == NONE or int(newest) < int(own):
        case.history.move(registry.CHALLENGER, newest, own, "the newest registered model")
    held = [alias for alias in (registry.CHALLENGER, registry.CHAMPION) if case.history.holder(alias) == own]
    case.client.set_model_version_tag(case.name, own, SETTLED, ",".join(held) or NONE)


def booked(verdict: Verdict) -> dict[str, str]:
    """Return the tags that say what the gate says now, and against which champion."""
    lines = {f"gate.{check}": reason for check, reason in verdict.decision.lines().items()}
    standing = registry.CHAMPION if verdict.decision.champion else registry.CHALLENGER
    return {"gate": standing, AGAINST: verdict.rival.version, AT: stamp(), **lines}


def why(decision: judgement.Decision) -> str:
    """Return the gate's reasons in one line."""
    return "; ".join(check.reason for check in decision.checks)

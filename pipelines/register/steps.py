"""The steps of a registration: evidence, version, decision and aliases, receipt."""

from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from pipelines import forms
from pipelines.record import contents
from pipelines.register import (
    Params,
    ages,
    behaviour,
    card,
    evidence,
    judged,
    judgement,
    lineage,
    package,
    registry,
    rules,
    settling,
)
from pipelines.register.card import RULES
from pipelines.register.history import ALIASES, NONE, TIME, History
from pipelines.register.settling import SETTLED, Case
from stages.core import artefacts, digests, files
from stages.core import params as parameters
from stages.core.errors import DataError
from stages.core.stage import Job, Keep, Note, Record
from stages.judge import degenerate, units


def register(job: Job[Params]) -> Iterator[Record]:
    """Register the task's model, move the aliases, write the receipt; see ``pipelines.register.run``."""
    task = str(job.task)
    name = f"{job.params.name}-{task}"
    _present(task)
    found = evidence.collect(task, job.params.metric)
    evidence.require_classes(task)
    lineage.require_joined(task)
    lineage.require_booked(task)
    digest = fingerprint(task, job.params, found.test_data)
    with registry.reachable() as client, registry.exclusive(name):
        registry.ensure(client, name)
        for line in History(client, name).notice():
            yield Note(f"{name}: {line}")
        version = registry.find(client, name, digest)
        yield from _act(client, name, found, digest, version, job)
        if version := registry.find(client, name, digest):
            judged.note(client, version, found, task, job.params.model_dump(exclude={"name"}))
        judged.end_left(client, version, digest)
        yield from _standing(client, name, digest)
    receipt = {"name": name, "digest": digest, "verdict": found.verdict, "test_data": found.test_data}
    _book(artefacts.receipt(task), {**receipt, "figures": figures(task)})
    yield Keep(artefacts.receipt(task), "register")


def figures(task: str) -> dict[str, str]:
    """Return the MD5 of what evaluation and audit found about a task, by path."""
    paths = (artefacts.evaluate_metrics(task), artefacts.audit_metrics(task))
    return {path.as_posix(): contents.file_hash(path) for path in paths}


def fingerprint(task: str, params: Params, test_data: str) -> str:
    """Name a registration by what went in: model, the code it brings, evaluation, its settings, test data, audit, rules."""
    code = behaviour.digest(files.read_json(artefacts.finetuned(task) / "model.json"))
    judged = [artefacts.evaluate_metrics(task), artefacts.audit_metrics(task)]
    rules = [params.model_dump(), code, test_data, evidence.settings(artefacts.evaluated(task))]
    return digests.of(*_model(task), *judged, text=digests.canonical(rules))


def _model(task: str) -> list[Path]:
    return [artefacts.finetuned(task) / file for file in digests.FILES]


def _present(task: str) -> None:
    for file in _model(task):
        if not file.exists():
            raise DataError(f"{file} is missing; run dvc repro finetune@{task}")


def _act(  # noqa: PLR0913, PLR0917 - what a registration consists of
    client: MlflowClient, name: str, found: judgement.Evidence, digest: str, version: ModelVersion | None, job: Job[Params]
) -> Iterator[Note]:
    """Make or settle the version, ask the gate again where it waits for what may have come, or say that nothing changes."""
    settled = version is not None and SETTLED in version.tags
    waits = settling.waits_for(client, version) if settled else []
    if not settled or waits:
        task, origin = str(job.task), lineage.trace(str(job.task))
        runs = lineage.runs(client, task, origin)
        facts = _facts(task, name, found, lineage.told(client, origin, task, runs), job.params)
        if not settled or facts.origin.code.clean or settling.CODE not in waits:
            case = Case(
                client, name, task, found, ages.of(artefacts.finetuned(task)), facts.origin.code, job.params,
                lambda decision, number: card.render(replace(facts, decision=decision, version=number)),
            )  # fmt: skip
            yield from _settle(case, facts, runs, digest, version, waits)
            return
    if version is not None:
        yield Note(f"{name}: version {version.version} was registered and settled before; nothing changes")


def _settle(  # noqa: PLR0913, PLR0917 - see above
    case: Case, facts: card.Facts, runs: dict[str, str], digest: str, version: ModelVersion | None, waits: list[str]
) -> Generator[Note, None, None]:
    """Make the version unless it is there, or another clone made it while this one packed, and settle it."""
    if version is None:
        champion = case.history.holder(registry.CHAMPION)
        verdict = yield from settling.decide(case, champion)
        yield Note(f"{case.name}: packing the model")
        own = replace(facts, decision=verdict.decision)
        logged = _packed(case, own, runs, digest)
        version, is_own = _only(case, own, runs, logged, settling.booked(verdict) | {registry.DIGEST: digest})
        if is_own:
            settling.describe(case, str(version.version), own.decision)
            yield from settling.settle(case, version, verdict)
            return
        yield Note(f"{case.name}: version {version.version} was made elsewhere meanwhile; it stands for this model")
        if judged.model_id(version) != logged.model_id:
            case.client.delete_logged_model(logged.model_id)
        if SETTLED in version.tags:
            return
    yield _reopened(case, version, waits)
    _renew(case, facts, version)
    yield from settling.settle(case, version, None)


def _renew(case: Case, facts: card.Facts, version: ModelVersion) -> None:
    """Say anew which code made the model, by which figures its evaluation is degenerate, and which rules its commit lacks.

    Where the commit has all rules, there is no tag of them.
    """
    tags = {**_code_tags(facts), degenerate.KEY: facts.evidence.kinds}
    if RULES in version.tags and RULES not in tags:
        case.client.delete_model_version_tag(case.name, str(version.version), RULES)
    settling.tag(case, version, tags)


def _reopened(case: Case, version: ModelVersion, waits: list[str]) -> Note:
    """Say why a version is decided anew; it counts as unsettled until that came to its end."""
    told = f"{case.name}: version {version.version}"
    if SETTLED not in version.tags:
        return Note(f"{told} is not settled: its registration was interrupted, or works elsewhere; deciding anew")
    case.client.delete_model_version_tag(case.name, str(version.version), SETTLED)
    has = ", which it has by now" if waits == [settling.CODE] else ""
    return Note(f"{told} lacked nothing but {' and '.join(waits)}{has}; asking the gate again")


def _code_tags(facts: card.Facts) -> dict[str, str]:
    """Return the tags that say which code made the model, and what its commit does not say; a later one may know better."""
    states = {f"commit.{stage}": state for stage, state in facts.origin.states.items()}
    rules_changed = {RULES: "; ".join(facts.rules)} if facts.rules else {}
    return {"commit": facts.origin.commit, "commit_dirty": facts.origin.dirty, **rules_changed, **states}


def _facts(task: str, name: str, found: judgement.Evidence, origin: lineage.Lineage, params: Params) -> card.Facts:
    evaluation = forms.evaluation(task)
    return card.Facts(
        task=task,
        name=name,
        evidence=found,
        decision=judgement.Decision(()),
        origin=origin,
        model=files.read_json(artefacts.finetuned(task) / "model.json"),
        audit=forms.audit(task),
        params=params.model_dump(),
        counts=evidence.counts(),
        units=evidence.unit_origin(),
        groups=evidence.worst_groups(task, found.metric),
        class_figure=evidence.class_figure(evaluation),
        notes=evidence.notes(evaluation) + evidence.unfinished(task, artefacts.finetuned(task) / "curves.csv"),
        torn=bool(units.torn(evaluation)),
        rules=rules.changed(Path(), origin.commit, task, origin.seen.entries, parameters.read()),
        experiment=rules.experiment(),
    )


def _packed(case: Case, facts: card.Facts, runs: dict[str, str], digest: str) -> LoggedModel:
    """Log the model, or take the one that a kill left behind."""
    found = registry.logged(case.client, lineage.experiment(), case.name, digest)
    if found is not None:
        return found
    metadata = {"digest": digest, "task": case.task}
    evidence_of = facts.evidence.to_json()
    packed = package.Package(case.task, artefacts.finetuned(case.task), evidence_of, card.render(facts), metadata)
    return package.log(case.client, packed, case.name, lineage.experiment(), runs.get("finetune"))


def _only(
    case: Case, facts: card.Facts, runs: dict[str, str], logged: LoggedModel, decision: dict[str, str]
) -> tuple[ModelVersion, bool]:
    """Make the version unless it is there, and look again: of two made at once the lower number stands, the own one goes.

    Returns:
        The version that stands, and whether it was made here.
    """
    digest = decision[registry.DIGEST]
    if found := registry.find(case.client, case.name, digest):
        return found, False
    own = _create(case, facts, runs, logged, decision)
    found = registry.find(case.client, case.name, digest) or own
    if str(found.version) == str(own.version):
        return own, True
    case.client.delete_model_version(case.name, str(own.version))
    return found, False


def _create(
    case: Case, facts: card.Facts, runs: dict[str, str], logged: LoggedModel, decision: dict[str, str]
) -> ModelVersion:
    """Make the version of a logged model, the decision and the digest among its tags."""
    client, name = case.client, case.name
    own = {**case.model.tags(), "code_policy": case.params.code, **_code_tags(facts)}
    tags = {**card.tags(facts, runs), **decision, **own}
    with judged.own_run(client, case.task, decision[registry.DIGEST]) as run_id:
        return registry.create(client, name, logged, tags, card.render(facts), run_id=run_id)


def _standing(client: MlflowClient, name: str, digest: str) -> Iterator[Note]:
    """Say where the version and the aliases stand."""
    version = registry.find(client, name, digest)
    if version is None:  # deleted by somebody this very moment
        return
    holders = {alias: History(client, name).holder(alias) for alias in ALIASES}
    held = ", ".join(alias for alias, holder in holders.items() if holder == str(version.version)) or "no alias"
    others = "".join(f"; {a} is version {h}" for a, h in holders.items() if h not in {str(version.version), "none"})
    yield Note(f"{name} version {version.version}: {held}; audit {version.tags.get('verdict', 'unknown')}{others}")
    yield Note(f"  {_asked(version)}:")
    for key, line in sorted(version.tags.items()):
        if key.startswith("gate."):
            yield Note(f"  {key.removeprefix('gate.')}: {line}")


def _asked(version: ModelVersion) -> str:
    """Say when the gate gave the answers that a version carries, and against which champion: both may be of long ago."""
    at, against = version.tags.get(settling.AT), version.tags.get(settling.AGAINST)
    when = f"at {at}" if at else f"when the version was registered ({_made(version)}), or later"
    if against is None:  # a version of before does not tell
        return f"as the gate said {when}; against which champion is not known"
    return f"as the gate said {when}, {'without a champion' if against == NONE else f'against version {against}'}"


def _made(version: ModelVersion) -> str:
    """Return when a version was made, in UTC to the second; a version of before does not tell when it was decided."""
    return datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).strftime(TIME)


def _book(place: Path, receipt: dict[str, Any]) -> None:
    """Write the receipt unless it says so already: DVC then need not look at it again.

    One of before, which says the same but for ``figures``, stays as it is: DVC restored it, and booked its bytes.
    """
    before = {key: value for key, value in receipt.items() if key != "figures"}
    with suppress(DataError):
        if files.read_json(place) in (receipt, before):
            return
    files.write_json(place, receipt)

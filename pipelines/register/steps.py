"""The steps of a registration: evidence, gate, version, aliases, receipt."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from pipelines import settings
from pipelines.register import Params, behaviour, card, evidence, gate, lineage, package, registry
from stages.core import artefacts, files
from stages.core.errors import DataError
from stages.core.stage import Job, Keep, Note, Record

SETTLED = "settled"
EVIDENCE = "artifacts/evidence/evidence.json"


def register(job: Job[Params]) -> Iterator[Record]:
    """Register the task's model, move the aliases, write the receipt; see ``pipelines.register.run``."""
    task = str(job.task)
    name = f"{job.params.name}-{task}"
    _present(task)
    found = evidence.collect(task, job.params.metric)
    digest = _digest(task, job.params)
    with registry.reachable() as client, registry.exclusive(name):
        registry.ensure(client, name)
        version = registry.find(client, name, digest)
        if version is None:
            yield Note(f"{name}: packing the model")
            decision = gate.decide(found, _champion(client, name), job.params)
            version = _create(client, name, digest, _facts(task, name, found, decision, job.params))
        receipt = _settle(client, name, version)
    files.write_json(artefacts.receipt(task), receipt)
    yield Keep(artefacts.receipt(task), "register")
    yield Note(f"{name} version {receipt['version']}: {', '.join(receipt['aliases'])}; audit {receipt['verdict']}")
    for check, line in receipt["gate"]["checks"].items():
        yield Note(f"  {check}: {line}")


def _present(task: str) -> None:
    for file in package.FILES:
        if not (artefacts.finetuned(task) / file).exists():
            raise DataError(f"{artefacts.finetuned(task) / file} is missing; run dvc repro finetune@{task}")


def _digest(task: str, params: Params) -> str:
    """Name a registration by what went in: model, the code it brings, evaluation, audit, rules."""
    model = [artefacts.finetuned(task) / file for file in package.FILES]
    code = behaviour.digest(files.read_json(artefacts.finetuned(task) / "model.json"))
    judged = [artefacts.evaluate_metrics(task), artefacts.audit_metrics(task)]
    return evidence.digest(*model, *judged, text=evidence.canonical([params.model_dump(), code]))


def _champion(client: MlflowClient, name: str) -> gate.Evidence | None:
    """Return the evidence that the present champion carries; None where there is none to compare with."""
    version = registry.holder(client, name, registry.CHAMPION)
    if version is None:
        return None
    uri = f"models:/{name}/{version.version}/{EVIDENCE}"
    return gate.Evidence.from_json(files.read_json(Path(mlflow.artifacts.download_artifacts(uri))))


def _facts(task: str, name: str, found: gate.Evidence, decision: gate.Decision, params: Params) -> card.Facts:
    return card.Facts(
        task=task,
        name=name,
        evidence=found,
        decision=decision,
        origin=lineage.trace(task),
        model=files.read_json(artefacts.finetuned(task) / "model.json"),
        audit=files.read_json(artefacts.audit_metrics(task)),
        params=params.model_dump(),
        counts=evidence.counts(),
        groups=evidence.worst_groups(task, found.metric),
    )


def _create(client: MlflowClient, name: str, digest: str, facts: card.Facts) -> ModelVersion:
    """Log the model and make its version, the decision among the tags."""
    runs = lineage.runs(client, facts.task, facts.origin)
    run_id = runs.get("finetune")
    text = card.render(facts)
    folder = artefacts.finetuned(facts.task)
    packed = package.Package(facts.task, folder, facts.evidence.to_json(), text, {"digest": digest, "task": facts.task})
    mlflow.set_tracking_uri(settings.tracking_uri())
    logged = package.log(client, packed, name, lineage.experiment(), run_id)
    return registry.create(client, name, logged, {**card.tags(facts, runs), registry.DIGEST: digest}, text)


def _settle(client: MlflowClient, name: str, version: ModelVersion) -> dict[str, Any]:
    """Move the aliases as the version's tags say, once, and return the receipt; both follow from the tags alone."""
    gained = [registry.CHALLENGER] + [registry.CHAMPION] * (version.tags["gate"] == "champion")
    if SETTLED not in version.tags:
        for alias in gained:
            registry.move(client, name, alias, version.version)
        client.set_model_version_tag(name, version.version, SETTLED, ",".join(gained))
    checks = {k.removeprefix("gate."): v for k, v in version.tags.items() if k.startswith("gate.")}
    return {
        "name": name,
        "version": int(version.version),
        "aliases": gained,
        "verdict": version.tags["verdict"],
        "gate": {"champion": version.tags["gate"] == "champion", "checks": checks},
        "digest": version.tags[registry.DIGEST],
    }

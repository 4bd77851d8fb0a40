"""Puts a version's numbers where MLflow's pages read them: its own run, and its LoggedModel linked to the test data.

MLflow's comparison of versions reads parameters and metrics of the run that a version points to. That is the run of the
registration, one for each version: a training may be judged and registered more than once, and no version may show the
numbers of another. The run that trained the model is the LoggedModel's source and the version's tag ``run.finetune``.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, LifecycleStage, LoggedModelInput, Metric
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from pipelines import forms
from pipelines.record import entities, headline, runs
from pipelines.record.entities import DIGEST
from pipelines.record.journal import Journal
from pipelines.record.names import allowed
from pipelines.record.sender import METRICS_AT_ONCE, OTHERS_AT_ONCE, Sender
from pipelines.register import ages, lineage, package, registry
from pipelines.register import rules as rules_of
from pipelines.register.judgement import Evidence
from stages.core import artefacts, figures, files
from stages.judge import degenerate

NOTED = "judged_on"
REGISTERS = "rawline.registers"  # of a run that was made for a version: the registration's digest
TWICE = re.compile(
    "unique constraint|duplicate (entry|key)|changing param values", re.IGNORECASE
)  # databases' words, MLflow's
MAX_NUMBERS = 1000  # with more the classes stay in the run of the evaluation


@contextmanager
def own_run(client: MlflowClient, task: str, digest: str) -> Iterator[str]:
    """Give the run that a new version points to: that of the stage in this process, else one made for the version.

    Where an exception ends the registration, its run ends as failed or killed. It is never deleted: the version may exist
    by then and point to it. What a kill leaves running is ended by ``end_left``.
    """
    if runs.VARIABLE in os.environ and (sent := Sender().send(Journal(Path(os.environ[runs.VARIABLE])))).run_id:
        yield sent.run_id
        return
    name = f"register@{task}"
    tags = {"rawline.stage": name, "rawline.verb": "register", "rawline.task": task, REGISTERS: digest}
    run_id = str(client.create_run(lineage.experiment(), run_name=name, tags=tags).info.run_id)
    try:
        yield run_id
    except BaseException as error:
        client.set_terminated(run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    client.set_terminated(run_id)


def end_left(client: MlflowClient, version: ModelVersion | None, digest: str) -> None:
    """End the runs that interrupted registrations of this digest left: the version's own as finished, else as killed."""
    words = f"tags.`{REGISTERS}` = '{digest}' and attributes.status != 'FINISHED'"
    for run in client.search_runs([lineage.experiment()], words):
        if version is not None and version.run_id == run.info.run_id:
            client.set_terminated(run.info.run_id)
        elif run.info.status == "RUNNING":
            client.set_terminated(run.info.run_id, "KILLED")


def dataset(task: str, found: Evidence) -> tuple[str, str]:
    """Return name and digest of the test data, as ``search_logged_models(datasets=...)`` takes them.

    Models of one data set share them, whatever their task, as long as the test pictures and their truth are the same.
    """
    model = files.read_json(artefacts.finetuned(task) / "model.json")
    return f"{model.get('name') or task}-test", found.test_data[:DIGEST]


def note(client: MlflowClient, version: ModelVersion, found: Evidence, task: str, rules: Mapping[str, Any]) -> None:
    """Note a version's numbers, parameters and test data on its run and its LoggedModel, once.

    A version of before has no such numbers; it gets them when it is registered again, if it points to a run that is there.

    Args:
        client: of the project's MLflow.
        version: the version.
        found: what it was judged by.
        task: the task.
        rules: the section ``register.<task>`` of ``params.yaml``; those of evaluation and audit are in ``dvc.lock``.
    """
    if NOTED in version.tags or not version.run_id or not _is_there(client, version.run_id):
        return
    name, digest = dataset(task, found)
    model, words = model_id(version), {"verdict": found.verdict, degenerate.KEY: found.kinds}
    source = json.dumps({"path": artefacts.PREPROCESSED.as_posix(), "split": "test", "sha256": found.test_data})
    data = Dataset(name, digest, source_type="dvc", source=source)
    given = [DatasetInput(data, [InputTag("mlflow.data.context", "test")])]
    for run_id in [run for run in (version.run_id, version.tags.get("run.evaluate")) if run and _is_there(client, run)]:
        with _noted_once():
            client.log_inputs(run_id, datasets=given, models=[LoggedModelInput(model)] if model else None)
    _params(client, version.run_id, task, {"test_data": found.test_data, **words}, rules)
    when = int(version.creation_timestamp)  # the same each time, so that a second try doubles nothing
    metrics = [
        Metric(allowed(key), value, when, 0, model_id=model, dataset_name=name, dataset_digest=digest)
        for key, value in selected(forms.evaluation(task)).items()
    ]
    for start in range(0, len(metrics), METRICS_AT_ONCE):
        client.log_batch(version.run_id, metrics=metrics[start : start + METRICS_AT_ONCE])
    for key, value in words.items():
        client.set_tag(version.run_id, key, value)
    if model:
        weights = {key: version.tags[key] for key in (ages.WEIGHTS, ages.MODEL) if key in version.tags}
        _link(client, model, version, {**words, **weights, "test_data": found.test_data})
    client.set_model_version_tag(version.name, version.version, NOTED, f"{name} {digest}")


@contextmanager
def _noted_once() -> Iterator[None]:
    """Take a run's refusal of what it has by now for done: another clone notes the same of the same version."""
    try:
        yield
    except MlflowException as error:
        if not TWICE.search(str(error)):
            raise


def model_id(version: ModelVersion) -> str | None:
    """Return the id of the version's LoggedModel: its own field, which a database leaves empty, its source, or its tag.

    A registry elsewhere knows neither field nor source of this tracking server's models.
    """
    words = re.fullmatch(r"models:/(m-[0-9a-f]+)", version.source or "")
    return version.model_id or (words[1] if words else version.tags.get("logged_model"))


def _link(client: MlflowClient, model: str, version: ModelVersion, tags: dict[str, str]) -> None:
    """Tag a LoggedModel, the versions made of it among the tags: its page shows them (a client's call leaves that out).

    It keeps each with its time and its registered model, which nobody else knows once they are deleted.
    """
    logged = client.get_logged_model(model)
    known = ages.versions_of(logged)
    first = min([float(version.creation_timestamp), *([ages.registered(logged)] if known else [])])
    mine = {"name": version.name, "version": str(version.version)}
    there = [other for other in known if (other.get("name"), str(other.get("version"))) != (mine["name"], mine["version"])]
    own = ages.entry(client, version)
    kept = {
        ages.FIRST: f"{first:.0f}",
        ages.REGISTRATIONS: json.dumps([*(other for other in ages.entries(logged) if other != own), own][: ages.MOST]),
        MLFLOW_MODEL_VERSIONS: json.dumps([*there, mine]),
    }
    client.set_logged_model_tags(model, tags | kept)


def selected(content: Mapping[str, Any]) -> dict[str, float]:
    """Return every number of an evaluation; of one with more than ``MAX_NUMBERS`` all but the classes' own."""
    numbers = figures.numbers(content)
    if len(numbers) <= MAX_NUMBERS:
        return numbers
    return figures.numbers({key: value for key, value in content.items() if key != "per_class"})


def _is_there(client: MlflowClient, run_id: str) -> bool:
    """Tell whether a run takes numbers: one that somebody deleted does not."""
    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == LifecycleStage.ACTIVE)
    except MlflowException as error:
        if error.error_code in registry.MISSING:
            return False
        raise


def _params(client: MlflowClient, run_id: str, task: str, judgement: Mapping[str, str], rules: Mapping[str, Any]) -> None:
    """Add what judged the model and the parameters that made it; what the run has MLflow does not take again.

    The judgement and its rules (``evaluate``, ``audit``, ``register`` of the task) are among them because MLflow's
    comparison of versions shows parameters and metrics, no tags: without them figures on other test data, and verdicts by
    other rules, would stand side by side unmarked.
    """
    booked: dict[str, Any] = {"tasks": {task: {}}}
    for key, value in {**lineage.trace(task).params, f"register.{task}": dict(rules)}.items():
        rules_of.put(booked, key.split("."), value)
    model = files.read_json(artefacts.finetuned(task) / "model.json")
    wanted = {"task": task, **judgement, **package.described(model), **headline.parameters(booked)}
    there = client.get_run(run_id).data.params
    found = entities.params({key: value for key, value in wanted.items() if allowed(key) not in there})
    for part in entities.slices(found, OTHERS_AT_ONCE):
        with _noted_once():
            client.log_batch(run_id, params=part)

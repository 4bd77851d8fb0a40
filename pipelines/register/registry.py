"""The registry: find a version, make one, move its aliases."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from pipelines import settings
from pipelines.reasons import reason
from pipelines.record import database, locks
from stages.core.errors import InfrastructureError

CHALLENGER = "challenger"
CHAMPION = "champion"
DIGEST = "digest"
HISTORY = "alias_history."
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
MAX_DESCRIPTION = 5000  # the column's width in MLflow's database


@contextmanager
def reachable() -> Iterator[MlflowClient]:
    """Give a client of the project's MLflow; whatever keeps it from answering becomes one line.

    Raises:
        InfrastructureError: MLflow is out of reach or refuses.
    """
    settings.quiet(os.environ)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    logging.getLogger("mlflow.pyfunc").setLevel(logging.WARNING)
    uri = settings.tracking_uri()
    try:
        database.prepare()
        yield MlflowClient(tracking_uri=uri, registry_uri=uri)
    except (MlflowException, RequestException, SQLAlchemyError) as error:
        text = f"MLflow at {uri} failed: {reason(error)}; see rawline doctor, then run the stage again"
        raise InfrastructureError(text) from error


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Hold the model's lock: MLflow has no check-and-set of an alias, so that one decision runs at a time."""
    with locks.locked(settings.state() / "locks" / f"registry-{name}.lock", timeout_s=300):
        yield


def ensure(client: MlflowClient, name: str) -> None:
    """Make the registered model unless it is there."""
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"):
            raise


def find(client: MlflowClient, name: str, digest: str) -> ModelVersion | None:
    """Return the newest version that carries a digest, with all its tags."""
    found = [v for v in versions(client, name) if v.tags.get(DIGEST) == digest]
    return found[0] if found else None


def versions(client: MlflowClient, name: str) -> list[ModelVersion]:
    """List a model's versions, the newest first."""
    found: list[ModelVersion] = []
    token = None
    while True:
        page = client.search_model_versions(f"name='{name}'", page_token=token)
        found += page
        token = page.token
        if not token:
            return sorted(found, key=lambda v: -int(v.version))


def holder(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    """Return the version that holds an alias."""
    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in MISSING:
            return None
        raise


def create(client: MlflowClient, name: str, logged: LoggedModel, tags: Mapping[str, str], card: str) -> ModelVersion:
    """Make a version with all its tags at once, so that a kill cannot leave one without them."""
    return client.create_model_version(
        name,
        source=logged.model_uri,
        run_id=logged.source_run_id,
        tags=dict(tags),
        description=shorten(card),
        model_id=logged.model_id,
    )


def move(client: MlflowClient, name: str, alias: str, version: str) -> bool:
    """Point an alias at a version and note it in the model's history; tell whether it moved.

    MLflow keeps no history of aliases, so that each move becomes a tag ``alias_history.<alias>.<number>`` of the
    registered model: ``<from> -> <to>``. Call it inside ``exclusive``.
    """
    before = holder(client, name, alias)
    if before and str(before.version) == str(version):
        return False
    client.set_registered_model_alias(name, alias, str(version))
    key = f"{HISTORY}{alias}."
    number = sum(tag.startswith(key) for tag in client.get_registered_model(name).tags) + 1
    client.set_registered_model_tag(name, f"{key}{number:04d}", f"{before.version if before else 'none'} -> {version}")
    return True


def shorten(card: str) -> str:
    """Cut a card that is too long for the registry's description at a line's end.

    Example:
        >>> shorten("short")
        'short'
    """
    if len(card) <= MAX_DESCRIPTION:
        return card
    end = "\n\n(The whole card is among the model's files: artifacts/evidence/MODEL_CARD.md)\n"
    return card[: MAX_DESCRIPTION - len(end)].rpartition("\n")[0] + end

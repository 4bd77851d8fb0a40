"""The registry: find a version, make one, fetch its files. Every call goes through the client that ``reachable`` gives."""

import hashlib
import logging
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import mlflow
from mlflow.entities import Experiment, LoggedModel, LoggedModelStatus, ViewType
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from pipelines import settings
from pipelines.reasons import reason
from pipelines.record import database, identity, locks
from stages.core import files
from stages.core.errors import DataError, InfrastructureError

CHALLENGER = "challenger"
CHAMPION = "champion"
DIGEST = "digest"
PACKED_BY = "rawline.packed_by"  # of a logged model: the clone that packs it
PACKING_S = 24 * 3600.0  # the longest that packing is believed to be at work elsewhere: a model of gigabytes on a slow line
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
MAX_DESCRIPTION = 5000  # the column's width in MLflow's database
FENCE = "\n```"  # opens and closes a block of code


@contextmanager
def reachable() -> Iterator[MlflowClient]:
    """Give a client of the project's MLflow; whatever keeps it from answering becomes one line.

    Raises:
        InfrastructureError: MLflow is out of reach or refuses.
    """
    settings.quiet(os.environ)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    logging.getLogger("mlflow.pyfunc").setLevel(logging.WARNING)
    uri, models = settings.tracking_uri(), settings.registry_uri()
    try:
        database.prepare()
        mlflow.set_tracking_uri(uri)  # the registry's stores look logged models up at the global address
        yield MlflowClient(tracking_uri=uri, registry_uri=models)
    except (MlflowException, RequestException, SQLAlchemyError) as error:
        where = uri if models == uri else f"{uri} with its registry at {models}"
        text = f"MLflow at {where} failed: {reason(error)}; see rawline doctor, then run the stage again"
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
    """Return the oldest version that carries a digest, with all its tags: of two made at once it is the one that stands."""
    found = [v for v in versions(client, name) if v.tags.get(DIGEST) == digest]
    return found[-1] if found else None


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


def create(  # noqa: PLR0913 - a version is all of this at once
    client: MlflowClient, name: str, logged: LoggedModel, tags: Mapping[str, str], card: str, *, run_id: str
) -> ModelVersion:
    """Make a version with all its tags at once, so that a kill cannot leave one without them.

    A registry elsewhere knows nothing of this tracking server's logged models: it is told where the files lie.

    Args:
        client: of the registry.
        name: of the registered model.
        logged: the model.
        tags: all of the version's.
        card: becomes the description.
        run_id: the run whose numbers MLflow's comparison of versions shows, see ``judged``.
    """
    apart = settings.registry_uri() != settings.tracking_uri()
    return client.create_model_version(
        name,
        source=logged.artifact_location if apart else logged.model_uri,
        run_id=run_id,
        tags={**tags, "logged_model": logged.model_id},
        description=shorten(card),
        model_id=None if apart else logged.model_id,
    )


def logged(client: MlflowClient, experiment: str, name: str, digest: str) -> LoggedModel | None:
    """Return a whole packed model of this digest that an interrupted registration, or a deleted version, left behind.

    One whose packing a kill interrupted is deleted: nobody will end it. That is so where this clone packed it, whose lock is
    held, or where it was begun more than a day ago; another clone may still be at work.
    """
    words = f"name = '{name}' AND params.digest = '{digest}'"
    for model in client.search_logged_models([experiment], filter_string=words):
        if model.status == LoggedModelStatus.PENDING and _is_left(model):
            client.delete_logged_model(model.model_id)
        if model.status == LoggedModelStatus.READY and _is_whole(client, model.model_id):
            return model
    return None


def logged_models(client: MlflowClient, words: str) -> list[LoggedModel]:
    """List the LoggedModels that a filter describes, of each experiment: a renamed project begins another one."""
    experiments = [str(one.experiment_id) for one in _experiments(client)]
    found: list[LoggedModel] = []
    token = None
    while True:
        page = client.search_logged_models(experiments, filter_string=words, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _experiments(client: MlflowClient) -> Iterator[Experiment]:
    """Yield each experiment, a deleted one, too: its LoggedModels are left."""
    token = None
    while True:
        page = client.search_experiments(ViewType.ALL, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def clone() -> str:
    """Return a word for this clone in this machine or container, to which the lock of ``exclusive`` belongs.

    It tells no path. Host name and path may be alike in two containers, so a random word lies beside the lock's file; that
    may have been copied with its folder, so the machine's boot and the container count, too: after a restart it is another.
    """
    place = settings.state() / "locks" / "clone.txt"
    with locks.locked(place.with_suffix(".lock")):
        if not place.exists():
            files.write_text(place, secrets.token_hex(16))
        own = place.read_text(encoding="utf-8")
    return hashlib.sha256(f"{own} {place.resolve()} {sorted(identity.here().items())}".encode()).hexdigest()[:12]


def _is_left(model: LoggedModel) -> bool:
    begun = float(model.creation_timestamp) / 1000
    return model.tags.get(PACKED_BY) == clone() or time.time() - begun > PACKING_S


def _is_whole(client: MlflowClient, model_id: str) -> bool:
    try:
        return any(file.path == "MLmodel" for file in client.list_logged_model_artifacts(model_id))
    except (MlflowException, OSError):
        return False


def download(client: MlflowClient, name: str, version: str, path: str, target: Path) -> Path:
    """Fetch a file or folder of a version's package, wherever the registry and the artefacts live.

    Raises:
        DataError: it is gone for good: the store answers, and has the package without it; or version or model was deleted.
        InfrastructureError: it cannot be fetched now, as far as anybody can tell: a store may be out of reach or unmounted.
    """
    try:
        held = client.get_model_version(name, version)
        uri = client.get_model_version_download_uri(name, version).rstrip("/")
    except MlflowException as error:
        if error.error_code not in MISSING:
            raise
        raise DataError(f"there is no version {version}") from error
    try:
        return fetch(f"{uri}/{path}", target)
    except InfrastructureError as error:
        why = str(error)
    if _is_deleted(client, held) or _lacks(held, uri, path):
        raise DataError(f"version {version} has no {path or 'files'}: {why}")
    raise InfrastructureError(
        f"the files of {name} version {version} cannot be fetched now: {why}; run it again once they can be, or, where they "
        "are gone for good, delete that version; an alias that it holds may be moved by hand"
    )


def fetch(uri: str, target: Path) -> Path:
    """Fetch a file or folder of a package by its address.

    Raises:
        InfrastructureError: it is not there or out of reach.
    """
    try:
        found = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(target), **_stores()))
        is_empty = found.is_dir() and not any(found.iterdir())
    except Exception as error:  # each kind of store has errors of its own
        raise InfrastructureError(reason(error)) from error
    if is_empty:
        raise InfrastructureError("nothing lies there")  # of a whole package that is not there MLflow gives an empty folder
    return found


def _stores() -> dict[str, str]:
    return {"tracking_uri": settings.tracking_uri(), "registry_uri": settings.registry_uri()}


def _is_deleted(client: MlflowClient, version: ModelVersion) -> bool:
    """Tell whether the store says that the logged model was deleted which a version is made of."""
    words = re.search(r"\bm-[0-9a-f]{32}\b", version.source or "")
    model = version.tags.get("logged_model") or (words[0] if words else "")
    try:
        return bool(model) and client.get_logged_model(model) is None
    except MlflowException as error:
        return error.error_code in MISSING


def _lacks(version: ModelVersion, uri: str, path: str) -> bool:
    """Tell whether the store shows a version's package, and no such path in it; what another tool made needs no MLmodel."""
    try:
        root = _names(uri)
        whole = "MLmodel" in root or (DIGEST not in version.tags and bool(root))
        return bool(path) and whole and PurePosixPath(path).name not in _names(f"{uri}/{PurePosixPath(path).parent}")
    except Exception:  # noqa: BLE001 - see above
        return False


def _names(uri: str) -> set[str]:
    return {
        PurePosixPath(file.path).name
        for file in mlflow.artifacts.list_artifacts(artifact_uri=uri, tracking_uri=settings.tracking_uri())
    }


def shorten(card: str) -> str:
    """Cut a card that is too long for the registry's description at a line's end.

    Example:
        >>> shorten("short")
        'short'
    """
    if len(card) <= MAX_DESCRIPTION:
        return card
    end = "\n\n(The whole card is among the model's files: artifacts/evidence/MODEL_CARD.md)\n"
    room = MAX_DESCRIPTION - len(end) - len(FENCE)
    kept = card[:room].rpartition("\n")[0]
    return kept + (FENCE if kept.count(FENCE) % 2 else "") + end

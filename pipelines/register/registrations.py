"""Reads which weights were registered under a registered model, and when: from its versions, and from what LoggedModels say.

A LoggedModel is packed under the name that the registered model has then, and says for which registered model versions were
made of it; one of before names the name alone. A registered model that got another name is therefore looked for by the time
at which it was made, and by each name that it is known to have had.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from pipelines.register import ages, registry
from pipelines.register.ages import NEW, UNKNOWN, Ages, Model, Registration
from stages.core import digests
from stages.core.errors import DataError, InfrastructureError


def read(client: MlflowClient, name: str) -> Ages:
    """Return the weights of a registered model's versions; what a version of before lacks is read from its files, once."""
    versions = registry.versions(client, name)
    found = {int(version.version): _model(client, version) for version in versions}
    models = {number: model for number, model in found.items() if model is not None}
    made = {int(version.version): float(version.creation_timestamp) for version in versions}
    tags = {int(version.version): version.tags.get("logged_model", "") for version in versions}
    known = {tags[number]: model for number, model in models.items() if model != UNKNOWN}
    own = ages.since(client, name)
    named, packed = _told(client, name, own, tags.values())
    renamed = any(_is_of(one, own) and one.name != name for one in packed.values())
    return Ages(models, made, own, tuple(_before(client, named, packed, tags, known)), renamed)


@dataclass(frozen=True)
class _Named:
    """A registered model, by what tells its registrations from others'.

    Attributes:
        name: its name now.
        since: when it was made.
        names: each name that it has or is known to have had, with the time from which that is known to be another one's.
    """

    name: str
    since: float
    names: Mapping[str, float]


def _told(client: MlflowClient, name: str, own: float, there: Iterable[str]) -> tuple[_Named, dict[str, LoggedModel]]:
    """Find what LoggedModels may tell of a registered model, under each name that it is known to have had.

    Those that name its ``since`` were packed under a name of it, and so were those that its versions of now were made of; by
    these names those of before are found, which name no ``since``.

    Args:
        client: of the project's MLflow.
        name: of the registered model.
        own: when it was made.
        there: the ids of the LoggedModels that its versions were made of; empty where a version tells none.

    Returns:
        The registered model with its names; the LoggedModels by id.
    """
    found = _found(client, f"tags.{ages.REGISTRATIONS} LIKE '%\"since\": {own:.0f}%'")
    theirs = [one for one in found.values() if _is_of(one, own)]
    found |= _found(client, f"name = '{name}'")
    theirs += [one for model_id in there if model_id and model_id not in found and (one := _left(client, model_id))]
    names = {name: NEW}
    for former in sorted({str(one.name) for one in theirs} - {name}):
        names[former] = _taken(client, former)
        found |= _found(client, f"name = '{former}'")
    return _Named(name, own, names), found


def _is_of(logged: LoggedModel, own: float) -> bool:
    """Tell whether a LoggedModel says that a version of the very registered model was made of it that was made then."""
    return any(ages.number(one.get("since")) == own for one in ages.entries(logged))


def _found(client: MlflowClient, words: str) -> dict[str, LoggedModel]:
    return {str(logged.model_id): logged for logged in registry.logged_models(client, words)}


def _taken(client: MlflowClient, name: str) -> float:
    """Return from when on a name is known to be that of the registered model that has it now."""
    try:
        return ages.since(client, name)
    except MlflowException as error:
        if error.error_code in registry.MISSING:
            return NEW
        raise


def _left(client: MlflowClient, model_id: str) -> LoggedModel | None:
    """Return a LoggedModel unless it was deleted."""
    try:
        return client.get_logged_model(model_id)
    except MlflowException as error:
        if error.error_code in registry.MISSING:
            return None
        raise


def _before(
    client: MlflowClient,
    named: _Named,
    packed: Mapping[str, LoggedModel],
    there: Mapping[int, str],
    known: Mapping[str, Model],
) -> Iterator[Registration]:
    """Yield each registration that counts, as far as LoggedModels tell their weights.

    Args:
        client: of the project's MLflow.
        named: the registered model.
        packed: the LoggedModels, by id.
        there: the id of the LoggedModel that each version was made of, by number.
        known: the weights that a version tells, by the id of the LoggedModel that it was made of.
    """
    for model_id, logged in packed.items():
        left = [one for one in _registrations(logged, named) if one.since or there.get(one.number) != model_id]
        model = (known.get(model_id) or _logged(client, logged)) if left else UNKNOWN
        if model != UNKNOWN:
            yield from (replace(one, model=model) for one in left)


def _registrations(logged: LoggedModel, named: _Named) -> Iterator[Registration]:
    """Yield each registration of a LoggedModel that counts; of one of before nobody knows the registered model."""
    known, told = set(), {}
    for one in ages.entries(logged):
        number, when, made = (ages.number(one.get(key)) for key in ("version", "at", "since"))
        if number and when and made:
            known.add((str(one.get("name")), number))
            if made == named.since or one.get("name") == named.name:
                told[number, made] = Registration(UNKNOWN, number, float(when), float(made))
    yield from told.values()
    first = ages.registered(logged)
    for name, number in {(str(one.get("name")), ages.number(one.get("version"))) for one in ages.versions_of(logged)}:
        if (name, number) not in known and first < named.names.get(name, 0):
            yield Registration(UNKNOWN, number, first, None)


def _logged(client: MlflowClient, logged: LoggedModel) -> Model:
    """Return the weights of a LoggedModel: by its tags, else from its files; where these are gone by weights and card."""
    known = ages.tagged(logged.tags)
    if known.weights or not known.whole:
        return known
    with TemporaryDirectory(prefix="rawline-") as holder, suppress(InfrastructureError):
        weights = digests.weights(registry.fetch(f"{logged.model_uri}/{ages.PLACE}", Path(holder)))
        if weights:
            client.set_logged_model_tags(logged.model_id, {ages.WEIGHTS: weights})
        return Model(weights, known.whole)
    return known


def _model(client: MlflowClient, version: ModelVersion) -> Model | None:
    """Return the weights of a version; ``UNKNOWN`` where nobody knows them, None for a model that is not ours.

    Raises:
        InfrastructureError: it is ours, its tags do not tell them, and its files are out of reach now.
    """
    known = ages.tagged(version.tags)
    if known.weights:
        return known
    ours = registry.DIGEST in version.tags or bool(known.whole)
    with TemporaryDirectory(prefix="rawline-") as holder:
        try:
            found = ages.of(registry.download(client, version.name, str(version.version), ages.PLACE, Path(holder)))
        except DataError:
            found = UNKNOWN
        except InfrastructureError:
            if ours:  # it may be this very model, and nobody can tell now
                raise
            found = UNKNOWN
    if not found.weights:
        return known if ours else None
    for key, value in found.tags().items():
        client.set_model_version_tag(version.name, str(version.version), key, value)
    return found

"""Tells which of two registered models is the older one: by when their weights were first registered, whatever the version.

The same weights may be registered again, under other rules, after another evaluation or with another ``model.json`` (which
holds settings that change no answer, too); that makes them no newer. Nor does it that their version was deleted meanwhile,
or the whole registered model was, or got another name: the LoggedModel that it was made of is left, and says of which
weights it is, for which registered model a version was made of it, and when that was first. Time tells and no number, since
a registered model that is made anew counts its versions from 1.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from pipelines.register import lineage, registry
from stages.core import digests
from stages.core.errors import DataError, InfrastructureError

MODEL = digests.MODEL
WEIGHTS = digests.WEIGHTS
PLACE = "artifacts/model"  # in a package
FIRST = "first_registered"  # of a LoggedModel: when a version was first made of it, in ms since 1970
NEW = float("inf")


@dataclass(frozen=True)
class Model:
    """What tells a model's weights from another's.

    Attributes:
        weights: SHA-256 of their file; empty where it is not known: a version of before whose files are gone.
        whole: digest of weights and card, which tells such a one; empty where that is not known either.
    """

    weights: str = ""
    whole: str = ""

    def is_like(self, other: "Model") -> bool:
        """Tell whether two models have the same weights, as far as anybody knows."""
        if self.weights and other.weights:
            return self.weights == other.weights
        return bool(self.whole) and self.whole == other.whole

    def tags(self) -> dict[str, str]:
        """Return the tags that keep it."""
        return {key: value for key, value in ((WEIGHTS, self.weights), (MODEL, self.whole)) if value}


UNKNOWN = Model()


@dataclass(frozen=True)
class Ages:
    """When which weights were registered.

    Attributes:
        models: the weights of each version that is ours, by number; ``UNKNOWN`` where nobody can tell: a version of ours
            from before the tags whose files are gone.
        made: when each version was made, by number, in ms since 1970.
        before: what was registered under this name, its version there or not: when that was first, and the weights.
    """

    models: Mapping[int, Model]
    made: Mapping[int, float]
    before: tuple[tuple[float, Model], ...] = ()

    def older(self, model: Model, champion: int) -> bool:
        """Tell whether a model's weights were registered before the champion's were; the champion's own were not.

        A version of which nobody knows the weights may have been this model: it makes the model older, never newer.
        """
        theirs = self.models.get(champion, UNKNOWN)
        if theirs.is_like(model):
            return False
        seen = [*self.before, *((self.made[number], one) for number, one in self.models.items())]
        first = min([when for when, one in seen if one == UNKNOWN or one.is_like(model)], default=NEW)
        other = self.made.get(champion, NEW)  # another tool's has no weights that are known
        return first < min([when for when, one in seen if one.is_like(theirs)], default=other)


def of(folder: Path) -> Model:
    """Return what tells the model in a folder."""
    return Model(digests.weights(folder), digests.model(folder))


def read(client: MlflowClient, name: str) -> Ages:
    """Return the weights of a registered model's versions; what a version of before lacks is read from its files, once."""
    versions = registry.versions(client, name)
    found = {int(version.version): _model(client, version) for version in versions}
    models = {number: model for number, model in found.items() if model is not None}
    made = {int(version.version): float(version.creation_timestamp) for version in versions}
    tags = {int(version.version): version.tags.get("logged_model", "") for version in versions}
    known = {tags[number]: model for number, model in models.items() if model != UNKNOWN}
    return Ages(models, made, tuple(_before(client, name, known)))


def _before(client: MlflowClient, name: str, known: Mapping[str, Model]) -> Iterator[tuple[float, Model]]:
    """Yield when the weights of each LoggedModel were registered under a name, as far as it tells them.

    Args:
        client: of the project's MLflow.
        name: of the registered model, which may have been made anew since.
        known: the weights that a version tells, by the id of the LoggedModel that it was made of.
    """
    for logged in registry.logged_models(client, lineage.experiment(), name):
        if any(one.get("name") == name for one in versions_of(logged)):
            model = known.get(logged.model_id) or _logged(client, logged)
            if model != UNKNOWN:
                yield registered(logged), model


def registered(logged: LoggedModel) -> float:
    """Return when a version was first made of a LoggedModel, in ms since 1970; of one of before when it was packed."""
    told = str(logged.tags.get(FIRST, ""))
    return float(told if told.isdecimal() else logged.creation_timestamp)


def _logged(client: MlflowClient, logged: LoggedModel) -> Model:
    """Return the weights of a LoggedModel: by its tags, else from its files; where these are gone by weights and card."""
    known = _tagged(logged.tags)
    if known.weights or not known.whole:
        return known
    with TemporaryDirectory(prefix="rawline-") as holder, suppress(InfrastructureError):
        weights = digests.weights(registry.fetch(f"{logged.model_uri}/{PLACE}", Path(holder)))
        if weights:
            client.set_logged_model_tags(logged.model_id, {WEIGHTS: weights})
        return Model(weights, known.whole)
    return known


def _tagged(tags: Mapping[str, str]) -> Model:
    return Model(str(tags.get(WEIGHTS, "")), str(tags.get(MODEL, "")))


def versions_of(logged: LoggedModel) -> list[dict[str, Any]]:
    """Return the versions that a LoggedModel's tag names; none where somebody else wrote something else there.

    Example:
        >>> from types import SimpleNamespace
        >>> texts = '[{"name": "m", "version": "1"}]', "by hand", '{"name": "m"}', "[1]"
        >>> [versions_of(SimpleNamespace(tags={MLFLOW_MODEL_VERSIONS: text})) for text in texts]
        [[{'name': 'm', 'version': '1'}], [], [], []]
    """
    with suppress(ValueError):
        found = json.loads(logged.tags.get(MLFLOW_MODEL_VERSIONS, "[]"))
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return []


def _model(client: MlflowClient, version: ModelVersion) -> Model | None:
    """Return the weights of a version; ``UNKNOWN`` where nobody knows them, None for a model that is not ours.

    Raises:
        InfrastructureError: it is ours, its tags do not tell them, and its files are out of reach now.
    """
    known = _tagged(version.tags)
    if known.weights:
        return known
    ours = registry.DIGEST in version.tags or bool(known.whole)
    with TemporaryDirectory(prefix="rawline-") as holder:
        try:
            found = of(registry.download(client, version.name, str(version.version), PLACE, Path(holder)))
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

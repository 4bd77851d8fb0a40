"""Tells which of two registered models is the older one: by when their weights were first registered, whatever the version.

The same weights may be registered again, under other rules, after another evaluation or with another ``model.json`` (which
holds settings that change no answer, too); that makes them no newer. Nor does it that their version was deleted meanwhile:
the LoggedModel that it was made of is left, and names weights and version.
"""

import json
from collections.abc import Collection, Mapping
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
Found = Mapping[int, Model | None]


@dataclass(frozen=True)
class Ages:
    """The weights of each version that is ours, by number.

    Attributes:
        models: ``UNKNOWN`` where nobody can tell: a version of ours from before the tags whose files are gone.
    """

    models: Mapping[int, Model]

    def older(self, model: Model, champion: int) -> bool:
        """Tell whether a model's weights were registered before the champion's were; the champion's own were not.

        A version of which nobody knows the weights may have been this model: it makes the model older, never newer.
        """
        theirs = self.models.get(champion, UNKNOWN)
        if theirs.is_like(model):
            return False
        first = min([n for n, one in self.models.items() if one == UNKNOWN or one.is_like(model)], default=NEW)
        return first < min([n for n, one in self.models.items() if one.is_like(theirs)], default=champion)


def of(folder: Path) -> Model:
    """Return what tells the model in a folder."""
    return Model(digests.weights(folder), digests.model(folder))


def read(client: MlflowClient, name: str) -> Ages:
    """Return the weights of a registered model's versions; what a version of before lacks is read from its files, once."""
    found: Found = {int(version.version): _model(client, version) for version in registry.versions(client, name)}
    there = {number: model for number, model in found.items() if model is not None}
    return Ages({**_deleted(client, name, found), **there})


def _deleted(client: MlflowClient, name: str, there: Collection[int]) -> dict[int, Model]:
    """Return the weights of versions that are there no more, as far as their LoggedModels are left and tell them."""
    found: dict[int, Model] = {}
    for logged in registry.logged_models(client, lineage.experiment(), name):
        own = [one for one in versions_of(logged) if one.get("name") == name and str(one.get("version")).isdigit()]
        gone = [number for one in own if (number := int(one["version"])) not in there]
        if gone and (model := _logged(client, logged)) != UNKNOWN:
            found |= dict.fromkeys(gone, model)
    return found


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

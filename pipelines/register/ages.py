"""Tells which of two registered models is the older one: by when their weights were first registered, whatever the version.

The same weights may be registered again, under other rules or after another evaluation; that makes them no newer. Nor does
it that their version was deleted meanwhile: the LoggedModel that it was made of is left, and names weights and version.
"""

import json
from collections.abc import Collection
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
WEIGHTS = "artifacts/model"
NEW = float("inf")


@dataclass(frozen=True)
class Ages:
    """The digest of each version's weights, by number.

    Attributes:
        weights: None where nobody can tell: a version of ours from before the tag whose files are gone.
    """

    weights: dict[int, str | None]

    def older(self, model: str, champion: int) -> bool:
        """Tell whether a model was registered before the champion was; the champion's own weights were not.

        A version of which nobody knows the weights may have been this model: it makes the model older, never newer.
        """
        theirs = self.weights.get(champion)
        if theirs == model:
            return False
        return self._first(model, None) < (self._first(theirs) if theirs else champion)

    def _first(self, *models: str | None) -> float:
        return min([number for number, found in self.weights.items() if found in models], default=NEW)


def read(client: MlflowClient, name: str) -> Ages:
    """Return the digests of a registered model's versions; what a version of before lacks is read from its files, once."""
    found = {int(version.version): _weights(client, version) for version in registry.versions(client, name)}
    there = {number: digest for number, digest in found.items() if digest != ""}
    return Ages({**_deleted(client, name, found), **there})


def _deleted(client: MlflowClient, name: str, there: Collection[int]) -> dict[int, str | None]:
    """Return the digests of versions that are there no more, as far as their LoggedModels are left and name them."""
    found: dict[int, str | None] = {}
    for logged in registry.logged_models(client, lineage.experiment(), name):
        own = [one for one in versions_of(logged) if one.get("name") == name and str(one.get("version")).isdigit()]
        found |= {int(one["version"]): logged.tags[MODEL] for one in own if MODEL in logged.tags}
    return {number: digest for number, digest in found.items() if number not in there}


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


def _weights(client: MlflowClient, version: ModelVersion) -> str | None:
    """Return the digest of a version's weights; None where it is not known, empty for a model that is not ours."""
    if known := version.tags.get(MODEL):
        return str(known)
    with TemporaryDirectory(prefix="rawline-") as holder:
        try:
            folder = registry.download(client, version.name, str(version.version), WEIGHTS, Path(holder))
            digest = digests.model(folder)
        except DataError:
            digest = ""
        except InfrastructureError:
            if registry.DIGEST in version.tags:  # one of ours: it may be this very model, and nobody can tell now
                raise
            digest = ""
        if not digest:
            return None if registry.DIGEST in version.tags else ""
    client.set_model_version_tag(version.name, str(version.version), MODEL, digest)
    return digest

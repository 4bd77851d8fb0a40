"""The model as MLflow serves it: pictures in, predictions in the pixels of each picture out.

MLflow copies this file into the model's folder and runs it there ("models from code"); the package ``stages`` travels
beside it. It therefore imports nothing of ``pipelines``.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.pyfunc.model import PythonModel

MIN_SCORE = 0.05


class Rawline(PythonModel):
    """Takes pictures as they come: a path, the bytes of a file, an array, or several of them.

    Accepted: a path (text or ``Path``), ``bytes``, (H, W, 3) or (H, W) uint8 srgb, (N, H, W, 3), a list of these, a
    mapping ``{"image": ...}``, a pandas Series, or a DataFrame with a column ``image`` (or one column). Camera files are
    developed as the training pictures were; a model of packed mosaics takes them alone. Over REST bytes come as
    ``{"b64": "..."}``.
    """

    _skip_type_hint_validation = True  # mlflow turns type hints into checks that refuse a bare array, and asks for hints

    def load_context(self, context: Any) -> None:
        """Build the model from its files."""
        from stages.core import checkpoint  # noqa: PLC0415 - travels with the model; its folder is on the path only now

        self._model = checkpoint.load(Path(context.artifacts["model"]), "best")

    def predict(  # type: ignore[no-untyped-def]
        self,
        context: Any,  # noqa: ARG002 - mlflow passes it
        model_input,  # noqa: ANN001 - a hint would become the signature, and it can only be a list
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Return one mapping per picture, in the order given; see ``docs/data.md``.

        Every mapping has ``width`` and ``height`` of the picture; classify adds ``label`` and ``scores`` by class,
        detect and instance ``boxes``, ``labels``, ``names``, ``scores`` (and ``masks``), segment ``mask`` and ``areas``
        (share of the picture by class).

        Args:
            context: MLflow's, unused.
            model_input: see the class.
            params: ``min_score`` (boxes below it are left out) and ``masks`` (``array``, or ``rle``: COCO run lengths
                as text, for JSON).

        Raises:
            DataError: a picture is missing or unreadable.
        """
        options = {"min_score": MIN_SCORE, "masks": "array", **(params or {})}
        return [answer(self._model, picture, **options) for picture in pictures(model_input)]


def pictures(given: Any) -> list[Any]:
    """List the single pictures in whatever the caller passed.

    Example:
        >>> pictures("a.png"), len(pictures(np.zeros((2, 4, 4, 3), np.uint8)))
        (['a.png'], 2)
    """
    if isinstance(given, Mapping):
        return pictures(given["image"]) if "image" in given else [given]
    if hasattr(given, "columns"):
        column = "image" if "image" in given.columns else given.columns[0]
        return pictures(given[column].tolist())
    if isinstance(given, (str, bytes, bytearray, Path)):
        return [given]
    if hasattr(given, "tolist") and hasattr(given, "index"):
        return list(given.tolist())
    if isinstance(given, np.ndarray) and given.dtype != object:
        return list(given) if given.ndim == 4 else [given]  # noqa: PLR2004 - (N, H, W, 3)
    return list(given)


def answer(model: Any, picture: Any, min_score: float = MIN_SCORE, masks: str = "array") -> dict[str, Any]:
    """Predict one picture in its own pixels.

    Args:
        model: what ``stages.core.checkpoint.load`` gave.
        picture: see ``Rawline``.
        min_score: boxes with a lower score are left out.
        masks: ``array``, or ``rle`` for COCO run lengths.
    """
    from stages.parts.cameras import _preparation  # noqa: PLC0415 - see load_context

    prepared = _preparation.prepare(model.card["recipe"], source(picture))
    (found,) = model.predict([prepared.image])
    return _FORMS[model.card["task"]](found, model.card["classes"], prepared, min_score, masks)


def source(picture: Any) -> Any:
    """Turn one picture as a caller has it into a path, bytes or an array."""
    if isinstance(picture, Mapping):
        if set(picture) == {"b64"}:
            return base64.b64decode(picture["b64"])
        return source(picture["image"])
    if isinstance(picture, str):
        return Path(picture)
    if isinstance(picture, (bytearray, memoryview)):
        return bytes(picture)
    if isinstance(picture, (Path, bytes)):
        return picture
    array = np.asarray(picture)
    return array if array.dtype == np.uint16 else array.astype(np.uint8)  # 16 bit is refused where it is read, not cut off


def _classify(found: Any, classes: list[str], prepared: Any, _min_score: float, _masks: str) -> dict[str, Any]:
    scores = {name: float(score) for name, score in zip(classes, found["scores"], strict=True)}
    return {**_size(prepared), "label": max(scores, key=lambda name: scores[name]), "scores": scores}


def _detect(found: Any, classes: list[str], prepared: Any, min_score: float, _masks: str) -> dict[str, Any]:
    keep = found["scores"] >= min_score
    labels = found["labels"][keep]
    boxes = prepared.boxes_back(found["boxes"][keep])
    names = [classes[label - 1] for label in labels]
    return {**_size(prepared), "boxes": boxes, "labels": labels, "names": names, "scores": found["scores"][keep]}


def _instance(found: Any, classes: list[str], prepared: Any, min_score: float, masks: str) -> dict[str, Any]:
    keep = found["scores"] >= min_score
    back = [prepared.mask_back(mask.astype(np.uint8)).astype(bool) for mask in found["masks"][keep]]
    empty = np.zeros((0, prepared.height, prepared.width), dtype=bool)
    given = [_rle(mask) for mask in back] if masks == "rle" else np.stack(back) if back else empty
    return {**_detect(found, classes, prepared, min_score, masks), "masks": given}


def _segment(found: Any, classes: list[str], prepared: Any, _min_score: float, masks: str) -> dict[str, Any]:
    mask = prepared.mask_back(found["mask"])
    areas = {name: float((mask == index).mean()) for index, name in enumerate(classes)}
    given = {name: _rle(mask == index) for index, name in enumerate(classes)} if masks == "rle" else mask
    return {**_size(prepared), "mask": given, "areas": areas}


def _size(prepared: Any) -> dict[str, Any]:
    return {"width": prepared.width, "height": prepared.height}


def _rle(mask: Any) -> dict[str, Any]:
    from stages.maths import rle  # noqa: PLC0415 - see load_context

    return rle.encode(mask)


_FORMS = {"classify": _classify, "detect": _detect, "instance": _instance, "segment": _segment}

mlflow.models.set_model(Rawline())

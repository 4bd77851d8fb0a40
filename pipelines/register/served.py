"""The model as MLflow serves it: pictures in, predictions in the pixels of each picture out.

MLflow copies this file into the model's folder and runs it there ("models from code"); the package ``stages`` travels
beside it. It therefore imports nothing of ``pipelines``.

Text is never taken for a path: whoever can send a request could otherwise have any file of the server opened. A path is a
``pathlib.Path``, which no request can hold.
"""

import base64
import builtins
import hashlib
import sys
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import Any

import mlflow
import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModel

MIN_SCORE = 0.05
PACKAGE = "stages"
TEXT = "text is the base64 of a picture's file, plain or as a data: URI; a path is given as pathlib.Path, not as text"
FORM = 'a picture is base64 text, {"b64": ...} or an array of whole numbers 0 to 255, (H, W, 3) or (H, W)'


class Rawline(PythonModel):
    """Takes pictures as they come: the bytes of a file, an array, a ``pathlib.Path``, or several of them.

    Accepted: a ``Path``, ``bytes``, base64 as text (plain, as a ``data:`` URI or as ``{"b64": "..."}``), (H, W, 3) or
    (H, W) uint8 srgb, (N, H, W, 3), a list of these, a mapping ``{"image": ...}``, a pandas Series, or a DataFrame with a
    column ``image`` (or one column). Camera files are developed as the training pictures were; a model of packed mosaics
    takes them alone.
    """

    _skip_type_hint_validation = True  # mlflow turns type hints into checks that refuse a bare array, and asks for hints

    def load_context(self, context: Any) -> None:
        """Build the model from its files, with the code that travels beside them."""
        folder = Path(context.artifacts["model"])
        self.code = own_code(folder.parent.parent / "code" / PACKAGE)
        self._own = own_modules(self.code)
        self._model = self._own.load(folder, "best")

    def predict(  # type: ignore[no-untyped-def]
        self,
        context: Any,  # noqa: ARG002 - mlflow passes it
        model_input,  # noqa: ANN001 - a hint would become the signature, and it can only be a list
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Return one mapping per picture, in the order given; see ``docs/data.md``.

        Every mapping has ``width`` and ``height`` of the picture; classify adds ``label`` and ``scores`` by class,
        detect and instance ``boxes``, ``labels``, ``names``, ``scores`` (and ``masks``), segment ``mask`` and ``areas``
        (share of the picture by class). A picture that is refused is ``{"error": ...}``, and the others are answered.

        Args:
            context: MLflow's, unused.
            model_input: see the class.
            params: ``min_score`` (boxes below it are left out) and ``masks`` (``array``, or ``rle``: COCO run lengths
                as text, for JSON).

        Raises:
            MlflowException: not one of the pictures could be answered; the reason of the first is given.
        """
        options = {"min_score": MIN_SCORE, "masks": "array", **(params or {})}
        given = pictures(model_input)
        found: list[dict[str, Any]] = []
        for number, picture in enumerate(given, 1):
            try:
                found.append(answer(self._model, picture, code=self._own, **options))
            except (self._own.error, RefusedError) as error:
                found.append({"error": str(error) if len(given) == 1 else f"picture {number} of {len(given)}: {error}"})
        if found and all("error" in one for one in found):
            raise MlflowException.invalid_parameter_value(found[0]["error"])
        return found


class RefusedError(ValueError):
    """A picture that came in a form that is none of those accepted."""


def own_code(folder: Path) -> str:
    """Return the name under which a model's package is imported: its own, so that no two models share code.

    Under the plain name the first model of a process, or the project itself, would answer for all others. Equal code has an
    equal name and is imported once.

    Args:
        folder: the model's copy of the package.
    """
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"{file.relative_to(folder).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    name = f"rawline_model_{digest.hexdigest()[:16]}"
    if name not in sys.modules:
        sys.meta_path.insert(0, _Finder(name, folder))
    import_module(name)
    return name


class _Finder(MetaPathFinder):
    """Finds a model's modules in its folder."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name, self._folder = name, folder

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname == self._name:
            loader = _Loader(fullname, str(self._folder / "__init__.py"))
            return spec_from_file_location(
                fullname, loader.path, loader=loader, submodule_search_locations=[str(self._folder)]
            )
        if not fullname.startswith(f"{self._name}."):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    """Runs a module so that its ``import stages...``, also one inside a function, means the model's own package."""

    def exec_module(self, module: Any) -> None:
        own = partial(_import, module.__name__.split(".")[0])
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": own}
        super().exec_module(module)


def _import(own: str, name: str, *arguments: Any, **keywords: Any) -> Any:
    ours = name.split(".", maxsplit=1)[0] == PACKAGE
    return builtins.__import__(f"{own}{name.removeprefix(PACKAGE)}" if ours else name, *arguments, **keywords)


def modules() -> SimpleNamespace:
    """Import what answers a picture."""
    from stages.core import checkpoint, errors  # noqa: PLC0415 - whose it is depends on who asks, see own_modules
    from stages.maths import rle  # noqa: PLC0415
    from stages.parts.cameras import _preparation  # noqa: PLC0415

    return SimpleNamespace(load=checkpoint.load, prepare=_preparation.prepare, encode=rle.encode, error=errors.RawlineError)


def own_modules(name: str) -> SimpleNamespace:
    """Return what ``modules`` does where the package has another name.

    Args:
        name: see ``own_code``.
    """
    scope = {"SimpleNamespace": SimpleNamespace, "__builtins__": {**vars(builtins), "__import__": partial(_import, name)}}
    found: SimpleNamespace = FunctionType(modules.__code__, scope)()
    return found


def pictures(given: Any) -> list[Any]:
    """List the single pictures in whatever the caller passed.

    Example:
        >>> pictures(b"png"), len(pictures(np.zeros((2, 4, 4, 3), np.uint8)))
        ([b'png'], 2)
    """
    if isinstance(given, Mapping) and "image" in given:
        given = given["image"]
    elif isinstance(given, Mapping) and set(given) == {"b64"} and not isinstance(given["b64"], str):
        return [{"b64": one} for one in _listed(given["b64"])]  # so MLflow gathers what was sent as instances
    if hasattr(given, "columns"):
        column = "image" if "image" in given.columns else given.columns[0]
        return list(given[column].tolist())
    return _listed(given)


def _listed(given: Any) -> list[Any]:
    """List pictures: those of a series, a batch or a list; anything else, numbers in nested lists too, is one."""
    if hasattr(given, "tolist") and hasattr(given, "index"):
        return list(given.tolist())
    if isinstance(given, np.ndarray) and given.dtype.kind not in "OUS":
        return list(given) if given.ndim == 4 else [given]  # noqa: PLR2004 - (N, H, W, 3)
    several = isinstance(given, (list, tuple)) or (isinstance(given, np.ndarray) and given.ndim)
    return list(given) if several and not _is_picture(given) else [given]


def _is_picture(given: Any) -> bool:
    """Tell whether nested lists are the numbers of one picture, (H, W, 3) or (H, W)."""
    shape: list[int] = []
    inner = given
    while isinstance(inner, (list, tuple)) and inner and len(shape) <= len("HWC"):
        shape.append(len(inner))
        inner = inner[0]
    return isinstance(inner, (int, float)) and (len(shape) == len("HW") or shape[2:] == [len("RGB")])


def answer(
    model: Any, picture: Any, min_score: float = MIN_SCORE, masks: str = "array", code: SimpleNamespace | None = None
) -> dict[str, Any]:
    """Predict one picture in its own pixels.

    Args:
        model: what ``stages.core.checkpoint.load`` gave.
        picture: see ``Rawline``.
        min_score: boxes with a lower score are left out.
        masks: ``array``, or ``rle`` for COCO run lengths.
        code: what ``own_modules`` gave; None: the project's own.
    """
    code = code or modules()
    try:
        content = source(picture)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise RefusedError(" ".join(str(error).split())) from error
    prepared = code.prepare(model.card["recipe"], content)
    (found,) = model.predict([prepared.image])
    shown = _FORMS[model.card["task"]](found, model.card["classes"], prepared, min_score)
    return shown if masks == "array" else {**shown, **_as_rle(code.encode, shown)}


def source(picture: Any) -> Any:
    """Turn one picture as a caller has it into a path, bytes or an array.

    Raises:
        ValueError: it is in none of the forms.
    """
    if isinstance(picture, Mapping) and "image" in picture:
        picture = picture["image"]
    if isinstance(picture, Mapping) and set(picture) == {"b64"}:
        picture = picture["b64"]
        if not isinstance(picture, str):
            raise ValueError(f"b64 is {_short(picture)}; {FORM}")
    if isinstance(picture, str):
        return decoded(picture)
    if isinstance(picture, (bytearray, memoryview)):
        return bytes(picture)
    if isinstance(picture, (Path, bytes)):
        return picture
    return numbers(picture)


def numbers(picture: Any) -> Any:
    """Return an array of 8 bits; one of 16 bits as it is: it is refused where it is read.

    Raises:
        ValueError: it holds something else than whole numbers 0 to 255; nothing is cut off or rounded.
    """
    try:
        array = np.asarray(picture)
    except ValueError as error:
        raise ValueError(f"{_short(picture)} is none; {FORM}") from error
    if array.ndim < len("HW") or array.dtype.kind not in "iuf" or not array.size:
        raise ValueError(f"{_short(picture)} is none; {FORM}")
    if array.dtype in {np.uint8, np.uint16}:
        return array
    low, high = array.min(), array.max()
    if array.dtype.kind == "f" or low < 0 or high > np.iinfo(np.uint8).max:
        raise ValueError(f"an array of {array.dtype} from {low} to {high} is none; {FORM}")
    return array.astype(np.uint8)


def _short(given: Any) -> str:
    """Say in a few words what was given."""
    if isinstance(given, np.ndarray):
        return f"an array of {given.dtype} {given.shape}"
    text = "null" if given is None else f"a mapping of {', '.join(map(repr, given))}" if isinstance(given, Mapping) else ""
    return (text or (f"a list of {len(given)}" if isinstance(given, (list, tuple)) else repr(given)))[:80]


def decoded(text: str) -> bytes:
    """Return the bytes of a file from base64, plain or as a ``data:`` URI.

    Example:
        >>> decoded("cG5n"), decoded("data:image/png;base64,cG5n")
        (b'png', b'png')

    Raises:
        ValueError: it is something else, a path for instance.
    """
    body = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{text[:40]!r} is no base64: {TEXT}") from error


def _classify(found: Any, classes: list[str], prepared: Any, _min_score: float) -> dict[str, Any]:
    scores = {name: float(score) for name, score in zip(classes, found["scores"], strict=True)}
    return {**_size(prepared), "label": max(scores, key=lambda name: scores[name]), "scores": scores}


def _detect(found: Any, classes: list[str], prepared: Any, min_score: float) -> dict[str, Any]:
    keep = found["scores"] >= min_score
    labels = found["labels"][keep]
    boxes = prepared.boxes_back(found["boxes"][keep])
    names = [classes[label - 1] for label in labels]
    return {**_size(prepared), "boxes": boxes, "labels": labels, "names": names, "scores": found["scores"][keep]}


def _instance(found: Any, classes: list[str], prepared: Any, min_score: float) -> dict[str, Any]:
    keep = found["scores"] >= min_score
    back = [prepared.mask_back(mask.astype(np.uint8)).astype(bool) for mask in found["masks"][keep]]
    empty = np.zeros((0, prepared.height, prepared.width), dtype=bool)
    return {**_detect(found, classes, prepared, min_score), "masks": np.stack(back) if back else empty}


def _segment(found: Any, classes: list[str], prepared: Any, _min_score: float) -> dict[str, Any]:
    mask = prepared.mask_back(found["mask"])
    areas = {name: float((mask == index).mean()) for index, name in enumerate(classes)}
    return {**_size(prepared), "mask": mask, "areas": areas}


def _size(prepared: Any) -> dict[str, Any]:
    return {"width": prepared.width, "height": prepared.height}


def _as_rle(encode: Any, shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer's masks as COCO run lengths: objects in a list, classes by name."""
    if "masks" in shown:
        return {"masks": [encode(mask) for mask in shown["masks"]]}
    if "mask" in shown:
        return {"mask": {name: encode(shown["mask"] == index) for index, name in enumerate(shown["areas"])}}
    return {}


_FORMS = {"classify": _classify, "detect": _detect, "instance": _instance, "segment": _segment}

mlflow.models.set_model(Rawline())

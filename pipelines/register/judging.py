"""Judges a registered model on the present test data: predictions made now, by its own code, measured as the candidate's.

The model answers in a process of its own. Where it was trained on pictures prepared as the present ones are, it is given
those and answers in their pixels, as ``evaluate`` has it. Where its recipe differs (another size, another white balance),
it is given the originals under ``data/acquired``, prepares them itself and answers in the originals' pixels; boxes and
masks are then brought to the pixels of the present recipe, in which the truth is. The price is one pass over the test split.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray
from yaml import YAMLError

from pipelines import predict_worker
from pipelines.reasons import shorten
from pipelines.register import evidence, registry, worker
from pipelines.register.judgement import Evidence, Unjudged
from stages.core import artefacts, checkpoint, dataset, files, pixels, yaml_text
from stages.core.dataset import Dataset
from stages.core.errors import DataError, InfrastructureError
from stages.maths import geometry
from stages.parts import evaluators
from stages.parts.cameras import _prepared

Answer = dict[str, NDArray[Any]]
AGAIN = "run it again, or, where it always ends so, move the alias by hand"
SHORT = re.compile(r"\bMemoryError\b|\bout of memory\b|\bcannot allocate memory\b|\bno space left\b", re.IGNORECASE)
LIMIT_S = 6 * 3600.0
UNATTENDED = {"PYTHONDONTWRITEBYTECODE": "1", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}


def judge(client: MlflowClient, name: str, version: str, task: str, metric: str) -> Evidence | Unjudged:
    """Return what a version shows on the present test data, or why it cannot be judged.

    Args:
        client: of the registry.
        name: registered model.
        version: its version.
        task: the task whose test data and evaluator judge it.
        metric: the figure that the gate judges.

    Raises:
        InfrastructureError: nobody can tell now: its files are out of reach, or its process was ended or ran out of memory.
    """
    with tempfile.TemporaryDirectory(prefix="rawline-") as holder:
        try:
            package = registry.download(client, name, version, "", Path(holder))
            return _judge(package, Path(holder), task, metric)
        except DataError as error:
            return Unjudged(shorten(f"version {version}: {' '.join(str(error).split())}"))


def _judge(package: Path, holder: Path, task: str, metric: str) -> Evidence:
    given = evidence.settings(artefacts.evaluated(task))
    tables = holder / "judged"
    tables.mkdir()
    judge = evaluators.load(task, given, dataset.read(artefacts.PREPROCESSED).subset("test"), tables)
    card = _card(package, task, judge.data)
    _check_form(package)
    for answer in _answers(package, holder, card, judge.data):
        judge.add(evaluators.BEST, [answer])
    judge.save()
    evaluators.write_settings(tables, given)
    test = evidence.test_data()
    content = judge.figures(evidence.draws(judge.units.num, test))
    plain = json.loads(json.dumps(files.tidy(content)))
    if metric not in evidence.headlines(plain):
        raise DataError(f"its evaluation has no {metric}")
    return evidence.gather(task, metric, plain, tables, test)


def _card(package: Path, task: str, data: Dataset) -> dict[str, Any]:
    """Return the model's card.

    Raises:
        DataError: it is no model of this task and these classes.
    """
    place = package / "artifacts" / "model" / "model.json"
    if not place.is_file():
        raise DataError("it is no model that rawline registered (its package has no artifacts/model/model.json)")
    card: Any = files.read_json(place)
    if not isinstance(card, dict):
        raise DataError("its model.json is no card")
    if card.get("task") != task:
        raise DataError(f"it is a model for {card.get('task')}, not for {task}")
    expected = list(getattr(data.info, checkpoint.CLASSES[task]))
    if card.get("classes") != expected:
        raise DataError(f"it knows the classes {card.get('classes')}, the test data has {expected}")
    if not isinstance(card.get("recipe") or {}, dict) or not _are_pixels(card.get("pixels")):
        raise DataError("its model.json is no card: recipe or pixels are of no form that a training writes")
    return card


def _are_pixels(raw: Any) -> bool:
    try:
        pixels.of(raw)
    except (KeyError, TypeError):
        return False
    return True


def _check_form(package: Path) -> None:
    """Refuse a package that ``predict`` would not load unasked: anybody may point the alias at another tool's, or a pickle.

    Raises:
        DataError: it is of another form.
    """
    try:
        predict_worker.check_content(yaml_text.load((package / "MLmodel").read_bytes()))
    except predict_worker.Foreign as error:
        raise DataError(f"it is no model that rawline packed but {error}") from error
    except (OSError, ValueError, YAMLError) as error:
        raise DataError(f"its MLmodel cannot be read: {error}") from error


def _answers(package: Path, holder: Path, card: Mapping[str, Any], data: Dataset) -> Iterator[Answer]:
    """Give the model's answer to each test picture, in the pixels of the present preparation."""
    recipe = _recipe()
    if _sees_the_same(card, recipe, data):
        rows = [str((data.root / path).resolve()) for path in data.manifest["path"]]
        yield from _ask(package, holder, rows, as_prepared=True)
        return
    rows = [str(path.resolve()) for path in _originals(data)]
    for answer in _ask(package, holder, rows, as_prepared=False):
        yield brought(answer, recipe["preprocess"])


def _recipe() -> dict[str, Any]:
    place = artefacts.PREPROCESSED / "recipe.json"
    return dict(files.read_json(place)) if place.exists() else {}


def _sees_the_same(card: Mapping[str, Any], recipe: Mapping[str, Any], data: Dataset) -> bool:
    """Tell whether the present pictures are prepared as the model's own were."""
    own = card.get("recipe") or {}
    simulates = (recipe.get("preprocess") or {}).get("simulate_raw")
    if simulates and own.get("seed") != recipe.get("seed"):
        return False
    kind = pixels.of(card.get("pixels")).output
    return own.get("preprocess") == recipe.get("preprocess") and kind == data.info.pixels.output


def _originals(data: Dataset) -> list[Path]:
    """Return the test pictures as they were acquired.

    Raises:
        DataError: they are not there.
    """
    try:
        acquired = dataset.read(artefacts.ACQUIRED)
        paths = dict(zip(acquired.manifest["image_id"], acquired.manifest["path"], strict=True))
        found = [acquired.root / paths[name] for name in data.manifest["image_id"]]
    except (DataError, KeyError) as error:
        raise DataError(f"it prepares pictures otherwise, and {artefacts.ACQUIRED} lacks the originals") from error
    if not all(path.is_file() for path in found):
        raise DataError(f"it prepares pictures otherwise, and {artefacts.ACQUIRED} lacks the originals; run dvc checkout")
    return found


def brought(answer: Answer, recipe: Mapping[str, Any]) -> Answer:
    """Bring an answer from the original's pixels to those of a recipe's pictures.

    Args:
        answer: boxes (N, 4), masks (N, H, W) or mask (H, W) in the original's pixels, with ``width`` and ``height``.
        recipe: the section ``preprocess``.

    Returns:
        The same in prepared pixels; what no picture covers has class 0.
    """
    cell = _prepared.CELLS[recipe["output"]]
    at = geometry.place(int(answer["width"]), int(answer["height"]), recipe["fit"], recipe["size_px"], cell)
    new = {key: value for key, value in answer.items() if key not in {"width", "height"}}
    if "boxes" in new:
        new["boxes"] = geometry.boxes_to(np.asarray(new["boxes"], np.float64).reshape(-1, 4), at)
    if "mask" in new:
        new["mask"] = geometry.place_mask(new["mask"].astype(np.uint8), at, 0)
    if "masks" in new:
        empty = np.zeros((0, at.canvas_height, at.canvas_width), bool)
        placed = [geometry.place_mask(mask.astype(np.uint8), at, 0).astype(bool) for mask in new["masks"]]
        new["masks"] = np.stack(placed) if placed else empty
    return new


def _ask(package: Path, holder: Path, pictures: list[str], *, as_prepared: bool) -> Iterator[Answer]:
    """Let the model answer in a process of its own, in an empty folder; then give its answers."""
    out, elsewhere = holder / "answers", holder / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    script = elsewhere / "worker.py"
    script.write_bytes(Path(worker.__file__).read_bytes())
    order = holder / "order.json"
    files.write_json(order, {"package": str(package), "pictures": pictures, "prepared": as_prepared, "out": str(out)})
    hidden = ("PYTHONPATH", "MLFLOW_RUN_ID")
    environment = {k: v for k, v in os.environ.items() if k not in hidden} | UNATTENDED
    try:
        done = subprocess.run(
            [sys.executable, str(script), str(order)],
            cwd=elsewhere, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        late = f"the champion did not answer {len(pictures)} pictures within {LIMIT_S / 3600:.0f} hours"
        raise InfrastructureError(f"{late}; {AGAIN}") from error
    problem = out / "problem.txt"
    if problem.exists() or done.returncode:
        text = problem.read_text(encoding="utf-8") if problem.exists() else f"its process ended with {done.returncode}"
        if done.returncode < 0 or SHORT.search(text):
            raise InfrastructureError(f"the champion's process did not come to its end: {shorten(text)}; {AGAIN}")
        raise DataError(f"it does not answer: {text}")
    for number in range(len(pictures)):
        with np.load(out / f"{number:06d}.npz", allow_pickle=False) as answer:
            yield {key: answer[key] for key in answer.files}

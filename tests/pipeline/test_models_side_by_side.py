"""Two models in one process each answer with their own code."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import mlflow
import pytest

from pipelines.register import package, served
from tests import sources

PREPARE = """
from dataclasses import dataclass
@dataclass
class Prepared:
    image: object
    width: int
    height: int
def prepare(recipe, picture):
    from stages.parts import late
    return Prepared(late.NAME, 1, 1)
"""
CHECKPOINT = """
from types import SimpleNamespace
from stages.core import parts
import stages.maths.word
def load(folder, which):
    part = parts.load("heads", "only", "x")
    def predict(images):
        return [{"scores": [1.0]} for _ in images]
    def named(images):
        model.card["classes"] = [f"{images[0]} {part.NAME} {stages.maths.word.NAME}"]
        return predict(images)
    model = SimpleNamespace(card={"task": "classify", "classes": ["x"], "recipe": {}}, predict=named)
    return model
"""
ERRORS = """
class RawlineError(Exception): pass
class ParamsError(RawlineError): pass
def nearest(*_): return ""
"""
ASK = """
import json, sys
if sys.argv[1] == "own":
    import stages.core.checkpoint, stages.parts.cameras._preparation
import mlflow
models = [mlflow.pyfunc.load_model(place) for place in sys.argv[2:]]
print(json.dumps([[model.predict(b"png")[0]["label"] for model in turn] for turn in (models, models[::-1])]))
"""


def model(root: Path, word: str) -> Path:
    """Save a model whose every module says a word: at its door, in a late import, in a part found by name."""
    code = root / f"code-{word}" / "stages"
    texts = {
        "core/checkpoint.py": CHECKPOINT,
        "core/errors.py": ERRORS,
        "core/parts.py": (Path(package.stages.__file__).parent / "core" / "parts.py").read_text(encoding="utf-8"),
        "parts/cameras/_preparation.py": PREPARE,
        "maths/rle.py": "def encode(mask): return mask\n",
        **dict.fromkeys(["parts/late.py", "parts/heads/only.py", "maths/word.py"], f"NAME = {word!r}\n"),
    }
    for name, text in texts.items():
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text(text, encoding="utf-8")
    for folder in ("", "core", "parts", "parts/cameras", "parts/heads", "maths"):
        (code / folder / "__init__.py").write_text("", encoding="utf-8")
    sources.put(root / word / "model" / "model.json", json.dumps({"task": "classify", "classes": ["x"], "recipe": {}}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.pyfunc.save_model(
            path=str(root / word / "packed"),
            python_model=served.__file__,
            artifacts={"model": str(root / word / "model")},
            code_paths=[str(code)],
            pip_requirements=["mlflow"],
            signature=package.signature(),
            metadata={"task": "classify", "digest": word},
        )
    return root / word / "packed"


@pytest.mark.parametrize("before", ["own", "none"])
@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")])
def test_each_model_answers_with_its_own_code(order: tuple[str, str], before: str, tmp_path: Path) -> None:
    """In either order, the project's own package imported before or not, asked in turns: never another's word."""
    places = [model(tmp_path, word) for word in order]
    done = subprocess.run(
        [sys.executable, "-c", ASK, before, *map(str, places)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    words = [f"{word} {word} {word}" for word in order]
    assert json.loads(done.stdout.splitlines()[-1]) == [words, words[::-1]]

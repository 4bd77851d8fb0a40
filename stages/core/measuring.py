"""Names what a judgement rests on beside the model: the test data, and the code that makes figures of answers and truth.

Evaluation and audit write what they read into their metrics, so that nobody takes their figures for those of other test
data or of another ruler.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from stages.core import artefacts, digests
from stages.core.dataset import Dataset
from stages.core.errors import DataError
from stages.core.source import Source

TEST = "test_data_digest"  # of the metrics of an evaluation: the test data that it judged on
AUDITED = "audited_digest"  # of the metrics of an audit: truth, units and groups of the test pictures, which it judged on
CODE = "measuring_digest"  # of the metrics of evaluation and audit: the code that made figures of answers and truth
ROOT = Path(__file__).parents[2]  # of the code that runs
ENTRANCES = {  # of the code that judges, by stage
    "evaluate": ("stages.parts.evaluators.{task}", "stages.evaluate"),
    "audit": ("stages.parts.evaluators.{task}", "stages.audit"),
}
ASIDE = (  # what decides no figure and no verdict; what is not named here does
    "stages.core.display", "stages.parts.evaluators._gallery", "stages.parts.evaluators._plots",  # pictures for people
    "stages.core.errors", "stages.core.figures", "stages.parts.reports",  # words
    "stages.core.artefacts", "stages.core.files", "stages.parts.evaluators._results",  # files and where they lie
    "stages.core.params", "stages.core.parts", "stages.core.stage",  # how parameters, parts and stages are found
    "stages.core.checkpoint",  # what answers: the model
    "stages.core.digests", "stages.core.measuring", "stages.core.source",  # which model, data and code it was
)  # fmt: skip
TRUTH = ("bbox", "category_id", "iscrowd", "segmentation")
SPARED = ("difficult", "ignore")  # beside iscrowd; where none is set the digest is that of before


def require(stage: str, content: Mapping[str, Any], expected: Mapping[str, str]) -> None:
    """Refuse a judgement that was made on other test data, or by other code, than lie here.

    Args:
        stage: which made it, with its task.
        content: of its metrics file.
        expected: what it must say, by key.

    Raises:
        DataError: it says something else, or nothing, as those of before.
    """
    words = {
        TEST: ("on which test data it judged", f"judged on other test data than lie in {artefacts.PREPROCESSED}"),
        AUDITED: (
            "by which truth and groups it judged",
            f"judged by other truth or groups than {artefacts.PREPROCESSED} has",
        ),
    }
    for key, value in expected.items():
        if content.get(key) != value:
            silent, other = _of_code(stage) if key == CODE else words[key]
            why = other if key in content else f"does not say {silent}"
            raise DataError(f"{stage} {why}; {digests.again(stage)}")


def _of_code(stage: str) -> tuple[str, str]:
    """Return what a stage did not say of its code, and what it said else; of an audit other code is asked."""
    name, _, task = stage.partition("@")
    done = "judged" if name == "audit" else "measured"
    found = {path if path.parent == Path("stages") else path.parent for path in _measures(ROOT, name, task)}
    places = ", ".join(path.as_posix() + ("" if path.suffix else "/") for path in sorted(found))
    return f"by which code it {done}", f"{done} by other code than lies in {places}"


def test_data(data: Dataset) -> str:
    """Return the digest of a test split: every picture as it is judged, its truth, and the unit it is drawn with."""
    return _digest(_judged(data))


def audited(data: Dataset) -> str:
    """Return the digest of what an audit reads of a test split: truth, units and named groups; no picture is opened."""
    names = data.groups()
    columns = [data.manifest[name].astype("string").fillna("") for name in names]
    groups = zip(*columns, strict=True) if columns else repeat((), len(data.manifest))
    rows = ([*row, list(own)] for row, own in zip(_truths(data), groups, strict=True))
    return _digest(chain([[*names]], rows))


def _judged(data: Dataset) -> Iterator[list[Any]]:
    places = zip(data.manifest["path"], data.manifest["mask"], strict=True)
    for (name, *rest), own in zip(_truths(data), places, strict=True):
        found = [data.root / place for place in own if isinstance(place, str)]
        yield [name, [hashlib.sha256(file.read_bytes()).hexdigest() for file in found], *rest]


def _truths(data: Dataset) -> Iterator[list[Any]]:
    """Yield each picture's ``image_id``, label, objects and, where it shares one, unit."""
    marks, rows = data.annotations(), data.manifest
    names = rows["image_id"]
    for name, label, unit in zip(names, rows["label"], rows.get("unit", names), strict=True):
        truth = [{k: m.get(k) for k in TRUTH} | {k: m[k] for k in SPARED if m.get(k)} for m in marks[name]]
        yield [name, label if isinstance(label, str) else None, truth, *([unit] if unit != name else [])]


def _digest(rows: Iterable[list[Any]]) -> str:
    """Return the SHA-256 of the JSON of a list of rows, one row at a time: the text of all is large."""
    total, start = hashlib.sha256(), "["
    for row in rows:
        total.update(f"{start}{digests.canonical(row)}".encode())
        start = ", "
    total.update(b"[]" if start == "[" else b"]")
    return total.hexdigest()


def code(task: str, root: Path = ROOT) -> str:
    """Return the SHA-256 of the code that makes figures of answers and truth: a task's evaluator and what it judges with.

    All that it brings in counts, but what is named as deciding nothing (``ASIDE``), and what that alone brings in.

    Args:
        task: the task.
        root: the folder that holds ``stages``; that of the running code unless another is given.
    """
    return joined(texts(root, _measures(root, "evaluate", task)))


def verdicts(task: str, root: Path = ROOT) -> str:
    """Return the SHA-256 of the code that judges figures by group, that which makes them among it; see ``code``."""
    return joined(texts(root, _measures(root, "audit", task)))


def _measures(root: Path, stage: str, task: str) -> set[Path]:
    source = Source(root)
    return {path for name in ENTRANCES[stage] for path in source.closure(name.format(task=task), ASIDE)}


def texts(root: Path, found: Iterable[Path]) -> list[str]:
    """Return name and meaning of files of code, by name; comments, docstrings and layout do not count.

    Args:
        root: the folder that holds them.
        found: seen from there.
    """
    return [f"{path.as_posix()}\n{meaning((root / path).read_text(encoding='utf-8'))}" for path in sorted(found)]


def joined(found: list[str]) -> str:
    """Return the SHA-256 of texts, a line between two."""
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


@lru_cache(maxsize=1024)
def meaning(text: str) -> str:
    """Return code without comments, docstrings and layout.

    Example:
        >>> meaning("limit = (3)  # why") == meaning("limit=3")
        True
    """
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            kept = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
            node.body = kept or [ast.Pass()]
    return ast.unparse(tree)

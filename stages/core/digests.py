"""Names content by its SHA-256: a trained model by that of its weights and its card, an evaluation's tables by theirs."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.core import artefacts, files
from stages.core.errors import DataError

MODEL = "model_digest"  # of the metrics of evaluation and audit: the model that they judged
TABLES = "tables_digest"  # of the metrics of an evaluation: the tables that its figures were computed from
WEIGHTS = "weights_digest"  # of a registered version: its weights, whatever its card says
WEIGHTS_FILE = "best.safetensors"
FILES = (WEIGHTS_FILE, "model.json")


def of(*paths: Path, text: str = "") -> str:
    """Return the SHA-256 of files (folders: every file below, by name) and a text."""
    total = hashlib.sha256(text.encode())
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in inside:
            total.update(f"{path.name}/{file.relative_to(path).as_posix()}={_content(file)}\n".encode())
    return total.hexdigest()


def model(folder: Path) -> str:
    """Return the digest of a trained model, whatever it was judged by; empty where one of its files is missing.

    Args:
        folder: holds ``best.safetensors`` and ``model.json``.
    """
    paths = [folder / name for name in FILES]
    return of(*paths) if all(path.is_file() for path in paths) else ""


def weights(folder: Path) -> str:
    """Return the SHA-256 of a trained model's weights, as ``sha256sum`` has it; empty where they are missing.

    Args:
        folder: holds ``best.safetensors``.
    """
    path = folder / WEIGHTS_FILE
    return _content(path) if path.is_file() else ""


def tables(folder: Path) -> str:
    """Return the digest of an evaluation's tables: of all in its folder but the pictures for people at its top.

    Those are drawn with fonts that differ from machine to machine.

    Args:
        folder: of the evaluation; one that is not there has no tables.
    """
    inside = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    read = [path for path in inside if path.parent != folder or path.suffix != ".png"]
    text = "".join(f"{path.relative_to(folder).as_posix()}={_content(path)}\n" for path in read)
    return hashlib.sha256(text.encode()).hexdigest()


def require_tables(task: str, evaluation: Mapping[str, Any]) -> None:
    """Refuse a task's tables where the figures are not of them: one of the two was put back from another evaluation.

    Args:
        task: the task.
        evaluation: content of its metrics file.

    Raises:
        DataError: the metrics name other tables than lie there, or none, as those of before.
    """
    named, folder = evaluation.get(TABLES), artefacts.evaluated(task)
    if named is None or named != tables(folder):
        where = artefacts.evaluate_metrics(task)
        told = f"{where} does not say of which tables its figures are" if named is None else f"{folder} holds other tables"
        told += "" if named is None else f" than the figures in {where} are of"
        raise DataError(f"{told}; {again(f'evaluate@{task}')}")


def again(stage: str) -> str:
    """Say how a judgement is made again; DVC may find nothing to do where its files were booked as they lie there."""
    return f"make it again: rawline repro, or, where that finds nothing to do, dvc repro --force --single-item {stage}"


def canonical(content: Any) -> str:
    """Return JSON text that is the same for the same content."""
    return json.dumps(files.tidy(content), sort_keys=True)


def _content(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()

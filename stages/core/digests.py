"""Names content by its SHA-256, and a trained model by that of its weights and its card."""

import hashlib
from pathlib import Path

MODEL = "model_digest"  # of the metrics of evaluation and audit: the model that they judged
WEIGHTS = "weights_digest"  # of a registered version: its weights, whatever its card says
WEIGHTS_FILE = "best.safetensors"
FILES = (WEIGHTS_FILE, "model.json")


def of(*paths: Path, text: str = "") -> str:
    """Return the SHA-256 of files (folders: every file below, by name) and a text."""
    total = hashlib.sha256(text.encode())
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in inside:
            with file.open("rb") as handle:
                content = hashlib.file_digest(handle, "sha256").hexdigest()
            total.update(f"{path.name}/{file.relative_to(path).as_posix()}={content}\n".encode())
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
    if not path.is_file():
        return ""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()

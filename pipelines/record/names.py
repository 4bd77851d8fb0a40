"""Gives every number, parameter and tag a name that MLflow takes, and no two of them the same."""

import hashlib
import re

LIMIT = 250  # MLflow's, for the key of a metric, a parameter or a tag
_MARKED = re.compile(r"-[0-9a-f]{8}\Z")


def allowed(name: str) -> str:
    """Return a name as it is where MLflow takes it, else one made of it that ends in eight digits of its SHA-256.

    MLflow takes letters, digits, ``_ - . : /`` and blanks, up to 250 of them; no part of the path is empty, ``.`` or ``..``,
    and it begins with no ``..``.
    The digits keep apart what would fall together: ``IoU (a)`` and ``IoU [a]``.

    Example:
        >>> allowed("per_class/red cell/f1"), allowed("IoU (a)"), allowed("IoU [a]")
        ('per_class/red cell/f1', 'IoU _a_-ea8b1df8', 'IoU _a_-0eb248bb')
    """
    parts = re.sub(r"[^\w\-. :/]", "_", name).split("/")
    plain = "/".join("_" if part in ("", ".", "..") else part for part in parts)
    plain = f"_{plain}" if plain.startswith("..") else plain
    if plain == name and len(name) <= LIMIT and not _MARKED.search(name):
        return name
    digits = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain[: LIMIT - 9]}-{digits}"

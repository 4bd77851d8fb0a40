"""Develops one file: reads it, sends it through the stage's own conversion, writes the result whole or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.develop import writing
from stages import preprocess
from stages.core import images, raw
from stages.core.errors import DataError
from stages.parts.cameras._prepared import Prepared

_EITHER = frozenset({".tif", ".tiff"})


def develop_file(source: Path, target: Path, recipe: Mapping[str, Any], kind: str, *, num_threads: int = 1) -> Prepared:
    """Develop a camera file, or a picture that the recipe sends through a simulated camera, and write the result.

    Args:
        source: the file.
        target: what is written; an older file there is replaced when the new one is whole.
        recipe: what is done, as ``recipe.json`` holds it.
        kind: how it is written, a name of ``writing.KINDS``.
        num_threads: threads that share the tiles.

    Returns:
        What was written and how it was made.

    Raises:
        DataError: the file cannot be read or developed; it is named.
        InfrastructureError: the disk is full.
    """
    picture = read(source, simulate=bool(recipe["preprocess"]["simulate_raw"]))
    try:
        done = preprocess.prepare(recipe, picture, num_threads=num_threads)
    except DataError as error:
        raise DataError(f"{source}: {error}") from error
    writing.write(target, _image(done, kind, whole=recipe["preprocess"]["fit"] == "none"), kind)
    return done


def _image(done: Prepared, kind: str, *, whole: bool) -> NDArray[Any]:
    """Return what is written: light as floats as they were developed, or brought to size, or as 16-bit codes."""
    if done.image.dtype == np.uint8 or kind == "tiff16":
        return done.image
    if whole and done.development is not None:
        return done.development.image
    return done.image.astype(np.float32) / np.float32(np.iinfo(done.image.dtype).max)


def read(source: Path, *, simulate: bool) -> Any:
    """Read a camera file's frame, or with ``simulate`` an ordinary picture.

    A TIFF may be either; a file whose name is neither a camera file's nor a picture's is tried as a camera file.

    Raises:
        DataError: it cannot be read, or it is a picture that was not meant to be simulated.
    """
    suffix = source.suffix.lower()
    if suffix in images.SUFFIXES and simulate:
        return images.read_image(source)
    try:
        if suffix not in images.SUFFIXES or suffix in _EITHER:
            return raw.read(source)
    except raw.UnknownCameraError:
        if suffix not in _EITHER:
            raise
    raise DataError(f"{source} is no camera file but a picture; render it to a mosaic first with --simulate")

"""Where each prepared picture lies on its canvas: the way back to the pixels of the user's own file."""

from collections.abc import Mapping
from typing import Any

from stages.core import files
from stages.core.dataset import Dataset
from stages.core.errors import DataError
from stages.maths import geometry, packed
from stages.maths.geometry import Placement

RECIPE = "recipe.json"
ORIGINAL = ("original_width", "original_height")


def of(data: Dataset) -> list[Placement]:
    """Return the placement of each picture, in the manifest's order.

    A data set without the columns ``original_width`` and ``original_height`` was never brought to size: its pictures are as
    they came.

    Args:
        data: a data set, or a part of one; its folder holds the ``recipe.json`` by which it was brought to size.

    Raises:
        DataError: the sizes changed and nothing says how, or the recipe does not give the manifest's size.
    """
    rows = data.manifest
    if any(column not in rows.columns for column in ORIGINAL):
        return [geometry.place(int(w), int(h), "none", None) for w, h in zip(rows["width"], rows["height"], strict=True)]
    path = data.root / RECIPE
    recipe = (files.read_json(path) if path.is_file() else {}).get("preprocess", {})
    sizes = zip(*(rows[column].tolist() for column in ("width", "height", *ORIGINAL)), strict=True)
    return [_placement(data, recipe, (int(w), int(h)), (int(a), int(b))) for w, h, a, b in sizes]


def _placement(data: Dataset, recipe: Mapping[str, Any], size: tuple[int, int], original: tuple[int, int]) -> Placement:
    """Place one picture; sizes are (width, height)."""
    if size == original:
        return geometry.place(*size, "none", None)
    made = f"pictures of {size[0]} x {size[1]} made of {original[0]} x {original[1]}"
    if "fit" not in recipe or "size_px" not in recipe:
        raise DataError(
            f"{data.root} has {made}, and {data.root / RECIPE} does not say how (fit, size_px); sizes and answers in the "
            "originals' pixels need it: run preprocess again"
        )
    cell = packed.CELL if data.info.pixels.output == "packed_raw" else 1
    at = geometry.place(*original, recipe["fit"], recipe["size_px"], cell)
    if (at.canvas_width, at.canvas_height) != size:
        raise DataError(
            f"{data.root} has {made}; {data.root / RECIPE} makes {at.canvas_width} x {at.canvas_height} of them: run "
            "preprocess again"
        )
    return at

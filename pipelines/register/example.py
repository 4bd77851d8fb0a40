"""The picture that a registered model carries as its example: the first test picture, in a form that a user could have.

An sRGB picture travels as it is. Linear light travels as an ordinary picture, which the model turns back. A packed mosaic is
laid out again and travels as a camera file, which the model packs into the same picture.
"""

import base64
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.core import artefacts, dataset, display, dng, files
from stages.maths import packed

_NEUTRAL = (0.5, 1.0, 0.7)  # a daylight's white on a common sensor; (1, 1, 1) would read as unknown
_XYZ_TO_SRGB = ((3.2404542, -1.5371385, -0.4985314), (-0.9692660, 1.8760108, 0.0415560), (0.0556434, -0.2040259, 1.0572252))
_WHITE = 65535


def example() -> list[dict[str, dict[str, str]]]:
    """Return the example as REST carries it under ``inputs``: base64 of a file."""
    data = dataset.read(artefacts.PREPROCESSED).subset("test")
    path = artefacts.PREPROCESSED / data.manifest["path"].iloc[0]
    kind = data.info.pixels
    content = path.read_bytes()
    if kind.output == "packed_raw" and not _simulates():
        content = _camera_file(kind.read(path))
    elif kind.is_linear:
        content = _ordinary(display.view(kind, path))
    return [{"image": {"b64": base64.b64encode(content).decode("ascii")}}]


def _simulates() -> bool:
    return bool(files.read_json(artefacts.PREPROCESSED / "recipe.json")["preprocess"]["simulate_raw"])


def _ordinary(image: NDArray[np.uint8]) -> bytes:
    out = BytesIO()
    Image.fromarray(image).save(out, format="PNG")
    return out.getvalue()


def _camera_file(picture: NDArray[np.uint16]) -> bytes:
    """Return the DNG whose packed picture this is, but for the rounding of its white balance."""
    red, green, blue = _NEUTRAL
    mosaic = packed.mosaic((picture * np.array([red, green, green, blue])).round().astype(np.uint16))
    return dng.encode(
        mosaic,
        pattern="RGGB",
        black_level=(0, 0, 0, 0),
        white_level=_WHITE,
        neutral=_NEUTRAL,
        color_matrix=np.array(_XYZ_TO_SRGB),
        model="example",
        iso=100,
    )

"""A picture brought to the models' size, with the way back to the pixels of the original."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core import pixels
from stages.maths import geometry, packed, sensor
from stages.parts.cameras._development import Development

CELLS: dict[pixels.Output, int] = {"srgb": 1, "linear_rgb": 1, "packed_raw": packed.CELL}


@dataclass(frozen=True)
class Prepared:
    """A picture as the models see it, and the way back to the original's pixels.

    Attributes:
        image: (H, W, 3) uint8 srgb, or uint16 of the kind that was asked for; see ``core.pixels``.
        placement: where the original lies in it.
        development: what the camera chain did; None for an ordinary picture.
        truth: (H, W, 3) uint8 srgb that a simulated camera took, before sizing; None where nobody knows it.
    """

    image: NDArray[Any]
    placement: geometry.Placement
    development: Development | None
    truth: NDArray[np.uint8] | None = None

    @property
    def scale_x(self) -> float:
        """Pixels of ``image`` per pixel of the original, across."""
        return self.placement.scale_x

    @property
    def scale_y(self) -> float:
        """Pixels of ``image`` per pixel of the original, down."""
        return self.placement.scale_y

    @property
    def offset_x(self) -> int:
        """Left edge of the original in ``image``."""
        return self.placement.offset_x

    @property
    def offset_y(self) -> int:
        """Top edge of the original in ``image``."""
        return self.placement.offset_y

    @property
    def width(self) -> int:
        """Width of the original, upright."""
        return self.placement.width

    @property
    def height(self) -> int:
        """Height of the original, upright."""
        return self.placement.height

    def boxes_back(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map boxes (N, 4) xyxy from ``image`` to the original."""
        return geometry.boxes_back(boxes, self.placement)

    def mask_back(self, mask: NDArray[Any]) -> NDArray[np.uint8]:
        """Map an index or bool mask (h, w) from ``image`` to the original (H, W) uint8."""
        return geometry.mask_back(mask.astype(np.uint8), self.placement)


def sized(image: NDArray[Any], at: geometry.Placement, output: pixels.Output, pad_value: int) -> NDArray[Any]:
    """Bring a picture to size, in the form in which it is kept.

    Args:
        image: the picture from edge to edge: (H, W, 3) uint8 srgb; else float32 light of any size.
        at: where it comes to lie.
        output: the kind.
        pad_value: sRGB code of the padding's grey.

    Returns:
        uint8 for ``srgb``, else uint16.
    """
    if output == "srgb":
        return geometry.place_image(image, at, pad_value)
    grey = float(sensor.linear_from_srgb(np.array(pad_value, np.uint8)))
    return pixels.codes(geometry.place_image(np.minimum(image, 1), at, grey))

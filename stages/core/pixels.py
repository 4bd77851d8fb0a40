"""What the pixels of a data set's pictures hold, and how such a picture is read and checked.

Three kinds (``preprocess.output``):

* ``srgb``: 8 bit, red, green, blue after the sRGB curve: what screens show and other people's weights expect.
* ``linear_rgb``: 16 bit, linear light of the sRGB primaries; 0 to 1 is 0 to 65535, clipped there.
* ``packed_raw``: 16 bit, the four values of each cell of the mosaic as the channels of one pixel: red, green beside red,
  green beside blue, blue; white-balanced, 0 to 1 is 0 to 65535, clipped there.

Models see every kind as float32 in [0, 1].
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stages.core import images
from stages.core.errors import DataError

Output = Literal["srgb", "linear_rgb", "packed_raw"]
CHANNELS: dict[str, int] = {"srgb": 3, "linear_rgb": 3, "packed_raw": 4}
_LEVELS = 65535
Moments = tuple[int, NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Pixels:
    """What the pictures hold.

    Attributes:
        output: the kind; see the module's head.
        mean: of each channel in [0, 1], which models subtract: ImageNet's for ``srgb``, as torchvision's weights expect;
            of the training pictures for the others.
        std: likewise, by which they divide.
    """

    output: Output = "srgb"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if not len(self.mean) == len(self.std) == CHANNELS.get(self.output):
            text = f"pixels are {self.output!r} with {len(self.mean)} means and {len(self.std)} deviations"
            raise DataError(f"{text}; expected one of {', '.join(CHANNELS)} with one of each a channel (dataset.json)")

    @property
    def num_channels(self) -> int:
        """Channels of a picture."""
        return len(self.mean)

    @property
    def num_bytes(self) -> int:
        """Bytes of a pixel in memory."""
        return self.num_channels * (1 if self.output == "srgb" else 2)

    @property
    def is_linear(self) -> bool:
        """Whether twice the light is twice the number."""
        return self.output != "srgb"

    def content(self) -> dict[str, Any]:
        """Return what ``of`` reads, for JSON."""
        return asdict(self)

    def read(self, path: Path) -> NDArray[Any]:
        """Read a picture: (H, W, 3) uint8 for ``srgb``, else (H, W, C) uint16.

        Raises:
            DataError: missing, unreadable, or of another kind.
        """
        return images.read_deep(path, self.num_channels) if self.is_linear else images.read_image(path)

    def check(self, image: NDArray[Any], what: str) -> NDArray[Any]:
        """Return a picture that is of this kind.

        Raises:
            DataError: another type or number of channels.
        """
        kind = np.dtype(np.uint16 if self.is_linear else np.uint8)
        if image.ndim != len("HWC") or image.shape[2] != self.num_channels or image.dtype != kind:
            wanted = f"(H, W, {self.num_channels}) {kind} {self.output}"
            raise DataError(f"{what} is {image.shape} {image.dtype}; expected {wanted}")
        return image


SRGB = Pixels()


def of(content: Mapping[str, Any] | None) -> Pixels:
    """Return what a ``dataset.json`` or ``model.json`` says; nothing said means ``srgb``.

    Example:
        >>> of(None).output, of({"output": "packed_raw", "mean": [0.2] * 4, "std": [0.1] * 4}).num_channels
        ('srgb', 4)
    """
    if content is None:
        return SRGB
    return Pixels(content["output"], tuple(content["mean"]), tuple(content["std"]))


def codes(light: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Clip to [0, 1] and round to 16 bit.

    Example:
        >>> codes(np.array([-0.1, 0.5, 3.0])).tolist()
        [0, 32768, 65535]
    """
    return np.asarray((np.clip(light, 0.0, 1.0) * _LEVELS + 0.5).astype(np.uint16))


def moments(image: NDArray[np.uint16]) -> Moments:
    """Return number, sum and sum of squares of the pixels (H, W, C), by channel, in [0, 1]."""
    values = image.reshape(-1, image.shape[-1]).astype(np.float64) / _LEVELS
    return len(values), values.sum(axis=0), np.square(values).sum(axis=0)


def measured(output: Output, found: Iterable[Moments]) -> Pixels:
    """Return the pixels whose mean and standard deviation are those of the pictures; a flat channel gets deviation 1.

    Args:
        output: the kind; ``srgb`` has constants and needs no pictures.
        found: ``moments`` of the training pictures, always in one order, so that the last bits agree.

    Raises:
        DataError: there are none.
    """
    if output == "srgb":
        return SRGB
    number, total, squares = 0, np.zeros(CHANNELS[output]), np.zeros(CHANNELS[output])
    for num, first, second in found:
        number, total, squares = number + num, total + first, squares + second
    if not number:
        raise DataError("no picture in the split 'train' to take means from (params.yaml: acquire)")
    mean = total / number
    std = np.sqrt(np.maximum(squares / number - mean**2, 0))
    std[std < 1 / _LEVELS] = 1.0
    return Pixels(output, tuple(round(float(v), 6) for v in mean), tuple(round(float(v), 6) for v in std))

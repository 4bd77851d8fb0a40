"""What is kept of a developed camera file for the camera report: figures and a thumbnail, no picture of full size."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.core import dataset
from stages.core.display import viewable
from stages.maths import photon_transfer
from stages.parts.cameras._development import Development
from stages.parts.cameras._prepared import Prepared

STOPS = 14  # of the histogram, below saturation
PER_STOP = 2
UNKNOWN = "unknown"
_THUMB_PX = 180
_MAX_COMPARED = 40_000  # pixels of one picture whose colour is compared


@dataclass(frozen=True)
class Measured:
    """One camera file's figures.

    Attributes:
        name: the file, as its user knows it.
        groups: audit groups it belongs to.
        camera: name, or ``unknown``.
        iso: sensitivity, or None.
        width: of the picture.
        height: likewise.
        pattern: of the mosaic.
        gains: white balance used, the smallest 1.
        without_gains: the file states none that is usable.
        matrix_known: the camera's colours are known.
        suspicions: what the file states and its pixels contradict.
        black_level: used.
        white_level: used.
        clipped: (3,) share of saturated red, green and blue pixels.
        clipped_share: of all pixels.
        stops: stops from the mean green to saturation; None where the mean is not above black.
        histogram: (3, ``STOPS * PER_STOP``) pixels of red, green, blue by stops below saturation, the lightest last; what
            lies lower is in the first.
        patches: see ``maths.photon_transfer``.
        delta_e: mean CIEDE2000 to the picture that a simulated camera took; None where nobody knows the truth.
        cpsnr: likewise in dB.
        thumbnail: (h, w, 3) uint8 srgb, or None.
    """

    name: str
    groups: Mapping[str, str]
    camera: str
    iso: int | None
    width: int
    height: int
    pattern: str
    gains: tuple[float, float, float]
    without_gains: bool
    matrix_known: bool
    suspicions: tuple[str, ...]
    black_level: tuple[float, ...]
    white_level: float
    clipped: tuple[float, float, float]
    clipped_share: float
    stops: float | None
    histogram: NDArray[np.int64]
    patches: NDArray[np.float32]
    delta_e: float | None
    cpsnr: float | None
    thumbnail: NDArray[np.uint8] | None


def measure(done: Prepared, name: str, groups: Mapping[str, str], *, thumbnail: bool) -> Measured | None:
    """Return what the report needs of a picture; None for one that no camera took.

    Args:
        done: the picture and how it was made.
        name: the file, as its user knows it.
        groups: audit groups it belongs to.
        thumbnail: keep a small picture too.
    """
    made = done.development
    if made is None:
        return None
    histogram, clipped, stops = _signals(made)
    delta_e, cpsnr = compare(viewable(made.image), done.truth) if done.truth is not None else (None, None)
    return Measured(
        name=name,
        groups=dict(groups),
        camera=made.camera or UNKNOWN,
        iso=made.iso,
        width=made.image.shape[1],
        height=made.image.shape[0],
        pattern=made.pattern,
        gains=made.gains,
        without_gains=made.without_gains,
        matrix_known=made.matrix_known,
        suspicions=made.suspicions,
        black_level=made.black_level,
        white_level=made.white_level,
        clipped=clipped,
        clipped_share=made.clipped_share,
        stops=stops,
        histogram=histogram,
        patches=photon_transfer.patches(made.mosaic, made.black_level, made.white_level),
        delta_e=delta_e,
        cpsnr=cpsnr,
        thumbnail=_small(viewable(made.image)) if thumbnail else None,
    )


def measure_row(done: Prepared, row: Mapping[str, Any], *, thumbnail: bool) -> Measured | None:
    """Return what the report needs of a picture of the manifest; see ``measure``."""
    groups = {key.removeprefix("group_"): value for key, value in row.items() if key.startswith("group_")}
    known = {key: value for key, value in groups.items() if isinstance(value, str)}
    return measure(done, str(row["source"]), known, thumbnail=thumbnail)


def columns(taken: Measured | None) -> dict[str, Any]:
    """Return the manifest's camera columns, null for an ordinary picture."""
    if taken is None:
        return dict.fromkeys((*dataset.CAMERA_COLUMNS, "white_balance_stated"))
    return {
        "camera": None if taken.camera == UNKNOWN else taken.camera,
        "cfa": taken.pattern,
        "black_level": " ".join(f"{level:g}" for level in taken.black_level),
        "white_level": taken.white_level,
        "white_balance": " ".join(f"{gain:.4f}" for gain in taken.gains),
        "iso": taken.iso,
        "white_balance_stated": not taken.without_gains,
    }


def _signals(made: Development) -> tuple[NDArray[np.int64], tuple[float, float, float], float | None]:
    """Return the histogram by stops, the clipped share by colour, and the stops from the mean green to saturation."""
    counts = made.statistics.histogram
    numbers = np.arange(counts.shape[1])
    histogram = np.zeros((3, STOPS * PER_STOP), np.int64)
    clipped, total, light = np.zeros(3), np.zeros(3), np.zeros(3)
    for place, color in enumerate(made.pattern):
        at = "RGB".index(color)
        signal = (numbers - made.black_level[place]) / (made.white_level - made.black_level[place])
        bins = PER_STOP * (np.log2(np.maximum(signal, 2.0**-STOPS)) + STOPS)
        np.add.at(histogram[at], np.clip(bins.astype(np.int64), 0, STOPS * PER_STOP - 1), counts[place])
        clipped[at] += counts[place, numbers >= made.white_level].sum()
        total[at] += counts[place].sum()
        light[at] += (counts[place] * np.minimum(signal, 1.0)).sum()
    shares = clipped / np.maximum(total, 1)
    mean = light[1] / max(total[1], 1)
    return histogram, (float(shares[0]), float(shares[1]), float(shares[2])), float(-np.log2(mean)) if mean > 0 else None


def compare(image: NDArray[np.uint8], truth: NDArray[np.uint8]) -> tuple[float | None, float | None]:
    """Return how far a picture is from the truth: mean CIEDE2000, and CPSNR in dB (None where equal or not comparable).

    CIEDE2000 (G. Sharma et al. 2005, D65) is taken pixel by pixel on an even choice of pixels, so noise and demosaicing
    count too. CPSNR is of all pixels and channels, peak 255.
    """
    if image.shape != truth.shape:
        return None, None
    from skimage.color import deltaE_ciede2000, rgb2lab  # noqa: PLC0415 - only where the truth is known

    error = float(np.mean((image.astype(np.float32) - truth.astype(np.float32)) ** 2, dtype=np.float64))
    step = max(1, int(np.ceil(np.sqrt(image.shape[0] * image.shape[1] / _MAX_COMPARED))))
    ours, theirs = (rgb2lab(picture[::step, ::step]) for picture in (image, truth))
    difference = float(deltaE_ciede2000(ours, theirs).mean())  # type: ignore[no-untyped-call]
    return difference, float(10 * np.log10(255**2 / error)) if error else None


def _small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    factor = _THUMB_PX / max(height, width)
    if factor >= 1:
        return image.copy()
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

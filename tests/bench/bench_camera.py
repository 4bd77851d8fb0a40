"""The camera: quality on Kodak and McMaster, speed beside the libraries.

Protocol: RGGB mosaics of the 8-bit references, a border of 10 px left out, the mean over pictures of the CPSNR.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import colour_demosaicing
import cv2
import numpy as np
from numpy.typing import NDArray

from stages.core import images
from stages.parts.demosaicers import bilinear, malvar2004
from tests.bench.harness import SHARED, Entry, race

BORDER = 10
Demosaicer = Callable[[NDArray[np.float32], str], NDArray[np.float32]]


def mosaic(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Sample RGGB from (H, W, 3) uint8: (H, W) float32 in 0..1."""
    out = np.empty(image.shape[:2], np.float32)
    for top, left, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        out[top::2, left::2] = image[top::2, left::2, channel]
    return out / 255


def cpsnr(result: NDArray[np.float32], truth: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio over all three channels in dB, after rounding to 8 bit."""
    inner = (slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    rounded = np.clip(np.rint(result * 255), 0, 255)
    return float(10 * np.log10(255**2 / np.mean((rounded[inner] - truth[inner].astype(np.float64)) ** 2)))


def quality(method: Demosaicer, files: list[Path]) -> float:
    """Return a method's mean CPSNR over a set of references."""
    pictures = [images.read_image(file) for file in files]
    return float(np.mean([cpsnr(method(mosaic(p), "RGGB"), p) for p in pictures]))


def measure() -> list[Entry]:
    """Measure both demosaicers beside their library twins."""
    ours: dict[str, Demosaicer] = {
        "bilinear": bilinear.build(bilinear.Params()),
        "malvar2004": malvar2004.build(malvar2004.Params()),
    }
    twins: dict[str, Callable[[Any, str], Any]] = {
        "bilinear": colour_demosaicing.demosaicing_CFA_Bayer_bilinear,
        "malvar2004": colour_demosaicing.demosaicing_CFA_Bayer_Malvar2004,
    }
    cv2.setNumThreads(1)
    entries = _qualities(ours) if SHARED.exists() else []
    frame = np.random.default_rng(0).random((1024, 1536), dtype=np.float32)
    for name, method in ours.items():
        mine, theirs = race(lambda m=method: m(frame, "RGGB"), lambda n=name: twins[n](frame, "RGGB"))  # type: ignore[misc]
        entries.append(
            Entry(f"camera.speed.{name}", frame.size / mine / 1e6, "MPix/s, 1 thread", "colour-demosaicing", theirs / mine)
        )
    return entries


def _qualities(ours: dict[str, Demosaicer]) -> list[Entry]:
    sets = {"kodak": sorted((SHARED / "kodak").glob("*.png")), "mcmaster": sorted((SHARED / "mcmaster").glob("*.tif"))}
    return [
        Entry(f"camera.cpsnr.{group}.{name}", quality(method, files), "dB")
        for group, files in sets.items()
        for name, method in ours.items()
    ]

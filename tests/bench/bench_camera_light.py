"""Demosaicing on linear light and under noise: a square-root domain, white balance afterwards, a real sensor as reference.

Figures are CPSNR in dB after the sRGB curve, a border of 10 px left out, the mean of every second picture. References:

- ``kodak``, ``mcmaster``: the pictures brought to linear light;
- ``kodak_boxes``, ``kodak_cells``: at half the size, by the mean of 2 x 2 pixels, or as a sensor's cell gives it: red from
  its first pixel, green from the mean of two, blue from the last, so that the colours lie a quarter and half a pixel apart;
- ``raw_cells``: a real camera's mosaic, one pixel for each cell: no demosaicer made it, but its colours lie apart likewise;
- ``raw_registered``: the same with red and blue moved to the cell's centre, by bilinear interpolation among their own.

Noise has variance a u + s^2 before gains of 2, 1 and 1.6: ``iso200`` a = 0.0002, s = 0.001; ``iso3200`` 0.002 and 0.005.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from stages.core import images, raw
from stages.maths import sensor, tiling
from tests.bench.bench_camera import BORDER, build
from tests.bench.harness import SHARED, Entry

METHODS = ("adaptive", "gbtf2010", "mlri2014", "rcd", "menon2007", "malvar2004")
NOISE = {"clean": (0.0, 0.0), "iso200": (2e-4, 1e-3), "iso3200": (2e-3, 5e-3)}
IN_LIGHT_ALONE = {"kodak_boxes", "kodak_cells", "raw_cells"}  # they tell what the reference does, not the noise
GAINS = np.array([2.0, 1.0, 1.6], np.float32)
Light = NDArray[np.float32]


def measure() -> list[Entry]:
    """Measure every method on every reference."""
    return [entry for name, pictures in references() for entry in _judged(name, pictures)]


def references() -> Iterator[tuple[str, list[Light]]]:
    """Give each reference's name and its pictures, (H, W, 3) linear light."""
    for name, pattern in (("kodak", "*.png"), ("mcmaster", "*.tif")):
        files = sorted((SHARED / name).glob(pattern))[::2]
        light = [sensor.linear_from_srgb(images.read_image(file)).astype(np.float32) for file in files]
        if light:
            yield name, light
        if light and name == "kodak":
            yield "kodak_boxes", [_even((p[::2, ::2] + p[1::2, ::2] + p[::2, 1::2] + p[1::2, 1::2]) / 4) for p in light]
            yield "kodak_cells", [_even(_cells(mosaic(p))) for p in light]
    file = SHARED / "raw" / "Blackmagic.dng"
    if file.exists():
        frame = raw.read(file)
        light_of = (frame.mosaic.astype(np.float32) - frame.black_level[0]) / (frame.white_level - frame.black_level[0])
        balanced = np.minimum(light_of * mosaic(np.broadcast_to(frame.camera_gains or GAINS, (*light_of.shape, 3))), 1)
        cells = _cells(balanced)
        yield "raw_cells", [_even(cells)]
        yield "raw_registered", [_even(np.stack([_moved(cells[..., 0], 1), cells[..., 1], _moved(cells[..., 2], -1)], -1))]


def mosaic(light: Light) -> Light:
    """Sample RGGB from (H, W, 3)."""
    out = np.empty(light.shape[:2], np.float32)
    for place, channel in enumerate((0, 1, 1, 2)):
        out[place // 2 :: 2, place % 2 :: 2] = light[place // 2 :: 2, place % 2 :: 2, channel]
    return out


def _cells(values: Light) -> Light:
    """Make one pixel of each RGGB cell."""
    green = (values[::2, 1::2] + values[1::2, ::2]) / 2
    return np.stack([values[::2, ::2], green, values[1::2, 1::2]], -1)


def _moved(plane: Light, by: int) -> Light:
    """Interpolate a quarter of a cell towards the next one, down and to the right (1) or back (-1)."""
    for axis in (0, 1):
        plane = np.float32(0.75) * plane + np.float32(0.25) * np.roll(plane, -by, axis)
    return plane


def _even(light: Light) -> Light:
    height, width, _ = light.shape
    return np.ascontiguousarray(light[: height // 2 * 2, : width // 2 * 2])


def _judged(name: str, pictures: list[Light]) -> Iterator[Entry]:
    """Judge each method with each noise in both domains, and with the white balance afterwards."""
    for label, method in ((label, build(label)) for label in METHODS):
        yield _entry(f"{name}.clean.linear.{label}", pictures, _noisy(method, *NOISE["clean"]))
        if name in IN_LIGHT_ALONE:
            continue
        rooted = tiling.in_square_root(method)
        yield _entry(f"{name}.clean.square_root.{label}", pictures, _noisy(rooted, *NOISE["clean"]))
        yield _entry(f"{name}.clean.balanced_after.{label}", pictures, _balanced_after(method))
        for noise in ("iso200", "iso3200"):
            yield _entry(f"{name}.{noise}.linear.{label}", pictures, _noisy(method, *NOISE[noise]))
            yield _entry(f"{name}.{noise}.square_root.{label}", pictures, _noisy(rooted, *NOISE[noise]))


def _entry(name: str, pictures: list[Light], develop: Callable[[Light, int], Light]) -> Entry:
    inner = (slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    errors = (_curve(develop(p, seed))[inner] - _curve(p)[inner] for seed, p in enumerate(pictures))
    return Entry(f"camera_light.{name}", float(np.mean([-10 * np.log10(np.mean(e**2)) for e in errors])), "dB")


def _noisy(method: tiling.Demosaicer, shot: float, read: float) -> Callable[[Light, int], Light]:
    def develop(light: Light, seed: int) -> Light:
        gains = mosaic(np.broadcast_to(GAINS, light.shape))
        unbalanced = mosaic(light) / gains
        spread = np.sqrt(shot * np.maximum(unbalanced, 0) + read**2)
        noise = np.random.default_rng(seed).normal(size=spread.shape).astype(np.float32)
        return method((unbalanced + noise * spread) * gains, "RGGB")

    return develop


def _balanced_after(method: tiling.Demosaicer) -> Callable[[Light, int], Light]:
    return lambda light, seed: method(mosaic(light / GAINS), "RGGB") * GAINS


def _curve(light: Light) -> NDArray[np.float64]:
    clipped = np.clip(light, 0, 1).astype(np.float64)
    return np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055)  # IEC 61966-2-1

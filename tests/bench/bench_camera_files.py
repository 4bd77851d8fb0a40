"""Camera files in and out: reading beside rawpy, the simulated camera beside numpy, what a mosaic tells beside numpy."""

import tempfile
from pathlib import Path

import numpy as np
import rawpy
from numpy.typing import NDArray

from stages.core import raw
from stages.maths import colour, mosaic_statistics, sensor
from stages.parts.sources.scenes import CAMERAS
from tests.bench.harness import Entry, race
from tests.raws import make_dng
from tests.references import sensor as reference

SIZE = (2048, 3072)
UNIT = "MPix/s, 1 thread"


def measure() -> list[Entry]:
    """Measure each beside its rival."""
    mosaic = np.random.default_rng(0).integers(64, 4096, SIZE).astype(np.uint16)
    return [_reading(mosaic), *_rendering(), *_telling(mosaic)]


def _entry(name: str, seconds: tuple[float, float], rival: str) -> Entry:
    return Entry(f"camera_files.{name}", SIZE[0] * SIZE[1] / seconds[0] / 1e6, UNIT, rival, seconds[1] / seconds[0])


def _reading(mosaic: NDArray[np.uint16]) -> Entry:
    def by_rawpy() -> NDArray[np.uint16]:
        with rawpy.imread(str(path)) as file:
            return np.asarray(file.raw_image_visible.copy())

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.dng"
        path.write_bytes(make_dng(mosaic))
        return _entry("read_uncompressed_dng", race(lambda: raw.read(path), by_rawpy), "rawpy")


def _rendering() -> list[Entry]:
    codes = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    camera, light = CAMERAS["a"], (1.0, 1.0, 1.0)

    def by_numpy(seed: int | None) -> NDArray[np.uint16]:
        """Draw as numpy does, which is what a plain version would use."""
        linear = sensor.linear_from_srgb(codes).astype(np.float32)
        seen = linear @ camera.camera_from_linear_rgb().T.astype(np.float32)
        electrons = sensor.mosaic(seen, camera.pattern).clip(0) * np.float32(0.5 * camera.full_well)
        if seed is not None:
            drawn = np.random.default_rng(seed).standard_normal(electrons.shape, np.float32)
            electrons += np.sqrt(electrons + np.float32(camera.read_noise**2)) * drawn
        scaled = electrons * np.float32((camera.white_level - 256) / camera.full_well) + np.float32(256)
        return np.asarray(scaled.round().clip(0, camera.white_level).astype(np.uint16))

    assert (
        np.abs(
            by_numpy(None).astype(int) - reference.expose(sensor.linear_from_srgb(codes), camera, light, 0.5, 100, None)
        ).max()
        < 1
    )
    return [
        _entry(
            name,
            race(lambda s=seed: sensor.expose(codes, camera, light, 0.5, 100, s), lambda s=seed: by_numpy(s), rounds=2),
            "numpy",
        )  # type: ignore[misc]
        for name, seed in (("render_with_noise", 3), ("render_without_noise", None))
    ]


def _telling(mosaic: NDArray[np.uint16]) -> list[Entry]:
    def by_numpy() -> list[NDArray[np.int64]]:
        return [np.bincount(mosaic[p // 2 :: 2, p % 2 :: 2].ravel()) for p in range(4)]

    def grey_world() -> NDArray[np.float32]:
        """Do the same in numpy: cells without a saturated pixel, both greens as one, their means."""
        cells = (mosaic - np.float32(64)) / np.float32(4031)
        cells = cells.reshape(SIZE[0] // 2, 2, SIZE[1] // 2, 2).transpose(0, 2, 1, 3).reshape(-1, 4).clip(0)
        cells = cells[cells.max(axis=1) < 0.98]
        return np.asarray(cells.mean(axis=0, dtype=np.float64))

    levels = ((64.0,) * 4, 4095.0)
    return [
        _entry("statistics", race(lambda: mosaic_statistics.measure(mosaic), by_numpy, rounds=2), "numpy bincount"),
        _entry(
            "grey_world", race(lambda: colour.neutral_gains(mosaic, "RGGB", 1.0, *levels), grey_world, rounds=2), "numpy"
        ),
    ]

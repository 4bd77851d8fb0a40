"""The simulated camera in plain numpy and float64: slow, and as its sources write it."""

import numpy as np

from stages.maths.sensor import Sensor


def philox(first: np.ndarray, second: np.ndarray, key: int) -> tuple[np.ndarray, np.ndarray]:
    """Philox 2x32-10 of Salmon et al. (2011) on arrays of counters."""
    first, second = first.astype(np.uint64), second.astype(np.uint64)
    for _ in range(10):
        product = first * np.uint64(0xD256D193)
        first, second = (product >> np.uint64(32)) ^ np.uint64(key) ^ second, product & np.uint64(0xFFFFFFFF)
        key = (key + 0x9E3779B9) & 0xFFFFFFFF
    return first, second


def normals(height: int, width: int, seed: int) -> np.ndarray:
    """Gaussian numbers of each pixel of a frame: Box and Muller on 23 and 24 bits of Philox's two numbers."""
    rows, pairs = np.mgrid[:height, : (width + 1) // 2]
    one, two = philox(pairs, rows, seed)
    radius = np.sqrt(-2 * np.log(((one >> np.uint64(9)) + 0.5) / 2**23))
    turn = (two.astype(np.uint32).view(np.int32) >> 8) / 2**24
    out = np.stack([radius * np.cos(2 * np.pi * turn), radius * np.sin(2 * np.pi * turn)], axis=-1)
    return out.reshape(height, -1)[:, :width]


def expose(  # noqa: PLR0913, PLR0917 - as the camera's own
    linear: np.ndarray, sensor: Sensor, light: tuple, exposure: float, iso: int, seed: int | None
) -> np.ndarray:
    """Take a picture of (H, W, 3) linear sRGB: digital numbers before rounding and clipping, float64."""
    camera = (linear * np.array(light)) @ sensor.camera_from_linear_rgb().T
    out = np.empty(linear.shape[:2])
    drawn = np.zeros(out.shape) if seed is None else normals(*out.shape, seed)
    for phase, color in enumerate(sensor.pattern):
        y, x = divmod(phase, 2)
        electrons = camera[y::2, x::2, "RGB".index(color)].clip(0) * exposure * sensor.full_well
        noisy = electrons + np.sqrt(electrons + sensor.read_noise**2) * drawn[y::2, x::2]
        black = sensor.black_level[phase]
        out[y::2, x::2] = black + noisy * iso / sensor.base_iso / sensor.full_well * (sensor.white_level - black)
    return out

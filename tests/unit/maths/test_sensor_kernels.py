"""Each pixel's number is Philox's, and the numbers are Gaussian and independent."""

import numba
import numpy as np
import pytest
from scipy import stats

from stages.maths import sensor_kernels
from tests.references import sensor as reference

# D. E. Shaw Research, Random123, kat_vectors: philox2x32 10.
KNOWN = [
    ((0, 0, 0), (0xFF1DAE59, 0x6CD10DF2)),
    ((0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF), (0x2C3F628B, 0xAB4FD7AD)),
    ((0x243F6A88, 0x85A308D3, 0x13198A2E), (0xDD7CE038, 0xF62A4C12)),
]


@numba.njit
def _philox(first, second, key):
    return sensor_kernels.philox(np.uint32(first), np.uint32(second), np.uint32(key))


@pytest.mark.parametrize(("counter", "expected"), KNOWN)
def test_the_generator_is_philox(counter: tuple, expected: tuple) -> None:
    """The published vectors come out, here and in the plain version."""
    assert _philox(*counter) == expected
    first, second, key = counter
    assert tuple(int(n) for n in reference.philox(np.array(first), np.array(second), key)) == expected


def _frame(seed: int, height: int = 400, width: int = 1000) -> np.ndarray:
    out = np.empty((height, width), np.float32)
    for y in range(height):
        sensor_kernels.fill_normals(out[y], y, 0, seed)
    return out


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**32 - 1])
def test_the_numbers_are_box_and_mullers(seed: int) -> None:
    """The kernel's logarithm and sine leave at most a millionth of float64's numbers."""
    np.testing.assert_allclose(_frame(seed), reference.normals(400, 1000, seed), atol=3e-6)


def test_the_numbers_are_gaussian_and_independent() -> None:
    """Moments, distribution, and neighbours in rows, columns, pairs and seeds, over 1.6 million numbers."""
    frames = np.stack([_frame(seed).astype(np.float64) for seed in (11, 12, 13, 14)])
    num = frames.size
    errors = [
        frames.mean() * num**0.5, (frames.var() - 1) * (num / 2) ** 0.5, (frames**3).mean() * (num / 15) ** 0.5,
        ((frames**4).mean() - 3) * (num / 96) ** 0.5,
        *((a * b).mean() * a.size**0.5 for a, b in (
            (frames[:, 1:], frames[:, :-1]), (frames[..., 1:], frames[..., :-1]), (frames[..., 2:], frames[..., :-2]),
            (frames[0], frames[1]), (frames[..., ::2] ** 2 - 1, (frames[..., 1::2] ** 2 - 1) / 2),
        )),
    ]  # fmt: skip
    assert np.abs(errors).max() < 4
    assert stats.kstest(frames.ravel(), "norm").pvalue > 0.001
    assert np.abs(frames).max() > 4.5

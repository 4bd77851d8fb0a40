"""Noise estimated from pictures is the noise that was put into them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.maths import photon_transfer

BLACK, WHITE = 256, 4095


def _scene(kind: str) -> NDArray[np.float64]:
    """Return light in 0..1: a ramp, or smooth hills beside hard edges and a fine pattern."""
    y, x = np.mgrid[0:640, 0:960]
    ramp = 0.01 + 0.9 * x / 960
    if kind == "ramp":
        return ramp
    hills = 0.3 + 0.25 * np.sin(x / 90) * np.cos(y / 70)
    hills[:, 300:420] = 0.08
    hills[200:380] += 0.15 * np.random.default_rng(5).random((180, 960))  # a texture as fine as noise itself
    return hills.clip(0.01, 0.95)


def _taken(light: NDArray[np.float64], full_well: float, read_noise: float, seed: int = 0) -> NDArray[np.uint16]:
    """Take a picture with a sensor whose noise is known: Poisson photons, Gaussian read-out."""
    rng = np.random.default_rng(seed)
    electrons = rng.poisson(light * full_well) + read_noise * rng.standard_normal(light.shape)
    return (BLACK + electrons / full_well * (WHITE - BLACK)).round().clip(0, WHITE).astype(np.uint16)


@pytest.mark.parametrize("kind", ["ramp", "textured"])
@pytest.mark.parametrize(("full_well", "read_noise"), [(2_000, 8.0), (8_000, 40.0)])
def test_noise_of_known_variance_is_found(kind: str, full_well: float, read_noise: float) -> None:
    """Shot noise within a tenth, read noise within a fifth, the noise at grey within 5 %; quantising adds 1/12."""
    pool = [photon_transfer.patches(_taken(_scene(kind), full_well, read_noise, s), [BLACK] * 4, WHITE) for s in range(3)]
    found = photon_transfer.fit(pool)
    assert found is not None
    read = (read_noise / full_well) ** 2 + 1 / 12 / (WHITE - BLACK) ** 2
    assert found.shot == pytest.approx(1 / full_well, rel=0.1)
    assert found.read == pytest.approx(read, rel=0.4)  # a variance: a fifth of the noise
    assert found.std(0.18) == pytest.approx(np.sqrt(0.18 / full_well + read), rel=0.05)
    assert found.scatter < 0.15


def test_choosing_flat_patches_does_not_make_the_noise_smaller() -> None:
    """On pure noise the chosen patches have the variance of all: slopes and diagonals are independent."""
    mosaic = np.random.default_rng(3).normal(1000, 20, (1024, 1024)).round().astype(np.uint16)
    found = photon_transfer.patches(mosaic, [0] * 4, 4096, max_patches=10_000)
    assert len(found) > 1000
    assert found[:, 1].mean() * 4096**2 == pytest.approx(400 + 1 / 12, rel=0.03)


def test_cut_noise_is_left_out() -> None:
    """Patches with a saturated pixel, or one at 0 where the file cuts the noise off, say nothing about it."""
    rng = np.random.default_rng(1)
    dark = rng.normal(2, 20, (64, 64)).clip(0).astype(np.uint16)
    bright = rng.normal(4090, 20, (64, 64)).clip(0, 4095).astype(np.uint16)
    for mosaic in (dark, bright):
        assert len(photon_transfer.patches(mosaic, [0] * 4, 4095)) == 0


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (15, 40), (16, 16)])
def test_small_frames_give_no_estimate(shape: tuple[int, int]) -> None:
    """A frame with too few patches is answered with None, never with a made-up figure."""
    mosaic = np.random.default_rng(0).integers(100, 200, shape).astype(np.uint16)
    assert photon_transfer.fit([photon_transfer.patches(mosaic, [0] * 4, 4095)]) is None


def test_nothing_gives_no_estimate() -> None:
    """No frame, no noise."""
    assert photon_transfer.fit([]) is None


def test_a_frame_without_noise_has_none() -> None:
    """A ramp of exact numbers has neither shot nor read noise beyond rounding."""
    light = np.tile(np.linspace(0.1, 0.9, 512), (256, 1))
    found = photon_transfer.fit([photon_transfer.patches((light * 60000).astype(np.uint16), [0] * 4, 65535)])
    assert found is not None
    assert found.std(0.5) < 2 / 65535

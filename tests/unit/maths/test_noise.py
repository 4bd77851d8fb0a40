"""The noise of a picture is found from the picture, and the published levels are the published ones."""

from pathlib import Path

import numpy as np
import pytest

from stages.core import images
from stages.maths import noise, sensor

KODAK = Path(__file__).parents[3].parent / "shared" / "data" / "kodak"
IDENTITY = tuple(map(tuple, np.linalg.inv(sensor.XYZ_FROM_SRGB).tolist()))
BLACK, WHITE = (1024.0,) * 4, 16383


def _taken(picture: np.ndarray, level: noise.NoiseLevel, seed: int = 3) -> np.ndarray:
    camera = sensor.Sensor("t", "RGGB", BLACK, WHITE, IDENTITY, 1 / level.shot, level.read**0.5 / level.shot)
    return sensor.expose(picture, camera, (1.0, 1.0, 1.0), 0.9, 100, seed)


def test_the_relation_is_the_published_one() -> None:
    """At the ends of the range: variances of 6.3e-9 and 2.2e-4 (2.18 log(shot) + 1.20, natural logarithms)."""
    assert noise.LEVELS["darmstadt_low"].read == pytest.approx(6.34e-9, rel=0.01)
    assert noise.LEVELS["darmstadt_high"].read == pytest.approx(2.16e-4, rel=0.01)


@pytest.mark.parametrize("name", noise.LEVELS)
def test_a_smooth_picture_tells_its_noise(name: str) -> None:
    """On light and shade without texture the variance is found to 15 % at a fifth and at a half of white."""
    level = noise.LEVELS[name]
    y, x = np.mgrid[:512, :768] / 768
    picture = (0.05 + 0.6 * x * (1 - y))[..., None] * np.array([0.9, 1.0, 0.8])
    found = noise.estimate(_taken(picture, level), BLACK, WHITE)
    assert found is not None
    for value in (0.2, 0.5):
        assert found.shot * value + found.read == pytest.approx(level.shot * value + level.read, rel=0.15)


@pytest.mark.skipif(not KODAK.exists(), reason="the reference pictures are not here")
@pytest.mark.parametrize("name", ["01.png", "09.png", "21.png"])
def test_a_photograph_tells_more_than_its_noise_but_not_much(name: str) -> None:
    """Texture adds: between the truth and twice it for the middle and the high level."""
    files = [f for f in KODAK.glob("*.png") if f.name.endswith(name)]
    for key in ("darmstadt_middle", "darmstadt_high"):
        level = noise.LEVELS[key]
        found = noise.estimate(_taken(images.read_image(files[0]), level), BLACK, WHITE)
        assert found is not None
        assert 0.95 < (found.shot * 0.2 + found.read) / (level.shot * 0.2 + level.read) < 2


def test_too_little_to_judge_by_is_said() -> None:
    """A small frame and a blown one give nothing."""
    assert noise.estimate(np.full((64, 64), 2000, np.uint16), BLACK, WHITE) is None
    assert noise.estimate(np.full((900, 900), WHITE, np.uint16), BLACK, WHITE) is None
    assert noise.estimate(np.full((1, 1), 2000, np.uint16), BLACK, WHITE) is None
    still = noise.estimate(np.full((900, 900), 2000, np.uint16), BLACK, WHITE)
    assert still == noise.NoiseLevel(0.0, 0.0)

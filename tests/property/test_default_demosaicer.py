"""The default demosaicer: good on both reference sets, and a pixel depends on its neighbourhood alone."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.core import parts
from stages.maths import bayer, colour, sensor
from stages.maths.tiling import Demosaicer, in_square_root

NAMES = ("gbtf2010", "mlri2014", "adaptive")
SHARED = Path(__file__).parents[2].parent / "shared" / "data"
LIBRAW_AAHD = {"kodak": 37.81, "mcmaster": 35.36}


def _build(name: str) -> Demosaicer:
    module = parts.load("demosaicers", name, "test")
    return module.build(module.Params())


def _fill(name: str, tile: np.ndarray, rubbish: float) -> np.ndarray:
    method = _build(name)
    out = np.full((3, tile.shape[0] - 2 * method.margin, tile.shape[1] - 2 * method.margin), rubbish, np.float32)
    method.fill(tile, out, np.full((method.num_scratch, *tile.shape), rubbish, np.float32))
    return out


@pytest.mark.parametrize("name", NAMES)
def test_working_planes_need_no_cleaning(name: str) -> None:
    """What the last tile left in the working planes, NaN even, reaches no result."""
    tile = np.random.default_rng(0).random((120, 134), dtype=np.float32)
    np.testing.assert_array_equal(_fill(name, tile, np.nan), _fill(name, tile, 0.0))


@pytest.mark.parametrize("name", NAMES)
def test_a_pixel_depends_on_its_margin_alone(name: str) -> None:
    """A part of a tile gives the same bits as the whole, whatever lies beyond its margin and wherever it is cut."""
    margin = _build(name).margin
    tile = np.random.default_rng(1).random((2 * margin + 60, 2 * margin + 90), dtype=np.float32)
    whole = _fill(name, tile, 0.0)
    for top, left, height, width in ((0, 0, 22, 34), (10, 14, 31, 17), (58, 88, 2, 2)):
        part = np.ascontiguousarray(tile[top : top + height + 2 * margin, left : left + width + 2 * margin])
        np.testing.assert_array_equal(_fill(name, part, 0.0), whole[:, top : top + height, left : left + width])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_steps_of_any_height_stay_finite(name: str, size: float) -> None:
    """Edges, points and a checkerboard from a millionth to a million give finite colours and keep what was measured."""
    frames = np.zeros((4, 40, 44), np.float32)
    frames[0, :, 21:], frames[1, 20, 20], frames[2, ::2, ::2], frames[3, 17:, :] = size, size, -size, -size
    for frame in frames:
        found = _build(name)(frame, "RGGB")
        assert np.isfinite(found).all()
        np.testing.assert_array_equal(bayer.mosaic(found, "RGGB"), frame)


def test_the_default_wins_on_both_sets() -> None:
    """Its mean CPSNR of Kodak and McMaster is at least 38.5 dB, and on neither set is it below LibRaw's AAHD."""
    found = {}
    for folder, floor in LIBRAW_AAHD.items():
        files = sorted(file for file in (SHARED / folder).glob("*") if file.suffix in {".png", ".tif"})
        if not files:
            pytest.skip(f"the {folder} pictures are not here")
        found[folder] = float(np.mean([_quality(cv2.imread(str(file))[..., ::-1]) for file in files]))
        assert found[folder] >= floor
    assert np.mean(list(found.values())) >= 38.5


@pytest.mark.parametrize(("folder", "clean_gain"), [("kodak", 2.5), ("mcmaster", 1.0)])
def test_square_roots_gain_in_linear_light(folder: str, clean_gain: float) -> None:
    """On references brought to linear light the square-root domain gains, and under strong noise it does not lose."""
    files = sorted(file for file in (SHARED / folder).glob("*") if file.suffix in {".png", ".tif"})[::6]
    if not files:
        pytest.skip(f"the {folder} pictures are not here")
    pictures = [cv2.imread(str(file))[..., ::-1] for file in files]
    method = _build("adaptive")
    for variance, gain in ((0.0, clean_gain), (0.002, 0.0)):
        plain, rooted = (
            float(np.mean([_quality_in_light(picture, way, variance) for picture in pictures]))
            for way in (method, in_square_root(method))
        )
        assert rooted >= plain + gain


def test_square_roots_keep_the_mean_of_noisy_shadows() -> None:
    """Noise of 0.8 % of white moves the mean of a shadow at 1 % by less than a fiftieth."""
    shadow = np.random.default_rng(3).normal(0.01, 0.008, (300, 300)).astype(np.float32)
    found = in_square_root(_build("adaptive"))(shadow, "RGGB")
    assert found.mean() == pytest.approx(shadow.mean(), rel=0.02)


def _quality_in_light(picture: np.ndarray, method: Demosaicer, variance: float) -> float:
    light = bayer.mosaic(sensor.linear_from_srgb(picture), "RGGB")
    noise = np.random.default_rng(0).normal(size=light.shape) * np.sqrt(variance * light)
    found = colour.srgb_from_linear(method((light + noise).astype(np.float32), "RGGB"))
    error = (found.astype(np.float64) - picture)[10:-10, 10:-10]
    return float(10 * np.log10(255**2 / np.mean(np.square(error))))


def _quality(picture: np.ndarray) -> float:
    found = _build("adaptive")(bayer.mosaic(picture.astype(np.float32), "RGGB") / np.float32(255), "RGGB")
    error = ((found * 255).round().clip(0, 255) - picture)[10:-10, 10:-10]
    return float(10 * np.log10(255**2 / np.mean(np.square(error, dtype=np.float64))))

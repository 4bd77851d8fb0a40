"""Exposure, contrast, denoising, smoothing and sharpening do what their names say and no more."""

import numpy as np
import pytest

from stages.core import raw
from stages.maths import tone
from stages.parts.cameras import _tone
from stages.parts.cameras._development import develop
from stages.parts.demosaicers import bilinear
from stages.parts.white_balances import camera

NOTHING = {"contrast_stretch": 0.0, "exposure_ev": 0.0, "denoise": 0.0, "smoothing_px": 0.0, "sharpening": 0.0}
KINDS = [np.uint8, np.float32]


def _developed(mosaic: np.ndarray, output: str = "linear_rgb", **tones: float) -> np.ndarray:
    frame = raw.Frame(mosaic, "RGGB", (100.0,) * 4, 1100.0, (1.0, 1.0, 1.0), np.eye(3))
    balance, method = camera.build(camera.Params(fallback="none")), bilinear.build(bilinear.Params())
    return develop(frame, balance=balance, demosaicer=method, tone=_tone.Params(**(NOTHING | tones)), output=output).image


def _noisy(kind: type) -> np.ndarray:
    """Return two flat halves with noise between 0.3 and 0.7 of the range."""
    flat = np.where(np.arange(64) < 32, 0.3, 0.7)[None, :, None].repeat(64, 0).repeat(3, 2)
    noisy = flat + np.random.default_rng(0).normal(0, 0.02, flat.shape)
    return (noisy * 255).round().astype(np.uint8) if kind is np.uint8 else noisy.astype(np.float32)


@pytest.mark.parametrize("stops", [-2.0, 0.5, 1.0])
def test_a_stop_of_exposure_doubles_linear_light(stops: float) -> None:
    """Exposure multiplies linear light by two to the power of the stops, and sRGB clips what goes beyond white."""
    mosaic = np.full((8, 10), 400, np.uint16)
    np.testing.assert_allclose(_developed(mosaic, exposure_ev=stops), 0.3 * 2**stops, rtol=1e-5)
    assert (_developed(mosaic, "srgb", exposure_ev=6.0) == 255).all()


def test_contrast_is_stretched_to_the_shares_asked_for() -> None:
    """Black and white are put where the stated share of the greens lies below and above; a flat frame is left alone."""
    mosaic = np.random.default_rng(1).integers(300, 701, (60, 80)).astype(np.uint16)
    stretched = _developed(mosaic, contrast_stretch=0.1)[..., 1]
    greens = np.concatenate([stretched[0::2, 1::2].ravel(), stretched[1::2, 0::2].ravel()])
    assert np.mean(greens <= 0) == pytest.approx(0.1, abs=0.02)
    assert np.mean(greens >= 1) == pytest.approx(0.1, abs=0.02)
    flat = np.full((8, 8), 600, np.uint16)
    np.testing.assert_array_equal(_developed(flat, contrast_stretch=0.1), _developed(flat))


@pytest.mark.parametrize("kind", KINDS)
def test_denoising_lowers_noise_and_keeps_the_edge(kind: type) -> None:
    """Within a colour noise falls by two fifths and the mean stays; colours further apart than the strength stay apart."""
    noisy = _noisy(kind)
    found, scale = tone.denoise(noisy, 0.08).astype(np.float64), 255 if kind is np.uint8 else 1
    before = noisy.astype(np.float64)
    assert found[:, :28].std() < 0.6 * before[:, :28].std()
    assert found[:, :28].mean() == pytest.approx(before[:, :28].mean(), abs=0.005 * scale)
    step = found[:, 33].mean() - found[:, 30].mean()
    assert step > 0.95 * 0.4 * scale


@pytest.mark.parametrize("kind", KINDS)
def test_smoothing_keeps_the_mean_and_sharpening_undoes_it_in_part(kind: type) -> None:
    """A blur keeps the mean and lowers the spread; an unsharp mask raises the step of an edge; flat pictures stay."""
    noisy = _noisy(kind)
    smooth = tone.smooth(noisy, 1.5)
    assert smooth.dtype == noisy.dtype
    assert smooth.astype(np.float64).mean() == pytest.approx(noisy.astype(np.float64).mean(), rel=0.005)
    assert smooth[:, :26].std() < 0.5 * noisy[:, :26].std()
    sharp = tone.sharpen(smooth, 1.0)
    steps = [np.abs(np.diff(p.astype(np.float64).mean(axis=(0, 2)))).max() for p in (smooth, sharp)]
    expected = 2 - 1.5 / np.hypot(1.5, 1.0)  # an edge's slope falls with the width of the blur
    assert steps[1] / steps[0] == pytest.approx(expected, rel=0.02)
    flat = np.full((9, 9, 3), 90, kind)
    for done in (tone.smooth(flat, 2.0), tone.sharpen(flat, 3.0), tone.denoise(flat, 0.1)):
        np.testing.assert_allclose(done, flat, rtol=1e-6)


def test_nothing_asked_for_changes_nothing() -> None:
    """All tones at 0 give the chain's own result, to the bit."""
    picture = _noisy(np.float32)
    assert _tone.retouch(_tone.Params(**NOTHING), picture) is picture

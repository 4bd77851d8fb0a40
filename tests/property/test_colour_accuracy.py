"""A ColorChecker photographed by a known camera comes back in its own colours, by daylight and by tungsten light.

The colour difference is CIEDE2000 (scikit-image), the figure its mean over the 24 patches.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from stages import preprocess
from stages.core import dng, params
from stages.maths import calibration, sensor

BASE = params.read(Path(__file__).parents[2] / "params.yaml")["preprocess"]
# sRGB of the patches, as X-Rite published them (see D. Pascale, "RGB coordinates of the ColorChecker", BabelColor 2006).
CHART = np.array([
    (115, 82, 68), (194, 150, 130), (98, 122, 157), (87, 108, 67), (133, 128, 177), (103, 189, 170),
    (214, 126, 44), (80, 91, 166), (193, 90, 99), (94, 60, 108), (157, 188, 64), (224, 163, 46),
    (56, 61, 150), (70, 148, 73), (175, 54, 60), (231, 199, 31), (187, 86, 149), (8, 133, 161),
    (243, 243, 242), (200, 200, 200), (160, 160, 160), (122, 122, 121), (85, 85, 85), (52, 52, 52),
], np.uint8).reshape(4, 6, 3)  # fmt: skip
PATCH = 16
WHITE, BLACK = 16383, (1000, 1012, 1020, 1006)
# ColorMatrix1 (illuminant A) and 2 (D65) of the Canon EOS 5D Mark II, as Adobe states them.
TUNGSTEN = np.array([[0.5309, -0.0229, -0.0336], [-0.6241, 1.3265, 0.3337], [-0.0817, 0.1215, 0.6664]])
DAYLIGHT = np.array([[0.4716, 0.0603, -0.0830], [-0.7798, 1.5474, 0.2480], [-0.1496, 0.1937, 0.6651]])
LIGHTS = {"D65": (calibration.D65_XY, DAYLIGHT), "A": ((0.44757, 0.40745), TUNGSTEN)}


def _file(camera: np.ndarray, white: np.ndarray, pattern: str, matrices: dict[str, np.ndarray]) -> bytes:
    """Write the DNG of a chart: camera colours (4, 6, 3) of the patches and (3,) of white, one step below saturation."""
    colors = (camera / white.max()).repeat(PATCH, 0).repeat(PATCH, 1)
    flat = sensor.mosaic(colors, pattern)
    levels = np.tile(np.reshape(BLACK, (2, 2)), (flat.shape[0] // 2, flat.shape[1] // 2))
    mosaic = (levels + flat.clip(0, 1) * (WHITE - levels)).round().astype(np.uint16)
    return dng.encode(
        mosaic, pattern=pattern, black_level=BLACK, white_level=WHITE, neutral=(white / white.max()).tolist(),
        color_matrix=matrices["D65"], tungsten_matrix=matrices["A"], model="chart", iso=100,
    )  # fmt: skip


def _developed(content: bytes, **changes: Any) -> np.ndarray:
    """Return the middle of each developed patch, (4, 6, 3) uint8."""
    recipe = {"seed": 7, "preprocess": {**BASE, "white_balance": "camera", "fit": "none", "size_px": None, **changes}}
    return preprocess.prepare(recipe, content).image[PATCH // 2 :: PATCH, PATCH // 2 :: PATCH]


def _difference(found: np.ndarray, truth: np.ndarray) -> float:
    return float(deltaE_ciede2000(rgb2lab(truth), rgb2lab(found)).mean())


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("pattern", sensor.PATTERNS)
def test_a_chart_comes_back_through_a_known_camera(light: str, pattern: str) -> None:
    """Published patches under Bradford's daylight or tungsten, seen by the camera's matrix for it: below 0.4."""
    xy, matrix = LIGHTS[light]
    colors = sensor.linear_from_srgb(CHART) @ calibration.XYZ_FROM_SRGB.T @ calibration.adaptation(calibration.D65_XY, xy).T
    content = _file(colors @ matrix.T, matrix @ calibration.xyz(xy), pattern, {"A": TUNGSTEN, "D65": DAYLIGHT})
    assert _difference(_developed(content), CHART) < 0.4


@pytest.fixture(scope="module")
def spectra() -> dict[str, Any]:
    """Measured spectra, 400 to 700 nm: two charts, two lights, the standard observer and a Nikon D5100's sensor (NPL)."""
    import colour  # noqa: PLC0415 - a second; colour-demosaicing brings it

    shape = colour.SpectralShape(400, 700, 10)
    charts = {name: colour.SDS_COLOURCHECKERS[name].values() for name in ("PMC", "BabelColor Average")}
    observer = colour.MSDS_CMFS["CIE 1931 2 Degree Standard Observer"].copy().align(shape).values
    return {
        **{name: np.array([s.copy().align(shape).values for s in chart]) for name, chart in charts.items()},
        **{name: colour.SDS_ILLUMINANTS[name].copy().align(shape).values for name in LIGHTS},
        "observer": observer, "sensor": colour.MSDS_CAMERA_SENSITIVITIES["Nikon 5100 (NPL)"].copy().align(shape).values,
    }  # fmt: skip


def _fitted(spectra: dict[str, Any], light: str) -> np.ndarray:
    """Calibrate as a maker does: the matrix that takes another chart's 30 materials from XYZ to the camera best."""
    lit, power = spectra["PMC"] * spectra[light], spectra[light]
    xyz = lit @ spectra["observer"] / (power @ spectra["observer"])[1]
    camera = lit @ spectra["sensor"] / (power @ spectra["sensor"])[1]
    return np.asarray(np.linalg.lstsq(xyz, camera, rcond=None)[0].T)


@pytest.mark.parametrize(("light", "bound"), [("D65", 1.2), ("A", 2.8)])
def test_a_chart_comes_back_from_measured_spectra(light: str, bound: float, spectra: dict[str, Any]) -> None:
    """A real sensor's spectra are no matrix of the eye's: 1.0 remains by daylight, 2.6 by tungsten.

    By tungsten the right white point is worth a third (4.2 remain with the daylight matrix and its own white, as LibRaw
    takes it), the second matrix another tenth: with the daylight matrix for the right white 2.9 remain.
    """
    chart, power = spectra["BabelColor Average"], spectra["D65"]
    xyz = (chart * power) @ spectra["observer"] / (power @ spectra["observer"])[1]
    linear = (xyz @ np.linalg.inv(calibration.XYZ_FROM_SRGB).T).clip(0, 1)
    truth = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055).reshape(4, 6, 3)
    matrices = {name: _fitted(spectra, name) for name in LIGHTS}
    camera, white = (chart * spectra[light]) @ spectra["sensor"], spectra[light] @ spectra["sensor"]
    content = _file(camera.reshape(4, 6, 3), white, "RGGB", matrices)
    found = _difference(_developed(content), truth)
    assert found < bound
    if light == "A":
        daylight = _developed(content, color_matrix=matrices["D65"].ravel().tolist())
        assert _difference(daylight, truth) > 1.1 * found

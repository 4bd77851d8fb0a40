"""Colours go through the right white point: the light's own, found from the camera's neutral."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.maths import calibration
from stages.maths.calibration import Calibration

# ColorMatrix1 and 2 of a real camera (Canon EOS 5D Mark II in Adobe's tables, as dcraw and LibRaw have the second).
TUNGSTEN = np.array([[0.5309, -0.0229, -0.0336], [-0.6241, 1.3265, 0.3337], [-0.0817, 0.1215, 0.6664]])
DAYLIGHT = np.array([[0.4716, 0.0603, -0.0830], [-0.7798, 1.5474, 0.2480], [-0.1496, 0.1937, 0.6651]])
CAMERA = Calibration((TUNGSTEN, DAYLIGHT), (2856.0, 6504.0))
A_XY = (0.44757, 0.40745)


def _gains(xy: tuple[float, float]) -> np.ndarray:
    return 1 / calibration.neutral(CAMERA, xy)


@settings(max_examples=80, deadline=None)
@given(st.floats(0.28, 0.45), st.floats(0.0, 0.02))
def test_the_light_is_found_from_the_neutral(x: float, off: float) -> None:
    """What the camera records of white under any light near daylight or tungsten leads back to that light."""
    xy = (x, -3.0 * x * x + 2.87 * x - 0.275 + off)  # CIE's daylight locus, and a little to its green side
    assert calibration.white_xy(CAMERA, _gains(xy)) == pytest.approx(xy, abs=1e-4)


@settings(max_examples=80, deadline=None)
@given(st.floats(0.28, 0.45), st.floats(-0.01, 0.02))
def test_white_stays_white_and_rows_sum_to_one(x: float, off: float) -> None:
    """Under any light the white-balanced camera white becomes white of sRGB."""
    xy = (x, -3.0 * x * x + 2.87 * x - 0.275 + off)
    np.testing.assert_allclose(calibration.srgb_from_camera(CAMERA, _gains(xy)).sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize(("xy", "own"), [(A_XY, TUNGSTEN), (calibration.D65_XY, DAYLIGHT)])
def test_under_a_calibration_light_its_own_matrix_holds(xy: tuple[float, float], own: np.ndarray) -> None:
    """Colours seen by that matrix come back as Bradford says, to a thousandth."""
    colors = np.random.default_rng(0).uniform(0.1, 0.9, (20, 3)) @ calibration.XYZ_FROM_SRGB.T  # under D65
    seen = colors @ calibration.adaptation(calibration.D65_XY, xy).T @ own.T
    gains = _gains(xy)
    linear = (seen * gains) @ calibration.srgb_from_camera(CAMERA, gains).T
    expected = colors @ np.linalg.inv(calibration.XYZ_FROM_SRGB).T
    np.testing.assert_allclose(linear / linear.sum(), expected / expected.sum(), atol=1e-3)


def test_between_the_lights_the_matrix_lies_by_inverse_temperature() -> None:
    """Half way between 1 / 2856 and 1 / 6504 both matrices weigh the same; beyond the lights the nearer one holds alone."""
    half = 2 / (1 / 2856 + 1 / 6504)
    between = calibration._between(CAMERA.camera_from_xyz, CAMERA.temperatures, half)
    np.testing.assert_allclose(between, (TUNGSTEN + DAYLIGHT) / 2)
    for kelvin, own in ((2000, TUNGSTEN), (12000, DAYLIGHT)):
        np.testing.assert_allclose(calibration._between(CAMERA.camera_from_xyz, CAMERA.temperatures, kelvin), own)


def test_daylight_without_white_balance_is_libraws_matrix() -> None:
    """One matrix and no stated light give what dcraw and LibRaw compute: rows of camera-from-sRGB scaled to 1, inverted."""
    camera = DAYLIGHT @ calibration.XYZ_FROM_SRGB
    expected = np.linalg.inv(camera / camera.sum(axis=1, keepdims=True))
    found = calibration.srgb_from_camera(Calibration((DAYLIGHT,), (6504.0,)), None)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_bradford_agrees_with_published_numbers() -> None:
    """B. Lindbloom's table, D65 to D50."""
    published = [[1.0478112, 0.0228866, -0.0501270], [0.0295424, 0.9904844, -0.0170491], [-0.0092345, 0.0150436, 0.7521316]]
    np.testing.assert_allclose(calibration.adaptation(calibration.D65_XY, calibration.D50_XY), published, atol=3e-4)


def test_a_forward_matrix_goes_before_the_color_matrix() -> None:
    """It takes white-balanced colours to XYZ under D50; the file's maker fitted it for that."""
    white = calibration.xyz(calibration.D50_XY)
    forward = np.array([[0.6, 0.3, 0.1], [0.25, 0.7, 0.05], [0.02, 0.08, 0.9]])
    forward *= (white / forward.sum(axis=1))[:, None]
    found = calibration.srgb_from_camera(Calibration((DAYLIGHT,), (6504.0,), (forward,)), (2.0, 1.0, 1.5))
    to_srgb = np.linalg.inv(calibration.XYZ_FROM_SRGB) @ calibration.adaptation(calibration.D50_XY, calibration.D65_XY)
    np.testing.assert_allclose(found, to_srgb @ forward, atol=1e-9)


def test_what_makes_no_sense_is_refused() -> None:
    """A matrix without inverse, and a white balance that belongs to no light."""
    with pytest.raises(ValueError, match="no inverse"):
        calibration.srgb_from_camera(Calibration((np.ones((3, 3)),), (6504.0,)), None)
    with pytest.raises(ValueError, match="no light there is"):
        calibration.srgb_from_camera(CAMERA, (1.0, 1.0, 100.0))

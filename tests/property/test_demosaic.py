"""Our demosaicers beside independent ones: written plainly, in colour-demosaicing, and by quality on reference pictures."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stages.core import parts
from stages.maths import bayer
from stages.maths.tiling import Demosaicer
from tests.references.demosaicers import adaptive, gbtf2010, linear, menon2007, mlri2014, rcd

PLAIN: dict[str, Callable[[Any, str], Any]] = {
    "bilinear": linear.bilinear,
    "malvar2004": linear.malvar2004,
    "menon2007": menon2007.menon2007,
    "rcd": rcd.rcd,
    "gbtf2010": gbtf2010.gbtf2010,
    "mlri2014": mlri2014.mlri2014,
    "adaptive": adaptive.adaptive,
}
# In colour-demosaicing, and how far from the border it keeps the mosaic's parity.
TWINS = {"bilinear": ("bilinear", 1), "malvar2004": ("Malvar2004", 2), "menon2007": ("Menon2007", 6)}
SETS = {"kodak": "*.png", "mcmaster": "*.tif"}
CPSNR = {  # Kodak, McMaster
    "bilinear": (30.24, 32.30),
    "malvar2004": (35.78, 34.43),
    "menon2007": (39.27, 34.20),
    "rcd": (36.98, 36.11),
    "gbtf2010": (40.49, 33.88),
    "mlri2014": (38.22, 36.57),
    "adaptive": (40.54, 36.75),
    "opencv_ea": (30.26, 32.34),
    "opencv_vng": (35.24, 34.85),
}
BORDER = 10
patterns = st.sampled_from(bayer.PATTERNS)


@cache
def _build(name: str) -> Demosaicer:
    module = parts.load("demosaicers", name, "test")
    return module.build(module.Params())


@cache
def _pictures(folder: str) -> list[Any]:
    files = sorted((Path(__file__).parents[2].parent / "shared" / "data" / folder).glob(SETS[folder]))
    if not files:
        pytest.skip(f"the {folder} pictures are not here")
    return [cv2.imread(str(file))[..., ::-1].astype(np.float32) for file in files]


def _cpsnr(found: np.ndarray, truth: np.ndarray) -> float:
    inner = (slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    error = (found * 255).round().clip(0, 255)[inner] - truth[inner]
    return float(10 * np.log10(255**2 / np.mean(np.square(error, dtype=np.float64))))


def _quality(method: Callable[[Any, str], Any], pictures: list[Any]) -> float:
    return float(np.mean([_cpsnr(method(bayer.mosaic(p, "RGGB") / np.float32(255), "RGGB"), p) for p in pictures]))


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("pattern", bayer.PATTERNS)
@pytest.mark.parametrize("size", [(61, 57), (20, 22), (7, 5), (1, 6), (1, 1)])
def test_equals_the_plain_method_to_the_border(name: str, pattern: str, size: tuple[int, int]) -> None:
    """The compiled method is the plain one, also below black and above white."""
    mosaic = np.random.default_rng(3).uniform(-0.2, 1.5, size).astype(np.float32)
    np.testing.assert_allclose(_build(name)(mosaic, pattern), PLAIN[name](mosaic, pattern), atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["bilinear", "malvar2004"]),  # the others decide: a tie falls otherwise in float64
    patterns,
    hnp.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(0, 1, width=32)),
)
def test_equals_the_plain_method_on_any_picture(name: str, pattern: str, frame: np.ndarray) -> None:
    """Flat parts, single points, edges: none makes the compiled method differ."""
    np.testing.assert_allclose(_build(name)(frame, pattern), PLAIN[name](frame, pattern), atol=1e-5)


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("pattern", bayer.PATTERNS)
def test_equals_colour_demosaicing_inside_the_frame(name: str, pattern: str) -> None:
    """Inside the frame the result is that of an independent implementation; its border breaks the mosaic's parity."""
    reference = pytest.importorskip("colour_demosaicing")
    twin, border = TWINS[name]
    mosaic = np.random.default_rng(1).random((61, 57)).astype(np.float32)
    expected = getattr(reference, f"demosaicing_CFA_Bayer_{twin}")(mosaic.astype(np.float64), pattern)
    inner = (slice(border, -border), slice(border, -border))
    np.testing.assert_allclose(_build(name)(mosaic, pattern)[inner], expected[inner], atol=1e-6)
    assert np.abs(_build(name)(mosaic, pattern) - expected).max() > 1e-3  # else the border need not be left out


@pytest.mark.parametrize("folder", SETS)
@pytest.mark.parametrize("name", CPSNR)
def test_quality_is_the_measured_one(name: str, folder: str) -> None:
    """The mean CPSNR over the reference set (RGGB, 8 bit, border of 10 px left out) is the known figure within 0.03 dB."""
    known = CPSNR[name][list(SETS).index(folder)]
    assert _quality(_build(name), _pictures(folder)) == pytest.approx(known, abs=0.03)


@pytest.mark.parametrize("folder", SETS)
@pytest.mark.parametrize(
    ("name", "twin"), [("bilinear", "opencv_bilinear"), ("bilinear", "libraw_linear"), ("malvar2004", "Malvar2004")]
)
def test_none_falls_below_its_library_twin(name: str, twin: str, folder: str) -> None:
    """On two pictures of each set our method is at least as good as a library's own."""
    pictures = _pictures(folder)[:2]
    assert _quality(_build(name), pictures) >= _quality(_twin(twin), pictures) - 0.005


@pytest.mark.parametrize("folder", SETS)
def test_menon_does_not_fall_below_its_library_twin(folder: str) -> None:
    """Beside colour-demosaicing's Menon on whole codes, where ties are ties in float32 and in float64."""
    cut = [_pictures(folder)[0][:200, :300]]  # theirs takes a second for a million pixels

    def in_codes(method: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
        return lambda mosaic, pattern: method((mosaic * 255).round(), pattern) / 255

    assert (
        _quality(in_codes(_build("menon2007")), cut) >= _quality(in_codes(_twin("Menon2007")), cut) - 1e-3
    )  # halves round either way


def _twin(name: str) -> Callable[[Any, str], Any]:
    if name == "opencv_bilinear":
        return lambda mosaic, _: cv2.demosaicing((mosaic * 255).round().astype(np.uint8), cv2.COLOR_BAYER_RGGB2RGB) / 255.0
    if name.startswith("libraw"):
        return _build(name)
    return getattr(pytest.importorskip("colour_demosaicing"), f"demosaicing_CFA_Bayer_{name}")


@pytest.mark.parametrize(("better", "than"), [("malvar2004", "bilinear"), ("menon2007", "malvar2004")])
def test_the_order_of_the_literature(better: str, than: str) -> None:
    """On Kodak, gradient correction gains over 5 dB on bilinear interpolation, direction another 3 dB."""
    pictures = _pictures("kodak")[:4]
    assert _quality(_build(better), pictures) > _quality(_build(than), pictures) + 2.5


@pytest.mark.parametrize(
    ("name", "known"), [("libraw_ahd", 37.10), ("libraw_aahd", 37.81), ("libraw_ppg", 35.85), ("libraw_vng", 35.34)]
)
def test_libraw_is_undisturbed(name: str, known: float) -> None:
    """Nothing but the demosaicing is done: on Kodak the figure is the known one."""
    assert _quality(_build(name), _pictures("kodak")) == pytest.approx(known, abs=0.05)


def test_opencv_takes_red_for_red() -> None:
    """OpenCV's "BG" means RGGB: a red patch stays red."""
    patch = np.tile(np.array([0.9, 0.2, 0.1], np.float32), (8, 8, 1))
    for name in ("opencv_ea", "opencv_vng"):
        found = _build(name)(bayer.mosaic(patch, "RGGB"), "RGGB")
        assert (found[..., 0] > found[..., 2] + 0.5).all()


@pytest.mark.parametrize("name", ["libraw_ahd", "libraw_linear"])
def test_libraw_brightens_nothing(name: str) -> None:
    """A dark frame stays as dark as it is: no automatic maximum, no automatic brightness, no curve."""
    frame = np.random.default_rng(0).uniform(0.01, 0.05, (40, 44)).astype(np.float32)
    np.testing.assert_allclose(bayer.mosaic(_build(name)(frame, "GRBG"), "GRBG"), frame, atol=1e-5)

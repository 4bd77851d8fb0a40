"""One pass counts every pixel, and what a file states against its pixels is named."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core import raw
from stages.maths import bayer, mosaic_statistics

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "raw"
LEVELS = ((64.0,) * 4, 4095.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 13), st.sampled_from((1, 255, 4095, 65535)), st.integers(0, 99))
def test_the_histograms_are_numpys(height: int, width: int, top: int, seed: int) -> None:
    """Counts, means, quantiles and shares of each position equal numpy's on its slice, from 1 x 1 up."""
    mosaic = np.random.default_rng(seed).integers(0, top + 1, (height, width)).astype(np.uint16)
    found = mosaic_statistics.measure(mosaic)
    for phase in range(4):
        pixels = mosaic[phase // 2 :: 2, phase % 2 :: 2]
        assert found.counts[phase] == pixels.size
        if pixels.size:
            np.testing.assert_array_equal(found.histogram[phase], np.bincount(pixels.ravel(), minlength=mosaic.max() + 1))
            assert found.means[phase] == pytest.approx(pixels.mean())
            for share in (0.001, 0.5, 1.0):
                assert found.quantiles(share)[phase] == np.quantile(pixels, share, method="inverted_cdf")
        else:
            assert np.isnan(found.means[phase])
    for level in (0, top / 3, top, top + 1):
        assert found.share_from(level) == pytest.approx((mosaic >= level).mean())


def _scene(pattern: str = "RGGB") -> np.ndarray:
    """Return an honest frame: greens agree, the darkest reach black, white is not reached."""
    rng = np.random.default_rng(1)
    light = rng.uniform(0, 1, (60, 80, 1)).repeat(2, 0).repeat(2, 1) ** 2 * np.array([0.5, 0.9, 0.6])
    return (64 + bayer.mosaic(light, pattern) * 4031 + rng.normal(0, 2, (120, 160))).round().clip(0, 4095).astype(np.uint16)


def _suspicions(mosaic: np.ndarray, pattern: str = "RGGB", black=LEVELS[0], white=LEVELS[1]) -> list[str]:
    return mosaic_statistics.suspicions(mosaic_statistics.measure(mosaic), pattern, black, white)


@pytest.mark.parametrize("pattern", bayer.PATTERNS)
def test_an_honest_frame_raises_no_suspicion(pattern: str) -> None:
    """Right levels and the right pattern, also where a bright part is blown, are not doubted."""
    frame = _scene(pattern)
    assert _suspicions(frame, pattern) == []
    frame[:40] = 4095
    assert _suspicions(frame, pattern) == []


@pytest.mark.parametrize(
    ("made", "stated", "line"),
    [
        (lambda m: m * 0.5 + 600, {}, "black level 64/64/64/64, but the darkest pixels lie near 6"),
        (lambda m: m, {"black": (3000.0,) * 4}, "black level 3000/3000/3000/3000, but half of the pixels lie below it"),
        (lambda m: m, {"white": 1023.0}, "white level 1023, but .* lie above it"),
        (lambda m: np.minimum(m, 2000), {}, "white level 4095, but .* end at 2000"),
        (lambda m: m, {"pattern": "GRBG"}, "pattern GRBG, but its two greens differ"),
        (lambda m: m, {"black": (4095.0,) * 4}, "white level 4095 is not above the stated black level 4095"),
        (lambda m: m, {"white": 0.0}, "white level 0 is not above"),
        (lambda m: m * 0 + 7, {}, "all pixels are 7"),
    ],
)
def test_each_lie_is_named(made, stated, line: str) -> None:
    """A wrong black level, white level or pattern, and a frame without a picture, give one line with the values."""
    found = _suspicions(made(_scene()).astype(np.uint16), **stated)
    assert any(re.search(line, f) for f in found), found
    assert all("\n" not in f for f in found)


@pytest.mark.skipif(not REAL.exists(), reason="the real camera files are not here")
def test_the_real_file_that_lies_is_named_and_the_others_are_not() -> None:
    """The one file whose black level is wrongly 0 is suspected for it; four true files are not."""
    for path in sorted(REAL.iterdir()):
        frame = raw.read(path)
        found = _suspicions(frame.mosaic, frame.pattern, frame.black_level, frame.white_level)
        if path.name == "pidng_bad_metadata.dng":
            assert found[0] == "stated black level 0/0/0/0, but the darkest pixels lie near 73"
        else:
            assert found == [], path.name

"""The choices after the colours are right: exposure, contrast, denoising, smoothing, sharpening."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stages.core import params as core
from stages.maths import tone
from stages.maths.mosaic_statistics import MosaicStatistics


class Params(core.Params):
    """What is done to tones and details, in this order; all 0 leaves the picture as it was taken.

    Attributes:
        contrast_stretch: share of the green pixels that become black, and likewise white.
        exposure_ev: stops of light added on linear light.
        denoise: strength, as a share of the range; 0.02 to 0.1 is usual.
        smoothing_px: standard deviation of a Gaussian blur.
        sharpening: amount of an unsharp mask of 1 px.
    """

    contrast_stretch: Annotated[float, Field(ge=0, lt=0.5)]
    exposure_ev: Annotated[float, Field(ge=-10, le=10)]
    denoise: Annotated[float, Field(ge=0, le=1)]
    smoothing_px: Annotated[float, Field(ge=0, le=50)]
    sharpening: Annotated[float, Field(ge=0, le=10)]


def linear_gain(
    params: Params,
    measured: Callable[[], MosaicStatistics],
    pattern: str,
    black_level: Sequence[float],
    white_level: float,
) -> tuple[float, float]:
    """Return the factor and the offset on linear light for exposure and contrast.

    The contrast's limits are read from the mosaic's greens, the nearest it has to luminance; only then is ``measured``
    asked for the statistics.
    """
    limits = 0.0, 1.0
    if params.contrast_stretch > 0:
        statistics = measured()
        greens = [place for place, color in enumerate(pattern) if color == "G" and statistics.counts[place]]
        span = white_level - np.asarray(black_level)
        low, high = (
            float(np.mean(((statistics.quantiles(share) - np.asarray(black_level)) / span)[greens]))
            for share in (params.contrast_stretch, 1 - params.contrast_stretch)
        )
        limits = (low, high) if high > low else limits
    return tone.linear_gain(limits, params.exposure_ev)


def retouch(params: Params, picture: NDArray[Any]) -> NDArray[Any]:
    """Denoise, smooth and sharpen the finished picture (H, W, 3), uint8 srgb or float32 linear_rgb."""
    if params.denoise > 0:
        picture = tone.denoise(picture, params.denoise)
    if params.smoothing_px > 0:
        picture = tone.smooth(picture, params.smoothing_px)
    if params.sharpening > 0:
        picture = tone.sharpen(picture, params.sharpening)
    return picture

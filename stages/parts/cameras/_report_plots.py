"""The camera report's plots as SVG: histograms by colour, and the variance over the signal."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.maths.photon_transfer import Noise
from stages.parts.cameras._measured import PER_STOP, STOPS, Measured

WIDTH, HEIGHT = 380, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 34
_COLORS = (("red", "#c0392b"), ("green", "#2e8b57"), ("blue", "#2f6db3"))
_DECADES = 5  # of the histogram's share
_LEAST = 1e-12


def histogram(items: Sequence[Measured]) -> str:
    """Draw the share of pixels over the stops below saturation, both logarithmic, one line per colour."""
    total = np.sum([item.histogram for item in items], axis=0)
    share = total / np.maximum(total.sum(axis=1, keepdims=True), 1)
    parts = [_frame("stops below saturation", "share of pixels")]
    parts += [_tick_x(stop / STOPS, str(stop - STOPS)) for stop in range(0, STOPS + 1, 2)]
    parts += [_tick_y(decade / _DECADES, _power(decade - _DECADES)) for decade in range(_DECADES + 1)]
    for (name, tint), values in zip(_COLORS, share, strict=True):
        height = np.clip(np.log10(np.maximum(values, _LEAST)) / _DECADES + 1, 0, 1)
        parts.append(f'<path class="line" d="{_steps(height)}" stroke="{tint}"><title>{name}</title></path>')
    return _svg(parts, "Histogram of red, green and blue")


def transfer(noise: Noise | None) -> str:
    """Draw variance over signal, both logarithmic: the patches' points and the line fitted; empty without an estimate."""
    if noise is None:
        return ""
    there = (noise.signals > 0) & (noise.variances > 0)
    x, y = np.log10(noise.signals[there]), np.log10(noise.variances[there])
    if len(x) == 0:
        return ""
    low_x, high_x = np.floor(x.min()), max(np.ceil(x.max()), np.floor(x.min()) + 1)
    signals = np.logspace(low_x, high_x, 60)
    line = np.log10(np.maximum(noise.shot * signals + noise.read, _LEAST))
    inside = (np.log10(signals) >= x.min() - 0.15) & (np.log10(signals) <= x.max() + 0.15)
    low_y = np.floor(min(y.min(), line[inside].min()))
    high_y = max(np.ceil(max(y.max(), line[inside].max())), low_y + 1)

    def to_x(value: float) -> float:
        return float((value - low_x) / (high_x - low_x))

    def to_y(value: float) -> float:
        return float((value - low_y) / (high_y - low_y))

    parts = [_frame("signal, share of the range", "variance")]
    parts += [_tick_x(to_x(p), _power(int(p))) for p in np.arange(low_x, high_x + 1)]
    parts += [_tick_y(to_y(p), _power(int(p))) for p in np.arange(low_y, high_y + 1)]
    path = " L".join(_at(to_x(a), to_y(b)) for a, b in zip(np.log10(signals)[inside], line[inside], strict=True))
    parts.append(f'<path class="line" d="M{path}" stroke="#2f6db3"/>')
    for a, b in zip(x, y, strict=True):
        left, top = _at(to_x(a), to_y(b)).split(",")
        parts.append(f'<circle cx="{left}" cy="{top}" r="2.6" fill="#1d2430"/>')
    return _svg(parts, "Variance over signal")


def _steps(height: NDArray[np.float64]) -> str:
    """Return a path with one step per bin."""
    width = 1 / (STOPS * PER_STOP)
    corners = [_at(i * width + side, value) for i, value in enumerate(height) for side in (0, width)]
    return "M" + " L".join(corners)


def _at(x: float, y: float) -> str:
    """Return the place of a point given in shares of the axes."""
    return f"{_LEFT + x * (WIDTH - _LEFT - _RIGHT):.1f},{HEIGHT - _BOTTOM - y * (HEIGHT - _TOP - _BOTTOM):.1f}"


def _frame(below: str, beside: str) -> str:
    middle = (HEIGHT - _BOTTOM + _TOP) / 2
    return (
        f'<text class="axis" x="{(WIDTH + _LEFT - _RIGHT) / 2:.0f}" y="{HEIGHT - 4}" text-anchor="middle">{below}</text>'
        f'<text class="axis" x="10" y="{middle:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 10 {middle:.0f})">{beside}</text>'
    )


def _tick_x(share: float, text: str) -> str:
    x, y = _at(share, 0).split(",")
    return (
        f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{y}"/>'
        f'<text class="tick" x="{x}" y="{float(y) + 12:.1f}" text-anchor="middle">{text}</text>'
    )


def _tick_y(share: float, text: str) -> str:
    x, y = _at(0, share).split(",")
    return (
        f'<line class="grid" x1="{x}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        f'<text class="tick" x="{float(x) - 5:.1f}" y="{float(y) + 3.5:.1f}" text-anchor="end">{text}</text>'
    )


def _power(exponent: int) -> str:
    """Write a power of ten.

    Example:
        >>> _power(0), _power(-2)
        ('1', '10⁻²')
    """
    return "1" if exponent == 0 else "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _svg(parts: Sequence[str], title: str) -> str:
    return f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{"".join(parts)}</svg>'

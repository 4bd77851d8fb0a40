"""The Bayer pattern: which colour stands where, and how crops and flips move it.

A pattern is the 2 x 2 cell at the origin in reading order: RGGB, BGGR, GRBG or GBRG.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")


def check(pattern: str) -> str:
    """Return the pattern.

    Raises:
        ValueError: it is none of ``PATTERNS``.
    """
    if pattern not in PATTERNS:
        raise ValueError(f"pattern is {pattern!r}; expected one of {', '.join(PATTERNS)}")
    return pattern


def crop(pattern: str, top: int, left: int) -> str:
    """Return the pattern after ``top`` rows and ``left`` columns were cut off.

    Example:
        >>> crop("RGGB", 1, 0), crop("RGGB", 1, 1), crop("RGGB", 2, 4)
        ('GBRG', 'BGGR', 'RGGB')
    """
    cell = np.array(list(check(pattern))).reshape(2, 2)
    return "".join(np.roll(cell, (-(top % 2), -(left % 2)), (0, 1)).ravel())


def flip(pattern: str, height: int, width: int, *, rows: bool, columns: bool) -> str:
    """Return the pattern of a mosaic of this size turned upside down (``rows``) or left to right (``columns``).

    Example:
        >>> flip("RGGB", 4, 4, rows=False, columns=True), flip("RGGB", 4, 5, rows=False, columns=True)
        ('GRBG', 'RGGB')
    """
    return crop(pattern, height - 1 if rows else 0, width - 1 if columns else 0)


def transpose(pattern: str) -> str:
    """Return the pattern of the transposed mosaic.

    Example:
        >>> transpose("RGGB"), transpose("GRBG")
        ('RGGB', 'GBRG')
    """
    check(pattern)
    return pattern[0] + pattern[2] + pattern[1] + pattern[3]


def mosaic(colors: NDArray[np.float32], pattern: str) -> NDArray[np.float32]:
    """Keep one colour per pixel: (H, W, 3) becomes (H, W)."""
    out = np.empty(colors.shape[:2], dtype=colors.dtype)
    for phase, color in enumerate(check(pattern)):
        y, x = divmod(phase, 2)
        out[y::2, x::2] = colors[y::2, x::2, "RGB".index(color)]
    return out


def greens_differ(means: Sequence[float], pattern: str) -> bool:
    """Tell whether the stated greens differ while the other two positions agree: the pattern is then probably wrong.

    Both greens see nearly the same light; red and blue seldom do. Doubtful is a gap of over 15 % between the stated greens
    that is at least ten times the other pair's.

    Args:
        means: of the cell's four positions in reading order, black 0; NaN where there is none.
        pattern: as stated.

    Example:
        >>> greens_differ([0.2, 0.5, 0.4, 0.2], "RGGB"), greens_differ([0.2, 0.5, 0.5, 0.4], "RGGB")
        (True, False)
    """
    if not np.isfinite(means).all():
        return False
    pairs = {True: [m for m, c in zip(means, check(pattern), strict=True) if c == "G"]}
    pairs[False] = [m for m, c in zip(means, pattern, strict=True) if c != "G"]
    gap = {stated: abs(a - b) / max(abs(a + b) / 2, 1e-9) for stated, (a, b) in pairs.items()}
    return gap[True] > 0.15 and gap[True] > 10 * gap[False]  # noqa: PLR2004 - see above

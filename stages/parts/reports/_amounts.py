"""Writes numbers of things as people read them."""

import re

from stages.core.figures import count


def counted(n: int, pictures: int | None, units: int | None = None) -> str:
    """Return what stands behind a figure, see ``figures.count``, with the thousands parted.

    Example:
        >>> counted(92160, 4), counted(1200, None, 1)
        ('92,160 in 4 pictures', '1,200 in 1 unit')
    """
    return re.sub(r"\d+", lambda number: f"{int(number[0]):,}", count(n, pictures, units))


def amount(number: int, what: str) -> str:
    """Return a number of things, of which ``what`` names many.

    Example:
        >>> amount(1, "pictures"), amount(92160, "pixels")
        ('1 picture', '92,160 pixels')
    """
    return f"{number:,} {what.removesuffix('s') if number == 1 else what}"

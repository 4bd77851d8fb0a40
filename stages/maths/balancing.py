"""How many copies of each picture make the cells of a table even."""

from collections import Counter
from collections.abc import Hashable, Sequence


def num_copies(cells: Sequence[Hashable], copies: int, max_copies: int) -> list[int]:
    """Return the number of copies of each row so that all cells reach the size of the largest one with its ``copies``.

    Rows of one cell get the same number, some one more; the earlier rows get those.

    Args:
        cells: the cell of each row, for instance (label, group).
        copies: copies of each row of the largest cell.
        max_copies: the most that any row may get, at least ``copies``; a small cell may then stay small.

    Example:
        >>> num_copies(["a", "a", "a", "b", "b"], 0, 5)
        [0, 0, 0, 1, 0]
    """
    sizes = Counter(cells)
    target = max(sizes.values(), default=0) * (1 + copies)
    seen: Counter[Hashable] = Counter()
    numbers = []
    for cell in cells:
        each, rest = divmod(target - sizes[cell], sizes[cell])
        numbers.append(min(max_copies, each + (seen[cell] < rest)))
        seen[cell] += 1
    return numbers

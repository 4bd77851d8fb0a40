"""Says which cells of a table name no value, and so which pictures are in no group."""

_MISSING = frozenset({"", "nan", "na", "n/a", "<na>", "nat", "none", "null", "unknown", "-"})


def is_missing(value: object) -> bool:
    """Tell whether a cell of a table names no value: it is empty, or holds what programs and people write for that.

    One rule for all columns that tell units or groups; labels are classes, of which one may be called none.

    Example:
        >>> [is_missing(cell) for cell in (None, float("nan"), " ", "N/A", "null", "unknown", "-", "0", "no")]
        [True, True, True, True, True, True, True, False, False]
    """
    return value is None or str(value).strip().lower() in _MISSING

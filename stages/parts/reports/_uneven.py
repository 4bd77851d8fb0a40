"""Says of groups whose units, or pictures, hold very unlike many what they are worth, and how many more would do."""

from collections.abc import Sequence

from stages.judge.groups import Comparison
from stages.parts.reports._amounts import amount


def uneven(comparison: Comparison) -> str:
    """Say which groups have units, or pictures, that hold very unlike many; nothing where none has."""
    names = [f"{comparison.grouping.names[g]} ({worth(comparison, g)})" for g in comparison.uneven]
    needed = f"a group must be worth {comparison.min_group} to be compared"
    return f"{unlike(comparison)} count for fewer than they are, and {needed}: {', '.join(names)}" if names else ""


def worth(comparison: Comparison, group: int) -> str:
    """Say what the units of an uneven group, or its pictures, are worth, and how many more would do.

    Example:
        >>> from unittest.mock import Mock
        >>> worth(Mock(estimates=[Mock(num_holders=1031, num_units=1031)], worth=[6.42], lacks=lambda _: 576), 0)
        '1,031 pictures worth 6.4 of equal size, about 576 more pictures like them needed'
    """
    what = "pictures" if comparison.single else "units"
    held = amount(comparison.estimates[group].num_holders, what) + with_unit(comparison, (group,))
    more = amount(comparison.lacks(group), f"more {what}")
    return f"{held} worth {comparison.worth[group]:.1f} of equal size, about {more} like them needed"


def unlike(comparison: Comparison) -> str:
    """Say what differs in size where groups are not compared for it."""
    found = [comparison.estimates[group] for group in comparison.uneven]
    alone = all(e.num_units == e.num_pictures for e in found)  # even where units are drawn: a picture each, in these groups
    return f"pictures with very unequal numbers of {comparison.measure.unit}" if alone else "units of very unequal size"


def with_unit(comparison: Comparison, chosen: Sequence[int]) -> str:
    """Say what is judged where not all pictures, or units, of some groups hold it; nothing where all do.

    Args:
        comparison: what was compared.
        chosen: the groups.
    """
    estimates = [comparison.estimates[group] for group in chosen]
    what = "a figure" if comparison.measure.unit == "pictures" else comparison.measure.unit
    return f" with {what}" if any(e.num_holders < e.num_units for e in estimates) else ""

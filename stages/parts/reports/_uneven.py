"""Says of groups whose units, or pictures, hold very unlike many what they are worth, and how many more would do."""

from stages.judge.groups import Comparison


def uneven(comparison: Comparison) -> str:
    """Say which groups have units, or pictures, that hold very unlike many; nothing where none has."""
    names = [f"{comparison.grouping.names[g]} ({worth(comparison, g)})" for g in comparison.uneven]
    needed = f"a group must be worth {comparison.min_group} to be compared"
    return f"{unlike(comparison)} count for fewer than they are, and {needed}: {', '.join(names)}" if names else ""


def worth(comparison: Comparison, group: int) -> str:
    """Say what the units of an uneven group, or its pictures, are worth, and how many more would do.

    Example:
        >>> from unittest.mock import Mock
        >>> worth(Mock(estimates=[Mock(num_holders=1031)], worth=[6.42], lacks=lambda _: 576), 0)
        '1,031 worth 6.4 of equal size, about 576 more like them needed'
    """
    held = comparison.estimates[group].num_holders
    of_equal = f"worth {comparison.worth[group]:.1f} of equal size"
    return f"{held:,} {of_equal}, about {comparison.lacks(group):,} more like them needed"


def unlike(comparison: Comparison) -> str:
    """Say what differs in size where groups are not compared for it."""
    single = all(e.num_units == e.num_pictures for e in comparison.estimates)
    return f"pictures with very unequal numbers of {comparison.measure.unit}" if single else "units of very unequal size"

"""Says what an audit left open and why, one line a reason: whoever lets UNDECIDED pass must see what that was."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from stages.judge.columns import NO_VALUE
from stages.judge.groups import Comparison
from stages.judge.verdicts import UNDECIDED, Finding
from stages.parts.reports._uneven import unlike, with_unit, worth
from stages.parts.reports._words import fault, no_column

FEW, UNEVEN, UNDEFINED = "too few to compare", "too unequal to compare", "figure not defined"
_NAMED = 8  # what one line lists


@dataclass(frozen=True)
class Drawn:
    """How the judged pictures are drawn.

    Attributes:
        what: ``pictures``, or ``units`` where several belong together.
        column: the group column that tells units; empty where none does.
        torn: that units stand elsewhere too, in lines.
    """

    what: str = "pictures"
    column: str = ""
    torn: Sequence[str] = ()


def left_open(  # noqa: PLR0913, PLR0917 - each is a reason of its own
    findings: Sequence[Finding],
    others: Mapping[str, int],
    leave_out: Sequence[str],
    nothing: Mapping[str, str] | None,
    min_group: int,
    drawn: Drawn,
) -> list[str]:
    """Return what was not audited, or not decided; no line where everything was.

    Args:
        findings: all judged comparisons.
        others: columns that hold no groups, with how many different values they have.
        leave_out: columns left out by the user's word.
        nothing: why the evaluation says nothing by any figure, by kind; None where it does not tell.
        min_group: pictures or units that a group needs to be compared.
        drawn: how pictures are drawn.
    """
    lines, whole = [], []
    if nothing is None or nothing:
        told = f"is degenerate ({', '.join(nothing)})" if nothing else "does not say whether it is degenerate"
        whole.append(f"the evaluation {told}")
    if not findings and not others and not leave_out:
        whole.append(no_column(drawn.column))
    if whole:
        lines.append(f"everything: {', and '.join(whole)}")
    lines += drawn.torn
    lines += [f"{name}: {count:,} different values and no groups" for name, count in others.items()]
    if leave_out:
        lines.append(f"left out by leave_out: {_some(leave_out)}")
    if unknown := _unknown(findings):
        lines.append(f"pictures without a value: {_some(unknown)}")
    named: dict[str, list[str]] = {}
    for finding in [] if nothing else findings:  # on nothing, nothing more is worth telling of the groups
        for why, name in _of(finding, min_group, drawn.what):
            named.setdefault(why, [])
            named[why] += [name] if name not in named[why] else []
    return lines + [f"{why}: {_some(names)}" for why, names in named.items()]


def _of(finding: Finding, min_group: int, what: str) -> Iterator[tuple[str, str]]:
    """Yield reason and name of what one finding leaves open."""
    grouping, compared = finding.comparison.grouping, finding.comparison.compared
    columns = " x ".join(grouping.columns)
    if len(grouping.columns) == 1 and not finding.decisive:
        yield "one group alone", columns  # that pictures without a value are too few to tell has a line of its own
        return
    uneven = finding.comparison.uneven
    why = f"nothing passes, {unlike(finding.comparison)}, worth fewer than {min_group}"
    yield from ((why, f"{columns} {grouping.names[group]} ({worth(finding.comparison, group)})") for group in uneven)
    if finding.faults:
        yield f"nothing passes, the evaluation {fault(finding.faults)} by it", finding.comparison.measure.title
    title, small = finding.comparison.measure.title, finding.comparison.small(min_group)
    if not finding.is_compared:
        yield from _without_two(finding.comparison, min_group, what)
        return
    if len(grouping.columns) == 1:
        for index, name in enumerate(grouping.names):
            if index in small:
                yield (
                    f"groups of fewer than {min_group} {what}{with_unit(finding.comparison, (index,))}",
                    f"{columns} {name}",
                )
            elif index not in {*compared, *uneven}:
                yield "groups whose figure is not defined", f"{title} of {columns} {name}"
    if finding.verdict == UNDECIDED and not uneven and not finding.faults:
        why = (
            "explained by the classes in whole or in part, or not to be told from them"
            if finding.explained
            else f"too few {what} to tell"
        )
        yield why, f"{title} by {columns}"


def not_compared(comparison: Comparison, min_group: int) -> str:
    """Say in short what keeps a comparison from having two groups.

    Args:
        comparison: one that compares fewer than two.
        min_group: pictures or units that a group needs to be compared.

    Returns:
        ``FEW``, ``UNEVEN`` or ``UNDEFINED``.
    """
    if len(comparison.estimates) - len(comparison.small(min_group)) < 2:  # noqa: PLR2004 - two groups make a comparison
        return FEW
    return UNEVEN if len(comparison.compared) + len(comparison.uneven) > 1 else UNDEFINED


def _without_two(comparison: Comparison, min_group: int, what: str) -> Iterator[tuple[str, str]]:
    """Yield why there are no two groups to compare; of units of unequal size each group has told already."""
    columns, why = " x ".join(comparison.grouping.columns), not_compared(comparison, min_group)
    if why == FEW:
        yield f"fewer than two groups of {min_group} {what}{with_unit(comparison, comparison.small(min_group))}", columns
    elif why == UNDEFINED:
        yield "fewer than two groups whose figure is defined", f"{comparison.measure.title} by {columns}"


def _unknown(findings: Sequence[Finding]) -> list[str]:
    """Return how many pictures each column knows nothing of, compared as a group or not."""
    found: dict[str, str] = {}
    for comparison in (finding.comparison for finding in findings):
        if len(comparison.grouping.columns) == 1 and NO_VALUE in comparison.grouping.names:
            name, place = comparison.grouping.columns[0], comparison.grouping.names.index(NO_VALUE)
            found[name] = f"{name} {comparison.estimates[place].num_pictures:,} of {comparison.grouping.codes.size:,}"
    return list(found.values())


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")

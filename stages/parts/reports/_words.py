"""Says in words and tables what an audit found."""

from collections.abc import Collection, Mapping, Sequence

from stages.judge import statistics, verdicts
from stages.judge.columns import Column
from stages.judge.degenerate import UNKNOWN
from stages.judge.groups import Comparison
from stages.judge.strata import Strata
from stages.judge.verdicts import FAIL, PASS, UNDECIDED, Finding, Limits
from stages.parts.reports._amounts import amount
from stages.parts.reports._uneven import uneven


def key(finding: Finding) -> str:
    """Name a finding in metrics, for instance ``accuracy/setting x ink``."""
    return f"{finding.comparison.measure.name}/{' x '.join(finding.comparison.grouping.columns)}"


def interval(value: float, low: float, high: float) -> str:
    """Write a figure with its interval in points out of 100.

    Example:
        >>> interval(0.5, 0.4, 0.61)
        '50.0 (40.0 to 61.0)'
    """
    return f"{100 * value:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def chance(p: float) -> str:
    """Write the smallest false alarm rate of the whole audit at which something fails.

    Example:
        >>> chance(0.00005), chance(0.2)
        ('p < 0.001', 'p = 0.200')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"  # noqa: PLR2004 - as printed


def refusals(others: Mapping[str, int], where: str, strays: Mapping[str, str] | None = None) -> list[str]:
    """Say of each column that holds no groups what to do about it.

    Args:
        others: by name how many different values such a column has.
        where: the section of ``params.yaml``, for instance ``audit.classify``.
        strays: by name which values keep a column of numbers from being sorted by quantile.
    """
    told = strays or {}
    return [
        f"{name} has {count:,} different values{f', {told[name]},' if name in told else ''} and no groups, so it was not"
        f" audited and nothing passes: {_remedy(name in told, where)}, or raise {where}.max_groups."
        for name, count in others.items()
    ]


def _remedy(numbers: bool, where: str) -> str:
    """Return what to do about a column of many values."""
    if numbers:
        return "write these as numbers, with a decimal point, or leave their cells empty"
    return f"name it in {where}.leave_out if it is an id, give it fewer values"


def remarks(columns: Sequence[Column], leave_out: Sequence[str], where: str, unit: str = "") -> list[str]:
    """Say of which columns values were sorted into groups, and which were left out by the user's word.

    Args:
        columns: those that are audited.
        leave_out: names of those left out.
        where: the section of ``params.yaml``, for instance ``audit.classify``.
        unit: the column that tells units; empty where none does.
    """
    binned = [c for c in columns if c.binned]
    told = [f"{c.name}: {c.binned:,} different numbers, sorted by quantile into {', '.join(c.names)}." for c in binned]
    told += [f"{name} was left out ({where}.leave_out)." for name in leave_out]
    return told + ([f"{unit} tells which pictures are one unit, and was not audited."] if unit else [])


def nothing(found: Mapping[str, str] | None) -> list[str]:
    """Say that the audit rests on an evaluation that says nothing, and all that makes it so: no remedy is kept for later.

    Args:
        found: why it says nothing by any figure, by kind; None where the evaluation does not tell.

    Returns:
        One sentence; none where the evaluation does say something.

    Example:
        >>> nothing({"few_units": "the test split has 6 pictures"})
        ['The evaluation is degenerate (few_units), so nothing passes: the test split has 6 pictures.']
        >>> nothing({"few_units": "6 pictures", "exact": "all right"})
        ['The evaluation is degenerate (few_units, exact), so nothing passes: few_units: 6 pictures; exact: all right.']
    """
    if found is None:
        return ["The evaluation does not say whether it is degenerate, so nothing passes: dvc repro evaluate."]
    told = [f"{kind}: {why}" for kind, why in found.items()] if len(found) > 1 else list(found.values())
    return [f"The evaluation is degenerate ({', '.join(found)}), so nothing passes: {'; '.join(told)}."] if told else []


def no_column(unit: str = "", leave_out: Sequence[str] = ()) -> str:
    """Say that a data set has no column to audit.

    Args:
        unit: the group column that tells units, which is none; empty where none does.
        leave_out: names of those left out by the user's word.

    Example:
        >>> no_column(), no_column("patient")
        ('the data set has no group column', 'the data set has no group column but patient, which tells units')
        >>> no_column(leave_out=["id", "site"])
        'the data set has no group column but id, site, left out by leave_out'
    """
    others = [f"{unit}, which tells units"] if unit else []
    others += [f"{', '.join(leave_out)}, left out by leave_out"] if leave_out else []
    return "the data set has no group column" + (f" but {', and '.join(others)}" if others else "")


def reasons(  # noqa: PLR0913, PLR0917 - each is told in words of its own
    findings: Sequence[Finding],
    limits: Limits,
    refused: Sequence[str] = (),
    nothing: Sequence[str] = (),
    unit: str = "",
    leave_out: Sequence[str] = (),
) -> list[str]:
    """Say why the verdict is what it is, the weightiest first: a FAIL each, by gap, then those by the floor of a measure.

    Args:
        findings: all findings of the audit.
        limits: what was allowed.
        refused: sentences about columns that could not be audited.
        nothing: sentences about an evaluation that says nothing; what its groups show is then told of a FAIL alone.
        unit: the group column that tells units; empty where none does.
        leave_out: names of the columns left out by the user's word.

    Returns:
        At least one sentence.
    """
    found, faulty = verdicts.overall(findings), _faulty(findings)
    if (nothing and found != FAIL) or (refused and found == PASS):
        return [*nothing, *refused]
    shown = _reasons(findings, limits) if findings else [] if refused else [_no_column(unit, leave_out)]
    return [*nothing, *shown, *faulty, *refused] if found == FAIL else [*nothing, *faulty, *shown, *refused]


def _faulty(findings: Sequence[Finding]) -> list[str]:
    """Say in a sentence each by which figures the evaluation says nothing."""
    found = {f.comparison.measure.title: f.faults for f in findings if f.faults and f.decisive}
    return [
        f"The evaluation {fault(faults)} by {title}, so nothing passes by it: {next(iter(faults.values()))}."
        for title, faults in found.items()
    ]


def fault(kinds: Collection[str]) -> str:
    """Say of an evaluation that it is degenerate, or that nobody asked.

    Example:
        >>> fault(["exact"]), fault(["unknown"])
        ('is degenerate (exact)', 'does not say whether it is degenerate')
    """
    return f"is degenerate ({', '.join(kinds)})" if UNKNOWN not in kinds else "does not say whether it is degenerate"


def _no_column(unit: str, leave_out: Sequence[str]) -> str:
    """Say that nothing could be audited, and where a column to audit may come from."""
    told = no_column(unit, leave_out)
    return (
        f"{told[0].upper()}{told[1:]}, so nothing could be audited: add a column to your table (COCO's metadata.csv), or"
        " name one in the pictures' paths (params.yaml: acquire.path_pattern)."
    )


def _reasons(findings: Sequence[Finding], limits: Limits) -> list[str]:
    if not any(f.decisive for f in findings):
        return ["No group column has two groups among the test pictures, so nothing could be compared."]
    worst = next(v for v in (FAIL, UNDECIDED, PASS) if any(f.decisive and f.verdict == v for f in findings))
    chosen = [f for f in findings if f.decisive and f.verdict == worst]
    chosen = [f for f in chosen if f.verdict == FAIL or not f.faults]  # these have a sentence of their own
    titles = list(dict.fromkeys(f.comparison.measure.name for f in findings))
    chosen.sort(key=lambda f: (len(f.comparison.grouping.columns), titles.index(f.comparison.measure.name), -_size(f)))
    floors = [f for f in chosen if f.floor_fails and not f.gap_fails]
    return [sentence(f, limits) for f in chosen if f not in floors] + _below(floors, limits)


def _below(findings: Sequence[Finding], limits: Limits) -> list[str]:
    """Say for each measure in one sentence which columns have a group below the floor, each with its lowest figure."""
    sentences = []
    for name in dict.fromkeys(f.comparison.measure.name for f in findings):
        own = [f.comparison for f in findings if f.comparison.measure.name == name]
        columns = ", ".join(f"{' x '.join(c.grouping.columns)} (lowest: {_lowest(c)})" for c in own)
        floor = f"shown to be below the floor of {100 * limits.min_worst_group:g} in a group of {columns}"
        sentences.append(f"{own[0].measure.title} is {floor}.")
    return sentences


def _lowest(comparison: Comparison) -> str:
    """Name the lowest figure; where groups are small it need not be that which is shown to be below the floor."""
    return f"{100 * comparison.estimates[comparison.worst].value:.1f} for {comparison.grouping.names[comparison.worst]}"


def fails_by(finding: Finding) -> str:
    """Say by what a finding fails, as it stands behind FAIL; empty where it does not fail.

    Example:
        >>> from unittest.mock import Mock
        >>> fails_by(Mock(gap_fails=True, floor_fails=True)), fails_by(Mock(gap_fails=False, floor_fails=False))
        ('by gap and floor', '')
    """
    found = [name for name, fails in (("gap", finding.gap_fails), ("floor", finding.floor_fails)) if fails]
    return f"by {' and '.join(found)}" if found else ""


def _size(finding: Finding) -> float:
    return finding.comparison.gap()[0] if finding.is_compared else 0.0


def sentence(finding: Finding, limits: Limits) -> str:
    """Say in one sentence what was found on one measure and column, but for a floor alone (``_below``)."""
    comparison = finding.comparison
    column = " x ".join(comparison.grouping.columns)
    held_up = uneven(comparison)
    if finding.p is None:
        title = comparison.measure.title
        if held_up:
            return f"{column}: fewer than two groups can be compared by {title}, for {held_up}{_in_all(finding)}."
        return f"{column}: fewer than two groups are large enough, and have a figure, to compare {title}."
    named = finding.named if finding.gap_fails or not finding.floor_fails else None
    better, worse = named or (comparison.best, comparison.worst)
    low, high = (f"{100 * comparison.estimates[g].value:.1f} for {comparison.grouping.names[g]}" for g in (worse, better))
    pair = f"{column}: {comparison.measure.title} is {low} and {high}"
    estimates = (comparison.estimates[g] for g in (better, worse))
    first, second = ((e.value, e.low, e.high) for e in estimates)
    gap = interval(*statistics.difference(first, second)) if named else interval(*comparison.gap())
    if finding.gap_fails:
        text = f"{pair}, a gap of {gap} points, larger than the {100 * limits.max_gap:g} allowed ({chance(finding.p)})."
        below = f"below the floor of {100 * limits.min_worst_group:g}"
        floor = f" A group is also shown to be {below} (lowest: {_lowest(comparison)})."
        return text + (floor if finding.floor_fails else "")
    if finding.verdict == PASS:
        every = "every group" if len(comparison.compared) == len(comparison.grouping.names) else "every compared group"
        return f"{pair}; the gap of {gap} points stays within {100 * limits.max_gap:g} and {every} above the floor."
    if finding.explained:
        return f"{pair}, a gap of {gap} points; {_but(finding, limits)}."
    return f"{pair}, a gap of {gap} points: {_need(finding, held_up)}."


def of_pictures(found: Strata, task: str) -> str:
    """Say which class of a picture was asked, and what was not.

    Args:
        found: the classes of the pictures judged.
        task: the task audited.
    """
    if not found.asked:
        what = "their labels, or what they hold most of, are the same" if found.labelled or found.held else "they have none"
        return (
            f"Not asked: the pictures are of no different classes, for {what}. A gap may be one of how difficult they are."
        )
    by = "objects by their number, masks by pixels but for the background; of several the rarest"
    most = f"the one that it holds most of ({by})"
    others = "; those that hold none are a class of their own" if found.held else ""
    if found.labelled and not found.held:
        inside = "" if task == "classify" else " Which classes it holds beside, as objects or in its mask, was not asked."
        return f"The class of a picture is its label.{inside}"
    own = "its label or, without one, " if found.labelled else ""
    return f"The class of a picture is {own}{most}{others}. What it holds beside was not asked."


def _but(finding: Finding, limits: Limits) -> str:
    """Say that what the bounds show is not shown given the classes."""
    given, why = (
        "given the classes of the pictures",
        "they explain it in whole or in part, or cannot be told from the groups",
    )
    if finding.named is None:
        return f"{given} no group is shown to be below the floor of {100 * limits.min_worst_group:g}: {why}"
    return f"{given} it is not shown to be larger than the {100 * limits.max_gap:g} allowed: {why}"


def _need(finding: Finding, held_up: str) -> str:
    """Say why nothing is told yet, and what would probably tell."""
    if held_up:
        return f"nothing passes, for {held_up}{_in_all(finding)}"
    if not finding.more:
        return (
            "too uncertain to call, and no reasonable number of further pictures would tell: allow a larger max_gap or a"
            " lower min_worst_group, or form fewer, larger groups"
        )
    return f"too uncertain to call; about {_further(finding)} would probably tell"


def _further(finding: Finding) -> str:
    """Name the number of further pictures, in units where units are drawn."""
    if finding.comparison.single:
        return amount(finding.more or 0, "more labelled test pictures")
    return f"{amount(finding.more_units or 0, 'more units')} of labelled test pictures"


def _in_all(finding: Finding) -> str:
    """Say how many further pictures would settle a comparison that uneven groups hold up; nothing where no number would."""
    return f"; about {_further(finding)} in all would probably tell" if finding.more else ""

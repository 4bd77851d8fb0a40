"""Says in words and tables what an audit found."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stages.maths.groups import Comparison
from stages.maths.verdicts import FAIL, PASS, UNDECIDED, Finding, Limits


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
    """Write a chance.

    Example:
        >>> chance(0.00005), chance(0.2)
        ('p < 0.001', 'p = 0.200')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"  # noqa: PLR2004 - as printed


def reasons(findings: Sequence[Finding], limits: Limits) -> list[str]:
    """Say why the verdict is what it is, the weightiest first; one sentence each.

    Args:
        findings: all findings of the audit.
        limits: what was allowed.

    Returns:
        At least one sentence.
    """
    if not findings:
        return [
            "The data set has no group columns, so nothing could be audited. Add columns named group_... to the manifest."
        ]
    if not any(f.decisive for f in findings):
        return ["No group column has two groups among the test pictures, so nothing could be compared."]
    worst = next(v for v in (FAIL, UNDECIDED, PASS) if any(f.decisive and f.verdict == v for f in findings))
    chosen = [f for f in findings if f.decisive and f.verdict == worst and not _explained(f, findings)]
    titles = list(dict.fromkeys(f.comparison.measure.name for f in findings))
    chosen.sort(key=lambda f: (len(f.comparison.grouping.columns), titles.index(f.comparison.measure.name), -_size(f)))
    floors = [f for f in chosen if f.floor_fails and not f.gap_fails]
    return [sentence(f, limits) for f in chosen if f not in floors] + _below(floors, limits)


def _below(findings: Sequence[Finding], limits: Limits) -> list[str]:
    """Say for each measure in one sentence which columns have a group below the floor."""
    sentences = []
    for name in dict.fromkeys(f.comparison.measure.name for f in findings):
        own = [f.comparison for f in findings if f.comparison.measure.name == name]
        least = min(own, key=lambda c: c.estimates[c.worst].value)
        columns = ", ".join(" x ".join(c.grouping.columns) for c in own)
        worst = f"{100 * least.estimates[least.worst].value:.1f} for {least.grouping.names[least.worst]}"
        floor = f"below the floor of {100 * limits.min_worst_group:g} beyond doubt in a group of {columns}"
        sentences.append(f"{own[0].measure.title} is {floor}; lowest: {worst}.")
    return sentences


def _explained(finding: Finding, findings: Sequence[Finding]) -> bool:
    """Tell whether an intersection fails only where one of its columns already does, on the same measure."""
    columns = finding.comparison.grouping.columns
    failed = {
        f.comparison.grouping.columns
        for f in findings
        if f.comparison.measure is finding.comparison.measure and f.verdict == FAIL
    }
    return len(columns) > 1 and any((column,) in failed for column in columns)


def _size(finding: Finding) -> float:
    return finding.comparison.gap()[0] if finding.p is not None else 0.0


def sentence(finding: Finding, limits: Limits) -> str:
    """Say in one sentence what was found on one measure and column."""
    comparison = finding.comparison
    column = " x ".join(comparison.grouping.columns)
    if finding.p is None:
        if len(comparison.compared) > 1:
            title = comparison.measure.title
            return f"{column}: no class has pictures in two groups, so {title} cannot tell group from class."
        return f"{column}: fewer than two groups are large enough to compare {comparison.measure.title}."
    gap = interval(*comparison.gap())
    worst, best = comparison.estimates[comparison.worst], comparison.estimates[comparison.best]
    low_name, high_name = comparison.grouping.names[comparison.worst], comparison.grouping.names[comparison.best]
    low, high = (f"{100 * e.value:.1f} for {name}" for e, name in ((worst, low_name), (best, high_name)))
    pair = f"{column}: {comparison.measure.title} is {low} and {high}"
    if finding.gap_fails:
        text = f"{pair}, a gap of {gap} points ({chance(finding.p)} after correction); {100 * limits.max_gap:g} are allowed."
        return text + (
            f" {low_name} is also below the floor of {100 * limits.min_worst_group:g}." if finding.floor_fails else ""
        )
    if finding.floor_fails:
        return f"{pair}; a group is below the floor of {100 * limits.min_worst_group:g} beyond doubt."
    if finding.verdict == PASS:
        return f"{pair}; the gap of {gap} points stays within {100 * limits.max_gap:g} and every group above the floor."
    need = (
        f"about {finding.more:,} more labelled test pictures would probably tell"
        if finding.more
        else "it lies so close to the limit that no sensible number of further pictures would tell"
    )
    return f"{pair}, a gap of {gap} points: too uncertain to call; {need}."


def table(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Return every figure of every group: one row each, undefined ones empty."""
    rows = [
        {
            "measure": c.measure.name,
            "columns": " x ".join(c.grouping.columns),
            "group": name,
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "n": found.n,
            "unit": c.measure.unit,
            "num_pictures": found.num_pictures,
            "compared": index in c.compared,
        }
        for c in comparisons
        for index, (name, found) in enumerate(zip(c.grouping.names, c.estimates, strict=True))
    ]
    names = ["measure", "columns", "group", "value", "low", "high", "n", "unit", "num_pictures", "compared"]
    frame = pd.DataFrame(rows, columns=names)
    frame[["value", "low", "high"]] = frame[["value", "low", "high"]].astype(np.float64).round(6)
    return frame

"""Renders an audit as one self-contained page: no script, no font and no picture from elsewhere."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.dataset import Dataset
from stages.core.figures import headlines, is_figure
from stages.judge import degenerate, meaning, units
from stages.judge.estimate import Estimate
from stages.judge.groups import Comparison
from stages.judge.strata import Strata
from stages.judge.verdicts import FAIL, PASS, UNDECIDED, Finding, Limits
from stages.parts.reports import _amounts, _words
from stages.parts.reports._definitions import definition
from stages.parts.reports._open import not_compared
from stages.parts.reports._template import PAGE
from stages.parts.reports._uneven import worth

SHOWN = 3  # worst groups whose pictures are shown
THUMB_PX = 200
TITLES = {"ar": "AR", "f1": "F1", "iou": "IoU", "map": "mAP", "map50": "mAP50"}  # of figures that no comparison names
PLOTS = (("confusion.png", "Confusion matrix"), ("pr_curve.png", "Precision over recall"), ("iou.png", "IoU by class"))
GALLERY = "worst.png"  # of all test pictures


@dataclass(frozen=True)
class Content:
    """What an audit found.

    Attributes:
        task: the task audited.
        data: the pictures judged.
        verdict: PASS, FAIL or UNDECIDED.
        reasons: why, one sentence each.
        findings: the judged comparisons.
        comparisons: all comparisons, judged or only listed.
        limits: what was allowed.
        min_group: units a group needed to be compared.
        about: what became of columns that are not audited as they stand, one sentence each.
        left_open: what was not audited or decided, and why, one line each.
        num_units: units of the pictures judged.
        judged: names of the figures that verdicts rest on.
        settings: the parameters that the evaluation was made with.
        strata: the classes of the pictures, as they were asked.
    """

    task: str
    data: Dataset
    verdict: str
    reasons: list[str]
    findings: list[Finding]
    comparisons: list[Comparison]
    limits: Limits
    min_group: int
    about: list[str]
    left_open: list[str]
    num_units: int
    judged: degenerate.Names
    settings: Mapping[str, Any]
    strata: Strata


@dataclass(frozen=True)
class Shot:
    """A picture on which the model went wrong: the drawn picture and a caption."""

    image: NDArray[np.uint8]
    caption: str


@dataclass(frozen=True)
class Strip:
    """The worst pictures of one group, or of all, under a title."""

    title: str
    shots: Sequence[Shot]


def worst_groups(findings: Sequence[Finding]) -> list[Finding]:
    """Choose the findings whose worst group deserves pictures: failures first, then the widest gaps; one per column."""
    order = {FAIL: 0, UNDECIDED: 1, PASS: 2}
    ranked = sorted((f for f in findings if f.is_compared), key=lambda f: (order[f.verdict], -f.comparison.gap()[0]))
    chosen: dict[tuple[str, ...], Finding] = {}
    for finding in ranked:
        if len(finding.comparison.grouping.columns) == 1:
            chosen.setdefault(finding.comparison.grouping.columns, finding)
    failed = [f for f in chosen.values() if f.verdict == FAIL]
    return (failed or list(chosen.values()))[:SHOWN]


def render(content: Content, figures: dict[str, Any], strips: Sequence[Strip], plots: Path, legend: str) -> str:
    """Return the page.

    Args:
        content: what the audit found.
        figures: content of the evaluation's metrics file.
        strips: pictures of the worst groups, or of all; those without any are left out.
        plots: folder with the evaluation's PNG plots; those of ``PLOTS`` that exist are embedded, ``GALLERY`` is named.
        legend: what the colours in the pictures mean.
    """
    from jinja2 import Environment, StrictUndefined, select_autoescape  # noqa: PLC0415 - only who renders needs it
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2

    environment = Environment(
        autoescape=select_autoescape(default=True), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(
        amount=_amounts.amount, chance=_words.chance, counted=_amounts.counted, fails_by=_words.fails_by, worth=worth
    )
    environment.globals["not_compared"] = not_compared
    environment.globals["interval"] = lambda e: Markup(bar(e, content.limits.min_worst_group))  # noqa: S704 - our own SVG of numbers
    environment.filters["points"] = points
    return environment.from_string(PAGE).render(
        audit=content,
        limits=content.limits,
        tables=_tables(content),
        headline=_headline(content, figures),
        classes=classes(figures),
        nothing=degenerate.lines(figures, content.judged),
        beside=degenerate.lines(figures, content.judged, others=True),
        twin=figures.get("scratch", {}).get("accuracy"),
        strips=[(s.title, [(embedded(shot.image), shot.caption) for shot in s.shots]) for s in strips if s.shots],
        gallery=(plots / GALLERY).as_posix() if (plots / GALLERY).is_file() else "",
        plots=[(title, _data_uri((plots / name).read_bytes())) for name, title in PLOTS if (plots / name).is_file()],
        legend=legend,
        meaning=meaning.VERDICTS,
        of_pictures=_words.of_pictures(content.strata, content.task),
        definition=definition(content.task, content.settings),
        num_pictures=len(content.data.manifest),
        unit_origin=content.data.unit_origin(),
        torn=bool(units.torn(figures)),
        num_claims=sum(f.comparison.num_claims for f in content.findings),
    )


def _headline(content: Content, figures: dict[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the figures that carry an interval, in the order of the audit's measures, any other behind them."""
    titles = {c.measure.name: c.measure.title for c in content.comparisons}
    named = headlines(figures)
    names = [n for n in titles if n in named] + [n for n in named if n not in titles]
    return [(titles.get(n, TITLES.get(n, n.replace("_", " "))), named[n]) for n in names]


def classes(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the classes' table, one a figure.

    Example:
        >>> iou = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 900, "pictures": 4}
        >>> [(row["name"], row["figure"], row["first"]) for row in classes({"per_class": {"cat": {"iou": iou, "n": 900}}})]
        [('cat', 'IoU', True)]
    """
    found = []
    for name, own in figures.get("per_class", {}).items():
        held = {key: raw for key, raw in own.items() if is_figure(raw)}
        found += [
            {"name": name, "figure": TITLES.get(key, key), "first": place == 0, "of": raw}
            for place, (key, raw) in enumerate(sorted(held.items()))
        ]
    return found


def _tables(content: Content) -> list[dict[str, Any]]:
    """Gather the judged comparisons by grouping: one table each, one column per measure."""
    tables: dict[tuple[str, ...], dict[str, Any]] = {}
    for finding in content.findings:
        grouping = finding.comparison.grouping
        start = {"title": " × ".join(grouping.columns), "single": len(grouping.columns) == 1, "names": grouping.names}  # noqa: RUF001 - a times sign
        table = tables.setdefault(grouping.columns, {**start, "findings": []})
        table["findings"].append(finding)
    return list(tables.values())


def bar(estimate: Estimate, floor: float) -> str:
    """Draw a figure between 0 and 1 with its interval as SVG, the floor as a dashed line; empty where undefined."""
    if not np.isfinite(estimate.value):
        return ""
    value, low, high, line = (round(100 * x, 2) for x in (estimate.value, estimate.low, estimate.high, floor))
    return (
        '<svg class="bar" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" x="0" y="5" width="100" height="2"/>'
        f'<line class="floor" x1="{line}" x2="{line}" y1="0" y2="12"/>'
        f'<rect class="span" x="{low}" y="3" width="{max(high - low, 0.3):.2f}" height="6"/>'
        f'<rect class="dot" x="{value - 0.5:.2f}" y="1" width="1" height="10"/></svg>'
    )


def points(value: float | None) -> str:
    """Write a share in points out of 100; undefined as a word.

    Example:
        >>> points(0.1234), points(None)
        ('12.3', 'undefined')
    """
    return "undefined" if value is None or not np.isfinite(value) else f"{100 * value:.1f}"


def embedded(image: NDArray[np.uint8]) -> str:
    """Return a small PNG of a picture as a data address."""
    from PIL import Image  # noqa: PLC0415 - only where pictures are shown

    small = Image.fromarray(image)
    height = THUMB_PX if small.width > small.height * 1.5 else round(small.height * THUMB_PX / small.width)
    width = round(small.width * height / small.height)
    stream = BytesIO()
    small.resize((width, height), Image.Resampling.LANCZOS).save(stream, format="PNG", optimize=True)
    return _data_uri(stream.getvalue())


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")

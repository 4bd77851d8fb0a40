"""Judges a model by group and by intersection of groups: PASS, FAIL or UNDECIDED.

Enters: ``data/preprocessed`` (test split and its ``group_*`` columns), ``data/evaluated/<task>`` and its metrics file.
Leaves: ``data/audited/<task>`` with ``groups.csv`` and ``report.html``, and ``data/metrics/audit_<task>.json`` with
    the verdict.
Choices: none; thresholds are parameters. Needs no model. Without any ``group_*`` column the verdict is UNDECIDED:
    nothing audited
must not read as a pass.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from stages.core import artefacts, dataset, files, seeds
from stages.core.params import Params as Base
from stages.core.stage import Job, Keep, Metrics, Note, Progress, Record
from stages.maths import groups, statistics, verdicts
from stages.maths.verdicts import Finding, Limits
from stages.parts import evaluators, reports
from stages.parts.evaluators import Evaluator


class Params(Base):
    """What the audit allows and how hard it looks.

    Attributes:
        max_gap: largest gap allowed between the best and the worst group of a column.
        min_worst_group: smallest figure allowed for any group.
        min_group: pictures a group needs to be compared; smaller ones are only shown.
        alpha: chance of a false alarm in the whole audit.
        num_permutations: deals behind each chance of a gap; raised when ``alpha`` over the number of comparisons asks
            for more.
        num_bootstraps: draws behind each interval that is no plain Wilson interval.
        num_pictures: pictures shown of each worst group.
    """

    max_gap: Annotated[float, Field(gt=0, le=1)]
    min_worst_group: Annotated[float, Field(ge=0, le=1)]
    min_group: Annotated[int, Field(ge=2)]
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    num_permutations: Annotated[int, Field(ge=100, le=1_000_000)]
    num_bootstraps: Annotated[int, Field(ge=100, le=100_000)]
    num_pictures: Annotated[int, Field(ge=0, le=24)]


def run(job: Job[Params]) -> Iterator[Record]:
    """Compare the groups, judge the gaps, write table, page and verdict."""
    task, params = str(job.task), job.params
    folder = artefacts.evaluated(task)
    data = dataset.read(artefacts.PREPROCESSED).subset("test")
    judge = evaluators.load(task, files.read_json(folder / evaluators.SETTINGS), data, folder)
    comparisons: list[groups.Comparison] = []
    for done, total, comparison in compared(judge, params, job.seed):
        comparisons.append(comparison)
        yield Progress(done, total, "comparisons of groups")
    limits = Limits(params.max_gap, params.min_worst_group, params.alpha)
    findings = verdicts.judge([c for c in comparisons if c.measure.judged], limits)
    verdict = verdicts.overall(findings)
    reasons = reports.reasons(findings, limits)
    with files.atomic(artefacts.audited(task)) as out:
        out.mkdir()
        reports.table(comparisons).to_csv(out / "groups.csv", index=False, lineterminator="\n")
        content = reports.Content(task, judge.data, verdict, reasons, findings, comparisons, limits, params.min_group)
        figures = files.read_json(artefacts.evaluate_metrics(task))
        page = reports.render(content, figures, strips(judge, findings, params.num_pictures), folder, judge.legend)
        (out / "report.html").write_text(page, encoding="utf-8")
    files.write_json(artefacts.audit_metrics(task), summary(verdict, reasons, findings))
    yield Metrics({f"gap/{reports.key(f)}": f.comparison.gap()[0] for f in findings if f.p is not None})
    yield Note(f"{verdict}: {reasons[0]}")
    yield Keep(artefacts.audit_metrics(task))
    yield Keep(artefacts.audited(task), "audited")


def compared(judge: Evaluator, params: Params, seed: int) -> Iterator[tuple[int, int, groups.Comparison]]:
    """Compare every measure over every column and pair of columns."""
    manifest = judge.data.manifest
    columns = {
        c.removeprefix("group_"): [v if isinstance(v, str) else None for v in manifest[c]] for c in judge.data.groups()
    }
    ways = groups.groupings(columns)
    strata = np.unique(manifest["label"].astype("string").fillna("").to_numpy(str), return_inverse=True)[1]
    measures = judge.measures()
    weights = statistics.resamples(len(manifest), params.num_bootstraps, seeds.generator(seed, "audit", "bootstrap"))
    num_tests = max(1, len(ways) * sum(m.judged for m in measures))
    deals = max(params.num_permutations, int(np.ceil(4 * num_tests / params.alpha)))
    pairs = [(m, w) for m in measures for w in ways]
    for index, (measure, way) in enumerate(pairs):
        random = seeds.generator(seed, "audit", measure.name, *way.columns)
        found = groups.compare(
            measure, way, weights, min_group=params.min_group, num_permutations=deals, random=random, strata=strata
        )
        yield index + 1, len(pairs), found


def strips(judge: Evaluator, findings: list[Finding], num_pictures: int) -> list[reports.Strip]:
    """Draw the worst pictures of the groups that fared worst."""
    mistakes, found = judge.mistakes(), []
    for finding in reports.worst_groups(findings):
        grouping, worst = finding.comparison.grouping, finding.comparison.worst
        inside = [m for m in mistakes if grouping.codes[m.row] == worst]
        shots = [reports.Shot(judge.draw(m), m.caption) for m in inside[:num_pictures]]
        title = f"{grouping.columns[0]}: {grouping.names[worst]} ({len(inside)} pictures with mistakes)"
        found += [reports.Strip(title, shots)] if shots else []
    return found


def summary(verdict: str, reasons: list[str], findings: list[Finding]) -> dict[str, Any]:
    """Return the content of the metrics file: verdict, reasons, and gap and worst group per measure and column."""
    gaps: dict[str, Any] = {}
    for finding in findings:
        comparison = finding.comparison
        entry: dict[str, Any] = {"verdict": finding.verdict, "more_pictures": finding.more}
        if finding.p is not None:
            value, low, high = comparison.gap()
            n = sum(comparison.estimates[g].n for g in comparison.compared)
            entry |= {"gap": {"value": value, "low": low, "high": high, "p": finding.p, "n": n}}
            worst = comparison.worst
            entry |= {"worst_group": {"name": comparison.grouping.names[worst], **comparison.estimates[worst].content()}}
        gaps.setdefault(comparison.measure.name, {})[" x ".join(comparison.grouping.columns)] = entry
    return {"verdict": verdict, "reasons": reasons, "by_group": gaps}

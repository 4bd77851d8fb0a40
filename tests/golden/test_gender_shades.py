"""The audit reads Gender Shades (Buolamwini and Gebru 2018) as its authors did."""

import numpy as np
import pytest

from stages.judge import groups, measures, verdicts
from stages.judge.columns import sort_into_groups

# Pilot Parliaments Benchmark: 1,270 people; lighter male, lighter female, darker male, darker female.
PEOPLE = {("lighter", "male"): 385, ("lighter", "female"): 296, ("darker", "male"): 318, ("darker", "female"): 271}
ERRORS = {
    "Microsoft": (0.0, 1.7, 6.0, 20.8),
    "Face++": (0.8, 6.0, 0.7, 34.5),
    "IBM": (0.3, 7.1, 12.0, 34.7),
}


def findings_of(errors: tuple[float, ...]) -> list[verdicts.Finding]:
    """Rebuild single outcomes from the published error rates and audit them."""
    right, shade, sex = [], [], []
    for ((skin, gender), num), error in zip(PEOPLE.items(), errors, strict=True):
        right += [0.0] * round(num * error / 100) + [1.0] * (num - round(num * error / 100))
        shade += [skin] * num
        sex += [gender] * num
    measure = measures.proportion("accuracy", "accuracy", "pictures", np.array(right), np.ones(len(right)))
    random = np.random.default_rng(0)
    ways = groups.groupings(sort_into_groups({"shade": shade, "sex": sex}, 20)[0])
    found = [groups.compare(measure, way, min_group=10, num_bootstraps=100, random=random) for way in ways]
    return verdicts.judge(found, verdicts.Limits(0.1, 0.8, 0.05))


@pytest.mark.parametrize("vendor", ERRORS)
def test_darker_women_fare_worst_everywhere(vendor: str) -> None:
    """Each vendor fails, darker women are the worst group, and the gap is the published one."""
    findings = findings_of(ERRORS[vendor])
    both = findings[2].comparison
    assert verdicts.overall(findings) == verdicts.FAIL
    assert both.grouping.names[both.worst] == "darker, female"
    published = max(ERRORS[vendor]) - min(ERRORS[vendor])
    value, low, high = both.gap()
    assert 100 * value == pytest.approx(published, abs=0.35)  # whole people
    assert low < published / 100 < high
    assert 100 * (1 - both.estimates[both.worst].value) == pytest.approx(max(ERRORS[vendor]), abs=0.2)
    assert findings[2].p is not None
    assert findings[2].p < 0.01

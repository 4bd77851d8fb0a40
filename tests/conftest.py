"""What holds for every test: no limit in seconds on an example, no skip where all can be installed, slow files first."""

import os
from collections.abc import Generator
from typing import Any

import hypothesis
import pytest

# A busy machine makes an example slow, not wrong.
hypothesis.settings.register_profile(
    "rawline", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large]
)
hypothesis.settings.load_profile("rawline")

STRICT = any(os.environ.get(name, "") not in ("", "0", "false") for name in ("CI", "RAWLINE_NO_SKIPS"))
# Reasons that no installation can remove, each as the beginning of the skip's own words.
ALLOWED = (
    "needs a GPU",  # the machines that judge a change have none
    "the library's own asymmetry",  # a rival's demosaicer, not ours, is not symmetrical: nothing of ours is left untested
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with whole programs: each file goes to one process, and a slow one that comes last lets the others idle."""
    items.sort(key=lambda item: "pipeline" not in item.path.parts)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip that has no allowed reason into a failure, where CI or RAWLINE_NO_SKIPS says so."""
    report = yield
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same for a whole file that skips itself."""
    report = yield
    if STRICT and report.skipped:
        _refuse(report)
    return report


def _refuse(report: Any) -> None:
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr).removeprefix("Skipped: ")
    if not reason.startswith(ALLOWED):
        report.outcome = "failed"
        report.longrepr = (
            f"skipped ({reason}), and no test may skip here: install what it needs (.ci/run) or see tests/conftest.py"
        )

"""A model is judged by the rules of its commit, those that were booked for evaluation and audit; another rule is named."""

import subprocess
from pathlib import Path

import pytest
import yaml

from pipelines.register import rules


@pytest.fixture
def judging(tmp_path) -> tuple[Path, str, dict]:
    """A commit whose ``params.yaml`` judges two tasks: its folder, its hash, and what it holds."""
    own = {"evaluate": {"min_score": 0.3}, "audit": {"alpha": 0.00001}, "register": {"min_quality": 0.8}}
    raw = {"tasks": {"a": {}, "b": {}}, **{stage: {"a": dict(rule), "b": dict(rule)} for stage, rule in own.items()}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True)
    return tmp_path, head.stdout.strip(), raw


@pytest.mark.parametrize(("stage", "rule", "text"), [
    ("evaluate", {"min_score": 0.9}, "evaluate.a.min_score 0.3 -> 0.9"), ("evaluate", {"min_score": 0.3}, ""),
    ("audit", {"alpha": 0.5}, "audit.a.alpha 1e-05 -> 0.5"), ("audit", {"alpha": "1e-05"}, ""),
    ("audit", {}, "audit.a.alpha 1e-05 -> absent"),
])  # fmt: skip
def test_evaluate_and_audit_judge_by_the_rules_that_were_booked_for_them(judging, stage, rule, text):
    """An edit that was taken back after they ran is still theirs, and one of today, after they ran, is not."""
    folder, commit, raw = judging
    booked = {f"{stage}@a": {"params": {"params.yaml": {f"{stage}.a": rule, "seed": 9}}}}
    assert rules.changed(folder, commit, "a", booked, raw) == ((text,) if text else ())
    if not text:
        assert rules.changed(folder, commit, "a", booked, {**raw, stage: {"a": {"new": 1}}}) == ()


def test_another_task_s_rules_judge_no_model_of_this_one(judging):
    """Neither a lower floor of the other task, nor what was booked for it."""
    folder, commit, raw = judging
    now = {**raw, "register": {**raw["register"], "b": {"min_quality": 0.1}}}
    booked = {"evaluate@b": {"params": {"params.yaml": {"evaluate.b": {"min_score": 0.9}}}}}
    assert rules.changed(folder, commit, "a", booked, now) == ()
    assert rules.changed(folder, commit, "b", booked, now) == (
        "evaluate.b.min_score 0.3 -> 0.9",
        "register.b.min_quality 0.8 -> 0.1",
    )


def test_rules_of_a_commit_that_git_does_not_know_are_unknown(judging):
    """A training at a commit that was never fetched may have had any floor; nothing calls that unchanged."""
    folder, _, raw = judging
    for commit in ("a" * 40, "unknown"):
        found = rules.changed(folder, commit, "a", {}, raw)
        assert found == (f"unknown: git does not give params.yaml of commit {commit[:12]}",)

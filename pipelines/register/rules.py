"""Names the rules that judged a model where they are not those of the commit that its version names.

``params.yaml`` may be edited without a commit, and ``dvc exp run -S`` edits it: a lower floor then makes a champion, and the
commit says nothing of it.
"""

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipelines.record import headline, lockfile, provenance
from stages.core import yaml_text

FILE = "params.yaml"
STAGES = ("evaluate", "audit")  # they judge before the registration does


def experiment() -> str:
    """Return the name of DVC's experiment that this process belongs to; empty outside of one."""
    return os.environ.get("DVC_EXP_NAME", "")


def changed(workdir: Path, commit: str, task: str, booked: Mapping[str, Any], present: Mapping[str, Any]) -> tuple[str, ...]:
    """List the parameters of evaluate, audit and register that differ from a commit's, each as ``name before -> now``.

    Those of the task alone. Evaluate and audit count as they ran, by what DVC booked; register counts as it is now.

    Args:
        workdir: the project's root.
        commit: its hash.
        task: the task.
        booked: what DVC has booked, by stage.
        present: the content of ``params.yaml`` now; it stands for evaluate and audit, too, where nothing of them is booked.

    Returns:
        The parameters; one line that begins with ``unknown`` where git does not give the commit's ``params.yaml``.
    """
    try:
        then = yaml_text.load(provenance.git(workdir, "show", f"{commit}:./{FILE}"))
    except yaml.YAMLError:
        then = None
    if not isinstance(then, Mapping):
        return (f"unknown: git does not give {FILE} of commit {commit[:12]}",)
    before, now = _rules(then, task), _rules(_used(task, booked, present), task)
    return tuple(
        f"{name} {before.get(name, 'absent')} -> {now.get(name, 'absent')}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name, ...) != now.get(name, ...)
    )


def _used(task: str, booked: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of ``params.yaml`` as it judged a model: what the stages that did so booked, else what is now."""
    found = copy.deepcopy(dict(present))
    for stage in STAGES:
        values = booked.get(f"{stage}@{task}", {}).get("params", {}).get(FILE, {})
        for key, value in values.items():
            if key.partition(".")[0] == stage:
                put(found, key.split("."), value)
    return found


def put(tree: dict[str, Any], words: Sequence[str], value: Any) -> None:
    """Put a value into nested mappings, which are made where they are missing."""
    for word in words[:-1]:
        if not isinstance(tree.get(word), dict):
            tree[word] = {}
        tree = tree[word]
    tree[words[-1]] = value


def _rules(raw: Mapping[str, Any], task: str) -> dict[str, Any]:
    tasks = raw["tasks"] if isinstance(raw.get("tasks"), Mapping) else {}
    found = headline.parameters(lockfile.numbers({**raw, "tasks": {task: tasks.get(task)}}))
    return {name: value for name, value in found.items() if name.partition(".")[0] in headline.JUDGING}

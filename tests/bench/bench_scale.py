"""Scale: audits of large test splits, judging a hundred masks a picture, and the memory that each took at most."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from stages import audit
from stages.core import artefacts, dataset, digests, files
from stages.core.stage import Job
from stages.parts import evaluators
from tests.bench import streaming
from tests.bench.harness import Entry

NUM_COLUMNS = 12
NUM_CLASSES = 10
NUM_GROUPS = 4
PARAMS = {
    "max_gap": 0.1,
    "min_worst_group": 0.5,
    "min_group": 10,
    "max_groups": 20,
    "leave_out": [],
    "alpha": 0.05,
    "num_permutations": 2000,
    "num_bootstraps": 1000,
    "num_pictures": 0,
}


def measure() -> list[Entry]:
    """Measure the audit of a classifier over twelve columns and all their pairs, and how far judging masks streams."""
    small, large = (_apart(num) for num in (100_000, 1_000_000))
    return [
        Entry("scale.audit_100k_12_columns_s", small["seconds"], "CPU s, all pairs"),
        Entry("scale.audit_100k_12_columns_mb", small["mb"], "MB at most"),
        Entry("scale.audit_1m_12_columns_s", large["seconds"], "CPU s, all pairs"),
        Entry("scale.audit_1m_12_columns_mb", large["mb"], "MB at most"),
        *streaming.measure(),
    ]


def _apart(num_pictures: int) -> dict[str, float]:
    """Audit so many pictures in a process of its own, so that its peak is its own too."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.bench.bench_scale"]
        for step in ("make", "audit"):
            done = subprocess.run([*command, step, folder, str(num_pictures)], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def make(num_pictures: int) -> None:
    """Write a test split of labels and groups with a classifier's answers: one group fares 15 points worse."""
    random = np.random.default_rng(0)
    classes = tuple(f"class {k}" for k in range(NUM_CLASSES))
    groups = {f"group_c{c:02d}": random.integers(0, NUM_GROUPS, num_pictures) for c in range(NUM_COLUMNS)}
    truth = random.integers(0, NUM_CLASSES, num_pictures)
    harm = 0.15 * (groups["group_c00"] == 0)
    said = np.where(random.random(num_pictures) < 0.9 - harm, truth, random.integers(0, NUM_CLASSES, num_pictures))
    names = np.array([f"{i:016x}" for i in range(num_pictures)])
    labels = np.array(classes, dtype=object)
    rows = pd.DataFrame({"image_id": names, "path": [f"images/{n}.png" for n in names], "width": 8, "height": 8})
    rows = rows.assign(split="test", label=labels[truth], source="made", mask=None)
    rows = rows.assign(**{name: np.array(list("abcd"), dtype=object)[codes] for name, codes in groups.items()})
    artefacts.PREPROCESSED.mkdir(parents=True)
    dataset.write(artefacts.PREPROCESSED, dataset.Info("scale", "made", labels=classes), rows, [])
    folder = artefacts.evaluated("classify")
    folder.mkdir(parents=True)
    evaluators.write_settings(folder, {})
    told = pd.DataFrame({"image_id": names, "label": labels[truth], "predicted": labels[said], "score": 0.9})
    told.assign(truth_score=np.where(truth == said, 0.9, 0.1)).to_parquet(folder / "predictions.parquet", index=False)
    files.write_json(artefacts.evaluate_metrics("classify"), {digests.TABLES: digests.tables(folder)})


def audited() -> None:
    """Run the audit stage and print what it took."""
    job = Job(audit.Params(**PARAMS), {}, 7, Path("work"), "classify")  # type: ignore[arg-type]
    start = time.process_time()
    for _ in audit.run(job):
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"seconds": time.process_time() - start, "mb": peak}) + "\n")


if __name__ == "__main__":
    step, where, size = sys.argv[1:]
    sys.path.insert(0, str(Path.cwd()))
    os.chdir(where)
    if step == "make":
        make(int(size))
    else:
        audited()

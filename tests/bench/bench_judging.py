"""Judging: mean average precision and its bootstrap, beside pycocotools run again for every replicate."""

import time

import numpy as np

from stages.judge import statistics
from tests.bench.harness import Entry, race
from tests.unit.judge import test_average_precision as made

NUM_PICTURES = 1000
NUM_BOOTSTRAPS = 1000


def measure() -> list[Entry]:
    """Measure one evaluation and a thousand bootstraps of it on a thousand made-up pictures."""
    made.NUM = NUM_PICTURES
    truths, said = made.made(0)
    weights = statistics.resamples(NUM_PICTURES, NUM_BOOTSTRAPS, np.random.default_rng(0))
    once, coco = race(
        lambda: made.measures(made.tables(truths, said))["map"].values(np.ones((1, NUM_PICTURES))),
        lambda: made.coco_stats(truths, said, NUM_PICTURES),
        rounds=2,
    )
    figure = made.measures(made.tables(truths, said))["map"]
    figure.values(weights[:1])
    start = time.perf_counter()
    figure.values(weights)
    bootstrap = time.perf_counter() - start
    return [
        Entry("judging.map", once, "s for 1,000 pictures", "pycocotools", coco / once),
        Entry(
            "judging.map_bootstrap",
            bootstrap,
            "s for 1,000 replicates",
            "pycocotools run 1,000 times (its one run x 1,000)",
            coco * NUM_BOOTSTRAPS / bootstrap,
        ),
    ]

"""Lays every figure of every group out as a table."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stages.judge.groups import Comparison


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
            "num_units": found.num_units,
            "worth": c.worth[index] if c.worth else np.nan,
            "compared": index in c.compared,
        }
        for c in comparisons
        for index, (name, found) in enumerate(zip(c.grouping.names, c.estimates, strict=True))
    ]
    told = ["n", "unit", "num_pictures", "num_units", "worth", "compared"]
    frame = pd.DataFrame(rows, columns=["measure", "columns", "group", "value", "low", "high", *told])
    numbers = ["value", "low", "high", "worth"]
    frame[numbers] = frame[numbers].astype(np.float64).round(6)
    return frame

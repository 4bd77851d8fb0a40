"""Compiles the camera's kernels once, after the installation: ``python -m pipelines.warm``.

Numba compiles at the first call, for seconds where a demosaicer is a good one, and keeps the result beside the source.
Done here, no job waits for it.
"""

import sys

import numpy as np

from pipelines.develop import options
from stages import preprocess
from stages.core.errors import RawlineError
from stages.core.frame import Frame

_SIDE = 32


def main() -> int:
    """Develop and simulate one small frame as ``params.yaml`` says."""
    numbers = np.arange(_SIDE * _SIDE, dtype=np.uint16).reshape(_SIDE, _SIDE)
    frame = Frame(numbers, "RGGB", (0.0,) * 4, 4095.0, (2.0, 1.0, 1.5), np.eye(3))
    picture = np.repeat(numbers.astype(np.uint8)[..., None], 3, axis=2)
    try:
        preprocess.prepare(options.recipe({}, simulate=False), frame)
        preprocess.prepare(options.recipe({}, simulate=True), picture)
    except RawlineError as error:
        sys.stderr.write(f"rawline: the camera's kernels are compiled at their first use instead ({error})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

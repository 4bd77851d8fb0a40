"""Seeds that depend on what is drawn for, never on the order in which it is drawn."""

import hashlib

import numpy as np


def derive(seed: int, *names: object) -> int:
    """Derive a 32-bit seed for one purpose.

    Args:
        seed: the pipeline's seed from ``params.yaml``.
        names: what it is for, for instance a stage's name and an ``image_id``.

    Example:
        >>> derive(1, "augment", "a3f") == derive(1, "augment", "a3f") != derive(1, "augment", "b07")
        True
    """
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")


def generator(seed: int, *names: object) -> np.random.Generator:
    """Return a numpy generator for one purpose; see ``derive``."""
    return np.random.default_rng(derive(seed, *names))

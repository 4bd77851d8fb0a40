"""The command line of simulations: how many rounds, and a line as soon as it is known."""

import argparse
import sys
from collections.abc import Callable, Iterable


def show(about: str | None, lines: Callable[[int], Iterable[str]]) -> None:
    """Print what every setting comes to.

    Args:
        about: what the simulation is for.
        lines: from how often each setting is drawn to the lines.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--rounds", type=int, default=400)
    for line in lines(parser.parse_args().rounds):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

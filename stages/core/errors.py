"""The errors a user can meet; each message says what is wrong, what would be right and where to look."""

from collections.abc import Iterable
from difflib import get_close_matches


class RawlineError(Exception):
    """A fault that ends in one clear line for the user, never in a traceback."""


class ParamsError(RawlineError, ValueError):
    """A value or name in ``params.yaml`` is wrong."""


class DataError(RawlineError):
    """A file of the user's is missing, unreadable or contradicts another."""


class InfrastructureError(RawlineError):
    """Something outside the data failed (a lock, a server, disk or memory): a retry may help."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which of ``known`` was probably meant.

    Args:
        name: the word that was found.
        known: the words that would be right.

    Returns:
        A clause for the end of an error message, for instance ``did you mean 'malvar2004'?``

    Example:
        >>> nearest("malvr2004", ["bilinear", "malvar2004"])
        "did you mean 'malvar2004'? Known: bilinear, malvar2004"
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}Known: {', '.join(names) or 'none'}"

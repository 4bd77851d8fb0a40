"""The errors a user can meet; each message says what is wrong, what would be right and where to look."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

_NO_MEMORY = re.compile(r"\b(?:in|un)sufficient memory\b|\bout of memory\b|\bcannot allocate memory\b", re.IGNORECASE)


class RawlineError(Exception):
    """A fault that ends in one clear line for the user, never in a traceback."""


class ParamsError(RawlineError, ValueError):
    """A value or name in ``params.yaml`` is wrong."""


class DataError(RawlineError):
    """A file of the user's is missing, unreadable or contradicts another."""


class InfrastructureError(RawlineError):
    """Something outside the data failed (a lock, a server, disk or memory): a retry may help."""


@contextmanager
def decoding(told: str = "cannot be decoded") -> Iterator[None]:
    """Take whatever a decoder raises in the block for a fault of its file; too little memory is the machine's.

    A torn file leads a library where nobody has been: it may raise anything.

    Args:
        told: what is said of the file, before the decoder's own words.

    Raises:
        DataError: the decoder gave up.
        MemoryError: there is not enough, as it was raised or as the decoder said in words.

    Example:
        >>> with decoding():
        ...     raise NotImplementedError("4 bit")
        Traceback (most recent call last):
            ...
        stages.core.errors.DataError: cannot be decoded (4 bit)
    """
    try:
        yield
    except (RawlineError, MemoryError):
        raise
    except Exception as error:
        if _NO_MEMORY.search(str(error)):
            raise MemoryError(" ".join(str(error).split())) from error
        raise DataError(f"{told} ({' '.join(str(error).split()) or type(error).__name__})") from error


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

"""Says in one short line why MLflow failed."""

import re

LINE = 300
CAUSES = (  # what requests and urllib3 wrap in addresses and class names
    (r"Connection refused", "nothing answers there (connection refused)"),
    (r"Name or service not known|Temporary failure in name resolution|getaddrinfo failed", "there is no host of that name"),
    (r"No route to host|Network is unreachable", "the network does not lead there"),
    (r"timed out|Read timeout|ConnectTimeout", "it did not answer in time"),
)


def shorten(text: str) -> str:
    """Return the text's beginning where it is too long for a line."""
    return text if len(text) <= LINE else text[: LINE - 3] + "..."


def reason(error: BaseException | str) -> str:
    """Return the cause, without the request's address and the classes it went through.

    Example:
        >>> reason(OSError("API request to http://h/api failed with exception HTTPConnectionPool(...): Connection refused"))
        'nothing answers there (connection refused)'
    """
    text = " ".join(str(error).split())
    return next((words for pattern, words in CAUSES if re.search(pattern, text)), shorten(text) or type(error).__name__)

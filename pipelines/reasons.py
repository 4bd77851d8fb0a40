"""Says in one short line why MLflow failed."""

import re

from pipelines.redaction import redact

LINE = 300
CAUSES = (  # what requests and urllib3 wrap in addresses and class names
    (r"Connection refused", "nothing answers there (connection refused)"),
    (r"Name or service not known|Temporary failure in name resolution|getaddrinfo failed", "there is no host of that name"),
    (r"No route to host|Network is unreachable", "the network does not lead there"),
    (r"timed out|Read timeout|ConnectTimeout", "it did not answer in time"),
)
LOGIN = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to a login that it knows; docs/record.md, Who may write"
_CODES = {"UNAUTHENTICATED": "401", "PERMISSION_DENIED": "403"}  # MLflow's words for HTTP's
_REFUSED = re.compile(r"failed with error code (40[13])\b")


def shorten(text: str) -> str:
    """Return the text's beginning where it is too long for a line."""
    return text if len(text) <= LINE else text[: LINE - 3] + "..."


def refusal(error: BaseException | str) -> str:
    """Return HTTP's number where a server answers and lets nobody in, or not this one; empty for anything else.

    Example:
        >>> refusal("API request to endpoint /api failed with error code 401 != 200"), refusal("Connection refused")
        ('401', '')
    """
    found = _REFUSED.search(str(error))
    return _CODES.get(getattr(error, "error_code", ""), "") or (found[1] if found else "")


def reason(error: BaseException | str) -> str:
    """Return the cause, without the request's address and the classes it went through.

    Example:
        >>> reason(OSError("API request to http://h/api failed with exception HTTPConnectionPool(...): Connection refused"))
        'nothing answers there (connection refused)'
    """
    if refused := refusal(error):
        return f"it refuses ({refused}): {LOGIN}"
    text = redact(" ".join(str(error).split()))
    return next((words for pattern, words in CAUSES if re.search(pattern, text)), shorten(text) or type(error).__name__)

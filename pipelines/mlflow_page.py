"""MLflow's server behind a login: what ``mlflow server --app-name rawline`` runs (entry point ``mlflow.app``).

MLflow's own server asks nobody. Every user of the machine reaches loopback, and who may write to the registry may name a
model of theirs the champion, whose code ``rawline predict`` runs.
"""

import base64
import hmac
import os
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

NAME = "rawline"  # of the entry point
HEALTH = "/health"  # says that it lives, and nothing else
REFUSAL = b"MLflow's page asks for a login; rawline ui prints it\n"
CHALLENGE = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", str(len(REFUSAL)).encode()),
    (b"www-authenticate", b'Basic realm="rawline", charset="UTF-8"'),
]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def variables(login: str) -> dict[str, str]:
    """Return the variables by which the server is told its login; by the same names MLflow's own processes log in to it.

    Args:
        login: user name and password, ``rawline:...``.
    """
    user, _, password = login.partition(":")
    return {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password}


def create_app() -> App:
    """Return MLflow's whole server, Flask's routes and FastAPI's, for those alone who know the login of the environment.

    Raises:
        ValueError: the environment holds none.
    """
    user, password = (os.environ.get(name, "") for name in variables(""))
    if not (user and password):
        raise ValueError("no login is set (MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD); rawline ui sets it")
    from mlflow.server.fastapi_app import app  # noqa: PLC0415 - it reads the environment of a server when it is imported

    return guarded(app, f"{user}:{password}")


def guarded(app: App, login: str) -> App:
    """Return an ASGI app that passes on what comes with the login, and answers everything else with 401.

    Args:
        app: the one that is guarded.
        login: user name and password, which a browser asks for once (HTTP's Basic scheme).
    """
    expected = base64.b64encode(login.encode())

    async def door(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _is_health(scope) or _knows(scope["headers"], expected):
            await app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await send({"type": "http.response.start", "status": 401, "headers": CHALLENGE})
            await send({"type": "http.response.body", "body": REFUSAL})

    return door


def _is_health(scope: Message) -> bool:
    return (scope["type"], scope.get("method"), scope.get("path")) == ("http", "GET", HEALTH)


def _knows(headers: Iterable[tuple[bytes, bytes]], expected: bytes) -> bool:
    given = [value.partition(b" ") for name, value in headers if name.lower() == b"authorization"]
    return any(scheme.lower() == b"basic" and hmac.compare_digest(word.strip(), expected) for scheme, _, word in given)

"""A proxy on loopback that is in no hurry, in front of a real server: it passes everything on and answers files late."""

import http.client
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

HOP = ("connection", "transfer-encoding", "keep-alive", "content-length", "host")


class Slow:
    """The proxy.

    Attributes:
        delay_s: seconds between taking a file and passing it on.
        uploads: how often each file was taken.
    """

    def __init__(self, port: int, delay_s: float) -> None:
        self.delay_s = delay_s
        self.uploads: Counter[str] = Counter()
        handler = type("Handler", (_Handler,), {"slow": self, "target": port})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def uri(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    slow: ClassVar[Slow]
    target: ClassVar[int]

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command == "PUT":
            self.slow.uploads[self.path.rpartition("/")[2]] += 1
            time.sleep(self.slow.delay_s)
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=60)
        headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        try:
            self.send_response(answer.status)
            for key, value in answer.getheaders():
                if key.lower() not in HOP:
                    self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:  # who asked has not waited
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""

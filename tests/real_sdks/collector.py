"""A place for SDKs to send to: takes Sentry's envelopes over HTTP and keeps their events."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Event = dict[str, Any]


class Collector:
    """Listens on a free port of loopback until it is closed.

    `events` are all that came, as the SDKs wrote them; `dsn` is what an SDK needs to know.
    """

    def __init__(self) -> None:
        events: list[Event] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = _body(self)
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                events.extend(events_in(body))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.events = events
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False  # closing waits for what is still coming in
        self.dsn = f"http://public@127.0.0.1:{self._server.server_port}/1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def events_in(envelope: bytes) -> Iterator[Event]:
    """The error and message events of an envelope; its other items are passed over."""
    _, _, rest = envelope.partition(b"\n")
    while rest.strip():
        line, _, rest = rest.partition(b"\n")
        header: Mapping[str, Any] = json.loads(line)
        length = header.get("length")
        if length is None:
            length = len(rest.partition(b"\n")[0])
        if header["type"] == "event":
            yield json.loads(rest[:length])
        rest = rest[length:].removeprefix(b"\n")


def _body(request: BaseHTTPRequestHandler) -> bytes:
    """The whole body, whether it says its length or comes in chunks."""
    if request.headers.get("Transfer-Encoding") != "chunked":
        return request.rfile.read(int(request.headers["Content-Length"]))
    body = b""
    while size := int(request.rfile.readline(), 16):
        body += request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()
    return body

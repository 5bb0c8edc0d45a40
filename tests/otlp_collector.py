"""A trace collector that keeps what it is sent."""

import contextlib
import gzip
import http.server
import threading
from collections.abc import Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector(http.server.ThreadingHTTPServer):
    """Takes what comes, or answers what a test wants."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.status, self.requests, self.hang = 200, [], threading.Event()
        self.hang.set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def spans(self):
        found = []
        for _, body in self.requests:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                found += [(resource.resource, span) for scope in resource.scope_spans for span in scope.spans]
        return found


class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        self.server.requests.append(((self.path, self.headers), body))
        self.server.hang.wait(20)
        with contextlib.suppress(OSError):
            self.send_response(self.server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector for the block."""
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.hang.set()
        server.shutdown()
        thread.join()
        server.server_close()

"""A service of advisories on the loopback device, which speaks OSV's protocol and counts what it is asked."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Pin = tuple[str, str]


def record(
    identity: str,
    name: str,
    *events: dict[str, str],
    versions: Sequence[str] = (),
    aliases: Sequence[str] = (),
    summary: str = "",
    ecosystem: str = "PyPI",
    **more: Any,
) -> dict[str, Any]:
    """Return an OSV record on one distribution."""
    affected: dict[str, Any] = {"package": {"ecosystem": ecosystem, "name": name}}
    if events:
        affected["ranges"] = [{"type": "ECOSYSTEM", "events": list(events)}]
    if versions:
        affected["versions"] = list(versions)
    return {
        "id": identity,
        "modified": "2026-01-01T00:00:00Z",
        "published": "2026-01-01T00:00:00Z",
        "summary": summary,
        "aliases": list(aliases),
        "references": [{"type": "WEB", "url": f"https://advisories.example/{identity}"}],
        "affected": [affected],
        **more,
    }


class Service:
    """The service: which records concern which pins, and all pins that were asked about."""

    def __init__(self, url: str, records: dict[Pin, dict[str, Any]]) -> None:
        self.url = url
        self.records = records
        self.asked: list[Pin] = []


@contextlib.contextmanager
def service(records: dict[Pin, dict[str, Any]]) -> Iterator[Service]:
    """Yield a service that knows these records. It stops when the context ends."""

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Answer a query on many pins with the ids of records."""
            queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            pins = [(query["package"]["name"], query["version"]) for query in queries]
            found.asked += pins
            known = [records.get(pin) for pin in pins]
            self._send(
                {"results": [{"vulns": [{"id": i["id"], "modified": i["modified"]}]} if i else {} for i in known]}
            )

        def do_GET(self) -> None:
            """Answer with a record."""
            self._send(next(item for item in records.values() if self.path.endswith(f"/{item['id']}")))

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the name is http.server's
            """Say nothing."""

        def _send(self, document: object) -> None:
            content = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        found = Service(f"http://127.0.0.1:{server.server_port}/", records)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()

"""A package index on the loopback device that answers as a real one does, from a folder of wheels.

It has the Simple API as JSON and HTML (PEP 691, PEP 503), hashes and sizes, and metadata beside each wheel (PEP 658).
Its pages live ten minutes, and its files never change. It counts requests, so that a run can show that it was
offline.
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import json
import shutil
import threading
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from packaging.utils import parse_wheel_filename

from eval.bench.network import Network

PAGE_LIFE = "max-age=600, public"
FILE_LIFE = "max-age=365000000, immutable, public"
_BLOCK_BYTES = 1 << 16
JSON_TYPE = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True)
class Wheel:
    """A file that the index offers."""

    path: Path
    project: str
    version: str
    sha256: str
    metadata: bytes


class Index(ThreadingHTTPServer):
    """The server. `requests` is the number of requests that it got. With a `network`, files arrive no faster."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, wheels: Iterable[Wheel], network: Network | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.wheels = {wheel.path.name: wheel for wheel in wheels}
        self.network = network
        self.requests = 0
        self.has_validators = True

    @property
    def url(self) -> str:
        """Return the URL for the tools."""
        return f"http://127.0.0.1:{self.server_port}/simple/"


@contextlib.contextmanager
def served(wheels: Iterable[Wheel], network: Network | None = None) -> Iterator[Index]:
    """Serve `wheels` until the context ends, through a `network` if there is one."""
    with Index(wheels, network) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def read_wheel(path: Path) -> Wheel:
    """Return a wheel with the facts that the index tells of it."""
    name, version, _, _ = parse_wheel_filename(path.name)
    with zipfile.ZipFile(path) as archive:
        inside = next(member for member in archive.namelist() if _is_metadata(member))
        metadata = archive.read(inside)
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return Wheel(path, name, str(version), digest.hexdigest(), metadata)


def _is_metadata(member: str) -> bool:
    return member.count("/") == 1 and member.endswith(".dist-info/METADATA")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open, as a real index does
    disable_nagle_algorithm = True  # otherwise the second packet waits 40 ms for the ACK of the first
    wbufsize = -1
    server: Index

    def do_GET(self) -> None:
        self.server.requests += 1
        folder, _, rest = self.path.strip("/").partition("/")
        wheels = self.server.wheels
        if folder == "simple":
            self._send_page([wheel for wheel in wheels.values() if wheel.project == rest])
        elif folder == "files" and rest in wheels:
            self._send_wheel(wheels[rest].path)
        elif folder == "files" and rest.removesuffix(".metadata") in wheels:
            self._send(wheels[rest.removesuffix(".metadata")].metadata, "application/octet-stream", FILE_LIFE)
        else:
            self._send(b"", "text/plain", PAGE_LIFE, HTTPStatus.NOT_FOUND)

    def _send_page(self, wheels: list[Wheel]) -> None:
        status = HTTPStatus.OK if wheels else HTTPStatus.NOT_FOUND
        if JSON_TYPE in self.headers.get("Accept", ""):
            self._send(_json_page(wheels), JSON_TYPE, PAGE_LIFE, status)
        else:
            self._send(_html_page(wheels), "text/html; charset=utf-8", PAGE_LIFE, status)

    def _send(self, body: bytes, kind: str, life: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        if status is HTTPStatus.OK and self.headers.get("If-None-Match") == tag:
            status, body = HTTPStatus.NOT_MODIFIED, b""
        self._send_head(status, kind, life, len(body), tag)
        self.wfile.write(body)

    def _send_wheel(self, path: Path) -> None:
        size = path.stat().st_size
        self._send_head(HTTPStatus.OK, "application/octet-stream", FILE_LIFE, size, f'"{path.name}-{size}"')
        network = self.server.network
        with path.open("rb") as file:
            if network is None:
                shutil.copyfileobj(file, self.wfile, 1 << 18)
                return
            while block := file.read(_BLOCK_BYTES):
                network.carry(len(block))
                self.wfile.write(block)

    def _send_head(self, status: HTTPStatus, kind: str, life: str, size: int, tag: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size))
        if self.server.has_validators:
            self.send_header("Cache-Control", life)
            self.send_header("ETag", tag)
        self.send_header("Vary", "Accept")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the name is http.server's
        """Log nothing."""


def _json_page(wheels: list[Wheel]) -> bytes:
    files = [
        {
            "filename": wheel.path.name,
            "url": f"/files/{wheel.path.name}",
            "hashes": {"sha256": wheel.sha256},
            "core-metadata": {"sha256": hashlib.sha256(wheel.metadata).hexdigest()},
            "size": wheel.path.stat().st_size,
            "upload-time": "2025-01-01T00:00:00.000000Z",
            "yanked": False,
        }
        for wheel in wheels
    ]
    name = wheels[0].project if wheels else ""
    versions = sorted({wheel.version for wheel in wheels})
    return json.dumps({"meta": {"api-version": "1.1"}, "name": name, "versions": versions, "files": files}).encode()


def _html_page(wheels: list[Wheel]) -> bytes:
    lines = []
    for wheel in wheels:
        name = html.escape(wheel.path.name)
        digest = hashlib.sha256(wheel.metadata).hexdigest()
        lines.append(
            f'<a href="/files/{name}#sha256={wheel.sha256}" data-core-metadata="sha256={digest}">{name}</a><br>'
        )
    return "\n".join(["<!DOCTYPE html>", "<html><body>", *lines, "</body></html>"]).encode()

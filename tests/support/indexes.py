"""Package indexes on the loopback device: a served folder, or described indexes that count requests."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import html
import io
import json
import re
import threading
import time
import urllib.parse
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.wheels import Wheel

_POLL_SECONDS = 0.02
"""The time until a server notices that it is to stop. A test waits for that, and the default is half a second."""


@contextlib.contextmanager
def served(folder: Path, *, slow: Mapping[str, float] | None = None) -> Iterator[str]:
    """Serve `folder`, which may be filled later, and yield its URL. The server stops when the context ends.

    `slow` maps the start of a file name to the seconds by which such files are delayed.
    """
    handler = functools.partial(_Quiet, directory=str(folder), slow=slow or {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: object, directory: str, slow: Mapping[str, float]) -> None:
        self._slow = slow
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Send a file, after its delay if it is slow."""
        name = self.path.rpartition("/")[2]
        time.sleep(max((seconds for start, seconds in self._slow.items() if name.startswith(start)), default=0))
        super().do_GET()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the name is http.server's
        """Say nothing."""


PAGE, METADATA, FILE, PART = "page", "metadata", "file", "part of a file"


@dataclass(frozen=True)
class Index:
    """The files of one index, and the form of its pages. Pages list the files in the order given here."""

    wheels: Sequence[Wheel] = ()
    sdists: Sequence[Wheel] = ()
    extra_files: Mapping[str, str | bytes] = field(default_factory=dict)
    """Contents by name of files that no page lists, such as a requirements file."""
    hashes: Sequence[str] = ("sha256",)
    """The algorithms of the hashes on the pages. A page in HTML shows only the first."""
    announced: Mapping[str, str | bytes] = field(default_factory=dict)
    """Contents by file name. The page shows the hash of these instead of the hash of the file."""
    has_metadata_files: bool = True
    """Whether a wheel's METADATA can be fetched without the wheel (PEP 658)."""
    answers_ranges: bool = False
    yanked: Mapping[str, str] = field(default_factory=dict)
    """Reasons by file name."""
    is_json: bool = False
    """Whether the pages are JSON (PEP 691)."""
    has_sizes: bool = False
    """Whether JSON pages have the sizes of the files (PEP 700)."""
    credentials: str = ""
    """The `user:password` that every request needs. Empty for none."""
    cache_control: str = ""
    """The header that goes with pages, empty for none."""

    def write(self, folder: Path) -> list[str]:
        """Write the files into `folder`, made if missing, and return the names of those that pages list."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [wheel.write(folder) for wheel in self.wheels]
        paths += [wheel.write_sdist(folder) for wheel in self.sdists]
        for name, contents in self.extra_files.items():
            (folder / name).write_bytes(_as_bytes(contents))
        return list(dict.fromkeys(path.name for path in paths))


@dataclass(frozen=True)
class Request:
    """One request that reached the server."""

    index: str
    """The name of the index. If the server was used as a proxy, the requested host."""
    project: str
    kind: str
    """`PAGE`, `METADATA`, `FILE` or `PART`. If the method is not GET, the method."""
    file: str
    status: int

    def __str__(self) -> str:
        """Return the request in a few words."""
        return f"{self.kind} {self.file or self.project} of {self.index} (answer {self.status})"


@dataclass(frozen=True)
class Shelf:
    """An index that is served, the folder of its files, and the names of the files that its pages list."""

    name: str
    index: Index
    folder: Path
    listed: Sequence[str]
    requires_python: Mapping[str, str]


class CountingServer:
    """Several indexes below one address of the loopback device, and a log of all requests.

    The server is also a proxy that refuses everything. A program that uses this proxy can't reach other machines, and
    the host that it requests is logged.
    """

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self._shelves: dict[str, Shelf] = {}
        self._requests: list[Request] = []

    @property
    def url(self) -> str:
        """Return the address, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def clear(self) -> None:
        """Stop serving all indexes."""
        self._shelves.clear()

    def add(self, name: str, index: Index, folder: Path) -> None:
        """Write the files of an index into `folder`, and serve it. An index of the same name is replaced."""
        listed = index.write(folder)
        requires = {wheel.filename: wheel.requires_python for wheel in index.wheels}
        requires.update({f"{wheel.stem}.tar.gz": wheel.requires_python for wheel in index.sdists})
        self._shelves[name] = Shelf(name, index, folder, listed, requires)

    def simple(self, name: str) -> str:
        """Return the URL of an index (PEP 503)."""
        return f"{self.url}/{name}/simple/"

    def flat(self, name: str) -> str:
        """Return the URL of a page that lists all files of an index, for `--find-links`."""
        return f"{self.url}/{name}/flat/"

    def files(self, name: str) -> str:
        """Return the URL of the folder of an index's files."""
        return f"{self.url}/{name}/files"

    def shelf(self, name: str) -> Shelf | None:
        """Return the served index of this name, or None."""
        return self._shelves.get(name)

    def note(self, request: Request) -> None:
        """Log a request."""
        self._requests.append(request)

    def take_requests(self) -> list[Request]:
        """Return the requests since the last call."""
        taken, self._requests = self._requests, []
        return taken


@contextlib.contextmanager
def counting_server() -> Iterator[CountingServer]:
    """Yield a server without any index. It stops when the context ends."""
    with _KeepingServer(("127.0.0.1", 0), _Answer) as server:
        server.counting = CountingServer(server)
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,))
        thread.start()
        try:
            yield server.counting
        finally:
            server.shutdown()
            thread.join()


class _KeepingServer(ThreadingHTTPServer):
    counting: CountingServer
    daemon_threads = True


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _KeepingServer
    _asked: tuple[str, str, str]
    """The requested index or host, the project of the page, and the file. A missing part is empty."""

    def do_GET(self) -> None:
        """Answer with a page, METADATA or a file."""
        if not self.path.startswith("/"):
            return self._refuse_as_proxy(self.path.partition("://")[2].partition("/")[0])
        name, place, rest = [*urllib.parse.unquote(self.path[1:].partition("?")[0]).split("/", 2), "", ""][:3]
        shelf = self.server.counting.shelf(name)
        self._asked = (name, "" if place == "files" else rest.strip("/"), rest if place == "files" else "")
        if shelf is None:
            return self._send(HTTPStatus.NOT_FOUND)
        if not self._knows(shelf.index.credentials):
            return self._send(HTTPStatus.UNAUTHORIZED, **{"WWW-Authenticate": 'Basic realm="made"'})
        if place == "files":
            return self._send_file(shelf, rest)
        return self._send_page(shelf, rest.strip("/") if place == "simple" else "")

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self.do_GET()

    def do_CONNECT(self) -> None:
        """Refuse a connection to another machine."""
        self._refuse_as_proxy(self.path)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the name is http.server's
        """Say nothing."""

    def _refuse_as_proxy(self, host: str) -> None:
        self._asked = (host, "", "")
        self.close_connection = True
        self._send(HTTPStatus.FORBIDDEN)

    def _knows(self, credentials: str) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        return not credentials or given == base64.b64encode(credentials.encode()).decode()

    def _send_file(self, shelf: Shelf, name: str) -> None:
        path = shelf.folder / name.removesuffix(".metadata")
        if not path.is_file():
            return self._send(HTTPStatus.NOT_FOUND)
        contents = path.read_bytes()
        if name.endswith(".metadata"):
            return self._send(HTTPStatus.OK, _metadata_of(contents))
        part = re.match(r"bytes=(\d*)-(\d*)$", self.headers.get("Range", "")) if shelf.index.answers_ranges else None
        if part:
            size = len(contents)
            start = int(part[1]) if part[1] else size - int(part[2])
            end = min(int(part[2]) + 1 if part[1] and part[2] else size, size)
            where = f"bytes {start}-{end - 1}/{size}"
            return self._send(HTTPStatus.PARTIAL_CONTENT, contents[start:end], **{"Content-Range": where})
        accepts = {"Accept-Ranges": "bytes"} if shelf.index.answers_ranges else {}
        return self._send(HTTPStatus.OK, contents, **accepts)

    def _send_page(self, shelf: Shelf, project: str) -> None:
        listed = [name for name in shelf.listed if project in ("", _project_of(name))]
        if not listed:
            return self._send(HTTPStatus.NOT_FOUND)
        caching = {"Cache-Control": shelf.index.cache_control} if shelf.index.cache_control else {}
        if shelf.index.is_json:
            page = {"meta": {"api-version": "1.1"}, "name": project, "files": [_row(shelf, name) for name in listed]}
            kind = "application/vnd.pypi.simple.v1+json"
            return self._send(HTTPStatus.OK, json.dumps(page).encode(), **{"Content-Type": kind}, **caching)
        rows = "\n".join(_anchor(_row(shelf, name)) for name in listed)
        page_text = f"<!DOCTYPE html><html><body>\n{rows}\n</body></html>\n"
        return self._send(HTTPStatus.OK, page_text.encode(), **{"Content-Type": "text/html"}, **caching)

    def _send(self, status: HTTPStatus, body: bytes = b"", **headers: str) -> None:
        """Log the request and send the answer in one write, as the second of two packets would be delayed."""
        if status is HTTPStatus.OK:
            headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            if self.headers.get("If-None-Match") == headers["ETag"]:
                status, body = HTTPStatus.NOT_MODIFIED, b""
        self.server.counting.note(self._request(status))
        lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
        lines += [f"Content-Length: {len(body)}"] if status is not HTTPStatus.NOT_MODIFIED else []
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, "", ""]).encode()
        self.wfile.write(head if self.command == "HEAD" else head + body)

    def _request(self, status: HTTPStatus) -> Request:
        index, project, file = self._asked
        if self.command != "GET":
            kind = self.command
        elif not file:
            kind = PAGE
        else:
            kind = METADATA if file.endswith(".metadata") else PART if status == HTTPStatus.PARTIAL_CONTENT else FILE
        return Request(index, _project_of(file) if file else project, kind, file, status.value)


def _project_of(name: str) -> str:
    """Return the normalized name of the project that a file belongs to."""
    name = name.removesuffix(".metadata")
    stem = name.partition("-")[0] if name.endswith(".whl") else name.removesuffix(".tar.gz").rpartition("-")[0]
    return re.sub(r"[-_.]+", "-", stem or name).lower()


def _metadata_of(wheel: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        name = next(name for name in archive.namelist() if re.match(r"[^/]+\.dist-info/METADATA$", name))
        return archive.read(name)


def _as_bytes(contents: str | bytes) -> bytes:
    return contents if isinstance(contents, bytes) else contents.encode()


def _row(shelf: Shelf, name: str) -> dict[str, Any]:
    """Return the entry for a file in a JSON page."""
    contents = (shelf.folder / name).read_bytes()
    hashed = _as_bytes(shelf.index.announced[name]) if name in shelf.index.announced else contents
    row: dict[str, Any] = {
        "filename": name,
        "url": f"/{shelf.name}/files/{urllib.parse.quote(name)}",
        "hashes": {algorithm: hashlib.new(algorithm, hashed).hexdigest() for algorithm in shelf.index.hashes},
        "yanked": shelf.index.yanked.get(name, False),
        "core-metadata": shelf.index.has_metadata_files and name.endswith(".whl"),
    }
    if shelf.requires_python.get(name):
        row["requires-python"] = shelf.requires_python[name]
    if shelf.index.has_sizes:
        row["size"] = len(contents)
    return row


def _anchor(row: Mapping[str, Any]) -> str:
    """Return the entry for a file in an HTML page."""
    fragment = "".join(f"#{algorithm}={digest}" for algorithm, digest in list(row["hashes"].items())[:1])
    attributes = ""
    if row["yanked"] is not False:
        attributes += f' data-yanked="{html.escape(row["yanked"])}"'
    if row["core-metadata"]:
        attributes += ' data-core-metadata="true"'
    if "requires-python" in row:
        attributes += f' data-requires-python="{html.escape(row["requires-python"])}"'
    return f'<a href="{row["url"]}{fragment}"{attributes}>{row["filename"]}</a>'

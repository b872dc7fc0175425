"""A package index on the loopback device, from the files of a folder."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextlib.contextmanager
def served(folder: Path, *, slow: Mapping[str, float] | None = None) -> Iterator[str]:
    """Serve `folder`, which may be filled later, and yield its URL. The server is gone when the context ends.

    Files whose names start with one in `slow` come after so many seconds.
    """
    handler = functools.partial(_Quiet, directory=str(folder), slow=slow or {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
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
        """Send a file, a slow one later."""
        name = self.path.rpartition("/")[2]
        time.sleep(max((seconds for start, seconds in self._slow.items() if name.startswith(start)), default=0))
        super().do_GET()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the name is http.server's
        """Say nothing."""

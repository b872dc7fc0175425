"""Starts pepip in a process that is forked from a server: see `fork_server.py`. There is a server for each user."""

from __future__ import annotations

import atexit
import functools
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_SERVER = Path(__file__).with_name("fork_server.py")
_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "TZ")
"""The beginnings of variables that an interpreter or the loader obeys at its start. A fork is too late for them."""

is_wanted = sys.platform == "linux"
"""Whether commands are forked at all."""


_UMASK = ("sh", "-c", re.compile(r'umask \d+; exec "\$@"'), "sh")
"""The words that set the umask of the command after them."""


def may_fork(variables: Mapping[str, str], prefix: Sequence[str] = ()) -> bool:
    """Tell whether a fork of the server is the same as a new process with these variables and words before it."""
    return (
        is_wanted and _is_of_a_user(prefix) and _at_start(variables) == _Server.get(tuple(prefix), _umask()).variables
    )


def _is_of_a_user(prefix: Sequence[str]) -> bool:
    """Tell whether words before a command only choose its user and its umask, so that several commands have them."""
    if not prefix:
        return True
    rest = [word for word in prefix[1:] if not word.startswith("--")]
    is_umask = len(rest) == len(_UMASK) and all(
        re.fullmatch(known, word) for known, word in zip(_UMASK, rest, strict=True)
    )
    return Path(prefix[0]).name == "setpriv" and (not rest or is_umask)


def run(
    words: Sequence[str],
    *,
    folder: Path,
    variables: Mapping[str, str],
    timeout_seconds: float,
    prefix: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run pepip with `words`, and return its output, as `subprocess.run` does. Raises `TimeoutExpired`."""
    reading, writing = zip(*(os.pipe() for _ in range(2)), strict=True)
    request = {"words": list(words), "folder": str(folder), "variables": dict(variables)}
    connection, reply = socket.socketpair()
    with connection:
        with reply:
            descriptors = [reply.fileno(), *writing]
            socket.send_fds(_Server.get(tuple(prefix), _umask()).control, [json.dumps(request).encode()], descriptors)
        for descriptor in writing:
            os.close(descriptor)
        child = int.from_bytes(connection.recv(8, socket.MSG_WAITALL), "big")
        try:
            outputs = _read(reading, time.monotonic() + timeout_seconds)
        except TimeoutError:
            os.kill(child, signal.SIGKILL)
            raise subprocess.TimeoutExpired(["pepip", *words], timeout_seconds) from None
        finally:
            for descriptor in reading:
                os.close(descriptor)
        status = int.from_bytes(connection.recv(8, socket.MSG_WAITALL), "big")
    return subprocess.CompletedProcess(["pepip", *words], os.waitstatus_to_exitcode(status), *outputs)


def _read(descriptors: Sequence[int], ends: float) -> list[str]:
    """Read pipes to their ends. Raises `TimeoutError`."""
    found = {descriptor: bytearray() for descriptor in descriptors}
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, ends - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                block = os.read(key.fd, 1 << 16)
                found[key.fd] += block
                if not block:
                    selector.unregister(key.fd)
    return [re.sub("\r\n?", "\n", bytes(text).decode(errors="replace")) for text in found.values()]


def _umask() -> int:
    """Return this process's umask, which threads share, without changing it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Umask:")).split()[1], 8)


def _at_start(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(_AT_START)}


class _Server:
    """The process whose forks run commands of one user. It ends with this one, or when this one ends."""

    def __init__(self, prefix: tuple[str, ...]) -> None:
        removed = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH"}  # as in `Machine.variables`
        variables = {name: value for name, value in os.environ.items() if name not in removed}
        self.variables = _at_start(variables)
        self.control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            command = [*prefix, sys.executable, _SERVER, str(other.fileno())]
            self._process = subprocess.Popen(
                command, cwd="/", env=variables, stdin=subprocess.DEVNULL, pass_fds=[other.fileno()]
            )
        atexit.register(self._end)

    def _end(self) -> None:
        self.control.close()
        self._process.wait()

    @classmethod
    @functools.cache
    def get(cls, prefix: tuple[str, ...], umask: int) -> _Server:  # noqa: ARG003  a key of the cache
        """Return the server with these words before it, which the first call starts. Its forks have its umask."""
        return cls(prefix)

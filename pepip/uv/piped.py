"""A program whose output is piped, started without the module `subprocess`.

That module takes as long to load as uv takes for half of an answer. Used where the system has `posix_spawn`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_BLOCK_BYTES = 1 << 16
_WRITE_BYTES = 512  # POSIX: a pipe that is ready takes as much at once
_LONGEST_PAUSE_SECONDS = 0.05
_NOT_THERE = "this system has no posix_spawn"


class Piped:
    """A started program. Raises OSError if it does not start.

    `returncode` is None until `communicate` has returned. It is negative for a program that a signal ended.
    """

    def __init__(self, command: list[str], variables: Mapping[str, str], *, stdin: bool) -> None:
        self.returncode: int | None = None
        self._ends = allocate_lock()  # held to end or to reap the program, so that no other one is ended
        self._id = 0
        self._input = -1
        self._outputs: list[int] = []
        if sys.platform == "win32":
            raise OSError(_NOT_THERE)
        theirs: list[int] = []
        actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = []
        try:
            if stdin:
                reader, self._input = os.pipe()
                theirs.append(reader)
                actions.append((os.POSIX_SPAWN_DUP2, reader, 0))
            else:
                actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
            for number in (1, 2):
                reader, writer = os.pipe()
                self._outputs.append(reader)
                theirs.append(writer)
                actions.append((os.POSIX_SPAWN_DUP2, writer, number))
            ignored = (signal.SIGPIPE, signal.SIGXFSZ)  # Python ignores them, and a program inherits that
            self._id = os.posix_spawn(command[0], command, variables, file_actions=actions, setsigdef=ignored)
        except BaseException:
            self._close()
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)

    def communicate(self, text: str | None) -> tuple[str, str]:
        """Pass `text` to the program, wait for its end, and return its output: stdout and stderr.

        If it is called again after an error, only the end of the program is waited for.
        """
        if sys.platform == "win32":
            raise OSError(_NOT_THERE)
        import select

        rest = memoryview((text or "").encode())
        blocks: dict[int, list[bytes]] = {descriptor: [] for descriptor in self._outputs}
        poll = select.poll()
        for descriptor in self._outputs:
            poll.register(descriptor, select.POLLIN)
        if self._input >= 0:
            poll.register(self._input, select.POLLOUT)
        try:
            is_open = {*self._outputs, *([self._input] if self._input >= 0 else [])}
            while is_open:
                for descriptor, _ in poll.poll():
                    if descriptor == self._input:
                        try:
                            rest = rest[os.write(descriptor, rest[:_WRITE_BYTES]) :]
                        except BrokenPipeError:  # the program has read enough
                            rest = rest[:0]
                        is_done = not rest
                    else:
                        block = os.read(descriptor, _BLOCK_BYTES)
                        blocks[descriptor].append(block)
                        is_done = not block
                    if is_done:
                        poll.unregister(descriptor)
                        is_open.discard(descriptor)
                        if descriptor == self._input:
                            os.close(descriptor)
                            self._input = -1
        finally:
            outputs = self._outputs
            self._close()
        self._reap()
        out, err = (b"".join(blocks[descriptor]) for descriptor in outputs) if outputs else (b"", b"")
        return _text(out), _text(err)

    def terminate(self) -> None:
        """Ask the program to end, if it runs."""
        with self._ends:
            if self.returncode is None:
                os.kill(self._id, signal.SIGTERM)

    def _reap(self) -> None:
        if sys.platform == "win32":
            raise OSError(_NOT_THERE)
        pause_seconds = 0.0
        while self.returncode is None:
            time.sleep(pause_seconds)
            pause_seconds = min(pause_seconds + 0.0002, _LONGEST_PAUSE_SECONDS)
            with self._ends:
                found, status = os.waitpid(self._id, os.WNOHANG)
                if found:
                    self.returncode = os.waitstatus_to_exitcode(status)

    def _close(self) -> None:
        for descriptor in (self._input, *self._outputs):
            if descriptor >= 0:
                os.close(descriptor)
        self._input, self._outputs = -1, []


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")

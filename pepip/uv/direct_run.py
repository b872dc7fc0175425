"""Running uv without the module `subprocess`, whose import takes a quarter of the time in which uv answers.

Input and output are files in memory, so nothing has to be read while the program runs. Linux only. Knows nothing of
threads: `process` uses it while no other thread can ask to end the program.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BLOCK_BYTES = 1 << 20


def run(
    command: list[str], stdin: str, variables: Mapping[str, str], meanwhile: Callable[[], None] | None
) -> tuple[int, str, str]:
    """Run a program to its end, and return its exit code, stdout and stderr.

    A negative code is the number of the signal that ended the program. `meanwhile` is called while it runs. After an
    error of `meanwhile`, or a signal to this process, the program is ended first. Raises OSError if it can't start.
    """
    if sys.platform != "linux":
        raise OSError("only Linux has files in memory")
    with contextlib.ExitStack() as stack:
        memory = [os.memfd_create(name, os.MFD_CLOEXEC) for name in ("stdin", "stdout", "stderr")]
        for descriptor in memory:
            stack.callback(os.close, descriptor)
        with open(memory[0], "wb", closefd=False) as file:
            file.write(stdin.encode())
        os.lseek(memory[0], 0, os.SEEK_SET)
        actions = [(os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate(memory)]
        ignored = (signal.SIGPIPE, signal.SIGXFSZ)  # Python ignores them, and a program would inherit that
        program = os.posix_spawn(command[0], command, variables, file_actions=actions, setsigdef=ignored)
        try:
            if meanwhile:
                meanwhile()
            _, status = os.waitpid(program, 0)
        except BaseException:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(program, signal.SIGTERM)
                os.waitpid(program, 0)
            raise
        return os.waitstatus_to_exitcode(status), _text(memory[1]), _text(memory[2])


def _text(descriptor: int) -> str:
    """Return the text that a program has written into a file in memory, each line with a newline character alone."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    content = b"".join(iter(lambda: os.read(descriptor, _BLOCK_BYTES), b""))
    return content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")

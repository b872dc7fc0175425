"""Starting programs: uv, interpreters, and programs that make or mount images.

No other module starts a program, but `handover` replaces this process by uv, and `__main__` may start its own
interpreter again.

Programs get pipes or files for input and output, never a terminal that the command line or the app owns.
The exception are programs that take over the terminal for the user: see `run_attached`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from _thread import get_ident

from pepip.errors import UvError
from pepip.fast_namedtuple import NamedTuple
from pepip.uv import program

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Collection, Iterator, Sequence
    from typing import IO

# With these variables, uv would use another environment than the given one, compile files that are only staged,
# ignore pepip's options about a lock, or colour output that pepip reads. A caller that needs one passes it on.
_UNWANTED = (
    "UV_SYSTEM_PYTHON",
    "UV_BREAK_SYSTEM_PACKAGES",
    "UV_PYTHON",
    "UV_COMPILE_BYTECODE",
    "UV_FROZEN",
    "UV_LOCKED",
    "UV_ISOLATED",
    "UV_NO_PROJECT",
    "UV_ENV_FILE",
    "VIRTUAL_ENV",
    "FORCE_COLOR",
    "CLICOLOR_FORCE",
)


_running: dict[int, set[subprocess.Popen[str]]] = {}
_interrupted: set[int] = set()


class Result(NamedTuple):
    """The output of a finished program."""

    stdout: str
    stderr: str


def interrupt(thread: int) -> None:
    """End the programs of a thread, and let it start no more, as if the user had pressed Ctrl-C in that thread.

    Programs of `run_program`, `feeding` and `run_attached` are not ended. The thread gets a KeyboardInterrupt while
    it waits for a program of another function, or when it starts the next one. `allow_starts` ends this state.
    """
    _interrupted.add(thread)
    for process in list(_running.get(thread, ())):
        process.terminate()


def allow_starts(thread: int) -> None:
    """Let a thread start programs again."""
    _interrupted.discard(thread)


def run(
    arguments: Sequence[str],
    meanwhile: Callable[[], None] | None = None,
    accepts: Collection[int] = (0,),
    /,
    *,
    stdin: str = "",
    **settings: str,
) -> Result:
    """Run uv to its end. Raises UvError with uv's own words if uv's exit code is not one of `accepts`.

    `meanwhile` is called while uv runs. If it raises an error, uv is ended first. `settings` are environment
    variables for this run alone; an empty value removes the variable.
    """
    process = _start([program.path(), *arguments], stdin=bool(stdin), variables=_variables(settings))
    stdout, stderr = _communicate(process, stdin, meanwhile)
    if process.returncode not in accepts:
        raise _failure(arguments, process.returncode, stderr, stdout)
    return Result(stdout, stderr)


def stream(arguments: Sequence[str], **settings: str) -> Iterator[str]:
    """Run uv and yield the lines of its output, stdout and stderr together, as they come.

    The first line is empty, and comes as soon as uv has started. Raises UvError if uv fails. If the caller stops
    early, uv is ended first.
    """
    process = _start([program.path(), *arguments], stdin=False, variables=_variables(settings), merge=True)
    lines: list[str] = []
    assert process.stdout is not None
    try:
        yield ""
        for line in process.stdout:
            lines.append(line)
            yield line.rstrip("\n")
        process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        process.stdout.close()
        _forget(process)
    if process.returncode:
        raise _failure(arguments, process.returncode, "".join(lines), "")


def run_python(executable: str, arguments: Sequence[str], *, stdin: str = "") -> Result:
    """Run an environment's interpreter to its end. Raises UvError if it fails (with its output) or does not start."""
    try:
        process = _start([executable, *arguments], stdin=bool(stdin), variables=_variables({}))
        stdout, stderr = _communicate(process, stdin)
    except OSError as error:
        raise UvError(f"the interpreter {executable} does not start: {error.strerror}") from error
    if process.returncode:
        raise UvError(f"the interpreter {executable} failed", output=stderr, exit_code=1)
    return Result(stdout, stderr)


def run_program(command: Sequence[str]) -> Result:
    """Run another program to its end. Raises UvError with its output if it fails, OSError if it does not start.

    The output goes to files: a process that the program leaves in the background would keep pipes open.
    """
    import subprocess
    import tempfile

    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, check=False).returncode
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    if code:
        raise UvError(f"{command[0]} failed", output=texts[1] or texts[0], exit_code=1)
    return Result(*texts)


@contextlib.contextmanager
def feeding(command: Sequence[str]) -> Iterator[IO[bytes]]:
    """Start a program, and yield its stdin, a file of bytes. At the end, close it and wait for the program.

    Raises UvError with its output if the program fails, also if it ends before it has read everything. If the caller
    fails, the program is ended, and the caller's error is raised.
    """
    import subprocess
    import tempfile

    # mksquashfs refuses its option `-mkfs-time` if this variable is also set.
    variables = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=variables)
        assert process.stdin is not None
        is_broken = False
        try:
            with contextlib.suppress(BrokenPipeError):
                is_broken = True
                yield process.stdin
                process.stdin.close()
                is_broken = False
            code = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
        finally:
            with contextlib.suppress(OSError):
                process.stdin.close()
        if code or is_broken:
            output.seek(0)
            raise UvError(f"{command[0]} failed", output=output.read().decode("utf-8", "replace"), exit_code=1)


def run_attached(command: Sequence[str], *, program_path: str = "") -> int:
    """Run a program on this terminal and return its exit code. Ctrl-C ends only the program.

    The program inherits the open files of this process. Signals that this process gets are passed on to the program,
    and this process waits for the program to end, as `uv run` does. In the foreground, SIGINT is not passed on: the
    terminal sends it to the program. The program also ignores the signals that this process ignores.
    With a `program_path`, the first word of `command` is only the name under which the program runs.
    """
    import signal
    import subprocess

    started: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, frame: object) -> None:
        del frame
        for process in started:
            process.send_signal(number)
        if not started:
            early.append(number)

    sys.stdout.flush()
    # A terminal sends SIGINT to the program, too. Ignore it by a handler: the program would inherit SIG_IGN.
    handlers = {signal.SIGINT: _leave_to_program if _is_in_foreground() else pass_on}
    handlers.update((getattr(signal, name), pass_on) for name in _PASSED_ON if hasattr(signal, name))
    before = {number: signal.getsignal(number) for number in handlers}
    try:
        for caught, handler in handlers.items():
            if before[caught] is not signal.SIG_IGN:
                signal.signal(caught, handler)
        started.append(subprocess.Popen(command, executable=program_path or None, close_fds=False))
        try:
            for number in early:
                started[0].send_signal(number)
            return started[0].wait()
        except BaseException:
            started[0].terminate()
            started[0].wait()
            raise
    finally:
        for caught, handler_before in before.items():
            if handler_before is not None:  # None: it was set by C code
                signal.signal(caught, handler_before)


_PASSED_ON = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGWINCH")
"""The signals that `uv run` passes on to its command, as far as this system has them."""


def _is_in_foreground() -> bool:
    """Tell whether this process is in the foreground of a terminal: Ctrl-C then reaches its child processes, too."""
    if sys.platform == "win32":
        return True
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _leave_to_program(number: int, frame: object) -> None:
    """Ignore a signal that the terminal also sends to the program in the foreground."""


def run_uv_attached(arguments: Sequence[str], *, name: str = "") -> int:
    """Run uv on this terminal, as `handover.become` does, but return its exit code. See `run_attached`."""
    path = program.path()
    return run_attached([name or path, *arguments], program_path=path)


def _variables(settings: dict[str, str]) -> dict[str, str]:
    """Return the environment variables of a program. An empty setting removes a variable."""
    variables = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
    variables.update(settings)
    return {name: value for name, value in variables.items() if value or name not in settings}


def _start(
    command: list[str], *, stdin: bool, variables: dict[str, str], merge: bool = False
) -> subprocess.Popen[str]:
    if get_ident() in _interrupted:
        raise KeyboardInterrupt
    import subprocess

    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if merge else subprocess.PIPE,
        env=variables,
        encoding="utf-8",
        errors="replace",
    )
    _note_started(process)
    return process


def _note_started(process: subprocess.Popen[str]) -> None:
    _running.setdefault(get_ident(), set()).add(process)
    if get_ident() in _interrupted:  # the thread was interrupted after `_start` had checked
        process.terminate()


def _communicate(
    process: subprocess.Popen[str], stdin: str, meanwhile: Callable[[], None] | None = None
) -> tuple[str, str]:
    """Wait for a program and return its output. If an error or Ctrl-C ends the wait, end the program first."""
    try:
        if meanwhile:
            meanwhile()
        return process.communicate(stdin or None)
    except BaseException:
        process.terminate()
        process.communicate(None)
        raise
    finally:
        _forget(process)


def _forget(process: subprocess.Popen[str]) -> None:
    """Note that a program has ended. Raises KeyboardInterrupt if its thread was interrupted."""
    _running.get(get_ident(), set()).discard(process)
    if get_ident() in _interrupted:
        raise KeyboardInterrupt


def _failure(arguments: Sequence[str], exit_code: int, stderr: str, stdout: str) -> UvError:
    command = " ".join(argument for argument in arguments[:2] if not argument.startswith("-"))
    if exit_code < 0:
        return UvError(f"uv {command} was ended by signal {-exit_code}", output=stderr or stdout)
    return UvError(f"uv {command} failed", output=stderr or stdout, exit_code=exit_code)

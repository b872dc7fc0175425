"""The start of the command line: picks the command to run, and turns its errors into exit codes.

A command to which pepip adds nothing is passed to uv, with all its words.
"""

from __future__ import annotations

import os
import sys

from pepip import __version__
from pepip.uv import writable_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0, 1 for a failure, 2 for a misuse, or uv's own.

    A signal such as SIGTERM first unwinds the command, so that nothing half done is left. Then it ends the process.
    """
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()  # finds a write error here, not at the end of the process
        return code
    except _TerminationError as ended:
        import signal

        signal.signal(ended.number, signal.SIG_DFL)
        os.kill(os.getpid(), ended.number)
        return 128 + ended.number
    except BrokenPipeError:
        return _discard_output()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 128 + 2
    except Exception as error:  # any kind: only `_fail` imports the module of errors, so most runs do without it
        failed = _fail(error)
        if failed is None:
            raise
        return failed


def _fail(error: Exception) -> int | None:
    """Print an error of pepip or of the system, and return the exit code. None for an error of any other kind."""
    from pepip.cli import output
    from pepip.errors import PepipError

    if not isinstance(error, PepipError | OSError):
        return None
    if not _current_folder_exists():  # clearer than uv's message for the same error
        hint = "it was removed or replaced: change to another directory, or enter this one again"
        return output.fail(PepipError("the current directory does not exist", hint=hint))
    return output.fail(error) if isinstance(error, PepipError) else output.fail_in_system(error)


def _current_folder_exists() -> bool:
    """Tell whether the current folder still exists. Without one, relative paths mean nothing."""
    try:
        return bool(os.getcwd())
    except OSError:
        return False


class _TerminationError(BaseException):
    """A signal asked this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _unwind_when_asked_to_end() -> None:
    """Let SIGTERM and SIGHUP raise an error, unless the parent process made this process ignore them."""
    import _signal  # type: ignore[import-not-found]  # `signal` makes enums of all numbers, which takes 3 ms

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(_signal, name, None)
        if number is not None and _signal.getsignal(number) == _signal.SIG_DFL:
            _signal.signal(number, _end)


def _end(number: int, frame: object) -> None:
    del frame
    raise _TerminationError(number)


def _dispatch(arguments: Sequence[str]) -> int:
    before, position = _leading_options(arguments)
    if position == len(arguments):
        return _without_command(arguments)
    command, words = arguments[position], [*before, *arguments[position + 1 :]]
    if [command, *words[:1]] != ["image", "run"]:  # that one starts no uv, and many nodes start it at once
        writable_cache.ensure()
    is_own = command in _UPDATING or _is_own(command)
    if is_own and command not in _NEEDS_NO_WARNING and words[:1] != ["init"]:
        _warn_of_weakness()
    if is_own and command not in _LEAVES_ENTRIES_ALONE:
        _repair_written_entries(looks_inside=command not in _UPDATING)  # an update with work to do looks inside later
    if command in _UPDATING and _current_folder_exists():  # notes are kept for each folder
        from pepip.cli import early_end

        code = early_end.end_early(command, words)
        if code is not None:
            return code
    if is_own:
        return _run(command, words)
    if command == "help":
        return _help([word for word in words if not word.startswith("-")])
    if command != "uv":
        _refuse_misspelled(command)
    return _become_uv(words if command == "uv" else arguments)


def _is_own(command: str) -> bool:
    """Tell whether pepip has a command of its own by this name."""
    from pepip.cli import commands  # a command with nothing to do ends without this list

    return command in commands.COMMANDS


_MEANT_BY = {
    "verify": "store verify",
    "repair": "store repair",
    "gc": "prune",
    "purge": "prune",
    "clean": "store clean",
    "ls": "list",
    "info": "show",
    "rm": "remove",
    "update": "sync --upgrade",
    "scan": "projects scan",
}
"""Words that people type in place of a command of pepip, and the command that they mean."""


def _refuse_misspelled(command: str) -> None:
    """Raise UsageError for a word that resembles a command, but is no command of pepip or uv.

    `uv clean` exists, and empties uv's cache. `pepip clean` is refused all the same: people expect it to clean the
    store.
    """
    from pepip.cli import commands

    if command in commands.OF_UV:
        return
    import difflib

    from pepip.uv import versions

    meant = _MEANT_BY.get(command, "")
    if not meant:
        known = {*commands.COMMANDS, *commands.OF_UV, *_MEANT_BY, "help"}
        near = difflib.get_close_matches(command, known, n=1, cutoff=0.75)
        meant = _MEANT_BY.get(near[0], near[0]) if near else ""
    if not meant or (command != "clean" and versions.has_command(command)):
        return
    from pepip.errors import UsageError

    more = ", or `pepip cache clean` for uv's cache" if command == "clean" else ""
    raise UsageError(f"there is no command `{command}`", hint=f"did you mean `pepip {meant}`{more}?")


_LEAVES_ENTRIES_ALONE = {"store", "doctor", "ui", "generate-shell-completion"}
"""Commands that do not repair entries on the way: they report damage themselves, or do not use the store."""


_NEEDS_NO_WARNING = {"doctor", "ui", "generate-shell-completion"}
"""Commands that report a weakness of the store themselves, or do not use the store."""


def _repair_written_entries(*, looks_inside: bool) -> None:
    """Repair entries that another tool wrote into since the last check, with a warning for each.

    With `looks_inside`, changes of single `.dist-info` folders count, too.
    """
    from pepip.paths import known_store_root
    from pepip.store import venv_times

    store_root = known_store_root(os.environ)  # empty if it is unknown: a command that needs the store says why
    if not store_root or not venv_times.VenvTimes(store_root).changed(looks_inside=looks_inside):
        return
    from pepip.cli import output
    from pepip.operations import foreign_writes
    from pepip.store.root import configured

    output.follow(foreign_writes.repair_written(configured(os.environ)), output.Reporter(verbosity=0))


def _warn_of_weakness() -> None:
    """Warn of a shared store in which members could replace the files of an entry.

    Raises StoreError if a member made a link in the place of one of the store's folders.
    """
    from pepip.paths import known_store_root

    store_root = known_store_root(os.environ)
    try:
        like = os.stat(store_root)
    except OSError:
        return  # a command that needs the store says why
    if not like.st_mode & 0o022 or sys.platform == "win32":
        return
    from pepip.store import trust

    trust.refuse_foreign_links(store_root, like)
    sentence = trust.weakness(store_root, like)
    if sentence:
        from pepip.cli import output

        output.Reporter(verbosity=0).warn(
            f"{sentence}: the store's owner or root can correct that by `pepip store init --shared GROUP`"
        )


_UPDATING = ("install", "sync", "run")
"""Commands that mostly find nothing to do when they are repeated. Only these look for a note of that."""


def _run(command: str, words: Sequence[str]) -> int:
    from pepip.cli import commands

    _unwind_when_asked_to_end()
    meant = commands.COMMANDS[command]
    # Not by `importlib`: nothing else needs it, and it loads `warnings`.
    return int(getattr(__import__(f"pepip.cli.{meant.module}", fromlist=[meant.function]), meant.function)(words))


def _help(words: Sequence[str]) -> int:
    """Show the help of pepip, of one of its commands, or of a command of uv."""
    from pepip.cli import commands

    if not words:
        sys.stdout.write(commands.usage() + "\n")
        return 0
    is_of_uv = words[0] in {"tool", "x"}
    is_of_uv |= words[0] == "pip" and "".join(words[1:2]) not in {"install", "uninstall", "sync"}
    if words[0] in commands.COMMANDS and not is_of_uv:
        return _run(words[0], [*words[1:], "--help"])
    if words[0] == "x":
        return _become_uv(["help", "tool", "run"])
    return _become_uv(["help", *(words if words[0] != "uv" else words[1:])])


def _become_uv(words: Sequence[str]) -> int:
    from pepip.uv import handover

    return handover.become(words)


def _leading_options(arguments: Sequence[str]) -> tuple[list[str], int]:
    """Return the options before the command's name, and the name's position. uv takes them after the name, too."""
    if not arguments or not arguments[0].startswith("-"):
        return [], 0
    from pepip.cli import uv_options

    before, rest = uv_options.split(arguments, values=uv_options.GLOBAL_VALUES)
    return before, len(arguments) - len(rest)


def _without_command(arguments: Sequence[str]) -> int:
    if any(word in {"-h", "--help"} for word in arguments):
        return _help([])
    if any(word in {"-V", "--version"} for word in arguments):
        sys.stdout.write(f"pepip {__version__}\n")
        return 0
    if arguments:
        return _become_uv(arguments)  # uv reports the error
    from pepip.cli import commands

    sys.stderr.write(commands.usage() + "\n")
    return 2


def _discard_output() -> int:
    """Discard the output, which nobody reads any more, and return the exit code."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    return 128 + 13

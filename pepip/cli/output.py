"""Output of the commands: lines, a progress display on a terminal, one JSON document, and errors.

Messages go to stderr, as with uv. stdout is for answers alone.
"""

from __future__ import annotations

import os
import sys

from pepip import humanized
from pepip.errors import PepipError, UvError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    import threading
    from collections.abc import Generator
    from typing import Any, TypeVar

    from pepip.operations.reporting import Progress, Summary

    T = TypeVar("T")

_LEAST_DETAIL = 20  # a shortened path keeps this many characters
_SECONDS_TO_END = 0.2  # the longest wait for a bar's thread to end
_BESIDE_DETAIL = 36  # the width of the bar, the spinner and the spaces of a progress display


_OF_MAKING = {"make", "remake", "would make", "would remake"}  # phases of making an environment


class Reporter:
    """Shows the progress of one operation. A negative `verbosity` is silent, a positive one names every step."""

    def __init__(self, *, verbosity: int) -> None:
        self.verbosity = verbosity
        self._phase = ""

    def show(self, step: Progress) -> None:
        """Report one step."""
        if step.phase == "warning":
            self.warn(step.detail)
        elif self.verbosity > 0 and not step.is_before_fork:
            say(f"{step.title} {step.detail}".rstrip())
        elif self.verbosity == 0 and step.phase in _OF_MAKING:
            say(f"{step.title} {step.detail}")
        elif self.verbosity == 0 and step.phase != self._phase and step.phase in {"download", "build"}:
            size = f" ({humanized.size(step.total)})" if step.total else ""
            say(f"{step.title} {step.detail}{size}")
        self._phase = step.phase

    def warn(self, sentence: str) -> None:
        """Print a warning."""
        if self.verbosity >= 0:
            _tell("warning:", "33", sentence)

    def close(self) -> None:
        """End the display."""


class LiveReporter(Reporter):
    """A reporter for a terminal: one bar for each phase, until the operation ends.

    The bar opens after a moment, so a quick operation shows no bar and need not import `rich`.
    """

    _PATIENCE_SECONDS = 0.4

    def __init__(self) -> None:
        super().__init__(verbosity=0)
        import threading

        self._lock = threading.Lock()
        self._step: Progress | None = None
        self._received_bytes = 0
        self._display: Any = None
        self._task: Any = None
        self._drawing: list[threading.Thread] = []
        self._wait()

    def show(self, step: Progress) -> None:
        """Move the bar of the step's phase."""
        if step.phase == "warning":
            self.warn(step.detail)
            return
        if step.phase in _OF_MAKING:
            with self._lock:
                super().show(step)
            return
        if step.phase == "link":
            # Linking is short. It may start a second process, but only if no other thread runs. So open no bar now.
            self._opening.cancel()
            self._opening.join()
        elif step.is_before_fork:
            self.close()  # the next step opens the bar again after a moment
            for thread in (self._opening, *self._drawing):
                thread.join(_SECONDS_TO_END)
        elif self._display is None and not self._opening.is_alive():
            self._wait()
        with self._lock:
            if step.phase != self._phase:
                self._phase, self._received_bytes = step.phase, 0
                if self._display is not None:
                    self._display.reset(self._task, total=step.total or None)
            if step.phase == "download":
                self._received_bytes += step.done
            self._step = step
            self._move()

    def warn(self, sentence: str) -> None:
        """Print a warning above the bar."""
        with self._lock:
            super().warn(sentence)

    def close(self) -> None:
        """Remove the display, so that the summary stands alone."""
        self._opening.cancel()
        with self._lock:
            if self._display is not None:
                self._display.stop()
            self._display, self._step = None, None

    def _wait(self) -> None:
        """Open the bar after a moment."""
        import threading

        self._opening = threading.Timer(self._PATIENCE_SECONDS, self._open)
        self._opening.daemon = True
        self._opening.start()

    def _open(self) -> None:
        import threading

        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        with self._lock:
            if self._step is None:
                return
            self._display = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=30),
                TextColumn("{task.fields[amount]}", markup=False),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._display.add_task("", total=None, amount="")
            self._move()
            before = threading.enumerate()
            self._display.start()
            self._drawing = [thread for thread in threading.enumerate() if thread not in before]

    def _move(self) -> None:
        """Show the last step on the bar, if it is open. The caller holds the lock."""
        step = self._step
        if self._display is None or step is None:
            return
        done, amount = step.done, ""
        if step.phase == "download":
            done = self._received_bytes
            amount = f"{humanized.size(done)} of {humanized.size(step.total)}" if step.total else ""
        elif step.phase == "adopt":
            amount = f"{humanized.size(done)} of {humanized.size(step.total)}"
        elif step.total:
            amount = f"{step.done}/{step.total}"
        detail = step.detail
        room = max(_LEAST_DETAIL, self._display.console.width - len(step.title) - len(amount) - _BESIDE_DETAIL)
        if len(detail) > room:
            detail = f"…{detail[1 - room :]}"
        description = f"{step.title} {detail}".rstrip()
        self._display.update(
            self._task, description=description, completed=done, total=step.total or None, amount=amount
        )


def reporter(arguments: argparse.Namespace, *, is_quiet: bool = False) -> Reporter:
    """Return the reporter that fits a command's arguments and the kind of stderr."""
    verbosity = -1 if is_quiet else arguments.verbosity
    is_still = arguments.no_progress or os.environ.get("UV_NO_PROGRESS") or os.environ.get("TERM") == "dumb"
    if verbosity == 0 and not is_still and sys.stderr.isatty():
        return LiveReporter()
    return Reporter(verbosity=verbosity)


def follow(operation: Generator[Progress, None, T], reporter: Reporter) -> T:
    """Run an operation to its end, show its progress, and return its result.

    If the operation is interrupted, it is closed before the display, so that it can clean up.
    """
    import contextlib

    from pepip.operations import reporting

    with contextlib.closing(reporter):
        return reporting.follow(operation, reporter.show)


def conclude(summary: Summary, arguments: argparse.Namespace, *, only_changes: bool = False) -> None:
    """Print the result of a command: as one JSON document, or for people.

    With `only_changes`, nothing is printed for people if nothing has changed.
    """
    if arguments.json:
        write_json(document(summary))
    elif summary.linked or summary.removed or summary.private or not only_changes:
        summarize(summary, verbosity=arguments.verbosity)


def write_json(content: object) -> None:
    """Write one JSON document to stdout."""
    import json

    # Without an indent, json uses its fast encoder, which a list of thousands needs. Only people at a terminal need
    # an indent.
    sys.stdout.write(json.dumps(content, indent=2 if sys.stdout.isatty() else None) + "\n")


def confirm(question: str, *, default: bool = True) -> bool:
    """Ask on the terminal. An empty answer means `default`; the end of the input means no."""
    sys.stderr.write(f"{question} [{'Y/n' if default else 'y/N'}] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    return default if answer.strip() == "" and answer else answer.strip().lower() in {"y", "yes"}


def say(line: str) -> None:
    """Print one line for people. Control characters, which a name on disk may hold, are shown as escapes."""
    _write("\n".join(map(printable, line.split("\n"))))


def printable(text: str) -> str:
    """Return text with its control characters written as in Python's source."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _write(line: str) -> None:
    sys.stderr.write(line + "\n")


def _tell(title: str, code: str, sentence: str) -> None:
    """Print a sentence after a title in colour."""
    _write(f"{_painted(title, code)} {printable(sentence)}")


def summarize(summary: Summary, *, verbosity: int) -> None:
    """Print the result of an install: the changes, then one sentence."""
    if verbosity < 0:
        return
    say_changes(summary)
    say(_sentence(summary))


def say_changes(summary: Summary) -> None:
    """Print one line for each distribution that comes or goes."""
    added, removed = [*summary.linked, *summary.private], list(summary.removed)
    changes = [(name, 0, version) for name, version in removed] + [(name, 1, version) for name, version in added]
    for name, is_added, version in sorted(changes):
        sign = _painted("+", "32") if is_added else _painted("-", "31")
        own = " (real files)" if is_added and (name, version) in summary.private else ""
        _write(f" {sign} {_painted(printable(name), '1')}{printable('==' + version) if version else ''}{own}")


def added(verb: str, new: int, *, present: int, to: str = "") -> str:
    """Return a sentence: the result of adding entries. `to` is ` to LAYER` for a layer, and else empty."""
    there = f"{present:,} already there" if present else ""
    if not new:
        return f"{verb} nothing{to}" + (f": {there}" if there else "")
    return f"{verb} {humanized.count(new, 'entry', 'entries')}{to}" + (f", {there}" if there else "")


def document(summary: Summary) -> dict[str, object]:
    """Return the JSON document of an install."""
    pairs = ("linked", "removed", "private")
    lists = {key: [{"name": name, "version": version} for name, version in getattr(summary, key)] for key in pairs}
    return {
        "environment": summary.environment,
        "dry_run": summary.dry_run,
        **lists,
        "reused": list(summary.reused),
        "downloaded": list(summary.downloaded),
        "local": list(summary.local),
        "avoided_bytes": summary.avoided_bytes,
        "stored_bytes": summary.stored_bytes,
        "seconds": round(summary.seconds, 3),
    }


def fail(error: PepipError) -> int:
    """Print an error, and its hint if there is one. Returns the exit code."""
    output = _complaint(error.output) if isinstance(error, UvError) else ""
    if "error:" not in output:
        _tell("error:", "1;31", error.message)
    if output:
        _write("\n".join(map(_painted_start, output.splitlines())))
    if error.hint:
        _tell("hint:", "1;36", error.hint)
    return error.exit_code


def fail_in_system(error: OSError) -> int:
    """Print an error of the operating system, and the path that it concerns. Returns the exit code."""
    is_of_source = isinstance(error.filename, str) and not os.path.lexists(error.filename)
    place = error.filename if is_of_source else error.filename2 or error.filename
    reason = error.strerror or str(error)
    _tell("error:", "1;31", f"{reason}{f': {place}' if place else ''}")
    layer = _layer_of(place) if isinstance(place, str) else ""
    if layer:
        said = f"it lies in the layer {layer}: make that available, or `pepip store repair` stores its packages"
        _tell("hint:", "1;36", f"{said} in your own store")
    return 1


def _layer_of(place: str) -> str:
    """Return the root of the layer in which a path lies, empty if it lies in none."""
    from pepip import paths
    from pepip.store import layers

    try:
        roots = layers.named(os.environ, paths.known_store_root(os.environ))
    except PepipError:
        return ""
    return next((root for root in roots if place.startswith(f"{root}/")), "")


def _complaint(output: str) -> str:
    """Return uv's error message, without the lines of progress before it."""
    lines = output.strip("\n").splitlines()
    if not lines:
        return ""
    start = next((number for number, line in enumerate(lines) if line.lstrip().startswith(("error:", "\u00d7"))), 0)
    return "\n".join(
        [lines[start], *(f"  {line}" if line.startswith("error:") else line for line in lines[start + 1 :])]
    )


def _sentence(summary: Summary) -> str:
    seconds = f"{summary.seconds:.2f}s"
    came = {name for name, _ in (*summary.linked, *summary.private)}
    gone = len({name for name, _ in summary.removed} - came)
    details = []
    if summary.linked:
        verb, count = ("Would link" if summary.dry_run else "Linked"), len(summary.linked)
        if summary.reused or summary.downloaded or summary.local:  # otherwise uv alone knows
            details += [f"{len(summary.reused)} reused", f"{len(summary.downloaded)} {_arrived(summary)}"]
        if summary.local:
            details.append(f"{len(summary.local)} from local files")
        if summary.private:
            details.append(f"{len(summary.private)} more as real files")
    elif summary.private:
        verb, count = ("Would install" if summary.dry_run else "Installed"), len(summary.private)
        details.append("as real files")
    elif gone:
        verb, count = ("Would remove" if summary.dry_run else "Removed"), gone
    else:
        from pepip.cli import nothing_to_do

        return nothing_to_do.sentence(summary.seconds)
    if gone and came:
        details.append(f"{gone} removed")
    if summary.avoided_bytes:
        details.append(f"{humanized.size(summary.avoided_bytes)} not stored again")
    told = f": {', '.join(details)}" if details else ""
    return f"{verb} {humanized.count(count, 'distribution')} in {seconds}{told}"


def _arrived(summary: Summary) -> str:
    return "to download" if summary.dry_run else "downloaded"


def _painted_start(line: str) -> str:
    """Return a line of uv's output with its first word in the colour that uv gives it."""
    word, colon, rest = line.partition(":")
    code = {"error": "1;31", "warning": "1;33", "hint": "1;36"}.get(word.strip(), "")
    return f"{_painted(word + colon, code)}{printable(rest)}" if code and colon else printable(line)


def _painted(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if _has_color() else text


def _has_color() -> bool:
    """Tell whether to colour the text on stderr, by uv's rules.

    uv colours on a terminal if TERM, CLICOLOR or CI say that it shows colours. NO_COLOR, FORCE_COLOR and
    CLICOLOR_FORCE override that.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE"):
        return True
    shows_colors = (
        os.environ.get("TERM", "dumb" if os.name == "posix" else "") != "dumb"
        or os.environ.get("CLICOLOR", "0") != "0"
        or "CI" in os.environ
    )
    if sys.platform != "win32":
        return shows_colors and sys.stderr.isatty()
    from pepip.host import consoles

    return shows_colors and sys.stderr.isatty() and consoles.shows_colors()

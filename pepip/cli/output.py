"""Saying what happens: lines, a progress display on a terminal, one JSON document, and errors.

What people read goes to stderr, as with uv; stdout is for data alone.
"""

from __future__ import annotations

import os
import sys

from pepip.errors import PepipError, UvError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.model import Progress, Summary

_TITLES = {
    "resolve": "Resolving",
    "download": "Downloading",
    "store": "Storing",
    "link": "Linking",
    "build": "Installing with uv",
    "compile": "Compiling bytecode",
}


class Reporter:
    """Shows the progress of one operation. `verbosity` below zero is silent, above zero names every step."""

    def __init__(self, *, verbosity: int) -> None:
        self.verbosity = verbosity
        self._phase = ""

    def show(self, step: Progress) -> None:
        """Say one step."""
        if step.phase == "warning":
            self.warn(step.detail)
        elif self.verbosity > 0:
            say(f"{_TITLES.get(step.phase, step.phase)} {step.detail}".rstrip())
        elif self.verbosity == 0 and step.phase != self._phase and step.phase in {"download", "build"}:
            size = f" ({human_size(step.total)})" if step.total else ""
            say(f"{_TITLES[step.phase]} {step.detail}{size}")
        self._phase = step.phase

    def warn(self, sentence: str) -> None:
        """Say a warning."""
        if self.verbosity >= 0:
            say(f"{_painted('warning:', '33')} {sentence}")

    def close(self) -> None:
        """End the display."""


class LiveReporter(Reporter):
    """A reporter for a terminal: a bar per phase, which goes when the operation ends."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        super().__init__(verbosity=0)
        self._display = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[amount]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._display.add_task("Resolving", total=None, amount="")
        self._received_bytes = 0
        self._display.start()

    def show(self, step: Progress) -> None:
        """Move the bar of the step's phase."""
        if step.phase == "warning":
            self.warn(step.detail)
            return
        if step.phase != self._phase:
            self._phase, self._received_bytes = step.phase, 0
            self._display.reset(self._task, total=step.total or None)
        done, amount = step.done, ""
        if step.phase == "download":
            self._received_bytes += step.done
            done = self._received_bytes
            amount = f"{human_size(done)} of {human_size(step.total)}" if step.total else ""
        elif step.total:
            amount = f"{step.done}/{step.total}"
        description = f"{_TITLES.get(step.phase, step.phase)} {step.detail}".rstrip()
        self._display.update(
            self._task, description=description, completed=done, total=step.total or None, amount=amount
        )

    def close(self) -> None:
        """Take the display away, so that the summary stands alone."""
        self._display.stop()


def reporter(*, verbosity: int) -> Reporter:
    """Return the reporter that fits where stderr goes."""
    if verbosity == 0 and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return LiveReporter()
    return Reporter(verbosity=verbosity)


def say(line: str) -> None:
    """Write one line for people."""
    sys.stderr.write(line + "\n")


def summarize(summary: Summary, *, verbosity: int) -> None:
    """Say what an install did: the changes, then one sentence."""
    if verbosity < 0:
        return
    added, removed = [*summary.linked, *summary.private], list(summary.removed)
    changes = [(name, 0, version) for name, version in removed] + [(name, 1, version) for name, version in added]
    for name, is_added, version in sorted(changes):
        sign = _painted("+", "32") if is_added else _painted("-", "31")
        own = " (the project's own)" if is_added and (name, version) in summary.private else ""
        say(f" {sign} {_painted(name, '1')}{'==' + version if version else ''}{own}")
    say(_sentence(summary))


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
        "avoided_bytes": summary.avoided_bytes,
        "stored_bytes": summary.stored_bytes,
        "seconds": round(summary.seconds, 3),
    }


def fail(error: PepipError) -> int:
    """Say an error, and a hint where there is one. Returns the exit code."""
    output = _complaint(error.output) if isinstance(error, UvError) else ""
    if "error:" not in output:
        say(f"{_painted('error:', '1;31')} {error.message}")
    if output:
        say(output)
    if error.hint:
        say(f"{_painted('hint:', '1;36')} {error.hint}")
    return error.exit_code


def fail_in_system(error: OSError) -> int:
    """Say what the operating system refused, and where. Returns the exit code."""
    place = error.filename2 or error.filename
    reason = error.strerror or str(error)
    say(f"{_painted('error:', '1;31')} {reason}{f': {place}' if place else ''}")
    return 1


def human_size(size_bytes: int) -> str:
    """Return a size for people: `12.4 MB`."""
    from humanize import naturalsize

    return naturalsize(size_bytes)


def _complaint(output: str) -> str:
    """Return what uv complains of, without the lines that say how far it got."""
    lines = output.strip("\n").splitlines()
    if not lines:
        return ""
    start = next((number for number, line in enumerate(lines) if line.lstrip().startswith(("error:", "\u00d7"))), 0)
    return "\n".join(
        [lines[start], *(f"  {line}" if line.startswith("error:") else line for line in lines[start + 1 :])]
    )


def _sentence(summary: Summary) -> str:
    seconds = f"{summary.seconds:.2f}s"
    if not summary.linked and not summary.removed and not summary.private:
        return f"Nothing to do: all requirements are met ({seconds})"
    verb = "Would link" if summary.dry_run else "Linked"
    parts = [f"{len(summary.reused)} reused", f"{len(summary.downloaded)} {_arrived(summary)}"]
    if summary.private:
        parts.append(f"{len(summary.private)} the project's own")
    avoided = f", {human_size(summary.avoided_bytes)} not stored again" if summary.avoided_bytes else ""
    count = len(summary.linked)
    return f"{verb} {count} distribution{'' if count == 1 else 's'} in {seconds}: {', '.join(parts)}{avoided}"


def _arrived(summary: Summary) -> str:
    return "to download" if summary.dry_run else "downloaded"


def _painted(text: str, code: str) -> str:
    if os.environ.get("NO_COLOR") or not (sys.stderr.isatty() or os.environ.get("FORCE_COLOR")):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"

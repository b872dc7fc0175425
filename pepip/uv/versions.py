"""The versions of uv whose answers pepip can read, and the one error for answers that it can't read.

uv calls its JSON a preview, and its text is for people: both may change with any version. So pepip checks every
answer that it reads. It reads no answer of a command that it passes on to uv (`pepip uv …`).
"""

from __future__ import annotations

import contextlib

from pepip.errors import UnreadableAnswerError, UvError
from pepip.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pepip.uv.process import Result


class Versions(NamedTuple):
    """The oldest version of uv that pepip supports, and the newest that its tests ran with."""

    oldest: str
    newest_tested: str


SUPPORTED = Versions("0.13.0", "0.13.9")


@contextlib.contextmanager
def readable() -> Iterator[None]:
    """Turn the errors of reading an answer of uv into an UnreadableAnswerError."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise unreadable() from error


def ask(arguments: Sequence[str], meanwhile: Callable[[], None] | None = None, /, **settings: str) -> Result:
    """Run uv for an answer that pepip reads. Raises UvError with uv's message if it fails.

    `meanwhile` is called while uv runs: see `process.run`. Raises UnreadableAnswerError if this uv doesn't know the
    option that asks for JSON.
    """
    from pepip.uv import process

    try:
        return process.run(arguments, meanwhile, **settings)
    except UvError as error:
        if "--output-format" in error.output and "unexpected argument" in error.output:
            raise unreadable() from error
        raise


def unreadable() -> UnreadableAnswerError:
    """Return the error for an answer that can't be read, with the version that uv says it has."""
    from pepip.uv import process

    try:
        words = process.run(["--version"]).stdout.split()[:2]
    except UvError:
        words = []
    name = " ".join(words) if len(words) == 2 and words[0] == "uv" and words[1][:1].isdigit() else "this uv"
    return UnreadableAnswerError(
        f"{name} answers in a way that this pepip can't read",
        hint=(
            f"pepip reads uv {SUPPORTED.oldest} to {SUPPORTED.newest_tested}: install one of these beside pepip, "
            "or a newer pepip; `pepip uv …` runs any command of uv"
        ),
    )


def of_uv() -> str:
    """Return the version of uv. Raises UvError if that fails."""
    from pepip.uv import process

    return (process.run(["--version"]).stdout.split() or ["", ""])[1]


def has_command(name: str) -> bool:
    """Tell whether uv has a command of this name, even one that its help does not show."""
    from pepip.uv import process

    try:
        process.run([name, "--help"])
    except UvError:
        return False
    return True

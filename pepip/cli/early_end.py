"""Repeated commands of which an earlier run has noted that they have nothing to do.

They end at once, or become uv at once, and need no argparse.
"""

from __future__ import annotations

import os

from pepip.paths import known_store_root
from pepip.uv import up_to_date

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_SCRIPTS = frozenset(("-s", "--script", "--gui-script"))


def end_early(command: str, words: Sequence[str]) -> int | None:
    """End a command that has nothing to do, and return its exit code. Return None if no note says so.

    `run` still starts the program that the user named.
    """
    store_root = known_store_root(os.environ)
    if not store_root:
        return None
    if command == "run":
        return _run_early(store_root, words)
    note = up_to_date.note_of(store_root, [command, *words])
    if note is None:
        return None
    if not any(word.startswith(("-q", "--quiet")) for word in words):
        if note:  # it names the environment
            from pepip.cli import output

            output.say(note)
        from pepip.cli import nothing_to_do

        nothing_to_do.say()
    return 0


def _run_early(store_root: str, words: Sequence[str]) -> int | None:
    """Become uv for the command that `words` name to `pepip run`.

    Return None if pepip may have to sync or link an environment first, or if only the parser can read the options.
    """
    of_run, command = split(words)
    target = "".join(command[:1])
    if not target or target.startswith("-") or not all(map(is_clear, of_run)):
        return None
    leading = _leading_words(store_root, of_run, target)
    if leading is None:
        return None
    from pepip.uv import handover

    return handover.become([*leading, *words], name="" if "--no-sync" in of_run else handover.name_of_pepip())


def _leading_words(store_root: str, of_run: Sequence[str], target: str) -> list[str] | None:
    """Return the words that come before the user's on uv's command line. None if no note is valid."""
    if os.path.basename(target) == target and "." not in target:  # neither a path nor a script
        return _as_noted(store_root, of_run)
    from pepip.cli import uv_options
    from pepip.uv import run_discovery

    kind = run_discovery.kind_of(target, is_module=not uv_options.MODULE.isdisjoint(of_run))
    if kind == run_discovery.REMOTE or run_discovery.is_ray_worker(target):
        return None
    has_metadata = kind == run_discovery.SCRIPT and run_discovery.has_inline_metadata(target)
    start = "" if "UV_PROJECT" in os.environ else run_discovery.project_start(target, kind)
    if of_run and (has_metadata or start):
        return None
    script = os.path.abspath(target) if has_metadata else ""
    if not start:
        return _as_noted(store_root, of_run, script=script)
    os.environ["UV_PROJECT"] = start  # as when the note was written
    try:
        return _as_noted(store_root, of_run, script=script)
    finally:
        del os.environ["UV_PROJECT"]


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the words of `pepip run` into its options and the command, without a `--` between them."""
    if not words or not words[0].startswith("-"):
        return [], list(words)
    from pepip.cli import uv_options

    of_run, command = uv_options.split(words, values=uv_options.VALUES_OF_RUN)
    return of_run, command[1:] if command[:1] == ["--"] else command


def is_clear(word: str) -> bool:
    """Tell whether a word of `pepip run`'s options is neither about scripts nor several short options in one."""
    return word not in _SCRIPTS and (not word.startswith("-") or word.startswith("--") or len(word) == 2)


def _as_noted(store_root: str, of_run: Sequence[str], *, script: str = "") -> list[str] | None:
    """Return the words before the user's if notes say that nothing is left to sync or to link with these options.

    `script` is the path of a script with inline metadata. uv checks the environment of such a script again.
    """
    note = up_to_date.note_of(store_root, ["run", "--script", script] if script else ["run", *of_run])
    if note is None:
        return None
    leading = ["run"] if script or note == up_to_date.NO_SYNC else ["run", "--no-sync"]
    if of_run:
        from pepip.cli import uv_options

        names = {word.partition("=")[0] for word in of_run}
        shared = [*leading, *(word for word in of_run if word not in uv_options.MODULE)]
        if not names.isdisjoint(uv_options.WITH) and not up_to_date.are_linked(store_root, shared):
            return None
    return leading

"""The jobs that change or check the store, and the repetition of any job.

Each job has an operation, a title, and the command that does the same.
"""

from __future__ import annotations

import os
import shlex
import sys

import pepip
from pepip import humanized
from pepip.errors import UsageError, UvError
from pepip.operations import prune as pruning
from pepip.operations import scan as scanning
from pepip.operations import store_add as filling
from pepip.operations import undo as undoing
from pepip.operations import verify as verifying
from pepip.tui import commands, formatting, reports, user_input
from pepip.tui.job import Job, once
from pepip.uv import process
from pepip.uv.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pepip.store.listing import Stored
    from pepip.store.root import Store
    from pepip.store.trash import Grave

_RUN_PEPIP = """
import sys
sys.path[0] = sys.argv.pop(1)
import runpy
runpy.run_module("pepip", run_name="__main__", alter_sys=True)
"""
"""Imports pepip from the folder in the first argument. `python -m` would import from the current folder first."""


def store(store: Store, line: str) -> Job[filling.Added]:
    """Return the job that stores the wheels for a line of requirements, without a project.

    Raises UsageError if the line can't be parsed, or has an option other than `-r` and `-U`.
    """
    request, words = user_input.requirements(line, options=("-r",))
    return Job(
        f"store {' '.join(words)}",
        store_command(line),
        lambda: filling.add(store, request, ""),
        describe=reports.of_stored,
    )


def store_command(line: str) -> str:
    """Return the command that does the same as `store` with this line."""
    try:
        return commands.of("store", "add", *shlex.split(line))
    except ValueError:  # a quote is not closed yet
        return f"{commands.of('store', 'add')} {line}"


def prune(
    store: Store, chosen: Sequence[pruning.Orphan], command: str, *, keep_seconds: float = 0
) -> Job[pruning.PrunePreview]:
    """Return the job that removes orphans chosen in a preview. The job first reads the environments' links again.

    With `keep_seconds`, the orphans stay in the trash for that many seconds.
    """
    ids = frozenset(orphan.stored.id for orphan in chosen)
    return reclaim(store, pruning.PruneOptions(only=ids, keep_seconds=keep_seconds), command)


def reclaim(
    store: Store, choice: pruning.PruneOptions, command: str, *, title: str = ""
) -> Job[pruning.PrunePreview]:
    """Return the job that removes the chosen entries and environments. The default title counts them."""
    ids = choice.only or frozenset()
    counted = f"prune {formatting.count(len(ids), 'entry', 'entries')}"
    if choice.environments:
        counted += f" and {formatting.count(len(choice.environments), 'environment')}"
    return Job(
        title or counted,
        command,
        lambda: pruning.prune(store, choice),
        describe=lambda done: reports.of_prune(done, environments=len(choice.environments)),
        touches=frozenset((*ids, *choice.environments)),
    )


def undo(store: Store, grave: Grave) -> Job[undoing.Undone]:
    """Return the job that brings back the entries and environments in this grave, if it is the last one."""
    return Job(
        "undo the last prune",
        commands.of("prune", "--undo"),
        lambda: undoing.undo(store, grave.path),
        describe=reports.of_undo,
    )


def verify(store: Store, chosen: Sequence[Stored], stored: Collection[Stored]) -> Job[verifying.Verification]:
    """Return the job that verifies the `chosen` entries. `stored` are all entries of the store."""
    return _verify(store, commands.patterns_of(chosen, stored), frozenset(item.id for item in chosen))


def verify_all(store: Store, ids: Collection[str]) -> Job[verifying.Verification]:
    """Return the job that verifies the whole store, which has entries with these ids."""
    return _verify(store, (), frozenset(ids))


def _verify(store: Store, patterns: Sequence[str], ids: frozenset[str]) -> Job[verifying.Verification]:
    return Job(
        f"verify {humanized.listed(patterns) if patterns else 'the whole store'}",
        commands.of("store", "verify", *patterns),
        lambda: verifying.verify(store, patterns),
        describe=reports.of_verification(ids),
        touches=ids if patterns else frozenset(),
    )


def repair(store: Store, chosen: Sequence[Stored] = (), stored: Collection[Stored] = ()) -> Job[verifying.Repaired]:
    """Return the job that repairs the `chosen` entries and their environments; by default the whole store.

    `stored` are all entries of the store.
    """
    patterns = commands.patterns_of(chosen, stored)
    return Job(
        f"repair {humanized.listed(patterns) if patterns else 'the whole store'}",
        commands.of("store", "repair", *patterns),
        lambda: verifying.repair(store, Request(), patterns),
        describe=reports.of_repair,
        touches=frozenset(item.id for item in chosen),
    )


def show_command(stored: Stored) -> str:
    """Return the command that shows an entry."""
    return commands.of("store", "show", f"{stored.name}=={stored.version}")


def files_command(stored: Stored) -> str:
    """Return the command that lists the files of an entry."""
    return commands.of("store", "show", f"{stored.name}=={stored.version}", "--files")


def scan(store: Store, folder: str) -> Job[scanning.Scanned]:
    """Return the job that registers the environments below a folder. Raises UsageError if there is no such folder."""
    path = user_input.absolute_path(folder or ".")
    if not os.path.isdir(path):
        raise UsageError(f"there is no folder {path}")
    return Job(f"scan {path}", scan_command(folder), lambda: scanning.scan(store, [path]), describe=reports.of_scan)


def scan_command(folder: str) -> str:
    """Return the command that does the same as a scan of a folder."""
    try:
        path = user_input.absolute_path(folder or ".")
    except UsageError:  # an unfinished `~name`
        path = folder
    return commands.of("projects", "scan", path)


def again(job: Job[object]) -> Job[object]:
    """Return a new job that does the same as a finished one.

    A job of an earlier run is repeated by its command, in the folder in which that run of the app was started. Raises
    UsageError if the command is not one of pepip, or if the folder is gone.
    """
    if not job.ended_at:
        return Job(job.title, job.command, job.make, describe=job.describe, folder=job.folder, touches=job.touches)
    try:
        words = shlex.split(job.command)
    except ValueError:
        words = []
    if words[:1] != ["pepip"]:
        raise UsageError(f"{formatting.printable(job.command)} is not a command of pepip")
    home = os.path.dirname(os.path.dirname(os.path.abspath(pepip.__file__)))
    if job.folder and not os.path.isdir(job.folder):
        raise UsageError(f"the folder of this command is gone: {formatting.printable(job.folder)}")

    def run() -> process.Result:
        try:
            return process.run_python(sys.executable, ["-c", _RUN_PEPIP, home, *words[1:]])
        except UvError as error:
            raise UvError(f"{job.command} failed", output=error.output, exit_code=1) from error

    return Job(job.title, job.command, once(run), describe=reports.of_output, folder=job.folder or home)

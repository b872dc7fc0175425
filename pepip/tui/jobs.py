"""The jobs of the app's actions: each has an operation, a title, and the command that does the same."""

from __future__ import annotations

import os
import shlex
import sys

import pepip
from pepip import humanized
from pepip.environment import project_venv
from pepip.errors import UsageError, UvError
from pepip.operations import detach as detaching
from pepip.operations import install as installing
from pepip.operations import needs, tools
from pepip.operations import project as projects
from pepip.operations import prune as pruning
from pepip.operations import scan as scanning
from pepip.operations import store_add as filling
from pepip.operations import undo as undoing
from pepip.operations import uninstall as uninstalling
from pepip.operations import verify as verifying
from pepip.operations.project import syncs_by_lock as syncs_by_lock
from pepip.tui import commands, formatting, previews, reports, user_input
from pepip.tui.job_queue import Job, once
from pepip.tui.previews import PreviewedAction
from pepip.uv import process
from pepip.uv.request import ProjectRequest, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Sequence
    from typing import TypeVar

    from pepip.operations.reporting import Progress, Summary
    from pepip.store.listing import Stored
    from pepip.store.registry_file import Registration
    from pepip.store.root import Store
    from pepip.tui.previews import Preview

    T = TypeVar("T")


def install(store: Store, environment: str, line: str) -> PreviewedAction:
    """Return the action that installs into an environment. Raises UsageError if the line can't be parsed."""
    request, words = user_input.requirements(line)
    action = _install(store, environment, request, f"install {' '.join(words)}", verb="Install", words=words)
    if not syncs_by_lock(environment) or request.editables:
        return action
    note = "A sync removes packages that the project's pyproject.toml lacks. The button Add writes them there."
    return action._replace(instead=_add(store, environment, words), verb_instead="Add", note=note)


def upgrade(store: Store, environment: str, names: Sequence[str]) -> PreviewedAction:
    """Return the action that upgrades distributions of an environment and their dependencies.

    If the project has a lock, the action upgrades the lock and syncs the environment; without names, it upgrades the
    whole lock.
    """
    if syncs_by_lock(environment):
        words = [word for name in names for word in ("--upgrade-package", name)] or ["--upgrade"]
        return sync(store, environment, words, operation=f"upgrade {' '.join(names)} in" if names else "upgrade")
    request = Request(packages=tuple(names), resolver_options=("--upgrade",))
    return _install(store, environment, request, f"upgrade {' '.join(names)}", verb="Upgrade", words=["-U", *names])


def _install(
    store: Store, environment: str, request: Request, operation: str, *, verb: str, words: Sequence[str]
) -> PreviewedAction:
    root = project_venv.meant_by(environment)
    options = installing.InstallOptions(environment=root)
    folder = os.path.dirname(environment)
    command = commands.on_environment("install", environment, *words)
    title = f"{operation} in {_project(environment)}"

    dry_run = options._replace(dry_run=True)
    preview = _preview(
        title, command, lambda: installing.install(store, request, dry_run), previews.of_summary, folder=folder
    )
    carry_out = Job(
        title,
        command,
        lambda: installing.install(store, request, options),
        describe=reports.of_summary,
        folder=folder,
        touches=frozenset([root]),
    )
    return PreviewedAction(title, verb, preview, carry_out)


def _preview(
    title: str,
    command: str,
    make: Callable[[], Generator[Progress, None, T]],
    describe: Callable[[T], Preview],
    *,
    folder: str = "",
) -> Job[Preview]:
    return Job(title, command, previews.described(make, describe), folder=folder, is_listed=False)


def uninstall(store: Store, environment: str, names: Sequence[str]) -> PreviewedAction:
    """Return the action that uninstalls distributions from an environment."""
    request = Request(packages=tuple(names))
    folder, root = os.path.dirname(environment), project_venv.meant_by(environment)
    command = commands.on_environment("uninstall", environment, "--yes", *names)
    title = f"uninstall {' '.join(names)} from {_project(environment)}"

    def look() -> Preview:
        removal = uninstalling.preview(store, root, request)
        removed = {change.name for change in removal.removed}
        return previews.of_removal(removal, needs.broken_by_removal(store, root, removed) if removed else ())

    preview = Job(title, command, once(look), folder=folder, is_listed=False)
    carry_out = Job(
        title,
        command,
        lambda: uninstalling.uninstall(store, root, request),
        describe=reports.of_summary,
        folder=folder,
        touches=frozenset([root]),
    )
    action = PreviewedAction(title, "Uninstall", preview, carry_out, is_destructive=True)
    if not syncs_by_lock(environment):
        return action
    note = "A sync brings back packages that the project's pyproject.toml names. The button Remove takes them out."
    return action._replace(instead=_remove(store, environment, names), verb_instead="Remove", note=note)


def _add(store: Store, environment: str, words: Sequence[str]) -> Job[projects.Outcome]:
    """Return the job that adds requirements to a project. As on the command line, it removes nothing."""
    request = ProjectRequest(selection_options=("--no-dev",), sync_options=("--inexact",))
    return _edit(environment, "add", words, "to", lambda: projects.add(store, words, "", request))


def _remove(store: Store, environment: str, names: Sequence[str]) -> Job[projects.Outcome]:
    """Return the job that removes requirements from a project."""
    return _edit(environment, "remove", names, "from", lambda: projects.remove(store, names, ProjectRequest()))


def _edit(
    environment: str,
    verb: str,
    words: Sequence[str],
    where: str,
    make: Callable[[], Generator[Progress, None, projects.Outcome]],
) -> Job[projects.Outcome]:
    folder = os.path.dirname(environment)
    return Job(
        f"{verb} {' '.join(words)} {where} {_project(environment)}",
        commands.on_project(verb, folder, *words),
        make,
        describe=reports.of_outcome,
        folder=folder,
        touches=frozenset([project_venv.meant_by(environment)]),
    )


def sync(store: Store, environment: str, words: Sequence[str] = (), *, operation: str = "sync") -> PreviewedAction:
    """Return the action that syncs the environment of a project with its lock.

    `words` are options of uv that first upgrade the lock, or parts of it. Raises UsageError unless `syncs_by_lock`.
    """
    folder = os.path.dirname(environment)
    if not syncs_by_lock(environment):
        raise UsageError(
            f"can't sync {environment}: no pyproject.toml with a [project] table is beside it",
            hint="install into it, or first run `uv init` there",
        )
    request = ProjectRequest(resolver_options=tuple(words))
    command = commands.on_project("sync", folder, *words)
    title = f"{operation} {_project(environment)}"
    dry_run = projects.ProjectOptions(dry_run=True)
    preview = _preview(
        title, command, lambda: projects.sync(store, request, dry_run), previews.of_outcome, folder=folder
    )
    carry_out = Job(
        title,
        command,
        lambda: projects.sync(store, request, projects.ProjectOptions()),
        describe=reports.of_outcome,
        folder=folder,
        touches=frozenset([project_venv.meant_by(environment)]),
    )
    return PreviewedAction(title, "Upgrade" if words else "Sync", preview, carry_out)


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


def reclaim(store: Store, choice: pruning.PruneOptions, command: str) -> Job[pruning.PrunePreview]:
    """Return the job that removes the chosen entries and environments."""
    ids = choice.only or frozenset()
    title = f"prune {formatting.count(len(ids), 'entry', 'entries')}"
    if choice.environments:
        title += f" and {formatting.count(len(choice.environments), 'environment')}"
    return Job(
        title,
        command,
        lambda: pruning.prune(store, choice),
        describe=lambda done: reports.of_prune(done, environments=len(choice.environments)),
        touches=frozenset((*ids, *choice.environments)),
    )


def undo(store: Store) -> Job[undoing.Undone]:
    """Return the job that brings back the entries and environments that the last prune put into the trash."""
    return Job(
        "undo the last prune", commands.of("prune", "--undo"), lambda: undoing.undo(store), describe=reports.of_undo
    )


def verify(store: Store, chosen: Sequence[Stored], stored: Collection[Stored]) -> Job[verifying.Verdict]:
    """Return the job that verifies the `chosen` entries. `stored` are all entries of the store."""
    return _verify(store, commands.patterns_of(chosen, stored), frozenset(item.id for item in chosen))


def verify_all(store: Store, ids: Collection[str]) -> Job[verifying.Verdict]:
    """Return the job that verifies the whole store, which has entries with these ids."""
    return _verify(store, (), frozenset(ids))


def _verify(store: Store, patterns: Sequence[str], ids: frozenset[str]) -> Job[verifying.Verdict]:
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


def uninstall_tool(store: Store, environment: str) -> Job[Summary]:
    """Return the job that lets uv uninstall the tool of an environment."""
    name = os.path.basename(environment)
    return Job(
        f"remove the tool {name}",
        commands.of("tool", "uninstall", name),
        lambda: tools.uninstall(store, environment),
        describe=reports.of_summary,
        touches=frozenset([environment]),
    )


def detach(store: Store, environment: str, name: str) -> Job[detaching.Detached]:
    """Return the job that turns a linked distribution into a private, writable copy."""
    return Job(
        f"detach {name} in {_project(environment)}",
        commands.on_environment("detach", environment, name),
        once(lambda: detaching.detach(store, environment, [name])[0]),
        describe=reports.of_detaching,
        touches=frozenset([environment]),
    )


def attach(store: Store, environment: str, name: str) -> PreviewedAction:
    """Return the action that links a private distribution again."""
    title = f"attach {name} in {_project(environment)}"
    command = commands.on_environment("attach", environment, "--force", name)
    preview = _preview(
        title, command, once(lambda: detaching.changed_files(store, environment, name)), previews.of_changed_files
    )
    carry_out = Job(
        title,
        command,
        once(lambda: detaching.attach(store, environment, [name])[0]),
        describe=reports.of_attaching,
        touches=frozenset([environment]),
    )
    return PreviewedAction(title, "Attach", preview, carry_out, is_destructive=True)


def forget(store: Store, environment: str) -> Job[list[Registration]]:
    """Return the job that removes the registration of an environment."""
    return Job(
        f"forget {_project(environment)}",
        commands.of("projects", "forget", environment),
        once(lambda: scanning.forget(store, environment)),
        describe=reports.of_forgetting,
        touches=frozenset([environment]),
    )


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
    """Return a new job that does the same as a finished one. A job of an earlier run is repeated by its command.

    Raises UsageError if the command is not one of pepip.
    """
    if not job.ended_at:
        return Job(job.title, job.command, job.make, describe=job.describe, folder=job.folder, touches=job.touches)
    try:
        words = shlex.split(job.command)
    except ValueError:
        words = []
    if words[:1] != ["pepip"]:
        raise UsageError(f"{formatting.printable(job.command)} is not a command of pepip")
    # Run it in the folder of the package: `python -m` imports from the current folder first.
    home = os.path.dirname(os.path.dirname(os.path.abspath(pepip.__file__)))

    def run() -> process.Result:
        try:
            return process.run_python(sys.executable, ["-m", "pepip", *words[1:]])
        except UvError as error:
            raise UvError(f"{job.command} failed", output=error.output, exit_code=1) from error

    return Job(job.title, job.command, once(run), describe=reports.of_output, folder=home)


def _project(environment: str) -> str:
    folder, name = os.path.split(environment)
    project = os.path.basename(folder) or environment
    return project if name == ".venv" else f"{project}/{name}"

"""The actions of the app as jobs: an operation, its title, and the command that does the same."""

from __future__ import annotations

import os
import shlex

from pepip import humanized, paths
from pepip.errors import UsageError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files
from pepip.model import ProjectRequest, Request
from pepip.operations import detach as detaching
from pepip.operations import install as installing
from pepip.operations import project as projects
from pepip.operations import prune as pruning
from pepip.operations import scan as scanning
from pepip.operations import store_add as filling
from pepip.operations import uninstall as uninstalling
from pepip.operations import verify as verifying
from pepip.tui import commands, formatting
from pepip.tui.job_queue import STARTED_IN, Job, once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from pepip.model import Progress, Registration, Summary
    from pepip.store.root import Store

    ActionPreview = Summary | projects.Outcome | uninstalling.Removal | list[str]
    """The result of a preview. A list holds the changed files that would be lost."""


class PlannedAction(NamedTuple):
    """An action that a user asks for: one job previews it, another carries it out.

    If the project declares its requirements in `pyproject.toml`, the job `instead` edits that file, too. Its button
    has the label `verb_instead`.
    """

    title: str
    verb: str
    preview: Job[ActionPreview]
    carry_out: Job[object]
    is_destructive: bool = False
    instead: Job[object] | None = None
    verb_instead: str = ""
    note: str = ""


def environment_at(text: str) -> str:
    """Return the environment for a typed path: the path itself, or the `.venv` in the folder of a project.

    Raises UsageError if the path is empty, is a file, or begins with `~` and there is no such home folder.
    """
    if not text.strip():
        raise UsageError("which project?", hint="type the folder of a project; a new one is made")
    path = _absolute(text)
    if os.path.lexists(path) and not os.path.isdir(path):
        raise UsageError(f"{path} is a file", hint="type the folder of a project")
    if os.path.isfile(f"{path}/pyvenv.cfg") or os.path.basename(path) in {".venv", "venv"}:
        return path
    return f"{path}/.venv"


def requirements(line: str, *, options: Sequence[str] = ("-r", "-c", "-e")) -> tuple[Request, list[str]]:
    """Parse a line of requirements. Return its request and its words.

    The line may also have `-U`, and those of `-r FILE`, `-c FILE` and `-e PATH` that are in `options`, as on the
    command line. Raises UsageError if a quote is not closed, an option is unknown or lacks its value, or the line
    names nothing to install.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"these requirements can't be read: {str(error).lower()}") from error
    lists: dict[str, list[str]] = {"-r": [], "-c": [], "-e": []}
    packages: list[str] = []
    is_upgrade = False
    remaining = iter(words)
    for word in remaining:
        if word in options:
            lists[word].append(_value(word, next(remaining, "")))
        elif word in {"-U", "--upgrade"}:
            is_upgrade = True
        elif word.startswith("-"):
            hint = f"requirements, {', '.join(options)} and -U are"
            raise UsageError(f"{word} is not for here", hint=hint)
        else:
            packages.append(word)
    if not packages and not lists["-r"] and not lists["-e"]:
        raise UsageError("no packages given", hint="type their names, such as requests 'numpy<2'")
    request = Request(
        packages=tuple(packages),
        requirement_files=tuple(lists["-r"]),
        constraint_files=tuple(lists["-c"]),
        editables=tuple(lists["-e"]),
        resolving=("--upgrade",) if is_upgrade else (),
    )
    return request, words


def install(store: Store, environment: str, line: str) -> PlannedAction:
    """Return the action that installs into an environment. Raises UsageError if the line can't be parsed."""
    request, words = requirements(line)
    plan = _install(store, environment, request, f"install {' '.join(words)}", verb="Install", words=words)
    if not has_lock(environment) or request.editables:
        return plan
    note = "A sync of this project removes what its pyproject.toml does not name: Add puts it in there."
    return plan._replace(instead=_add(store, environment, words), verb_instead="Add", note=note)


def upgrade(store: Store, environment: str, names: Sequence[str]) -> PlannedAction:
    """Return the action that upgrades distributions of an environment and their dependencies.

    If the project has a lock, the action upgrades the lock and syncs the environment; without names, it upgrades the
    whole lock.
    """
    if has_lock(environment):
        words = [word for name in names for word in ("--upgrade-package", name)] or ["--upgrade"]
        return sync(store, environment, words, what=f"upgrade {' '.join(names)} in" if names else "upgrade")
    request = Request(packages=tuple(names), resolving=("--upgrade",))
    return _install(store, environment, request, f"upgrade {' '.join(names)}", verb="Upgrade", words=["-U", *names])


def _install(
    store: Store, environment: str, request: Request, what: str, *, verb: str, words: Sequence[str]
) -> PlannedAction:
    options = installing.InstallOptions(environment=environment)
    folder = os.path.dirname(environment)
    command = commands.on_environment("install", environment, *words)
    title = f"{what} in {_project(environment)}"

    def job(*, dry_run: bool) -> Job[Summary]:
        choice = options._replace(dry_run=dry_run)
        return Job(
            title,
            command,
            lambda: installing.install(store, request, choice),
            folder=folder,
            touches=frozenset([environment]),
            is_listed=not dry_run,
        )

    return PlannedAction(title, verb, job(dry_run=True), job(dry_run=False))


def uninstall(store: Store, environment: str, names: Sequence[str]) -> PlannedAction:
    """Return the action that uninstalls distributions from an environment."""
    request = Request(packages=tuple(names))
    folder = os.path.dirname(environment)
    command = commands.on_environment("uninstall", environment, "--yes", *names)
    title = f"uninstall {' '.join(names)} from {_project(environment)}"
    preview = Job(
        title,
        command,
        once(lambda: uninstalling.preview(store, environment, request)),
        folder=folder,
        is_listed=False,
    )
    carry_out = Job(
        title,
        command,
        lambda: uninstalling.uninstall(store, environment, request),
        folder=folder,
        touches=frozenset([environment]),
    )
    plan = PlannedAction(title, "Uninstall", preview, carry_out, is_destructive=True)
    if not has_lock(environment):
        return plan
    note = "A sync of this project brings back what its pyproject.toml names: Remove takes it out there."
    return plan._replace(instead=_remove(store, environment, names), verb_instead="Remove", note=note)


def has_lock(environment: str) -> bool:
    """Return whether uv syncs this environment with a lock: the `.venv` of a project with a `[project]` table."""
    folder, name = os.path.split(environment)
    try:
        return name == ".venv" and b"[project]" in files.read_regular(f"{folder}/pyproject.toml", follows=True)
    except OSError:
        return False


def _add(store: Store, environment: str, words: Sequence[str]) -> Job[projects.Outcome]:
    """Return the job that adds requirements to a project. As on the command line, it removes nothing."""
    request = ProjectRequest(selecting=("--no-dev",), syncing=("--inexact",))
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
        folder=folder,
        touches=frozenset([environment]),
    )


def sync(store: Store, environment: str, words: Sequence[str] = (), *, what: str = "sync") -> PlannedAction:
    """Return the action that syncs the environment of a project with its lock.

    `words` are options of uv that upgrade the lock, or parts of it, first. Raises UsageError if `has_lock` is false.
    """
    folder = os.path.dirname(environment)
    if not has_lock(environment):
        raise UsageError(
            f"{environment} is not the .venv of a pyproject.toml with a [project]: there is nothing to sync it with",
            hint="install into it, or `uv init` there first",
        )
    request = ProjectRequest(resolving=tuple(words))
    command = commands.on_project("sync", folder, *words)
    title = f"{what} {_project(environment)}"

    def job(*, dry_run: bool) -> Job[projects.Outcome]:
        return Job(
            title,
            command,
            lambda: projects.sync(store, request, projects.ProjectOptions(dry_run=dry_run)),
            folder=folder,
            touches=frozenset([environment]),
            is_listed=not dry_run,
        )

    return PlannedAction(title, "Upgrade" if words else "Sync", job(dry_run=True), job(dry_run=False))


def store(store: Store, line: str) -> Job[filling.Added]:
    """Return the job that stores the wheels for a line of requirements, without a project.

    Raises UsageError if the line can't be parsed. Of the options of `requirements`, only `-r` and `-U` are allowed.
    """
    request, words = requirements(line, options=("-r",))
    return Job(f"store {' '.join(words)}", store_command(line), lambda: filling.add(store, request, ""))


def store_command(line: str) -> str:
    """Return the command that does the same as `store` with this line."""
    try:
        return commands.of("store", "add", *shlex.split(line))
    except ValueError:  # a quote is not closed yet
        return f"{commands.of('store', 'add')} {line}"


def prune(store: Store, chosen: Sequence[pruning.Orphan], *, is_all: bool) -> Job[pruning.PrunePreview]:
    """Return the job that removes orphans chosen in a preview. It reads the environments' links again first."""
    ids = frozenset(orphan.stored.id for orphan in chosen)
    pins = [f"{orphan.stored.name}=={orphan.stored.version}" for orphan in chosen]
    return Job(
        f"prune {formatting.count(len(chosen), 'entry', 'entries')}",
        commands.prune(pins, is_all=is_all),
        lambda: pruning.prune(store, pruning.PruneOptions(only=ids)),
        touches=ids,
    )


def verify(store: Store, pins: Sequence[str], ids: frozenset[str]) -> Job[verifying.Verdict]:
    """Return the job that verifies the entries of these pins; all entries if there are no pins."""
    what = humanized.listed(pins) if pins else "the whole store"
    return Job(
        f"verify {what}",
        commands.of("store", "verify", *pins),
        lambda: verifying.verify(store, pins),
        touches=ids,
    )


def repair(store: Store, pins: Sequence[str], ids: frozenset[str]) -> Job[verifying.Repaired]:
    """Return the job that repairs the entries of these pins, and the environments that need it.

    Without pins, it repairs all entries.
    """
    what = humanized.listed(pins) if pins else "the whole store"
    return Job(
        f"repair {what}",
        commands.of("store", "repair", *pins),
        lambda: verifying.repair(store, Request(), pins),
        touches=ids,
    )


def detach(store: Store, environment: str, name: str) -> Job[detaching.Detached]:
    """Return the job that turns a linked distribution into a private, writable copy."""
    return Job(
        f"detach {name} in {_project(environment)}",
        commands.on_environment("detach", environment, name),
        once(lambda: detaching.detach(store, environment, [name])[0]),
        touches=frozenset([environment]),
    )


def attach(store: Store, environment: str, name: str) -> PlannedAction:
    """Return the action that links a private distribution again."""
    title = f"attach {name} in {_project(environment)}"
    command = commands.on_environment("attach", environment, "--force", name)
    preview = Job(title, command, once(lambda: detaching.changed_files(store, environment, name)), is_listed=False)
    carry_out = Job(
        title,
        command,
        once(lambda: detaching.attach(store, environment, [name])[0]),
        touches=frozenset([environment]),
    )
    return PlannedAction(title, "Attach", preview, carry_out, is_destructive=True)


def forget(store: Store, environment: str) -> Job[list[Registration]]:
    """Return the job that removes the registration of an environment."""
    return Job(
        f"forget {_project(environment)}",
        commands.of("projects", "forget", environment),
        once(lambda: scanning.forget(store, environment)),
        touches=frozenset([environment]),
    )


def scan(store: Store, folder: str) -> Job[scanning.Scanned]:
    """Return the job that registers the environments below a folder. Raises UsageError if there is no such folder."""
    path = _absolute(folder or ".")
    if not os.path.isdir(path):
        raise UsageError(f"there is no folder {path}")
    return Job(f"scan {path}", scan_command(folder), lambda: scanning.scan(store, [path]))


def scan_command(folder: str) -> str:
    """Return the command that does the same as a scan of a folder."""
    try:
        path = _absolute(folder or ".")
    except UsageError:  # an unfinished `~name`
        path = folder
    return commands.of("projects", "scan", path)


def _absolute(path: str) -> str:
    """Return a typed path as an absolute one.

    A relative path starts at the folder that the app was started in, even while a running job is in another folder.

    Raises UsageError if the path begins with `~` and there is no such home folder.
    """
    return os.path.normpath(os.path.join(STARTED_IN, paths.expand_user(path.strip(), os.environ)))


def _project(environment: str) -> str:
    return os.path.basename(os.path.dirname(environment)) or environment


def _value(option: str, value: str) -> str:
    if not value:
        raise UsageError(f"{option} wants a value")
    return value

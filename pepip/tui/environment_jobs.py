"""The jobs that change environments: each has an operation, a title, and the command that does the same."""

from __future__ import annotations

import os

from pepip.environment import project_venv
from pepip.errors import UsageError
from pepip.operations import detach as detaching
from pepip.operations import install as installing
from pepip.operations import needs, tools, upgrades
from pepip.operations import project as projects
from pepip.operations import scan as scanning
from pepip.operations import uninstall as uninstalling
from pepip.operations.project import syncs_by_lock as syncs_by_lock
from pepip.operations.reporting import Progress
from pepip.tui import commands, previews, reports, user_input
from pepip.tui.job import Job, once
from pepip.tui.previews import PreviewedAction
from pepip.uv.request import ProjectRequest, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import TypeVar

    from pepip.operations.census import KnownVenv
    from pepip.operations.reporting import Summary
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
    folder = folder if os.path.isdir(folder) else ""  # else the job makes it, and starts where its command does
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
        _in_project(environment, make),
        describe=reports.of_outcome,
        folder=folder,
        touches=frozenset([project_venv.meant_by(environment)]),
    )


def _in_project(
    environment: str, make: Callable[[], Generator[Progress, None, T]]
) -> Callable[[], Generator[Progress, None, T]]:
    """Return an operation that runs `make` if uv, in the current folder, works on this environment.

    That can change after the dialog was shown: without its `pyproject.toml`, uv takes the project of a folder above.
    """

    def operation() -> Generator[Progress, None, T]:
        yield Progress("resolve")
        if not syncs_by_lock(environment):
            raise UsageError(f"{os.path.dirname(environment)} is no longer the folder of a project")
        upgrades.refuse_another(project_venv.meant_by(environment))
        return (yield from make())

    return operation


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
        title,
        command,
        _in_project(environment, lambda: projects.sync(store, request, dry_run)),
        previews.of_outcome,
        folder=folder,
    )
    carry_out = Job(
        title,
        command,
        _in_project(environment, lambda: projects.sync(store, request, projects.ProjectOptions())),
        describe=reports.of_outcome,
        folder=folder,
        touches=frozenset([project_venv.meant_by(environment)]),
    )
    return PreviewedAction(title, "Upgrade" if words else "Sync", preview, carry_out)


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


def forget(store: Store, known: KnownVenv, seen: Sequence[KnownVenv]) -> Job[list[Registration]]:
    """Return the job that removes the registration of an environment.

    If several of the `seen` environments have its path, its file in the registry tells which one is meant.
    """
    environment = known.environment
    is_alone = sum(item.environment == environment for item in seen) == 1
    named = environment if is_alone else known.registration.file
    return Job(
        f"forget {_project(environment)}",
        commands.of("projects", "forget", named),
        once(lambda: scanning.forget(store, named)),
        describe=reports.of_forgetting,
        touches=frozenset([environment]),
    )


def _project(environment: str) -> str:
    folder, name = os.path.split(environment)
    project = os.path.basename(folder) or environment
    return project if name == ".venv" else f"{project}/{name}"

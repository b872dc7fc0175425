"""Projects: `uv sync`, `add`, `remove` and the environment for `uv run`, linked from the store.

The lock is uv's, and so is the plan. The project itself and the members of its workspace are what uv makes of them:
editable, or real files.
"""

from __future__ import annotations

import contextlib
import os
import time

from pepip import paths
from pepip.environment import contents, readable
from pepip.errors import UvError
from pepip.host import files
from pepip.model import Progress, Summary
from pepip.operations import change, making, settled, target
from pepip.records import NamedTuple
from pepip.uv import project, resolve, settings, sharing, stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from typing import Any

    from pepip.model import Environment, Installed, ProjectRequest
    from pepip.store.home import Store


class Options(NamedTuple):
    """How to sync, beside the request itself. `words` are as in `install.Options`."""

    compile_bytecode: bool = False
    dry_run: bool = False
    words: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """What a sync did, and uv's own account of the same (`uv sync --output-format json`)."""

    summary: Summary
    document: dict[str, Any]


def sync(store: Store, request: ProjectRequest, options: Options) -> Generator[Progress, None, Outcome]:
    """Bring the project's lock and environment up to date, yielding progress, and return an Outcome.

    Raises PepipError. A run that is killed is completed by the next one. Where nothing changes, nothing is written.
    """
    return (yield from _sync(store, request, options))


def add(
    store: Store, words: Sequence[str], package: str, request: ProjectRequest
) -> Generator[Progress, None, Outcome]:
    """Let uv add dependencies to the project, or to `package` of its workspace, and sync what `request` selects.

    `words` are those of `uv add`. As with uv, `pyproject.toml` and `uv.lock` are as before if anything fails.
    """
    yield Progress("resolve")
    places: list[str] = []
    with contextlib.suppress(UvError):  # no such project: `uv add` says so
        places = project.files(package)
    with _restored_on_failure(places):
        project.edit("add", words)
        return (yield from _sync(store, request._replace(lock_mode=project.mode_of_lock(request)), Options()))


def remove(store: Store, words: Sequence[str], request: ProjectRequest) -> Generator[Progress, None, Outcome]:
    """Let uv remove dependencies from the project, and sync what `request` selects.

    `words` are those of `uv remove`. As with uv, `pyproject.toml` stays changed if the sync fails.
    """
    yield Progress("resolve")
    project.edit("remove", words)
    return (yield from _sync(store, request._replace(lock_mode=project.mode_of_lock(request)), Options()))


def _sync(store: Store, request: ProjectRequest, options: Options) -> Generator[Progress, None, Outcome]:
    started, began_at_ns = time.monotonic(), time.time_ns()
    yield Progress("resolve")
    foresight = _foresee(request)
    if options.dry_run:
        for sentence in foresight.changes.warnings:
            yield Progress("warning", sentence)
        with _tried_out(request, foresight) as root:
            environment = target.open_environment(root, store)
            job = _job(store, request, foresight, environment, is_dry_run=True)
            summary = change.foresee(store, job, environment)._replace(environment=foresight.environment)
    else:
        if not foresight.is_locked:
            project.lock(request)
        summary = yield from change.carry_out(
            store,
            foresight.environment,
            make=lambda: foresight.is_made and _make(request, foresight.environment),
            job=lambda environment: _job(store, request, foresight, environment)._replace(began_at_ns=began_at_ns),
            asked=settled.Asked(options.words, began_at_ns, request),
            compile_bytecode=options.compile_bytecode,
        )
    summary = summary._replace(seconds=time.monotonic() - started)
    return Outcome(summary, _account(foresight, summary))


def _account(foresight: project.Foresight, summary: Summary) -> dict[str, Any]:
    """Return uv's account of the sync, with the versions that only a build could tell."""
    versions = dict((*summary.removed, *summary.private))
    sync = foresight.document["sync"]
    changes = [
        item if "version" in item or not versions.get(item["name"]) else _with_version(item, versions[item["name"]])
        for item in sync["changes"]
    ]
    return {**foresight.document, "sync": {**sync, "changes": changes}, "dry_run": summary.dry_run}


def _with_version(change_of_uv: dict[str, Any], version: str) -> dict[str, Any]:
    return {"name": change_of_uv["name"], "version": version, **change_of_uv}


def _job(
    store: Store,
    request: ProjectRequest,
    foresight: project.Foresight,
    environment: Environment,
    *,
    is_dry_run: bool = False,
) -> change.Job:
    seen = contents.fingerprint(environment)

    def decide(present: Sequence[Installed]) -> change.Work:
        del present
        is_fresh = contents.fingerprint(environment) == seen
        changes = foresight.changes if is_fresh else project.foresee(request).changes
        if not changes.added:
            return change.work_of(changes, [])
        if is_dry_run and not foresight.is_locked:
            # No lock says yet what would be added: what an index has of these versions is asked instead.
            artifacts = resolve.locate(project.staging_request(request), changes.added, environment)
        else:
            artifacts = project.locate(request, changes.added, environment)
        return change.work_of(changes, artifacts)

    def install_private(work: change.Work) -> Generator[Progress, None, None]:
        for arrival in project.install_private(request, reinstall=change.again(work, request.replacing)):
            yield Progress("build", arrival.name)

    def lay_out_private(work: change.Work, folder: str) -> Iterator[object]:
        staging = project.staging_request(request)
        if sharing.builds_in_environment(staging):
            return stage.install_private(staging, work.private, environment.executable, prefix=folder)
        private = {artifact.name for artifact in work.private}
        others = {artifact.name for artifact in work.shared}
        others.update(item.name for item in contents.installed(environment, store.homes))
        return project.lay_out(request, environment.executable, folder, without=sorted(others - private))

    return change.Job(project.staging_request(request), decide, install_private, lay_out_private, is_of_project=True)


def _foresee(request: ProjectRequest) -> project.Foresight:
    """Ask uv what it would do, when nobody makes the environment: half of one would mislead uv.

    Raises UvError.
    """
    name, active = os.environ.get("UV_PROJECT_ENVIRONMENT") or ".venv", os.environ.get("VIRTUAL_ENV", "")
    roots = {os.path.join(folder, name) for folder in paths.upward(settings.start_folder())}
    if active and "--active" in request.syncing:
        roots.add(os.path.abspath(active))
    for root in roots:
        readable.check(root)
    while True:
        making.remove_unfinished(roots)
        before = making.state(roots)
        try:
            foresight = project.foresee(request)
        except UvError:
            if making.state(roots) == before:
                raise
        else:
            if making.state(roots) == before:
                return foresight


def _make(request: ProjectRequest, root: str) -> bool:
    def rehearse() -> None:
        with _elsewhere(request):
            pass

    return making.make(
        root,
        lambda: project.make_environment(request),
        must_be_replaced=lambda: project.foresee(request).is_made,
        rehearse=rehearse,
    )


@contextlib.contextmanager
def _tried_out(request: ProjectRequest, foresight: project.Foresight) -> Iterator[str]:
    """Yield the environment to ask for what a sync would do: the project's, or one like it that goes again."""
    if not foresight.is_made:
        yield foresight.environment
        return
    with _elsewhere(request) as root:
        yield root


@contextlib.contextmanager
def _elsewhere(request: ProjectRequest) -> Iterator[str]:
    """Yield an environment like the project's, empty, that goes again. Raises UvError if none can be made."""
    from pepip.host import temporary

    with temporary.folder() as folder:
        project.make_environment(request, elsewhere=f"{folder}/.venv")
        yield f"{folder}/.venv"


@contextlib.contextmanager
def _restored_on_failure(places: Sequence[str]) -> Iterator[None]:
    """Give files back what they held, or remove those that were not there, if the body fails or is interrupted."""
    before = {path: _content(path) for path in places}
    try:
        yield
    except BaseException:
        for path, content in before.items():
            if content is None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            elif _content(path) != content:
                files.replace_content(path, content)
        raise


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None

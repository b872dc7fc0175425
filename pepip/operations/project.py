"""Projects and scripts: `uv sync`, `add`, `remove` and the environment for `uv run`, linked from the store.

uv makes the lock and the plan. uv also installs the project itself and the members of its workspace: as editables, or
as real files. A script with inline metadata (PEP 723) has an environment in uv's cache, and mostly no lock.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time

from pepip import paths
from pepip.environment import contents, layout_check, project_venv, venv_id
from pepip.errors import UvError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files
from pepip.model import Progress, Summary
from pepip.operations import apply, deciding, linked_entries, scripts, venv_creation, venvs
from pepip.operations.deciding import ChangeJob, Work
from pepip.uv import asked_interpreter, interpreter, known_plans, project, resolve, settings
from pepip.uv.answer_cache import AnswerCache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from typing import Any

    from pepip.model import Environment, Installed, ProjectRequest
    from pepip.store.root import Store


class ProjectOptions(NamedTuple):
    """The options of a sync, beside the request itself. `words` are as in `install.InstallOptions`."""

    compile_bytecode: bool = False
    dry_run: bool = False
    words: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """The summary of a sync, and the JSON document that `uv sync --output-format json` prints for it."""

    summary: Summary
    document: dict[str, Any]


def syncs_by_lock(environment: str) -> bool:
    """Return whether uv syncs this environment with a lock, which uv makes if it is missing.

    That is so for the `.venv` of a project, or of a whole workspace.
    """
    folder, name = os.path.split(environment)
    try:
        content = files.read_regular(f"{folder}/pyproject.toml", follows=True) if name == ".venv" else b""
    except OSError:
        return False
    return any(mark in content for mark in (b"[project]", b"[tool.uv.workspace]"))


def sync(store: Store, request: ProjectRequest, options: ProjectOptions) -> Generator[Progress, None, Outcome]:
    """Bring the project's lock and environment up to date, yielding progress, and return an Outcome.

    Raises PepipError. If a run is killed, the next run completes its change. If nothing changes, nothing is written.
    """
    return (yield from _sync(store, request, options))


def add(
    store: Store, words: Sequence[str], package: str, request: ProjectRequest
) -> Generator[Progress, None, Outcome]:
    """Let uv add dependencies to the project, or to `package` of its workspace, and sync the selection of `request`.

    `words` are the arguments of `uv add`. As with uv, `pyproject.toml` and `uv.lock` are restored if anything fails.
    """
    yield Progress("resolve")
    with _restored_on_failure(package):
        project.edit("add", words)
        return (yield from _sync(store, request._replace(lock_mode=project.mode_of_lock(request)), ProjectOptions()))


def remove(store: Store, words: Sequence[str], request: ProjectRequest) -> Generator[Progress, None, Outcome]:
    """Let uv remove dependencies from the project, and sync the selection of `request`.

    `words` are the arguments of `uv remove`. As with uv, `pyproject.toml` stays changed if the sync fails.
    """
    yield Progress("resolve")
    project.edit("remove", words)
    return (yield from _sync(store, request._replace(lock_mode=project.mode_of_lock(request)), ProjectOptions()))


def _sync(store: Store, request: ProjectRequest, options: ProjectOptions) -> Generator[Progress, None, Outcome]:
    started, began_at_ns = time.monotonic(), time.time_ns()
    yield Progress("resolve")
    question, known = _recall(store, request)
    planned = known.preview if known else _preview(request, functools.partial(_read_ahead, store))
    if options.dry_run:
        for sentence in planned.changes.warnings:
            yield Progress("warning", sentence, is_of_uv=True)
        with _for_dry_run(request, planned) as root:
            environment = venvs.open_environment(root, store)
            if root != planned.environment and not planned.script:
                is_there = interpreter.is_environment(planned.environment)
                yield venvs.of_making(planned.environment, environment, "would remake" if is_there else "would make")
            job = _job(store, request, planned, environment, is_dry_run=True)
            summary = apply.preview(store, job, environment)._replace(environment=planned.environment)
    else:
        if not planned.is_locked:
            project.lock(request)
        try:
            summary = yield from apply.carry_out(
                store,
                planned.environment,
                make=lambda: planned.is_made and _make(store, request, planned.environment),
                job=lambda environment: _noted_job(
                    store, request, planned, environment, question=question, known=known
                )._replace(began_at_ns=began_at_ns),
                asked=deciding.Question(options.words, began_at_ns, request),
                compile_bytecode=options.compile_bytecode,
                is_shown=not planned.script,
            )
        except UvError:
            if not planned.script:
                raise
            summary = yield from scripts.sync_by_uv(
                store, request, planned, compile_bytecode=options.compile_bytecode
            )
    summary = summary._replace(seconds=time.monotonic() - started)
    return Outcome(summary, _document(planned, summary))


def _recall(
    store: Store, request: ProjectRequest
) -> tuple[known_plans.PlanQuestion | None, known_plans.KnownPlan | None]:
    """Return the question for a plan that does not depend on the project's path, and the known answer."""
    question = known_plans.of_missing_environment(AnswerCache(paths.cache(store.root)), request)
    known = question.recall() if question and not venv_creation.is_unfinished(f"{question.folder}/.venv") else None
    return question, known


def _document(planned: project.SyncPreview, summary: Summary) -> dict[str, Any]:
    """Return uv's document of the sync, with the versions that are known only after a build."""
    versions = dict((*summary.removed, *summary.private))
    sync = planned.document["sync"]
    changes = [
        item if "version" in item or not versions.get(item["name"]) else _with_version(item, versions[item["name"]])
        for item in sync["changes"]
    ]
    return {**planned.document, "sync": {**sync, "changes": changes}, "dry_run": summary.dry_run}


def _with_version(change_of_uv: dict[str, Any], version: str) -> dict[str, Any]:
    return {"name": change_of_uv["name"], "version": version, **change_of_uv}


def _noted_job(
    store: Store,
    request: ProjectRequest,
    planned: project.SyncPreview,
    environment: Environment,
    *,
    question: known_plans.PlanQuestion | None,
    known: known_plans.KnownPlan | None,
) -> ChangeJob:
    """Return the job of a sync. The environment of a script first gets a note of its script."""
    if planned.script:
        venv_id.note_script(environment.root, planned.script)
    return _job(store, request, planned, environment, question=question, known=known)


def _job(
    store: Store,
    request: ProjectRequest,
    planned: project.SyncPreview,
    environment: Environment,
    *,
    is_dry_run: bool = False,
    question: known_plans.PlanQuestion | None = None,
    known: known_plans.KnownPlan | None = None,
) -> ChangeJob:
    """Return the job of a sync. `known` is the answer to the `question`. A new answer is remembered."""
    seen = contents.fingerprint(environment)

    def decide(present: Sequence[Installed], meanwhile: Callable[[], None]) -> Work:
        meanwhile()
        is_filled = planned.is_made and bool(present)  # the plan is for an empty environment
        is_fresh = contents.fingerprint(environment) == seen and not is_filled
        changes = planned.changes if is_fresh else project.preview(request).changes
        if not changes.added:
            return deciding.work_of(changes, [])
        if is_dry_run and not planned.is_locked:
            # No lock names the new files yet, so ask the indexes for these versions.
            artifacts = resolve.locate(project.staging_request(request), changes.added, environment)
        elif known and is_fresh:
            artifacts = known.artifacts
        else:
            answers = AnswerCache(paths.cache(store.root))
            try:
                artifacts = project.locate(request, changes.added, environment, planned.lock, answers)
            except UvError:
                if not (is_dry_run and request.script):
                    raise
                artifacts = []  # uv names no files, but its plan is known
            if question and is_fresh:
                question.remember(planned, artifacts)
        return deciding.work_of(changes, artifacts)

    def install_private(work: Work) -> Generator[Progress, None, None]:
        for arrival in project.install_private(
            request, reinstall=deciding.private_to_reinstall(work, request.reinstall_options)
        ):
            yield Progress("build", arrival.name)

    def lay_out_private(work: Work, folder: str) -> Iterator[object]:
        from pepip.uv import stage

        staging = project.staging_request(request)
        if request.script or asked_interpreter.builds_in_environment(staging):
            return stage.install_private(staging, work.private, environment.executable, prefix=folder)
        private = {artifact.name for artifact in work.private}
        others = {artifact.name for artifact in work.shared}
        others.update(item.name for item in contents.installed(environment, store.known_roots))
        return project.lay_out(request, environment.executable, folder, without=sorted(others - private))

    def install_first(work: Work) -> Iterator[Progress]:
        for arrival in project.install_private(request, without=sorted(item.name for item in work.shared)):
            yield Progress("build", arrival.name)

    needs_others = request.script or asked_interpreter.builds_in_environment(project.staging_request(request))
    return ChangeJob(
        project.staging_request(request),
        decide,
        install_private,
        lay_out_private,
        is_of_project=True,
        script=request.script,
        install_first=None if needs_others else install_first,
    )


def _read_ahead(store: Store) -> None:
    """Load the modules that a change needs, and read the entries that the project's environment probably links."""
    apply.get_ready()
    name = os.environ.get("UV_PROJECT_ENVIRONMENT") or ".venv"
    root = project_venv.meant_by(os.path.join(settings.project_folder(), name))
    linked_entries.recall(store, root)
    with contextlib.suppress(OSError):
        for item in contents.distributions_below(root, store.known_roots):
            linked_entries.entry_of(store, item)


def _preview(request: ProjectRequest, meanwhile: Callable[[], None]) -> project.SyncPreview:
    """Ask uv for its plan, at a time when no run makes the environment. Raises UvError or VenvError.

    A half-made environment would mislead uv. `meanwhile` is called while uv works.
    """
    if request.script:
        return scripts.preview(request)
    name, active = os.environ.get("UV_PROJECT_ENVIRONMENT") or ".venv", os.environ.get("VIRTUAL_ENV", "")
    places = (os.path.join(folder, name) for folder in paths.upward(settings.start_folder()))
    roots = {project_venv.meant_by(place) for place in places}
    if active and "--active" in request.sync_options:
        roots.add(os.path.abspath(active))
    for root in roots:
        layout_check.check(root)
    while True:
        venv_creation.remove_unfinished(roots)
        before = venv_creation.state(roots)
        try:
            planned = project.preview(request, meanwhile)
        except UvError:
            if venv_creation.state(roots) == before:
                raise
        else:
            if venv_creation.state(roots) == before:
                return planned


def _make(store: Store, request: ProjectRequest, root: str) -> bool:
    def rehearse() -> None:
        with _elsewhere(request):
            pass

    def make_by_uv() -> None:
        if request.script:
            project.make_environment_of_script(request, root)
        else:
            # uv refuses to make an environment behind a redirect file, but makes one that a variable names.
            is_redirected = bool(project_venv.redirect_to(root, settings.start_folder()))
            project.make_environment(request, elsewhere=root if is_redirected else "")

    def make() -> None:
        store.create()  # it keeps the answers that a further folder with this project needs
        words = project.words_of_environment(request)
        if not words or os.path.lexists(root):
            make_by_uv()
            return
        known = AnswerCache(paths.cache(store.root))
        # Without a name in `pyproject.toml`, the prompt is the name of the folder.
        prompt = "" if request.script else os.path.basename(os.path.dirname(root))
        python = request.python or os.environ.get("UV_PYTHON", "")
        venvs.make_skeleton(root, words, python, known, make_by_uv, prompt=prompt)

    return venv_creation.make(
        root,
        make,
        must_be_replaced=lambda: project.preview(request).is_made,
        rehearse=rehearse,
    )


@contextlib.contextmanager
def _for_dry_run(request: ProjectRequest, planned: project.SyncPreview) -> Iterator[str]:
    """Yield the environment for a dry run: the project's own, or a temporary one like it.

    If uv would make the project's environment, or make it anew, the dry run needs a temporary one.
    """
    if not planned.is_made:
        yield planned.environment
        return
    with _elsewhere(request) as root:
        yield root


@contextlib.contextmanager
def _elsewhere(request: ProjectRequest) -> Iterator[str]:
    """Yield a temporary, empty environment like the project's. Raises UvError if none can be made."""
    from pepip.host import temp_dirs

    with temp_dirs.folder() as folder:
        if request.script:
            project.make_environment_of_script(request, f"{folder}/.venv")
        else:
            project.make_environment(request, elsewhere=f"{folder}/.venv")
        yield f"{folder}/.venv"


@contextlib.contextmanager
def _restored_on_failure(package: str) -> Iterator[None]:
    """Restore the files that `uv add` writes, if the body fails or is interrupted. New files are removed.

    uv names these files. For a `package`, which may lie anywhere, uv is asked before the body. Otherwise the files
    lie in the start folder or above it, and uv is asked only if the body fails. If uv can't name the files, those of
    the project are restored.
    """
    places: Sequence[str] = [
        f"{folder}/{name}" for folder in paths.upward(settings.start_folder()) for name in project.FILES
    ]
    if package:
        places = []
        with contextlib.suppress(UvError):  # no such project: `uv add` says so
            places = project.written(package)
    before = {path: _content(path) for path in places}
    try:
        yield
    except BaseException:
        if not package:
            own = [f"{settings.project_folder()}/{name}" for name in project.FILES]
            with contextlib.suppress(UvError, KeyboardInterrupt):
                own = project.written("")
            real = set(map(os.path.realpath, own))
            before = {path: content for path, content in before.items() if os.path.realpath(path) in real}
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
    except (FileNotFoundError, NotADirectoryError):
        return None

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
from pepip.environment import contents, project_venv, venv_id
from pepip.errors import UvError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files
from pepip.operations import apply, deciding, linked_entries, scripts, venv_creation, venvs
from pepip.operations.deciding import ChangeJob, Work
from pepip.operations.reporting import Progress, Summary
from pepip.uv import asked_interpreter, interpreter, known_plans, project, resolve, settings
from pepip.uv.answer_cache import AnswerCache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from typing import Any

    from pepip.model import Artifact, Environment, Installed
    from pepip.store.root import Store
    from pepip.uv.dry_run_output import Changes
    from pepip.uv.request import ProjectRequest


class ProjectOptions(NamedTuple):
    """The options of a sync, apart from the request itself. `words` are as in `install.InstallOptions`."""

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

    Raises PepipError. If a run is killed, the next run completes its change or takes it back. If nothing changes,
    the project and its environment are not written.
    """
    return (yield from _sync(store, request, options))


def add(
    store: Store, words: Sequence[str], package: str, request: ProjectRequest
) -> Generator[Progress, None, Outcome]:
    """Let uv add dependencies to the project, or to `package` of its workspace, and sync the selection of `request`.

    `words` are the arguments of `uv add`. As with uv, `pyproject.toml` and `uv.lock` are restored if anything fails.
    """
    from pepip.operations import edited_files

    yield Progress("resolve")
    with edited_files.restored_on_failure(package):
        project.edit("add", words)
        return (yield from _sync(store, request._replace(lock_mode=project.mode_of_lock(request)), ProjectOptions()))


def remove(store: Store, words: Sequence[str], request: ProjectRequest) -> Generator[Progress, None, Outcome]:
    """Let uv remove dependencies from the project, and sync the selection of `request`.

    `words` are the arguments of `uv remove`. As with uv, `pyproject.toml` stays changed if the sync fails.
    """
    yield Progress("resolve")
    project.edit("remove", words)
    return (yield from _sync(store, request._replace(lock_mode=project.mode_of_lock(request)), ProjectOptions()))


class _Plan(NamedTuple):
    """uv's plan for a sync.

    `question` is the question that it answers, None if the plan may depend on the project's path. `known` are the
    artifacts that were known for it, None if uv was asked for the plan.
    """

    preview: project.SyncPreview
    question: known_plans.PlanQuestion | None = None
    known: list[Artifact] | None = None


def _sync(store: Store, request: ProjectRequest, options: ProjectOptions) -> Generator[Progress, None, Outcome]:
    started, began_at_ns = time.monotonic(), time.time_ns()
    yield Progress("resolve")
    plan = _plan(store, request)
    if options.dry_run:
        summary = yield from _rehearsed(store, request, plan.preview, began_at_ns)
    else:
        summary = yield from _carried_out(store, request, plan, options, began_at_ns)
    summary = summary._replace(seconds=time.monotonic() - started)
    return Outcome(summary, _document(plan.preview, summary))


def _plan(store: Store, request: ProjectRequest) -> _Plan:
    """Return the known plan if there is one, or ask uv."""
    question = known_plans.of_missing_environment(AnswerCache(paths.cache(store.root)), request)
    if question and not venv_creation.is_unfinished(f"{question.folder}/.venv"):
        known = question.recall()
        if known is not None:
            return _Plan(known.preview, question, known.artifacts)
    return _Plan(_preview(store, request), question)


def _rehearsed(
    store: Store, request: ProjectRequest, planned: project.SyncPreview, began_at_ns: int
) -> Generator[Progress, None, Summary]:
    """Return the summary of the sync without making it."""
    for sentence in planned.changes.warnings:
        yield Progress("warning", sentence, is_of_uv=True)
    with _for_dry_run(request, planned) as root:
        environment = venvs.open_environment(root, store)
        if root != planned.environment and not planned.script:
            is_there = interpreter.is_environment(planned.environment)
            yield venvs.making_step(planned.environment, environment, "would remake" if is_there else "would make")
        job = _job(store, request, _Plan(planned), environment, began_at_ns, is_dry_run=True)
        try:
            return apply.preview(store, job, environment)._replace(environment=planned.environment)
        except UvError:
            if not planned.script:
                raise
            return scripts.rehearsed_by_uv(store, request, planned)


def _carried_out(
    store: Store, request: ProjectRequest, plan: _Plan, options: ProjectOptions, began_at_ns: int
) -> Generator[Progress, None, Summary]:
    """Make the sync, and return its summary. The environment of a script first gets a note of its script."""
    planned = plan.preview

    def job(environment: Environment) -> ChangeJob:
        if planned.script:
            venv_id.note_script(environment.root, planned.script)
        return _job(store, request, plan, environment, began_at_ns)._replace(began_at_ns=began_at_ns)

    if not planned.is_locked:
        project.lock(request)
    try:
        return (
            yield from apply.carry_out(
                store,
                planned.environment,
                make=lambda: planned.is_made and _make(store, request, planned.environment),
                job=job,
                asked=deciding.CommandLine(options.words, began_at_ns, request),
                compile_bytecode=options.compile_bytecode,
                is_shown=not planned.script,
            )
        )
    except UvError:
        if not planned.script:
            raise
        return (yield from scripts.sync_by_uv(store, request, planned, compile_bytecode=options.compile_bytecode))


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


_CLOCK_TICK_NS = 10_000_000
"""The clock that stamps files is behind that of `time.time_ns` by up to one tick of the system, in nanoseconds."""


class _Sync(NamedTuple):
    """The parts of a sync's job. uv began to plan at `began_at_ns`, and `seen` is the fingerprint after the plan."""

    store: Store
    request: ProjectRequest
    plan: _Plan
    environment: Environment
    began_at_ns: int
    seen: tuple[int, frozenset[str]]
    is_dry_run: bool

    def decide(self, present: Sequence[Installed], meanwhile: Callable[[], None]) -> Work:
        """Return the work of uv's plan, or of a new plan if the environment has changed since."""
        meanwhile()
        planned = self.plan.preview
        # The plan is for an empty environment, or for one that nobody has changed since uv read it.
        is_old = bool(present) if planned.is_made else self.seen[0] >= self.began_at_ns - _CLOCK_TICK_NS
        is_fresh = contents.fingerprint(self.environment) == self.seen and not is_old
        changes = planned.changes if is_fresh else project.preview(self.request).changes
        return deciding.work_of(changes, self._artifacts(changes, is_fresh=is_fresh) if changes.added else [])

    def _artifacts(self, changes: Changes, *, is_fresh: bool) -> Sequence[Artifact]:
        """Return the artifacts of the additions. A new answer to the plan's question is remembered."""
        plan = self.plan
        if self.is_dry_run and not plan.preview.is_locked:
            # No lock names the new files yet, so ask the indexes for these versions.
            return resolve.locate(project.staging_request(self.request), changes.added, self.environment)
        if plan.known is not None and is_fresh:
            return plan.known
        answers = AnswerCache(paths.cache(self.store.root))
        found = project.locate(self.request, changes.added, self.environment, plan.preview.lock, answers)
        if plan.question and is_fresh:
            plan.question.remember(plan.preview, found)
        return found

    def install_private(self, work: Work) -> Generator[Progress, None, None]:
        """Let uv install the private distributions, and the project itself."""
        from pepip.uv import stage

        again = deciding.private_to_reinstall(work, self.request.reinstall_options)
        stage.uninstall(self.environment.executable, again)
        for arrival in project.install_private(self.request, cache=work.cache):
            yield Progress("build", arrival.name)

    def install_private_first(self, work: Work) -> Iterator[Progress]:
        """Let uv install the private distributions into an empty environment, without the shared ones."""
        for arrival in project.install_private(self.request, without=sorted(item.name for item in work.shared)):
            yield Progress("build", arrival.name)

    def lay_out_private(self, work: Work, folder: str) -> Iterator[object]:
        """Let uv install the private distributions into a folder."""
        from pepip.uv import stage

        staging = project.staging_request(self.request)
        again = deciding.private_to_reinstall(work, self.request.reinstall_options)
        executable = self.environment.executable
        if self.builds_with_others:
            return stage.install_private(
                staging, work.private, executable, reinstall=again, prefix=folder, cache=work.cache
            )
        private = {artifact.name for artifact in work.private}
        others = {artifact.name for artifact in work.shared}
        others.update(item.name for item in contents.installed(self.environment, self.store.known_roots))
        left_out = sorted(others - private)
        return project.lay_out(self.request, executable, folder, reinstall=again, without=left_out, cache=work.cache)

    @property
    def builds_with_others(self) -> bool:
        """Whether builds of private distributions may need the other distributions of the environment."""
        staging = project.staging_request(self.request)
        return bool(self.request.script) or asked_interpreter.builds_in_environment(staging)


def _job(
    store: Store,
    request: ProjectRequest,
    plan: _Plan,
    environment: Environment,
    began_at_ns: int,
    *,
    is_dry_run: bool = False,
) -> ChangeJob:
    """Return the job of a sync."""
    seen = contents.fingerprint(environment)
    parts = _Sync(store, request, plan, environment, began_at_ns, seen, is_dry_run)
    return ChangeJob(
        project.staging_request(request),
        parts.decide,
        parts.install_private,
        parts.lay_out_private,
        is_of_project=True,
        script=request.script,
        install_private_first=None if parts.builds_with_others else parts.install_private_first,
    )


def _read_ahead(store: Store) -> None:
    """Load the modules that a change needs, and read the entries that the project's environment probably links."""
    apply.load_modules()
    name = os.environ.get("UV_PROJECT_ENVIRONMENT") or ".venv"
    root = project_venv.meant_by(os.path.join(settings.project_folder(), name))
    with contextlib.suppress(OSError):
        linked_entries.recall(store, root, lambda: contents.distributions_below(root, store.known_roots))


def _preview(store: Store, request: ProjectRequest) -> project.SyncPreview:
    """Ask uv for its plan, and ask again if another run made, replaced or removed the environment meanwhile.

    A half-made environment would mislead uv. Raises UvError or VenvError.
    """
    if request.script:
        return scripts.preview(request)
    name, active = os.environ.get("UV_PROJECT_ENVIRONMENT") or ".venv", os.environ.get("VIRTUAL_ENV", "")
    places = (os.path.join(folder, name) for folder in paths.upward(settings.start_folder()))
    roots = {project_venv.meant_by(place) for place in places}
    if active and "--active" in request.sync_options:
        roots.add(os.path.abspath(active))
    for root in roots:
        venvs.check_layout(root, store)
    while True:
        venv_creation.remove_unfinished(roots)
        before = venv_creation.state(roots)
        try:
            planned = project.preview(request, functools.partial(_read_ahead, store))
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
        store.create_unless_layered()  # its cache keeps the answers for other folders with the same project
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

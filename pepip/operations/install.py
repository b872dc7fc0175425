"""`pip install` and `pip sync`: the same result as with uv's pip interface, linked from the store."""

from __future__ import annotations

import contextlib
import functools
import time

from pepip import paths
from pepip.errors import UvError
from pepip.fast_namedtuple import NamedTuple
from pepip.operations import apply, deciding, venvs
from pepip.operations.deciding import ChangeJob, Work
from pepip.operations.reporting import Progress, Summary
from pepip.uv import arguments, required_hashes, resolve, settings
from pepip.uv.answer_cache import AnswerCache
from pepip.uv.dry_run_output import Change, Changes
from pepip.uv.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from pepip.model import Environment, Installed
    from pepip.store.root import Store


class InstallOptions(NamedTuple):
    """The options of an install, apart from the request itself.

    `python` is a request in uv's words, empty for uv's choice. `words` are the command line, if a note may answer the
    same command the next time (see `up_to_date_notes`).
    """

    environment: str
    python: str = ""
    compile_bytecode: bool = False
    dry_run: bool = False
    words: tuple[str, ...] = ()


def install(store: Store, request: Request, options: InstallOptions) -> Generator[Progress, None, Summary]:
    """Install `request` into an environment, yielding progress, and return a Summary.

    Raises PepipError. If the request fails before anything is linked, an environment that this run made is removed
    again. If a run is killed, the next command on that environment completes the change or takes it back.
    """
    started, began_at_ns = time.monotonic(), time.time_ns()
    known = AnswerCache(paths.cache(store.root))

    def job(environment: Environment) -> ChangeJob:
        return _job(request, environment, known)._replace(began_at_ns=began_at_ns)

    if options.dry_run:
        with venvs.existing_or_temporary(options.environment, options.python) as root:
            environment = venvs.open_environment(root, store)
            if root != options.environment:
                yield venvs.making_step(options.environment, environment, "would make")
            summary = apply.preview(store, job(environment), environment)
        summary = summary._replace(environment=options.environment)
    else:
        summary = yield from apply.carry_out(
            store,
            options.environment,
            make=lambda: venvs.make(options.environment, options.python, known),
            job=job,
            asked=deciding.CommandLine(options.words, began_at_ns, request),
            compile_bytecode=options.compile_bytecode,
        )
    return summary._replace(seconds=time.monotonic() - started)


def _job(request: Request, environment: Environment, known: AnswerCache) -> ChangeJob:
    executable = environment.executable
    files_name_index = functools.cache(lambda: required_hashes.may_name_index(request))

    def decide(present: Sequence[Installed], meanwhile: Callable[[], None]) -> Work:
        artifacts = None
        if not present and not _needs_uvs_own_check(request):
            meanwhile()
            # In an empty environment, the resolution is the plan. If resolving fails, uv is asked below, so that its
            # own message reaches the user.
            with contextlib.suppress(UvError):
                artifacts = resolve.resolve(request, environment, known)
        if artifacts is not None:
            added = tuple(Change(artifact.name, artifact.version, "") for artifact in artifacts)
            return deciding.work_of(Changes((), added), artifacts, required_hashes.of(request))
        changes = resolve.changes(request, environment, meanwhile)
        artifacts = resolve.locate(request, changes.added, environment, known) if changes.added else []
        return deciding.work_of(changes, artifacts, required_hashes.of(request))

    def install_private(work: Work) -> Generator[Progress, None, None]:
        from pepip.uv import stage

        stage.uninstall(executable, deciding.private_to_reinstall(work, request.installer_options))
        is_of_lock = any(map(arguments.is_lock, request.requirement_files))
        if work.needs_whole_request or is_of_lock or files_name_index():
            arrivals = stage.install_as_given(request, executable, cache=work.cache)
        else:
            arrivals = stage.install_private(
                request, work.private, executable, indexes=work.indexes, cache=work.cache
            )
        for arrival in arrivals:
            yield Progress("build", arrival.name)

    def lay_out_private(work: Work, folder: str) -> Iterator[object]:
        from pepip.uv import stage

        if work.needs_whole_request or files_name_index():  # build requirements come from those indexes, too
            site_packages = environment.interpreter.site_packages
            return stage.check(request, executable, prefix=folder, site_packages=site_packages, cache=work.cache)
        options = arguments.without(request.common_options, {"--no-build"}, {"--no-binary", "--only-binary"})
        anything = request._replace(common_options=(*options, "--no-binary", ":none:"))
        again = deciding.private_to_reinstall(work, request.installer_options)
        return stage.install_private(
            anything,
            work.private,
            executable,
            reinstall=again,
            prefix=folder,
            indexes=work.indexes,
            cache=work.cache,
        )

    return ChangeJob(request, decide, install_private, lay_out_private)


# Settings that `uv pip compile` obeys and `uv pip install` does not know.
_SETTINGS_OF_COMPILE = ("universal", "no-emit-package", "output-file", "python-platform", "python-version")


def _is_odd(package: str) -> bool:
    """Tell whether a requirement would mean something else as a line of a requirements file."""
    return not package.strip() or package.lstrip().startswith(("-", "#")) or "\n" in package


def _needs_uvs_own_check(request: Request) -> bool:
    """Tell whether uv's installer itself must read the request, so that resolving it is not enough."""
    return (
        bool(request.installer_options)
        or request.is_whole
        or any(_is_odd(package) for package in request.packages)
        or any(map(arguments.is_lock, request.requirement_files))
        or required_hashes.are_required(request)
        or required_hashes.of(request).is_unclear
        or settings.may_mention(*_SETTINGS_OF_COMPILE)
    )

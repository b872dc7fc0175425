"""Decisions: the work of a change, as uv decides it, before anything is changed.

A decision holds for one state of an environment. The code that carries it out must look again under the lock.
"""

from __future__ import annotations

import contextlib

from pepip import paths
from pepip.environment import contents, journal
from pepip.errors import UvError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import locks
from pepip.model import Artifact
from pepip.store import venv_times
from pepip.uv.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from typing import TypeVar

    from pepip.model import Environment, Installed
    from pepip.operations.reporting import Progress
    from pepip.store.root import Store
    from pepip.uv.dry_run_output import Change, Changes
    from pepip.uv.request import ProjectRequest
    from pepip.uv.required_hashes import Demands

    Answer = TypeVar("Answer")

MOST_ATTEMPTS = 20  # another tool may change the environment while uv reads it


class Work(NamedTuple):
    """The work of a change, decided before anything is changed.

    `shared` is linked from the store. `private` is installed by uv itself, from `indexes` (URLs) among other sources.
    With `has_open_demands` the request demands hashes that only uv can check. `cache` is a folder in which uv keeps
    the wheels that it builds for this work alone, empty for uv's own cache.
    """

    changes: Changes
    shared: list[Artifact]
    private: list[Artifact]
    has_open_demands: bool = False
    indexes: tuple[str, ...] = ()
    cache: str = ""

    @property
    def needs_whole_request(self) -> bool:
        """Whether uv needs the whole request again to install the private distributions."""
        return self.has_open_demands or not all(artifact.is_located for artifact in self.private)


class ChangeJob(NamedTuple):
    """The parts of a change that differ between commands.

    `request` holds uv's options for staging. `decide` gets the distributions of the environment, and a function that
    it must call before it returns, best while uv works. If another tool changes the environment meanwhile, `decide`
    is called again. `install_private` is called after everything else is linked, and after installed distributions of
    the same names are removed. `lay_out_private` lets uv install the same distributions into a folder, to see where
    their files will be. `began_at_ns` is the time before uv was first asked. With `is_of_project`, uv reads its
    settings as for `uv sync`. If `script` names a script, uv also reads the settings in it. `install_private_first`
    lets uv install the private distributions into an environment that has no distributions yet, before the others are
    linked. It is None if the command has no such step, or if their builds may need the others.
    """

    request: Request
    decide: Callable[[Sequence[Installed], Callable[[], None]], Work]
    install_private: Callable[[Work], Generator[Progress, None, None]]
    lay_out_private: Callable[[Work, str], Iterator[object]]
    began_at_ns: int = 0
    is_of_project: bool = False
    script: str = ""
    install_private_first: Callable[[Work], Iterator[Progress]] | None = None


def work_of(changes: Changes, artifacts: Sequence[Artifact], demands: Demands | None = None) -> Work:
    """Return the work of uv's plan. Distributions without an artifact that can be shared are private."""
    known = {artifact.name: artifact for artifact in artifacts}
    added = [known.get(item.name) or _unknown(item) for item in changes.added]
    shared = [artifact for artifact in added if artifact.is_shared]
    private = [artifact for artifact in added if not artifact.is_shared]
    is_open = bool(added) and demands is not None and not demands.are_met_by_all(added)
    return Work(changes, shared, private, is_open)


def _unknown(change: Change) -> Artifact:
    """Return the artifact of a distribution that uv plans to install and that no lock names."""
    package = {"name": change.name, **({"url": change.url} if change.url else {})}
    return Artifact(change.name, change.version, "", package, "", 0, None, "")


def private_to_reinstall(work: Work, options: Sequence[str]) -> list[str]:
    """Return the names of private distributions that are installed and must be installed again in any case.

    There are some only if an option asks to reinstall. Without one, uv finds changed distributions by itself. If it
    were told their names, it would build them a second time.
    """
    if not any(option.startswith(("--reinstall", "--force-reinstall")) for option in options):
        return []
    replaced = {change.name for change in work.changes.removed}
    return [artifact.name for artifact in work.private if artifact.name in replaced]


class CommandLine(NamedTuple):
    """A command line (`words`), the time when the command began, and its request.

    `words` are empty if the same command must ask uv again the next time, and so no note of it may be kept.
    """

    words: Sequence[str]
    began_at_ns: int
    request: Request | ProjectRequest

    @property
    def is_of_files(self) -> bool:
        """Whether files hold the request: a project, or files of requirements.

        Such a command is repeated often. A command that names packages is mostly not repeated after it has changed an
        environment. If it is, the second run finds nothing to do, and notes that.
        """
        return not isinstance(self.request, Request) or bool(self.request.requirement_files)


class Decision(NamedTuple):
    """The decided work, and the state of the environment at the time of the decision.

    `changed_at_ns` is the modification time of its site-packages, as `venv_times.modified_ns` gives it.
    """

    environment: Environment
    changed_at_ns: int
    fingerprint: tuple[int, frozenset[str]]
    present: list[Installed]
    work: Work


def decide_first(
    store: Store, job: ChangeJob, environment: Environment, meanwhile: Callable[[], None]
) -> Decision | None:
    """Return the first decision, or None if uv must be asked again after a recovery.

    That is so if the environment must be recovered first, or if another process changed it while uv read it, and uv
    failed. `meanwhile` is called while uv works, after the environment was found to be whole. Raises UvError.

    If the first decision finds nothing to do, the caller changes no distribution and no entry.
    """
    if journal.is_unfinished(environment.root):
        return None

    def check(present: Sequence[Installed]) -> None:
        from pepip.operations import linked_entries

        linked_entries.recall(store, environment.root, lambda: present)
        if linked_entries.have_losses(store, environment, present):
            raise _LostEntryError
        meanwhile()

    try:
        return decide(store, job, environment, check)
    except (_LostEntryError, DisturbedError):
        return None


class _LostEntryError(Exception):
    """The store has lost an entry of an environment: uv's answer may rest on links that lead nowhere."""


def decide(
    store: Store,
    job: ChangeJob,
    environment: Environment,
    check: Callable[[Sequence[Installed]], None] | None = None,
) -> Decision:
    """Let uv decide, and `check` the distributions meanwhile. An error of `check` ends the decision.

    Raises DisturbedError if another process changed the environment meanwhile and uv failed.
    """
    changed_at_ns = venv_times.modified_ns(environment.site_packages)
    seen = contents.fingerprint(environment)
    present = contents.installed(environment, store.known_roots)
    with _disturbances_named(environment, seen):
        work = job.decide(present, lambda: check and check(present))
    return Decision(environment, changed_at_ns, seen, present, work)


class DisturbedError(UvError):
    """Another process changed an environment while uv read it, and uv failed. The fields are those of uv's error.

    uv waits for other processes only where the file system has locks. Other tools never wait.
    """


@contextlib.contextmanager
def _disturbances_named(environment: Environment, fingerprint: tuple[int, frozenset[str]]) -> Iterator[None]:
    try:
        yield
    except UvError as error:
        if contents.fingerprint(environment) == fingerprint and not journal.is_under_way(environment.root):
            raise
        raise DisturbedError(
            error.message, output=error.output, exit_code=error.exit_code, hint=error.hint
        ) from error


def undisturbed(environment: Environment, ask: Callable[[], Answer]) -> Answer:
    """Return uv's answer about an environment. `ask` calls uv, and is called again after a DisturbedError of uv.

    Raises UvError.
    """
    for _ in range(MOST_ATTEMPTS):
        try:
            with _disturbances_named(environment, contents.fingerprint(environment)):
                return ask()
        except DisturbedError:  # noqa: PERF203 - each call can fail by itself
            wait_for_others(environment.root)
    return ask()


def wait_for_others(root: str) -> None:
    """Wait until no other run of pepip changes the environment at `root`, and no uv where uv has locks."""
    journal.wait(root)
    with locks.held(paths.environment_lock(root)):
        pass

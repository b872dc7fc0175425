"""Upgrading distributions in many environments: one combined plan, then one change for each environment.

Each environment is upgraded in its own way: a project with a `pyproject.toml` by its lock, a script by its inline
metadata, a tool by uv, any other environment as by `pip install --upgrade`.
"""

from __future__ import annotations

import contextlib
import os

from packaging.requirements import InvalidRequirement, Requirement

from pepip import humanized
from pepip.environment import purposes
from pepip.errors import PepipError, StoreError, UsageError, VenvError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import rights
from pepip.names import normalize_name
from pepip.operations import census, install, needs, own_requirements, project, tools
from pepip.operations.reporting import Progress, Summary
from pepip.uv import project as uv_project
from pepip.uv.request import ProjectRequest, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from pepip.operations.census import KnownVenv
    from pepip.operations.needs import UnmetNeed
    from pepip.store.root import Store

BY_LOCK = "lock"
BY_SCRIPT = "script"
BY_TOOL = "tool"
BY_PIP = "pip"

WAYS = {
    BY_LOCK: "by its lock",
    BY_SCRIPT: "by its inline metadata",
    BY_TOOL: "the whole tool, by uv",
    BY_PIP: "as by pip install --upgrade",
}
"""How an environment is upgraded, in words."""

_OF_ANOTHER_PROJECT = (
    *("UV_PROJECT", "UV_PROJECT_ENVIRONMENT", "UV_WORKING_DIR", "UV_WORKING_DIRECTORY"),
    "VIRTUAL_ENV",
)
"""Variables that name one project or environment. uv would work on that one instead of each target."""


class Target(NamedTuple):
    """An environment to upgrade, the requirements whose newest versions it gets, and the way (see `WAYS`).

    Without `requirements`, it gets the newest versions of all its distributions.
    """

    known: KnownVenv
    requirements: tuple[str, ...]
    way: str

    @property
    def environment(self) -> str:
        """The root of the environment."""
        return self.known.environment


class Targets(NamedTuple):
    """The environments to upgrade, and those that are left alone, each with the reason in a sentence."""

    chosen: tuple[Target, ...]
    skipped: tuple[tuple[KnownVenv, str], ...]


class Preview(NamedTuple):
    """The outcome that the upgrade of one environment would have, or the reason why it would fail.

    `broken` are needs of other distributions that are met now and would not be met then.
    """

    target: Target
    summary: Summary | None
    failure: str = ""
    broken: tuple[UnmetNeed, ...] = ()

    @property
    def has_work(self) -> bool:
        """Whether the upgrade would change something."""
        summary = self.summary
        return summary is not None and bool(summary.linked or summary.removed or summary.private)


class UpgradePlan(NamedTuple):
    """The previews of all environments. A file that several of them lack is downloaded once, and counts once."""

    previews: tuple[Preview, ...]
    skipped: tuple[tuple[KnownVenv, str], ...]

    @property
    def downloads(self) -> dict[str, int]:
        """The size in bytes of each file to download, as far as the index gives it, by the file's identity."""
        return {
            identity or f"{preview.target.environment} {number}": size_bytes
            for preview in self.previews
            if preview.summary
            for number, (identity, size_bytes) in enumerate(preview.summary.downloads)
        }


class Result(NamedTuple):
    """The end of one environment's upgrade: its summary, or the reason why it failed."""

    target: Target
    summary: Summary | None
    failure: PepipError | None = None


def targets(
    seen: census.Census, requirements: Sequence[str], wanted: Sequence[str] = (), folder: str = ""
) -> Targets:
    """Return the environments that have any of the required distributions, each with the requirements of those.

    Without `requirements`, all distributions of an environment are meant. `wanted` has names of environments, as
    `KnownVenv.is_called` reads them: relative paths begin in `folder`. By default all environments are meant. Raises
    UsageError for a text that is no requirement, and StoreError for a name that no environment has.
    """
    by_name = {_name_of(text): text for text in requirements}
    chosen: list[Target] = []
    skipped: list[tuple[KnownVenv, str]] = []
    for known in _meant(seen.projects, wanted, folder):
        present = {item.name for item in known.packages}
        found = tuple(text for name, text in by_name.items() if name in present)
        reason = _reason_to_skip(known)
        if reason and (wanted or not known.packages or found):
            skipped.append((known, reason))
        elif found or (present and not by_name):
            chosen.append(Target(known, found, way_of(known)))
        elif wanted:
            skipped.append((known, f"it has no {' and no '.join(by_name)}"))
    return Targets(tuple(chosen), tuple(skipped))


def sorted_out(chosen: Iterable[Target]) -> Targets:
    """Return targets that a user has chosen, apart from those that can't be upgraded, which are `skipped`."""
    found: list[Target] = []
    skipped: list[tuple[KnownVenv, str]] = []
    for target in chosen:
        reason = _reason_to_skip(target.known)
        if reason:
            skipped.append((target.known, reason))
        else:
            found.append(target)
    return Targets(tuple(found), tuple(skipped))


def way_of(known: KnownVenv) -> str:
    """Return the way in which an environment is upgraded: see `WAYS`."""
    if known.purpose.kind == purposes.TOOL:
        return BY_TOOL
    if known.purpose.kind == purposes.SCRIPT:
        return BY_SCRIPT
    # Another user of the store could write that an environment belongs to a project with harmful dependencies.
    is_certain = known.name == known.environment or rights.owns(known.registration.file)
    return BY_LOCK if is_certain and project.syncs_by_lock(known.name) else BY_PIP


def preview(store: Store, meant: Targets) -> Generator[Progress, None, UpgradePlan]:
    """Return the changes that the upgrades would make, yielding progress.

    Changes nothing, except that an interrupted change is completed or taken back first. An environment for which uv
    finds no plan is in the result, with the reason.
    """
    found = []
    for number, target in enumerate(meant.chosen):
        yield Progress("resolve", target.known.name, number, len(meant.chosen))
        try:
            summary = yield from _look(store, target)
        except (PepipError, OSError) as error:
            found.append(Preview(target, None, sentence_of(error)))
            continue
        found.append(Preview(target, summary, "", _broken(store, target, summary)))
    return UpgradePlan(tuple(found), meant.skipped)


def upgrade(store: Store, target: Target) -> Generator[Progress, None, Summary]:
    """Upgrade the packages of one environment, yielding progress, and return the summary.

    Raises PepipError. A failure leaves the same files on disk as a failure of the command that carries out the
    upgrade: see `project.sync`, `install.install` and `tools.upgrade`.
    """
    with _at_home(target):
        if target.way == BY_TOOL:
            return (yield from tools.upgrade(store, target.environment))
        if target.way == BY_PIP:
            options = install.InstallOptions(environment=target.environment)
            return (yield from install.install(store, _request(_by_pip(target)), options))
        if target.way == BY_LOCK:
            refuse_another(target.environment)
        options_of_sync = project.ProjectOptions()
        return (yield from project.sync(store, _project_request(target), options_of_sync)).summary


def upgrade_all(
    store: Store, chosen: Sequence[Target], tell: Callable[[Result], None] | None = None
) -> Generator[Progress, None, list[Result]]:
    """Upgrade environments one after the other, yielding progress. A failure does not stop the rest.

    `tell` is called with each result as soon as it is there.
    """
    results = []
    for target in chosen:
        try:
            result = Result(target, (yield from upgrade(store, target)))
        except PepipError as error:
            result = Result(target, None, error)
        except OSError as error:
            result = Result(target, None, VenvError(sentence_of(error)))
        results.append(result)
        if tell:
            tell(result)
    return results


def _look(store: Store, target: Target) -> Generator[Progress, None, Summary]:
    """Return the changes that the upgrade of one environment would make."""
    with _at_home(target):
        if target.way in {BY_LOCK, BY_SCRIPT}:
            options = project.ProjectOptions(dry_run=True)
            outcome = yield from project.sync(store, _project_request(target), options)
            _check_place(outcome.summary.environment, target.environment)
            return outcome.summary
        requirements = _by_pip(target)
        if target.way == BY_TOOL:  # uv has no dry run for tools, but upgrades a tool to the resolution of its receipt
            requirements = tuple(str(own.requirement) for own in own_requirements.of(target.known))
            if not requirements:
                raise VenvError("its receipt does not name the requirements of the tool")
        dry_run = install.InstallOptions(environment=target.environment, dry_run=True)
        return (yield from install.install(store, _request(requirements), dry_run))


def refuse_another(environment: str) -> None:
    """Raise VenvError if uv, started in the current folder, would sync another environment than this one.

    uv does so for a member of a workspace, and if a variable such as `UV_PROJECT_ENVIRONMENT` names another one.
    """
    try:
        planned = uv_project.preview(ProjectRequest(lock_mode="frozen"))
    except PepipError:  # the project has no lock yet
        planned = uv_project.preview(ProjectRequest())
    _check_place(planned.environment, environment)


def _check_place(planned: str, environment: str) -> None:
    if os.path.realpath(planned) != os.path.realpath(environment):
        variables = [name for name in _OF_ANOTHER_PROJECT if name.startswith("UV_") and os.environ.get(name)]
        raise VenvError(
            f"in the folder of this project, uv syncs {planned}, and not {environment}",
            hint=f"unset {humanized.listed(variables)}" if variables else None,
        )


def _by_pip(target: Target) -> tuple[str, ...]:
    return target.requirements or tuple(sorted(item.name for item in target.known.packages))


def _request(requirements: Sequence[str]) -> Request:
    return Request(packages=tuple(requirements), resolver_options=("--upgrade",))


def _project_request(target: Target) -> ProjectRequest:
    words = tuple(word for text in target.requirements for word in ("--upgrade-package", text)) or ("--upgrade",)
    script = target.known.purpose.script
    return ProjectRequest(resolver_options=words, script=script.path if target.way == BY_SCRIPT and script else "")


@contextlib.contextmanager
def _at_home(target: Target) -> Iterator[None]:
    """Work in the folder that the environment belongs to: uv finds settings and the project from there.

    This changes the folder and the variables of the whole process: nothing else may depend on them meanwhile.
    """
    purpose = target.known.purpose
    own = purpose.name if purpose.kind == purposes.PROJECT else target.environment
    folder = os.path.dirname(purpose.script.path if purpose.script else own)
    before, variables = os.getcwd(), {name: os.environ.pop(name, None) for name in _OF_ANOTHER_PROJECT}
    try:
        os.chdir(folder)
        yield
    finally:
        os.chdir(before)
        os.environ.update({name: value for name, value in variables.items() if value is not None})


def _broken(store: Store, target: Target, summary: Summary) -> tuple[UnmetNeed, ...]:
    """Return the needs that the new versions would leave unmet. Only `pip install --upgrade` can leave any."""
    if target.way != BY_PIP or not summary.linked:
        return ()
    known, checks = target.known, needs.Needs(store)
    versions = dict((*summary.linked, *summary.private))
    before = checks.unmet(known.environment, known.python, known.packages)
    after = checks.unmet_with(known.environment, known.python, known.packages, versions)
    unmet_before = {(need.name, need.requirement) for need in before}
    return tuple(need for need in after if (need.name, need.requirement) not in unmet_before)


def _reason_to_skip(known: KnownVenv) -> str:
    if known.state != census.OK:
        return known.reason or known.state
    if known.purpose.kind == purposes.RUN:
        return "uv makes it anew when it is needed"
    if known.purpose.kind == purposes.SCRIPT and known.purpose.script is None:
        return "its script is not known"
    return ""


def _meant(projects: Iterable[KnownVenv], wanted: Sequence[str], folder: str) -> list[KnownVenv]:
    known = list(projects)
    if not wanted:
        return known
    found: dict[str, KnownVenv] = {}
    for name in wanted:
        called = [item for item in known if item.is_called(name, folder)]
        if not called:
            raise StoreError(f"no environment at {name} links the store", hint="`pepip projects` lists those that do")
        found.update({item.environment: item for item in called})
    return list(found.values())


def _name_of(text: str) -> str:
    try:
        return normalize_name(Requirement(text).name)
    except InvalidRequirement as error:
        raise UsageError(f"{text!r} is no requirement", hint="a name, maybe with a specifier: 'numpy<3'") from error


def sentence_of(error: PepipError | OSError) -> str:
    """Return an error in one line: uv's own explanation if there is one, without the lines before its `error:`."""
    if isinstance(error, PepipError):
        lines = [line.strip() for line in getattr(error, "output", "").splitlines() if line.strip()]
        first = next((number for number, line in enumerate(lines) if line.startswith("error:")), 0)
        return " ".join(lines[first:])[:600].removeprefix("error: ") if lines else error.message
    return f"{error.strerror or error}: {error.filename}" if error.filename else str(error)

"""Uninstalling: links, scripts, data files and metadata go; entries stay in the store for other projects."""

from __future__ import annotations

import re
import time

from pepip.environment import contents, journal
from pepip.fast_namedtuple import NamedTuple
from pepip.names import normalize_name
from pepip.operations import apply, deciding, linked_entries, venvs
from pepip.operations.deciding import ChangeJob, Work
from pepip.uv import resolve
from pepip.uv.dry_run_output import Changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from pepip.model import Environment, Installed
    from pepip.operations.reporting import Progress, Summary
    from pepip.store.root import Store
    from pepip.uv.dry_run_output import Change
    from pepip.uv.request import Request

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


class Removal(NamedTuple):
    """The distributions that an uninstall would remove, and the requested names that are not installed.

    `fingerprint` is the state of the `environment` at that time: see `contents.fingerprint`.
    """

    environment: Environment
    removed: tuple[Change, ...]
    absent: tuple[str, ...]
    fingerprint: tuple[int, frozenset[str]]


def preview(store: Store, root: str, request: Request) -> Removal:
    """Return the effect of uninstalling what `request` names from the environment at `root`.

    Changes nothing, except that an interrupted change is completed or taken back first. Raises PepipError.
    """
    environment = venvs.open_environment(root, store)
    if journal.is_unfinished(root):
        from pepip.operations import recover

        recover.complete_interrupted(store, root)
    fingerprint = contents.fingerprint(environment)
    installed = contents.installed(environment, store.known_roots)

    def read_ahead() -> None:
        linked_entries.recall(store, root, lambda: installed)
        apply.load_modules()

    removed = deciding.undisturbed(environment, lambda: resolve.removals(request, environment, read_ahead))
    going = {item.name for item in removed}
    present = {item.name for item in installed}
    named = [match[0] for match in map(_NAME.match, request.packages) if match and "/" not in match.string]
    absent = tuple(name for name in named if normalize_name(name) not in going | present)
    return Removal(environment, removed, absent, fingerprint)


def uninstall(
    store: Store, root: str, request: Request, previewed: Removal | None = None
) -> Generator[Progress, None, Summary]:
    """Uninstall from the environment at `root`, yielding progress, and return a Summary.

    If the environment is as it was when it was `previewed`, uv is not asked again. Folders that were real only
    because of the removed distributions are linked whole again. Raises PepipError. If a run is killed, the next
    command on that environment completes the change or takes it back.
    """
    started = time.monotonic()

    def job(environment: Environment) -> ChangeJob:
        def decide(present: Sequence[Installed], meanwhile: Callable[[], None]) -> Work:
            del present
            if previewed and _holds(previewed):
                meanwhile()
                removed = previewed.removed
            else:
                removed = resolve.removals(request, environment, meanwhile)
            return deciding.work_of(Changes(removed, ()), [])

        def install_private(work: Work) -> Generator[Progress, None, None]:
            del work
            yield from ()

        def lay_out_private(work: Work, folder: str) -> Iterator[object]:
            del work, folder
            return iter(())

        return ChangeJob(request, decide, install_private, lay_out_private)

    opened = previewed.environment if previewed and _holds(previewed) else None
    summary = yield from apply.carry_out(store, root, make=lambda: False, job=job, opened=opened)
    return summary._replace(seconds=time.monotonic() - started)


def _holds(previewed: Removal) -> bool:
    """Tell whether the environment is as it was when its removals were previewed."""
    return contents.fingerprint(previewed.environment) == previewed.fingerprint

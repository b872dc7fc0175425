"""Filling the store without a project: for an image, or for a team that shares it."""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.errors import VenvError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import folder_use, permissions, rights
from pepip.operations import acquire, deciding, recover, venv_creation, venvs
from pepip.operations.reporting import Progress
from pepip.store import staging
from pepip.uv import arguments, interpreter, required_hashes, resolve, stage
from pepip.uv.answer_cache import AnswerCache
from pepip.uv.dry_run_output import Change, Changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pepip.model import Entry, Environment
    from pepip.operations.deciding import Work
    from pepip.store.root import Store
    from pepip.uv.request import Request


class Added(NamedTuple):
    """The result for a request: entries that the store had, new entries, and distributions that can't be shared."""

    reused: list[Entry]
    stored: list[Entry]
    unshared: list[str]


def add(store: Store, request: Request, python: str) -> Generator[Progress, None, Added]:
    """Store what `request` would install into an empty environment, yielding progress. Return an Added.

    `python` names a Python as uv's option `--python` does. If it is empty, the Python of the store's own environment
    is taken. That environment is made if it is missing. If this user can't use it, a temporary environment takes its
    place. Raises PepipError; entries that were published before the failure stay.
    """
    store.create()
    if store.is_writable():
        staging.remove_abandoned(store)
    yield Progress("resolve")
    with _environment(store, python) as root:
        environment = venvs.open_environment(root, store)
        work = _decide(request, environment)
        if work.has_open_demands:
            yield from acquire.check_demands(request, environment)
        acquired = yield from acquire.acquire(
            store, request, work.shared, environment, is_checked=work.has_open_demands
        )
    recover.replace_outdated_hard_links(store, (acquired.entries[name] for name in acquired.stored))
    entries = [acquired.entries[name] for name in sorted(acquired.entries)]
    return Added(
        reused=[entry for entry in entries if entry.name not in acquired.stored],
        stored=[entry for entry in entries if entry.name in acquired.stored],
        unshared=[item.name for item in work.private] + list(acquired.unshared),
    )


def _decide(request: Request, environment: Environment) -> Work:
    """Return the work of uv for an empty environment. Raises UvError if it would refuse the request."""
    demands = required_hashes.of(request)
    is_for_uv = required_hashes.are_required(request) or any(map(arguments.is_lock, request.requirement_files))
    if is_for_uv:  # a resolution reads no lock, and accepts requirements without a hash
        changes = resolve.changes(request, environment)
        return deciding.work_of(changes, resolve.locate(request, changes.added, environment), demands)
    artifacts = resolve.resolve(request, environment)
    added = tuple(Change(artifact.name, artifact.version, "") for artifact in artifacts)
    return deciding.work_of(Changes((), added), artifacts, demands)


@contextlib.contextmanager
def _environment(store: Store, python: str) -> Iterator[str]:
    """Yield the environment for whose interpreter the request is resolved."""
    root = paths.global_environment(store.root)
    # Never start another user's program, nor one that other members of a team may write.
    is_usable = not store.is_shared and (rights.is_own(root) or not os.path.lexists(root))
    if not python and is_usable and store.is_writable() and _ensure_made(root, AnswerCache(paths.cache(store.root))):
        with folder_use.in_use(root):
            yield root
        return
    with venvs.existing_or_temporary("", python) as root:
        yield root


def _ensure_made(root: str, known: AnswerCache) -> bool:
    """Make the store's own environment if it is missing or has lost its interpreter. Return whether it is there.

    Only this user may enter it, whatever the umask is. If all users could write it before, it is made anew.
    """

    def must_be_replaced() -> bool:
        return was_open or not _has_interpreter(root)

    try:
        was_open = permissions.close_folder(root)
        with contextlib.suppress(VenvError):  # anything else there is replaced below: the folder is the store's own
            venvs.make(root, "", known)
        if must_be_replaced():
            venv_creation.make(root, lambda: stage.make_environment(root, ""), must_be_replaced=must_be_replaced)
            permissions.close_folder(root)
    except (VenvError, PermissionError):  # the folder belongs to another user
        return False
    return True


def _has_interpreter(root: str) -> bool:
    try:
        return bool(interpreter.executable(root))
    except VenvError:
        return False

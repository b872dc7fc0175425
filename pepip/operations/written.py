"""Entries that another tool wrote into, through a folder that an environment links whole.

A plain user is refused by the modes of an entry, but root is not, nor anybody in a folder that has templates or data.
Whatever pepip command comes next, in whichever project, notices and repairs.
"""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.environment import contents
from pepip.errors import CorruptEntryError, PepipError
from pepip.host import links, locks, permissions, transfer
from pepip.model import Progress
from pepip.operations import relinking, target
from pepip.store import entries, inspection, registry, traces, trash
from pepip.store.entries import SEALED_AT_NS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from pepip.model import Environment, Registration
    from pepip.store.home import Store


def look(store: Store) -> Generator[Progress, None, None]:
    """Repair entries that other tools wrote into since pepip looked last, with a warning for each.

    What was added goes, and stays with the distribution that brought it, in its environment. An entry whose files
    were changed counts as damaged from now on: whoever links it stores it anew. Costs one look at each registered
    environment where no other tool was at work.
    """
    seen = traces.Seen(store.home)
    names = seen.changed()
    if not names:
        return
    registered = (registry.read(f"{paths.projects(store.home)}/{name}") for name in names)
    changed = [item for item in registered if item is not None and not item.is_damaged]
    places = [
        (os.path.basename(item.file), folder) for item in changed for folder in _site_packages(item.environment)[:1]
    ]
    looked_at: set[str] = set()
    is_done = True
    for item in changed:
        for entry_id in item.entries or ():
            path = f"{paths.packages(store.home)}/{entry_id}"
            if entry_id not in looked_at and _is_written(path):
                is_done &= yield from _repair(store, path, item)
            looked_at.add(entry_id)
    if is_done:
        seen.note(places)


def note(store: Store, environment: Environment) -> None:
    """Note that pepip itself has changed an environment just now."""
    name = os.path.basename(registry.file_of(store, environment.root))
    if name:
        traces.Seen(store.home).note([(name, environment.site_packages)])


def _site_packages(root: str) -> list[str]:
    try:
        return contents.site_packages_of(root)
    except OSError:
        return []


def _is_written(path: str) -> bool:
    """Tell whether something was added to a folder of an entry, removed from it, or replaced in it."""
    pending = [path]
    try:
        for folder in pending:
            if os.lstat(folder).st_mtime_ns != SEALED_AT_NS:
                return True
            with os.scandir(folder) as children:
                folders = (child for child in children if child.is_dir(follow_symlinks=False))
                pending += [child.path for child in folders if child.name != paths.PYCACHE]
    except OSError:
        return os.path.isdir(path)  # of an entry that is there, each folder can be looked into
    return False


def _repair(store: Store, path: str, item: Registration) -> Generator[Progress, None, bool]:
    """Repair an entry, as far as that needs nothing from elsewhere.

    Tells whether it is whole now, or known for damaged.
    """
    name = os.path.basename(path)
    flaws = inspection.inspect(path)
    shown = next((flaw.path for flaw in flaws if flaw.kind != "touched"), "")
    said = f"another tool wrote into {name} in the store, probably in {item.environment}" + (shown and f" ({shown})")
    if not permissions.is_own(path):
        yield Progress("warning", f"{said}: its owner, or root, can repair it with `pepip store repair`")
        return True
    try:
        if any(flaw.kind in {"added", "altered"} for flaw in flaws):
            _keep_there(store, item)
        if all(flaw.kind in {"added", "touched", "mode"} for flaw in flaws):
            with trash.grave(store) as grave:
                inspection.mend(path, flaws, grave, like=store.like)
            if shown:
                yield Progress("warning", f"{said}: repaired")
        else:
            _break_seal(store, path)
            yield Progress("warning", f"{said}: it is stored anew when it is needed, or by `pepip store repair`")
    except (OSError, PepipError) as error:
        reason = error.message if isinstance(error, PepipError) else f"{error.strerror}: {error.filename}"
        yield Progress("warning", f"{said}, and it can't be repaired: {reason}")
        return False
    return True


def _break_seal(store: Store, path: str) -> None:
    """Let everybody who looks at an entry see that it was changed. One that can't be read needs no other sign."""
    bucket, name = path.split("/")[-2:]
    with contextlib.suppress(FileNotFoundError, CorruptEntryError):
        for folder in entries.sealed(entries.read(store, f"{bucket}/{name}"))[:1]:
            os.utime(folder)


def _keep_there(store: Store, item: Registration) -> None:
    """Make files of their own, in an environment, of what its private distributions have through links.

    Where that can't be done, those distributions lack these files until they are installed again.
    """
    root = item.environment
    with contextlib.suppress(OSError, PepipError):
        if not (permissions.is_own(root) and permissions.may_change(contents.site_packages_of(root)[0])):
            return
        environment = target.open_environment(root, store)
        with locks.in_use(root), store.linking(), locks.held(f"{root}/.lock"):
            present = contents.installed(environment, store.homes)
            relinking.change_links(store, environment, present, [], [])
            for distribution in present:
                if not distribution.store_id:
                    _own(environment, contents.files_of(environment, distribution))


def _own(environment: Environment, files: Iterable[str]) -> None:
    for path in files:
        place = f"{environment.root}/{path}"
        if links.read_link(place) or (os.path.isfile(place) and os.stat(place).st_nlink > 1):
            transfer.replace_by_copy(place)

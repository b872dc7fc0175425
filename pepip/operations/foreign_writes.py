"""Entries that another tool wrote into, through a folder that an environment links whole.

The modes of an entry do not stop root. In folders of templates or data they do not stop the entry's owner either.
The next pepip command, in any project, notices such a write and repairs the entry.
"""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.environment import contents
from pepip.errors import CorruptEntryError, PepipError
from pepip.host import folder_use, links, locks, rights
from pepip.operations import venvs
from pepip.operations.reporting import Progress
from pepip.store import registry, venv_times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from pepip.model import Environment
    from pepip.store.root import Store


def repair_written(store: Store) -> Generator[Progress, None, None]:
    """Repair entries that other tools wrote into since the last look, with a warning for each.

    An added file is removed from the entry. The distribution that brought it keeps a copy in its environment. An
    entry whose files were changed counts as damaged from now on. The next command that links it stores it again. If
    no other tool was at work, this costs one `stat` for each registered environment, and for root one more for each
    distribution there.
    """
    seen = venv_times.VenvTimes(store.root)
    names = seen.changed()
    if not names:
        return
    registered = (registry.read(f"{paths.projects(store.root)}/{name}") for name in names)
    changed = [item for item in registered if item is not None and not item.is_damaged]
    rows = {os.path.basename(item.file): row for item in changed for row in _time_of_change(item.environment)}
    users: dict[str, list[str]] = {}
    for item in changed:
        for entry_id in item.entries or ():
            if paths.is_layered(entry_id):
                continue  # its layer's owner looks after it
            users.setdefault(entry_id, []).append(item.environment)
    is_done = True
    for entry_id, roots in users.items():
        path = f"{paths.packages(store.root)}/{entry_id}"
        if store.trusts(os.path.dirname(path)) and is_written(path):
            is_done &= yield from _repair(store, path, roots)
    if is_done:
        seen.note(rows)


def note(store: Store, environment: Environment, before_ns: int, *, is_by_uv: bool) -> None:
    """Note that pepip itself, or uv for it (`is_by_uv`), has changed an environment.

    `before_ns` is the time that the environment's `VenvTime` had before this change. Nothing is noted if another tool
    was at work there since the last look: then the next command must look. pepip fills a `.dist-info` folder before
    it moves the folder into site-packages, so site-packages has the newest time. uv fills such a folder inside
    site-packages, so the times of these folders count, too.
    """
    name = os.path.basename(registry.file_of(store, environment.root))
    seen = venv_times.VenvTimes(store.root)
    if name and seen.knows(name, before_ns):
        folder = environment.site_packages
        changed_at_ns = venv_times.modified_ns(folder, looks_inside=is_by_uv)
        seen.note({name: (max(changed_at_ns, before_ns), folder)})


def _time_of_change(root: str) -> list[venv_times.VenvTime]:
    """Return the time of an environment's last change, as a list of one.

    The list is empty while the environment is locked: uv may still be writing into entries.
    """
    if locks.is_held(paths.environment_lock(root)):
        return []
    try:
        folders = contents.site_packages_of(root)
    except OSError:
        folders = []
    return [venv_times.time_of(folder) for folder in folders[:1] or [root]]  # time 0 if the environment is gone


def is_written(path: str) -> bool:
    """Tell whether something was added to a folder of an entry, removed from it, or replaced in it."""
    from pepip.store import entries

    pending = [path]
    try:
        for folder in pending:
            if os.lstat(folder).st_mtime_ns != entries.SEALED_AT_NS:
                return True
            with os.scandir(folder) as children:
                folders = (child for child in children if child.is_dir(follow_symlinks=False))
                pending += [child.path for child in folders if child.name != paths.PYCACHE]
    except OSError:
        return os.path.isdir(path)  # each folder of an existing entry can be listed
    return False


def _repair(store: Store, path: str, roots: list[str]) -> Generator[Progress, None, bool]:
    """Repair an entry, as far as no download is needed. `roots` are environments that may be at fault.

    Returns False if the repair failed and must be tried again. If several commands find the same entry, one repairs
    it, and the others wait for that and find it repaired.
    """
    from pepip.store import staging

    is_own = store.owns_entry(path)
    at_fault = [root for root in roots if is_own and _copy_to_private(store, root)]
    with staging.changing(store, path) if is_own else contextlib.nullcontext():
        if not is_written(path):
            return True
        return (yield from _repair_alone(store, path, at_fault or roots, is_own=is_own))


def _repair_alone(store: Store, path: str, roots: list[str], *, is_own: bool) -> Generator[Progress, None, bool]:
    """Repair an entry as `_repair` does, while no other command does that."""
    from pepip.store import check, trash  # most commands find nothing to repair

    flaws = [flaw for flaw in check.inspect(path) if flaw.kind != check.UNPROVEN]
    shown = next((flaw.path for flaw in flaws if flaw.kind != "touched"), "")
    name, places = os.path.basename(path), " or ".join(roots)
    said = f"another tool wrote into {name} in the store, probably through {places}" + (shown and f" ({shown})")
    if not is_own:
        yield Progress("warning", f"{said}: its owner, or root, can repair it with `pepip store repair`")
        return True
    try:
        if all(flaw.kind in {"added", "touched", "mode"} for flaw in flaws):
            with trash.grave(store) as grave:
                check.correct(path, flaws, grave, root_stat=store.root_stat)
            if shown:
                yield Progress("warning", f"{said}: repaired")
        else:
            break_seal(store, path)
            yield Progress("warning", f"{said}: it is stored anew at its next use, or by `pepip store repair`")
    except (OSError, PepipError) as error:
        reason = error.message if isinstance(error, PepipError) else f"{error.strerror}: {error.filename}"
        yield Progress("warning", f"{said}, and it can't be repaired: {reason}")
        return False
    return True


def break_seal(store: Store, path: str) -> None:
    """Give a changed entry's sealed folder a new time, so that every check sees the change.

    An entry that can't be read is left alone: each check sees that it is damaged.
    """
    from pepip.store import entries

    bucket, name = path.split("/")[-2:]
    with contextlib.suppress(FileNotFoundError, CorruptEntryError):
        for folder in entries.sealed(entries.read(store, f"{bucket}/{name}"))[:1]:
            os.utime(folder)


def _copy_to_private(store: Store, root: str) -> bool:
    """Give an environment copies of the files that its private distributions have only through links.

    Returns whether there were such files. If another tool has installed a distribution over a linked one of the same
    name, the linked one is removed. If the environment can't be changed, its private distributions lack these files
    until they are installed again. A distribution counts as private only if its METADATA is a file: while somebody
    deletes an environment, a linked distribution may have lost its METADATA already.
    """
    from pepip.environment import eject_links
    from pepip.environment.change_plan import LinkChange
    from pepip.environment.tree import Tree
    from pepip.operations import relinking

    borrowed: list[str] = []
    with contextlib.suppress(OSError, PepipError):
        if not (venvs.is_own(root) and rights.may_change(contents.site_packages_of(root)[0])):
            return False
        environment = venvs.open_environment(root, store)
        with folder_use.in_use(root), venvs.locked(store, root):
            present = contents.installed(environment, store.known_roots)
            private = [item for item in present if not item.store_id and contents.has_own_metadata(environment, item)]
            files = {path for item in private for path in contents.files_of(environment, item)}
            tree = Tree(environment)
            borrowed = [path for path in files if not tree.reaches(path)]
            if not borrowed:
                return False
            relinking.change_links(store, environment, present, LinkChange())
            _copy_linked(environment, borrowed)
            names = {item.name for item in private}
            replaced = [item for item in present if item.store_id and item.name in names]
            if replaced:
                relinking.change_links(store, environment, present, LinkChange(removals=replaced))
            # A tool that installed the same version wrote its metadata over that of the linked distribution.
            eject_links.make_real(environment, store.known_roots, borrowed)
    return bool(borrowed)


def _copy_linked(environment: Environment, files: Iterable[str]) -> None:
    """Replace files that are still links into the store by copies. Hard links stay: they keep their content."""
    from pepip.environment.tree import Tree
    from pepip.host import transfer

    tree = Tree(environment)
    for path in files:
        if tree.reaches(path) and links.read_link(f"{environment.root}/{path}"):
            transfer.replace_by_copy(f"{environment.root}/{path}")

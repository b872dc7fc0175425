"""Checks of all that pepip depends on: uv, the store, the registry, environments, file systems, permissions."""

from __future__ import annotations

import os
import shutil

from pepip import humanized, paths
from pepip.errors import PepipError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import disk_usage, files, links, lock_kinds, rights
from pepip.operations import census
from pepip.store import leases, listing, staging, trash, trust
from pepip.uv import link_mode, process, program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pepip.operations.census import Census
    from pepip.store.root import Store

OK, WARNING, ERROR = "ok", "warning", "error"


class HealthCheck(NamedTuple):
    """One check and its result. `state` is `ok`, `warning` or `error`; `hint` is the remedy."""

    topic: str
    state: str
    sentence: str
    hint: str = ""


def examine(store: Store) -> Iterator[HealthCheck]:
    """Yield one check after the other. Leaves nothing behind.

    Links and locks are tried on temporary files: in the store, in the current folder or its `.venv`, and in uv's
    cache.
    """
    yield _uv()
    if os.path.lexists(store.root) and not store.exists():
        yield HealthCheck("store", ERROR, f"{store.root} is not a folder", "set PEPIP_HOME to a folder")
        return
    if not store.exists():
        yield _missing(store)
        return
    seen = census.take(store)
    yield _store(store, seen)
    yield _writing(store)
    yield from _sharing(store)
    yield from _layers(store, seen)
    yield from _links(store)
    yield from _locks(store)
    yield from _here(store)
    yield _room(store)
    yield from _registry(store, seen)
    yield from _environments(seen)
    yield _trash(store)


def _uv() -> HealthCheck:
    try:
        version = process.run(["--version"]).stdout.strip()
    except PepipError as error:
        return HealthCheck("uv", ERROR, error.message, error.hint or "")
    return HealthCheck("uv", OK, f"{version}, {program.path()}")


def _missing(store: Store) -> HealthCheck:
    """Tell whether the store, which is not there, can be made: the nearest folder above it must be writable."""
    above = next(filter(os.path.lexists, paths.upward(os.path.dirname(os.path.abspath(store.root)))))
    if not os.path.isdir(above) or not os.access(above, os.W_OK | os.X_OK):
        reason = "no permission to write" if os.path.isdir(above) else "no folder is at"
        sentence = f"{store.root} does not exist, and can't be made: {reason} {above}"
        return HealthCheck("store", ERROR, sentence, "set PEPIP_HOME to a folder that you may write")
    return HealthCheck("store", OK, f"{store.root} does not exist yet", "`pepip install` or `pepip sync` makes it")


def _store(store: Store, seen: Census) -> HealthCheck:
    damaged = [item.id for item in seen.stored if item.state == "damaged"]
    sentence = f"{store.root}: {humanized.count(len(seen.stored), 'entry', 'entries')}, {_environment_count(seen)}"
    if damaged:
        return HealthCheck(
            "store", ERROR, f"{sentence}; {', '.join(damaged[:3])} can't be read", "`pepip store repair`"
        )
    return HealthCheck("store", OK, sentence)


def _writing(store: Store) -> HealthCheck:
    if not store.is_writable():
        return HealthCheck(
            "permissions", WARNING, "read-only store: you can use it, not change it", "ask its owner for permission"
        )
    others = [
        folder
        for folder in (paths.packages(store.root), paths.projects(store.root), paths.staging(store.root))
        if os.path.isdir(folder) and not os.access(folder, os.W_OK | os.X_OK)
    ]
    if others:
        return HealthCheck(
            "permissions", ERROR, f"{others[0]} may not be written", "correct its mode, or run pepip as its owner"
        )
    return HealthCheck("permissions", OK, "you may add to this store")


def _sharing(store: Store) -> Iterator[HealthCheck]:
    """Report, for a shared store, whose entries each member links, or a weakness of the store's folders."""
    if not store.is_shared:
        return
    weakness = trust.weakness(store.root, store.root_stat)
    if weakness:
        yield HealthCheck("sharing", WARNING, weakness, _END_WEAKNESS)
    else:
        yield HealthCheck(
            "sharing", OK, f"several users write this store, and link {trust.in_words(store.trust, store.root_stat)}"
        )


def _layers(store: Store, seen: Census) -> Iterator[HealthCheck]:
    """Report the leases if this store is a layer for others. Then report each layer that this store uses.

    The report of a layer has the number of environments that link it and, if it is there, its owner and the number
    of its entries.
    """
    policy = leases.policy_of(store.root)
    if policy:
        number = len(leases.valid(store))
        verb = "keeps" if number == 1 else "keep"
        held = f"{humanized.count(number, 'lease')} of readers {verb} entries" if number else "no reader has a lease"
        said = held if policy.takes_leases else "it takes no leases: prune it by age"
        yield HealthCheck("layer", OK, f"{store.root} is a layer for others; {said}")
    away = store.layers_away()
    for layer in store.layers:
        linking = [known for known in seen.projects if any(map(_is_in(layer.root), known.linked))]
        users = humanized.count(len(linking), "environment")
        if layer.root in away:
            verb = "links" if len(linking) == 1 else "link"
            state, hint = (ERROR, _MOUNT_LAYER) if linking else (WARNING, "mount it, or take it out of PEPIP_LAYERS")
            yield HealthCheck("layer", state, f"{layer.root} {away[layer.root]}; {users} of yours {verb} it", hint)
            continue
        try:
            content = humanized.count(len(listing.stored_ids(layer)), "entry", "entries")
        except PermissionError:
            content = "its entries can't be listed"
        owner = rights.name_of(layer.root_stat.st_uid)
        sentence = f"{layer.root}: {content}, linked by {users} of yours; its owner {owner} can run code as you"
        weakness = trust.weakness(layer.root, layer.root_stat)
        if weakness:
            yield HealthCheck("layer", WARNING, weakness, _END_WEAKNESS)
        yield HealthCheck("layer", OK, sentence)


def _is_in(root: str) -> Callable[[str], bool]:
    return lambda entry_id: paths.layer_of(entry_id) == root


_END_WEAKNESS = "`pepip store init --shared GROUP`, as its owner or root"
_MOUNT_LAYER = "mount it, or run `pepip store repair`, which stores the missing packages in your own store"


def _links(store: Store) -> Iterator[HealthCheck]:
    """Check which links the store's file system has, and whether uv's cache lies on the same file system.

    The links are tried out in the staging folder.
    """
    if store.is_writable() and os.path.isdir(paths.staging(store.root)):
        try:
            with staging.area(store) as area:
                kinds = links.kinds(area)
        except (PepipError, OSError):  # a full disk, for example
            yield HealthCheck(
                "links", WARNING, f"nothing can be written to {store.root}", "`pepip prune` frees space"
            )
            return
        lacking = [kind for kind in ("hard links", "symbolic links") if kind not in kinds]
        if lacking:
            yield HealthCheck(
                "links",
                ERROR,
                f"the store's file system has no {' and no '.join(lacking)}",
                "move the store elsewhere",
            )
        else:
            yield HealthCheck("links", OK, "the store's file system has hard and symbolic links")
    try:
        cache = process.run(["cache", "dir"]).stdout.strip()
        same = os.stat(_nearest_existing(cache)).st_dev == os.stat(store.root).st_dev
    except (PepipError, OSError):
        return
    if same:
        yield HealthCheck(
            "uv's cache", OK, f"{cache}, on the store's file system: its files are shared with the store"
        )
    else:
        yield HealthCheck(
            "uv's cache",
            WARNING,
            f"{cache}, on another file system: files are copied from it into the store",
            "UV_CACHE_DIR on the store's file system saves those copies",
        )


def _locks(store: Store) -> Iterator[HealthCheck]:
    """Report the kind of locks in the store, in uv's cache, and in `.venv` or, without one, in the current folder."""
    try:
        cache = _nearest_existing(process.run(["cache", "dir"]).stdout.strip())
    except PepipError:
        cache = ""
    here = next((path for path in (".venv", ".") if os.path.isdir(path)), "")
    for name, folder in (("the store", store.root), ("this folder", here), ("uv's cache", cache)):
        try:
            kind = lock_kinds.kind_in(folder) if folder else ""
        except OSError:
            continue  # nothing can be written there
        if kind:
            yield _lock_check(name, os.path.abspath(folder), kind)


def _lock_check(name: str, folder: str, kind: str) -> HealthCheck:
    sentence = f"{name} has {kind} ({folder})"
    if kind == lock_kinds.FLOCK:
        return HealthCheck("locks", OK, sentence)
    if kind == lock_kinds.FAILING:
        return HealthCheck("locks", ERROR, sentence, "check its file system, and the server of that file system")
    if name == "uv's cache":
        hint = "set UV_CACHE_DIR to a folder on another file system"
        return HealthCheck("locks", WARNING, f"{sentence}: uv goes on without a lock", hint)
    if kind == lock_kinds.NONE:
        in_store = name == "the store"
        sentence += ": nothing is pruned or removed" if in_store else ": commands there don't wait for each other"
        return HealthCheck("locks", ERROR, sentence, "put it on another file system")
    sentence = f"{sentence}: commands of pepip wait for each other, but uv takes no lock"
    return HealthCheck("locks", WARNING, sentence, "run no uv in an environment while pepip changes it")


def _here(store: Store) -> Iterator[HealthCheck]:
    """Report which links an environment in the current folder gets, and whether another link mode fits better."""
    try:
        here = os.getcwd()
        is_near = os.stat(here).st_dev == os.stat(store.root).st_dev
        mode = link_mode.chosen((), link_mode.PIP)
    except FileNotFoundError:
        return  # the current folder was removed
    except PepipError as error:
        yield HealthCheck("link mode", ERROR, error.message, "choose clone, copy, hardlink or symlink")
        return
    if mode:
        yield HealthCheck("link mode", OK, f"{mode}: new environments get real files")
        return
    if is_near:
        sentence = (
            f"{here} is on the store's file system: environments here get links to folders, and hard links to "
            "single files"
        )
    else:
        sentence = (
            f"{here} is on another file system than the store: environments here get links to folders, and copies "
            "of most single files"
        )
    yield HealthCheck("this folder", OK, sentence)
    closed = rights.closed_to_others(store.root)
    if files.user_id() or not closed:
        yield from _in_container()
    elif not f"{here}/".startswith(f"{closed}/"):
        yield HealthCheck(
            "link mode",
            WARNING,
            f"only root can enter {closed}: no other user can use packages that environments link from there",
            "set PEPIP_HOME to a folder for all, or UV_LINK_MODE=copy",
        )


def _in_container() -> Iterator[HealthCheck]:
    if any(map(os.path.exists, _SIGNS_OF_CONTAINERS)) and hasattr(os, "geteuid") and not files.user_id():
        yield HealthCheck(
            "link mode",
            OK,
            "you are root in a container: UV_LINK_MODE=hardlink keeps tools from adding files to the store through "
            "linked folders, and UV_LINK_MODE=copy makes environments that need no store",
        )


_SIGNS_OF_CONTAINERS = ("/.dockerenv", "/run/.containerenv")


def _room(store: Store) -> HealthCheck:
    free = shutil.disk_usage(store.root).free
    state = WARNING if free < _LITTLE_BYTES else OK
    return HealthCheck("room", state, f"{humanized.size(free)} free", "`pepip prune`" if state == WARNING else "")


_LITTLE_BYTES = 1_000_000_000


def _registry(store: Store, seen: Census) -> Iterator[HealthCheck]:
    for registration in seen.damaged:
        yield HealthCheck(
            "registry",
            ERROR,
            f"{registration.file} can't be read, so nothing is pruned: {registration.damage}",
            "`pepip projects scan DIR` registers the environments below a folder anew; then remove the file",
        )
    if seen.stored and not os.path.isdir(paths.projects(store.root)):
        yield HealthCheck(
            "registry",
            ERROR,
            f"the registry {paths.projects(store.root)} is gone: nothing is pruned",
            "`pepip projects scan DIR` registers the environments below a folder anew",
        )
    elif not seen.damaged:
        yield HealthCheck("registry", OK, f"{paths.projects(store.root)}: {_environment_count(seen)}")


def _environment_count(seen: Census) -> str:
    return humanized.count(len(seen.projects), "environment")


def _environments(seen: Census) -> Iterator[HealthCheck]:
    hints = {
        census.BROKEN: "run `pepip store repair`, or `pepip sync` there",
        census.UNREACHABLE: "its entries are kept; run `pepip projects forget` if it is gone for good",
        census.MISSING: "`pepip prune` removes unused entries; `pepip projects scan DIR` finds it if it was moved",
    }
    bad = [known for known in seen.projects if known.state not in {census.OK, census.CHANGING}]
    for known in bad:
        state = ERROR if known.state == census.BROKEN else WARNING
        yield HealthCheck("environment", state, f"{known.environment}: {known.reason}", hints[known.state])
    if not bad and seen.projects:
        yield HealthCheck("environments", OK, f"{_environment_count(seen)}, found and whole")


def _trash(store: Store) -> HealthCheck:
    left = trash.contents(store, kept=False)
    if not left:
        kept = sum(len(grave.entry_ids) for grave in trash.kept(store))
        waiting = f"{humanized.count(kept, 'entry', 'entries')} can be brought back: `pepip prune --undo`"
        return HealthCheck("trash", OK, waiting if kept else "empty")
    size = disk_usage.measure(left).allocated_bytes
    return HealthCheck(
        "trash",
        WARNING,
        f"removed entries still occupy {humanized.size(size)}",
        "`pepip prune` empties the trash",
    )


def _nearest_existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path

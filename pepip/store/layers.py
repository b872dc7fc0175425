"""Layers: further stores from which a user links entries. Except for `store publish`, pepip writes only leases there.

A layer is an ordinary store of its owner. pepip looks for an entry in the user's own store first, then in each layer,
in order. The id of an entry in a layer is the path of its folder, so that it differs from the id of the user's own
entry of the same name. The owner of a layer can run code as its users. So only the user (by `PEPIP_LAYERS`) and
the owner of the user's store (by the file `layers` in it) may name layers. A project can't.
"""

from __future__ import annotations

import contextlib
import os
import stat

from pepip import paths
from pepip.errors import UsageError
from pepip.host import files, user_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

VARIABLE = "PEPIP_LAYERS"

_MOST_BYTES = 1 << 16
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_NAME = "layers"


def named(variables: Mapping[str, str], store_root: str) -> tuple[str, ...]:
    """Return the roots of the layers, in the order of their search.

    `PEPIP_LAYERS` names them, separated as in `PATH`. If it is not set, the file `layers` in the store names them.
    The store itself is left out, and so are further names of one layer, such as a link to it. Raises UsageError for a
    path that is not absolute, since it would depend on the current folder, and for a store among the entries of
    another, since their entries can't be told apart.
    """
    if VARIABLE in variables:
        source, words = VARIABLE, variables[VARIABLE].split(os.pathsep)
    else:
        source, words = paths.layer_list(store_root), _listed(store_root)
    found: list[str] = []
    known = {paths.real(store_root)} if words else set()
    for word in filter(None, map(str.strip, words)):
        path = paths.expand_user(word, variables)
        if not os.path.isabs(path):
            raise UsageError(f"{source} names {word}, which is no absolute path", hint="write its absolute path")
        path = paths.slashed(os.path.normpath(path))
        real = paths.real(path)
        if real not in known:
            known.add(real)
            found.append(path)
    if found:
        _refuse_nested((store_root, *found), source)
    return tuple(found)


def _refuse_nested(roots: tuple[str, ...], source: str) -> None:
    """Raise UsageError if one of the stores lies among the entries of another. The first is the user's own."""
    real_roots = {root: paths.real(root) for root in roots}
    for outer in roots:
        entries = f"{paths.real(paths.packages(outer))}/"
        for root, real in real_roots.items():
            if real.startswith(entries):
                raise UsageError(
                    f"the store {root} lies among the entries of the store {outer}",
                    hint=f"name another folder in {'PEPIP_HOME' if root == roots[0] else source}",
                )


def store_above(path: str) -> str:
    """Return the root of the store among whose entries a path lies, empty if it lies in none.

    A store is recognized by its folders.
    """
    for folder in paths.upward(paths.real(path)):
        root, name = os.path.split(folder)
        if name == "packages" and os.path.isdir(paths.projects(root)) and os.path.isdir(paths.staging(root)):
            return root
    return ""


def _listed(store_root: str) -> list[str]:
    """Return the lines of the store's file `layers`, without comments.

    The file is ignored if other users may have written it, or if it is too long.
    """
    try:
        content, status = files.read_with_status(paths.layer_list(store_root), most_bytes=_MOST_BYTES)
    except OSError:
        return []
    owners = {0, files.user_id()}
    with contextlib.suppress(OSError):
        owners.add(os.stat(store_root).st_uid)
    if os.name != "nt" and (status.st_uid not in owners or status.st_mode & _OTHERS_WRITE or status.st_nlink != 1):
        return []
    lines = content.decode("utf-8", "surrogateescape").splitlines()
    return [line for line in map(str.strip, lines) if not line.startswith("#")]


def linked_before(store_root: str) -> list[str]:
    """Return the roots of the layers from which this user has linked, even if they are no longer named."""
    try:
        content = user_cache.read(user_cache.folder_in(paths.cache(store_root)), _NAME, most_bytes=_MOST_BYTES)
    except (OSError, ValueError):
        return []
    lines = content.decode("utf-8", "surrogateescape").splitlines()
    return [line for line in lines if os.path.isabs(line)]


def note_linked(store_root: str, entry_ids: Iterable[str]) -> None:
    """Note the layers of these entries, so that links into them are recognized even when they are no longer named."""
    roots = {paths.layer_of(entry_id) for entry_id in entry_ids if paths.is_layered(entry_id)} - {""}
    if not roots:
        return
    new = {root for root in roots.difference(linked_before(store_root)) if "\n" not in root}
    if not new:
        return
    folder = user_cache.folder_in(paths.cache(store_root))
    with contextlib.suppress(OSError), user_cache.updating(folder):
        wanted = dict.fromkeys((*linked_before(store_root), *sorted(new)))
        content = "".join(f"{root}\n" for root in wanted).encode("utf-8", "surrogateescape")
        user_cache.write(folder, _NAME, content, is_lasting=True)


def away(layer_roots: Iterable[str]) -> dict[str, str]:
    """Return the roots of the layers that can't be used now, each with the reason, such as `is not there`.

    Such a layer may come back: it may be mounted again, or the user may get permission or a Kerberos ticket again.
    """
    found = {root: _absence(root) for root in layer_roots}
    return {root: reason for root, reason in found.items() if reason}


def _absence(root: str) -> str:
    """Return the reason why a layer can't be used, empty if it can."""
    folder = paths.packages(root)
    try:
        if stat.S_ISDIR(os.stat(folder).st_mode):
            return "" if os.access(folder, os.X_OK) else "can't be read"
    except PermissionError:
        return "can't be read"
    except OSError:
        pass
    with contextlib.suppress(OSError):
        if os.listdir(root):  # an empty folder may be a mount point
            return "is no store: it has no `packages` folder"
    return "is not there"

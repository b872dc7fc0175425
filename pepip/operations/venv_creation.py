"""Making environments, one at a time in a folder, without losing an environment that is there.

Several runs may find at the same time that an environment is missing. Each run checks again under the lock: the first
makes the environment, the others find it. An environment that is to be replaced is moved aside, and put back if
the new one can't be made.
"""

from __future__ import annotations

import contextlib
import os

from pepip.errors import VenvError
from pepip.host import filesystems, folder_use, links
from pepip.uv import interpreter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def make(
    root: str,
    maker: Callable[[], None],
    *,
    must_be_replaced: Callable[[], bool] = lambda: False,
    rehearse: Callable[[], None] = lambda: None,
) -> bool:
    """Let `maker` make the environment at `root`, and tell whether it did. An environment that is there stays.

    If `must_be_replaced` returns True (it is called under the lock), anything at `root` is replaced. A mounted
    folder, and a folder whose parent this user can't write, can only be emptied, not moved aside. So before an
    environment there is emptied, `rehearse` is called, and must raise an error if no environment can be made.
    Raises the errors of `maker` and `rehearse`, and VenvError if something else stands at `root` or if this user may
    not write there. The former content is then back, unless it could not be moved aside.
    """
    parent = os.path.dirname(root)
    try:
        os.makedirs(parent, exist_ok=True)
    except OSError as error:
        raise VenvError(f"cannot make {parent}: {error.strerror}") from error
    with folder_use.in_use(parent, alone=True, inside=True):
        _remove_unfinished(root)
        is_free = not os.path.lexists(root) or (os.path.isdir(root) and not os.listdir(root))
        if not is_free and not must_be_replaced():
            interpreter.executable(root)  # raises VenvError if no working environment is there
            return False
        if not (os.access(parent, os.W_OK | os.X_OK) or (os.path.isdir(root) and os.access(root, os.W_OK | os.X_OK))):
            raise VenvError(f"cannot make {root}: no permission to write {parent}")
        with folder_use.in_use(root, alone=True):  # wait until no run uses the old one
            _make(root, maker, rehearse)
    return True


def _make(root: str, maker: Callable[[], None], rehearse: Callable[[], None]) -> None:
    was_there = os.path.lexists(root)
    if interpreter.is_environment(root) and not _can_be_moved(root):
        rehearse()
    _mark(root)
    try:
        _put_aside(root)  # if this fails, nothing has changed
        try:
            maker()
        except BaseException:
            _take_back(root, was_there=was_there)
            raise
        filesystems.remove_tree(_aside(root))
    finally:
        _unmark(root)


def _take_back(root: str, *, was_there: bool) -> None:
    """Remove the unfinished environment, and put back the environment that was there before."""
    if was_there or not _can_be_moved(root):
        _empty(root)
        _put_back(root)
    else:
        filesystems.remove_tree(root)


def unmake(root: str) -> None:
    """Remove an environment that this run made, unless it holds distributions or another run uses it."""
    with folder_use.in_use(os.path.dirname(root), alone=True, inside=True):
        has_distributions = any(name.endswith(".dist-info") for _, folders, _ in links.walk(root) for name in folders)
        if has_distributions or folder_use.is_in_use(root):
            return
        if _can_be_moved(root):
            filesystems.remove_tree(root)
        else:
            _empty(root)


def remove_unfinished(roots: Iterable[str]) -> None:
    """Wait for a run that makes one of these environments, and remove the leftovers of a killed run.

    uv itself would refuse to go on with them.
    """
    for root in roots:
        if is_unfinished(root):
            with folder_use.in_use(os.path.dirname(root), alone=True, inside=True):
                _remove_unfinished(root)


def is_unfinished(root: str) -> bool:
    """Tell whether a run makes an environment at `root` now, or was killed while it made one."""
    return os.path.lexists(_marker(root))


def state(roots: Iterable[str]) -> list[object]:
    """Return a value that changes if one of these environments is made, replaced or removed."""
    found: list[object] = []
    for root in roots:
        try:
            status = os.stat(f"{root}/pyvenv.cfg")
            made: object = (status.st_dev, status.st_ino, status.st_mtime_ns)
        except OSError:
            made = None
        found += [made, is_unfinished(root)]
    return found


def _remove_unfinished(root: str) -> None:
    """Remove the leftovers of a killed run. The caller holds the lock of the folder above.

    A checkout can bring a link and the marker. So nothing is removed behind a link, and VenvError is raised, unless a
    run has put an environment aside there.
    """
    if not is_unfinished(root):
        return
    if not interpreter.is_environment(root):
        is_behind_link = links.read_link(root) and os.path.isdir(root) and bool(os.listdir(root))
        if is_behind_link and not os.path.isdir(_aside(root)):
            raise VenvError(
                f"{root} is a link to a folder that is no environment", hint=f"remove the link and {_marker(root)}"
            )
        _take_back(root, was_there=os.path.isdir(_aside(root)))
    filesystems.remove_tree(_aside(root))
    _unmark(root)


def _can_be_moved(root: str) -> bool:
    """Tell whether an environment's folder can be renamed: no mount point, and its parent may be written."""
    folder = os.path.realpath(root)
    return filesystems.mount_point(folder) != folder and os.access(os.path.dirname(folder), os.W_OK | os.X_OK)


def _put_aside(root: str) -> None:
    """Move the folder of an environment aside. If it can't be moved, empty it: see `_can_be_moved`.

    If `root` is a link, the link stays, and the folder behind it is made again. Raises OSError if the move fails.
    """
    folder = os.path.realpath(root)
    if not os.path.isdir(folder) or not os.listdir(folder):
        return
    if not _can_be_moved(root):
        _empty(root)
        return
    os.rename(folder, _aside(root))
    if os.path.islink(root):
        os.mkdir(folder)


def _put_back(root: str) -> None:
    """Put back an environment that was put aside. The folder in its place is empty or missing."""
    if not os.path.isdir(_aside(root)):
        return
    folder = os.path.realpath(root)
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(folder)
    os.rename(_aside(root), folder)


def _empty(root: str) -> None:
    """Remove all that is in a folder, `pyvenv.cfg` first: an environment without it counts as unfinished."""
    if not os.path.isdir(root):
        return
    for name in sorted(os.listdir(root), key=lambda name: name != "pyvenv.cfg"):
        filesystems.remove(f"{root}/{name}")


def _marker(root: str) -> str:
    """Return the path of the file that stands beside an environment while it is made."""
    return f"{os.path.dirname(root)}/.{os.path.basename(root)}.pepip-making"


def _aside(root: str) -> str:
    """Return the path to which an environment is moved aside: beside its real folder, on the same disk."""
    folder = os.path.realpath(root)
    return f"{os.path.dirname(folder)}/.{os.path.basename(folder)}.pepip-before"


def _mark(root: str) -> None:
    with contextlib.suppress(PermissionError), open(_marker(root), "x", encoding="utf-8"):
        pass


def _unmark(root: str) -> None:
    with contextlib.suppress(FileNotFoundError, PermissionError):
        os.unlink(_marker(root))

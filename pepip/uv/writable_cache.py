"""Gives uv a writable cache if its own cache is read-only: in sandboxes, on hardened machines, in containers.

uv writes its cache in nearly every command, and fails if it can't. So it gets a temporary folder as its cache. That
folder has links to the files of the read-only cache. uv replaces files whole, so it never writes through a link. If
uv can write its own cache, nothing is done. Source: uv's documentation of its cache.
"""

from __future__ import annotations

import os
import stat

from pepip import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_CACHE = "pepip-uv-cache"
_TOOLS = "pepip-uv-tools"
_LINKED_WHOLE = ("archive-v", "git-v", "python-v")  # uv never changes an existing folder in these buckets
_LEFT_OUT = ("builds-v", ".tmp")
_SOURCE_TREE = "src"
_MARKS = frozenset((".git", ".gitignore"))  # uv writes these anew


def usual() -> str:
    """Return uv's cache folder, empty if its place can't be known without asking uv."""
    if os.environ.get("UV_CACHE_DIR"):
        return paths.absolute(os.environ["UV_CACHE_DIR"])
    if os.name != "posix":
        return ""
    caches = paths.user_folder(os.environ, "XDG_CACHE_HOME", ".cache")
    return paths.absolute(f"{caches}/uv") if caches else ""


def ensure() -> None:
    """Set `UV_CACHE_DIR` to a temporary cache for this process and its programs, if uv can't write its own cache."""
    if os.name != "posix" or os.environ.get("UV_NO_CACHE"):
        return
    cache = usual()
    if cache and may_be_written(cache):
        return
    if not os.environ.get("UV_CACHE_DIR"):
        cache = named_in_settings() or cache
    if not cache or not may_be_written(cache):
        own = _temporary(_CACHE, lambda place: _mirror_cache(cache, place))
        if own:
            os.environ["UV_CACHE_DIR"] = own


def named_in_settings(options: Sequence[str] = ()) -> str:
    """Return the cache folder that uv takes if a settings file may name one, empty if none does.

    `options` are the words by which uv finds settings and its cache.
    """
    from pepip.errors import UvError
    from pepip.uv import process, settings

    if not settings.may_mention("cache-dir"):
        return ""
    try:
        found = process.run(["cache", "dir", "--color", "never", *options]).stdout.strip()
    except UvError:  # a command of uv reports the error
        return ""
    return paths.absolute(found) if found else ""


def is_temporary() -> bool:
    """Tell whether uv has a temporary cache."""
    return os.path.basename(os.environ.get("UV_CACHE_DIR", "")).startswith(f"{_CACHE}-")


def ensure_tools(folder: str) -> None:
    """Set `UV_TOOL_DIR` to a temporary folder with links to the tools in `folder`, if uv can't write `folder`.

    uv writes a lock in that folder even to run a tool.
    """
    if not may_be_written(folder):
        own = _temporary(_TOOLS, lambda place: _link_children(folder, place), is_made_anew=True)
        if own:
            os.environ["UV_TOOL_DIR"] = own


def may_be_written(folder: str) -> bool:
    """Tell whether this user may write a folder, or make it if it does not exist."""
    while not os.path.isdir(folder):
        if os.path.lexists(folder):
            return False
        folder = os.path.dirname(folder)
    return os.access(folder, os.W_OK | os.X_OK)


def _temporary(name: str, fill: Callable[[str], None], *, is_made_anew: bool = False) -> str:
    """Return a temporary folder that only this user may enter, filled by `fill` when it is made. Empty if that fails.

    The folder stays for later commands, so that they have the files that uv adds to it. With `is_made_anew`, it is
    made again.
    """
    import tempfile

    from pepip.host import files, filesystems

    try:
        path = f"{tempfile.gettempdir()}/{name}-{files.user_id()}"
        if not is_made_anew and _is_private(path):
            return path
        place = tempfile.mkdtemp(prefix=f"{name}-{files.user_id()}.")
        fill(place)
        if is_made_anew and _is_private(path):
            filesystems.remove_tree(path)
        try:
            os.rename(place, path)
        except OSError:  # another run was faster, or another user has taken this name
            if not _is_private(path):
                return place
            filesystems.remove_tree(place)
        return path
    except OSError:
        return ""


def _is_private(path: str) -> bool:
    from pepip.host import files

    try:
        status = os.lstat(path)
    except OSError:
        return False
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == files.user_id()
    return is_own and not status.st_mode & 0o077


def _mirror_cache(cache: str, place: str) -> None:
    """Fill a folder with the buckets of a read-only cache. Unreadable folders are left out.

    The cache of another user is left out as a whole, unless that user is root.
    """
    import contextlib

    from pepip.host import files

    with contextlib.suppress(OSError):
        if files.owner_id(cache) not in {0, files.user_id()}:
            return
    for name, path, is_folder in _children(cache):
        if is_folder and not name.startswith(_LEFT_OUT):
            os.mkdir(f"{place}/{name}")
            if name.startswith(_LINKED_WHOLE):
                _link_children(path, f"{place}/{name}")
            else:
                _mirror(path, f"{place}/{name}")


def _mirror(source: str, target: str) -> None:
    """Fill the folder `target` with the same subfolders as `source`, and with links to its files.

    Links in `source` are copied as links. Locks and environments of scripts are left out: uv writes them in place.
    """
    from pepip.host import links

    for name, path, is_folder in _children(source):
        if os.path.islink(path):
            links.symbolic_link(os.readlink(path), f"{target}/{name}")
        elif is_folder and not os.path.lexists(f"{path}/pyvenv.cfg"):
            if name == _SOURCE_TREE:
                links.symbolic_link(path, f"{target}/{name}")
            else:
                os.mkdir(f"{target}/{name}")
                _mirror(path, f"{target}/{name}")
        elif not is_folder and name not in _MARKS and not name.endswith(".lock"):
            links.symbolic_link(path, f"{target}/{name}")


def _link_children(source: str, target: str) -> None:
    from pepip.host import links

    for name, path, is_folder in _children(source):
        if is_folder:
            links.symbolic_link(path, f"{target}/{name}")


def _children(folder: str) -> Iterator[tuple[str, str, bool]]:
    """Yield the name and path of each child of a folder, and whether it is a folder. Yield nothing on an error."""
    import contextlib

    with contextlib.suppress(OSError), os.scandir(folder) as children:
        for child in children:
            yield child.name, child.path, child.is_dir()

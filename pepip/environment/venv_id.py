"""The id of an environment: a random number in a file of the environment, which does not depend on its path.

Two containers, machines or disks may have different environments at the same path. A copy of an environment has the
same id as the original. For an environment in uv's cache, the file also names the script of the environment, or the
purpose for which it was made: uv's cache has neither.
"""

from __future__ import annotations

import contextlib
import os
import time

from pepip import paths
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, filesystems, links

_MOST_BYTES = 1 << 14
_LONGEST_LABEL = 120


class ScriptNote(NamedTuple):
    """The script that an environment belongs to, and the location of its disk: see `filesystems.Place`."""

    path: str
    location: str


class Identity(NamedTuple):
    """The device and the inode of an environment's folder, and its id, empty if it has none.

    A folder that replaces another one may get its inode, but not its id.
    """

    device: int
    inode: int
    id: str


def identity(root: str) -> Identity | None:
    """Return the identity of the environment at `root`, None if nothing is there."""
    try:
        status = os.stat(root)
    except OSError:
        return None
    return Identity(status.st_dev, status.st_ino, files.read_id(paths.environment_id(root)))


def ensure(root: str) -> None:
    """Give the environment at `root` an id if it has none. If the id can't be written, the environment has none."""
    path = paths.environment_id(root)
    if files.read_id(path):
        return
    new = f"{path}.{os.getpid()}-{time.monotonic_ns()}"
    with contextlib.suppress(OSError):
        files.create(new, _new(), mode=0o644)
        try:
            if not links.share_inode(new, path):
                os.replace(new, path)
        except FileExistsError:
            if not files.read_id(path):  # another program made it. The id of another process stays.
                os.replace(new, path)
        finally:
            links.unlink(new)


def note_script(root: str, script: str) -> None:
    """Note that the environment at `root` belongs to the script at this absolute path.

    A failure is ignored: pepip then can't notice that the script was deleted.
    """
    note = ScriptNote(script, filesystems.place(os.path.dirname(script)).location)
    if any("\n" in text for text in note) or script_of(root) == note:
        return
    _add(root, *note)


def note_label(root: str, label: str) -> None:
    """Note in words the purpose of the environment at `root`, which lies in uv's cache. A failure is ignored.

    Passwords in URLs are left out, because other users may read the file.
    """
    from pepip.urls import without_credentials

    _add(root, " ".join(without_credentials(label).split())[:_LONGEST_LABEL])


def label_of(root: str) -> str:
    """Return the noted purpose of the environment at `root`, empty if there is none."""
    _, *rest = _lines(root)
    return rest[0] if len(rest) == 1 and rest[0].isprintable() else ""


def _add(root: str, *lines: str) -> None:
    ensure(root)
    path = paths.environment_id(root)
    number = files.read_id(path)
    if number:
        with contextlib.suppress(OSError):
            files.replace_content(path, "\n".join((number, *lines)).encode("utf-8", "surrogateescape"))


def _lines(root: str) -> list[str]:
    try:
        content = files.read_regular(paths.environment_id(root), most_bytes=_MOST_BYTES)
    except (OSError, ValueError):
        return [""]
    return content.decode("utf-8", "surrogateescape").split("\n")


def script_of(root: str) -> ScriptNote | None:
    """Return the script that the environment at `root` belongs to, None if its file names no script."""
    lines = _lines(root)
    is_note = len(lines) == len(("id", *ScriptNote._fields)) and os.path.isabs(lines[1]) and "\0" not in lines[1]
    return ScriptNote(*lines[1:]) if is_note else None


def is_script_deleted(script: ScriptNote) -> bool:
    """Tell whether a script was deleted. False if its disk is not mounted, or if its folder can't be read."""
    path = script.path
    while True:
        try:
            os.stat(path)
            break
        except (FileNotFoundError, NotADirectoryError):
            path = os.path.dirname(path)
        except OSError:
            return False
    return path != script.path and filesystems.place(path).location == script.location


def forget(root: str) -> None:
    """Remove the id of the environment at `root`. A failure is ignored."""
    with contextlib.suppress(OSError):
        os.unlink(paths.environment_id(root))


def _new() -> bytes:
    return os.urandom(files.ID_BYTES).hex().encode()

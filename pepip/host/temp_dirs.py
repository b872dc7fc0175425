"""Temporary folders of one run, outside of any store. The next run removes the folders of killed runs.

All lie in a folder of the user's own, below the system's folder for temporary files.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys

from pepip.host import files, filesystems, run_dirs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST_ATTEMPTS = 20  # another run may remove the user's folder at its end


@contextlib.contextmanager
def folder(purpose: str = "pepip", *, before_removal: Callable[[str], None] | None = None) -> Iterator[str]:
    """Yield a new folder that only this user may enter, and remove it at the end. Raises OSError.

    Folders of each `purpose` lie in a folder of their own. `before_removal` is called with each path that a killed
    run left, before it is removed.
    """
    import tempfile

    for _ in range(_MOST_ATTEMPTS):
        own = _own_folder(tempfile.gettempdir(), purpose)
        if not own:
            break
        with contextlib.suppress(FileNotFoundError):
            run_dirs.remove_abandoned(own, before=before_removal)
        try:
            with run_dirs.marked(own, mode=0o600) as made:
                try:
                    os.mkdir(made, 0o700)
                except FileNotFoundError:
                    continue
                if not run_dirs.has_lock(made):  # the user's folder was removed and made again before that `mkdir`
                    os.rmdir(made)
                    continue
                try:
                    yield made
                finally:
                    filesystems.remove_tree(made)
        finally:
            with contextlib.suppress(OSError):
                os.rmdir(own)
        return
    with tempfile.TemporaryDirectory(prefix=f"{purpose}-") as made:
        yield made


def _own_folder(parent: str, purpose: str) -> str:
    """Return this user's private folder in `parent`, and make it if it is missing.

    The result is empty if anything else is in its place.
    """
    path = f"{parent}/{purpose}-{files.user_id()}"
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return ""
    is_private = stat.S_IMODE(status.st_mode) & 0o077 == 0 or sys.platform == "win32"
    return path if stat.S_ISDIR(status.st_mode) and status.st_uid == files.user_id() and is_private else ""

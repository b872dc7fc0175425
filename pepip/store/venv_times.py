"""Times of site-packages folders: they show which environments have changed since pepip last read them.

uv and pip make or remove a `.dist-info` folder whenever they install or remove a distribution. This changes the
modification time of site-packages. A changed time means that another tool may have written through links into the
store. Each user has a file of these times in `cache/`. Without it, every environment counts as changed once.

One exception: `pip install --ignore-installed` of the same version changes only the time of the `.dist-info` folder.
Only root can write through links in this way, so root also looks at those times.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.host import files, user_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_BYTES = 1 << 24


VenvTime = tuple[int, str]
"""The modification time of a site-packages folder, see `modified_ns`, and the path of that folder.

It is a plain tuple, since each command reads all of them, and a class would take time.
"""


class VenvTimes:
    """The times that this user has noted for environments registered in `store_root`, by name of registry file."""

    __slots__ = ("_folder", "_rows", "_store_root")

    def __init__(self, store_root: str) -> None:
        self._store_root = store_root
        self._folder = user_cache.folder_in(paths.cache(store_root))
        self._rows = self._read()

    def changed(self, *, looks_inside: bool = True) -> list[str]:
        """Return the names of the registry files whose environments have changed, or were never seen.

        Without `looks_inside`, the times of `.dist-info` folders do not count.
        """
        found = []
        for name in self._registered():
            row = self._rows.get(name)
            if row is None or _has_changed(row, looks_inside=looks_inside):
                found.append(name)
        return found

    def knows(self, name: str, changed_at_ns: int) -> bool:
        """Tell whether this time is the last noted time of an environment. True also if no time was noted."""
        return name not in self._rows or self._rows[name][0] == changed_at_ns

    def note(self, rows: Mapping[str, VenvTime]) -> None:
        """Note the times of environments, by the names of the registry files.

        Environments that are no longer registered are forgotten. If this user can't write the file, nothing is noted.
        """
        import contextlib

        rows = {name: row for name, row in rows.items() if "\n" not in row[1]}
        if all(self._rows.get(name) == row for name, row in rows.items()):
            return
        registered = set(self._registered())
        self._rows = {name: row for name, row in {**self._read(), **rows}.items() if name in registered}
        text = "".join(f"{name}\t{time_ns}\t{folder}\n" for name, (time_ns, folder) in self._rows.items())
        with contextlib.suppress(OSError):
            user_cache.write(self._folder, _NAME, text.encode("utf-8", "surrogateescape"))

    def _registered(self) -> list[str]:
        try:
            names = os.listdir(paths.projects(self._store_root))
        except OSError:
            return []
        return [name for name in names if name.endswith(".json") and not name.startswith(".")]

    def _read(self) -> dict[str, VenvTime]:
        try:
            content = user_cache.read(self._folder, _NAME, most_bytes=_MOST_BYTES)
        except (OSError, ValueError):
            return {}
        rows = (line.split("\t", 2) for line in content.decode("utf-8", "surrogateescape").splitlines())
        return {row[0]: (int(row[1]), row[2]) for row in rows if len(row) == 3 and row[1].isdecimal()}


_NAME = "site-packages"


def time_of(folder: str) -> VenvTime:
    """Return the current time of a site-packages folder."""
    return modified_ns(folder), folder


def _has_changed(row: VenvTime, *, looks_inside: bool) -> bool:
    noted_ns, folder = row
    if looks_inside or files.user_id():
        return modified_ns(folder) not in {noted_ns, 0}
    try:
        return os.stat(folder).st_mtime_ns > noted_ns
    except OSError:
        return False


def modified_ns(folder: str, *, looks_inside: bool = True) -> int:
    """Return the modification time of a site-packages folder in nanoseconds since 1970, 0 if it can't be read.

    For root, with `looks_inside`, it is the newest time of the folder itself and of the `.dist-info` folders in it.
    """
    try:
        newest_ns = os.stat(folder).st_mtime_ns
        if looks_inside and files.user_id() == 0:
            with os.scandir(folder) as children:
                for child in children:
                    if child.name.endswith(".dist-info"):
                        newest_ns = max(newest_ns, child.stat(follow_symlinks=False).st_mtime_ns)
    except OSError:
        return 0
    return newest_ns

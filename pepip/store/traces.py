"""Traces of other tools: which environments have changed since pepip looked.

uv and pip write a `.dist-info` folder whenever they install or remove something. So the modification time of
site-packages tells that one was at work in an environment, and may have written through its links into the store.
Each user has a file of these times in `cache/`: without it, every environment counts as changed once.
"""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.host import files, own_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_BYTES = 1 << 24


class Seen:
    """What one user saw of the environments that are registered in the store at `home`, by registry file."""

    __slots__ = ("_folder", "_home", "_rows")

    def __init__(self, home: str) -> None:
        self._home = home
        self._folder = f"{paths.cache(home)}/answers-{files.user_id()}"
        self._rows = self._read()

    def changed(self) -> list[str]:
        """Return the names of the registry's files whose environments have changed, or were never seen."""
        try:
            names = os.listdir(paths.projects(self._home))
        except OSError:
            return []
        found = []
        for name in names:
            if not name.endswith(".json") or name.startswith("."):
                continue
            row = self._rows.get(name)
            if row is None or _modified_ns(row[1]) not in {row[0], 0}:
                found.append(name)
        return found

    def note(self, places: Iterable[tuple[str, str]]) -> None:
        """Note how environments are now: pairs of a registry file's name and the path of a site-packages folder.

        Environments that are not registered any more are forgotten. Where nothing can be written, nothing is.
        """
        rows = {name: (_modified_ns(place), place) for name, place in places if "\n" not in place}
        if all(self._rows.get(name) == row for name, row in rows.items()):
            return
        self._rows = {name: row for name, row in {**self._read(), **rows}.items() if self._is_registered(name)}
        text = "".join(f"{name}\t{time_ns}\t{place}\n" for name, (time_ns, place) in self._rows.items())
        with contextlib.suppress(OSError):
            own_files.write(self._folder, _NAME, text.encode("utf-8", "surrogateescape"))

    def _is_registered(self, name: str) -> bool:
        return os.path.lexists(f"{paths.projects(self._home)}/{name}")

    def _read(self) -> dict[str, tuple[int, str]]:
        try:
            content = own_files.read(self._folder, _NAME, most_bytes=_MOST_BYTES)
        except (OSError, ValueError):
            return {}
        rows = (line.split("\t", 2) for line in content.decode("utf-8", "surrogateescape").splitlines())
        return {row[0]: (int(row[1]), row[2]) for row in rows if len(row) == 3 and row[1].isdecimal()}


_NAME = "site-packages"


def _modified_ns(folder: str) -> int:
    """Return when a folder was changed last, in nanoseconds since 1970, 0 if it can't be seen."""
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0

"""The folders of an environment that no link leads through. Changes below them pass here.

A folder that is linked whole lies in the store. A file that is removed, made or replaced below it is removed, made or
replaced for every project. What RECORD and plans say of an environment may be older than what is on disk, so each
change looks at the folders above it.
"""

from __future__ import annotations

import os
import stat

from pepip import paths
from pepip.errors import VenvError
from pepip.host import links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.model import Environment


class Tree:
    """An environment, to be changed under its lock. Paths are relative to it.

    The folders of its frame (site-packages, those above it, and the folder of scripts) may be links of its owner:
    every installer goes through them. What was seen of other folders is remembered, as only this run changes them.
    """

    def __init__(self, environment: Environment) -> None:
        base, scripts = environment.interpreter.site_packages, environment.interpreter.scripts
        self.root = environment.root
        self._frame = frozenset((*paths.ancestors(base), base, scripts))
        self._is_real = dict.fromkeys(self._frame, True)

    def reaches(self, path: str) -> bool:
        """Tell whether no folder above `path` is a link, but for the frame.

        A path that ends with a slash counts itself.
        """
        return links.is_reached(self.root, path, self._is_real)

    def has_folder(self, path: str) -> bool:
        """Tell whether a real folder is at `path`."""
        if path in self._frame:
            return os.path.isdir(f"{self.root}/{path}")
        try:
            return self.reaches(path) and stat.S_ISDIR(os.lstat(f"{self.root}/{path}").st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def real_folders(self, folders: Iterable[str], base: str) -> set[str]:
        """Return those of `folders` (relative to `base`) that are no links, and lie below none."""
        return {folder for folder in folders if self.reaches(f"{base}/{folder}/")}

    def unlink(self, path: str) -> bool:
        """Remove a file or a link. Returns False if nothing is there that can be reached."""
        if not self.reaches(path):
            return False
        self._is_real.pop(path, None)
        return links.unlink(f"{self.root}/{path}")

    def make_folder(self, path: str) -> None:
        """Make a real folder, in place of a link. One that is there stays. Raises VenvError if a link leads there."""
        place = f"{self.root}/{path}"
        if not self.reaches(path):
            raise VenvError(f"cannot make {place}: a folder above it is a link")
        try:
            os.mkdir(place)
        except FileExistsError:
            if path not in self._frame and links.read_link(place):
                links.unlink(place)
                os.mkdir(place)
        self._is_real[path] = True

    def remove_folder(self, path: str) -> None:
        """Remove a real folder that is empty. Raises OSError if it is not empty, or not there."""
        if self.reaches(f"{path}/"):
            os.rmdir(f"{self.root}/{path}")
            self._is_real.pop(path, None)

"""Makes folders of an environment, and removes its files and folders, never through a link.

A folder that is linked whole lies in the store, so a change below it would change every project. RECORD and plans may
be older than the files on disk. So each change checks the folders above its path.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.errors import VenvError
from pepip.host import links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.model import Environment


def frame_of(environment: Environment) -> frozenset[str]:
    """Return the frame of an environment, as relative paths: see `Tree`."""
    site_packages = environment.interpreter.site_packages
    return frozenset((*paths.ancestors(site_packages), site_packages, environment.interpreter.scripts))


class Tree:
    """An environment, to be changed under its lock. Paths are relative to it.

    The folders of the frame (site-packages, the folders above it, and the folder of scripts) may be links that the
    owner made: every installer follows them. Each other folder is checked once, because only this run changes it.
    """

    def __init__(self, environment: Environment) -> None:
        self.root = environment.root
        self._frame = frame_of(environment)
        self._is_real = dict.fromkeys(self._frame, True)
        self._folders: set[str] = set()  # real folders that `has_folder` found

    def reaches(self, path: str) -> bool:
        """Tell whether no folder above `path` is a link. Folders of the frame may be links.

        If `path` ends with a slash, it is checked itself, too.
        """
        return links.is_below_real_folders(self.root, path, self._is_real)

    def has_folder(self, path: str) -> bool:
        """Tell whether a real folder is at `path`, and no link above it. A folder of the frame may be a link."""
        if path in self._frame:
            return os.path.isdir(f"{self.root}/{path}")
        try:
            is_there = self.reaches(path) and links.is_folder(os.lstat(f"{self.root}/{path}"))
        except (FileNotFoundError, NotADirectoryError):
            return False
        if is_there:
            self._is_real[path] = True
            self._folders.add(path)
        return is_there

    def real_folders(self, folders: Iterable[str], base: str) -> set[str]:
        """Return the `folders` (relative to `base`) that are neither links nor below a link."""
        return {folder for folder in folders if self.reaches(f"{base}/{folder}/")}

    def unlink(self, path: str) -> bool:
        """Remove a file or a link. Returns False if nothing is at `path`, or if a folder above it is a link."""
        if not self.reaches(path):
            return False
        self._forget(path)
        return links.unlink(f"{self.root}/{path}")

    def make_folder(self, path: str) -> None:
        """Make a real folder, and replace a link at `path`. An existing folder is kept.

        Raises VenvError if a folder above `path` is a link.
        """
        if path in self._folders:
            return
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
        """Remove an empty real folder. A link, or a folder below a link, is left alone.

        Raises OSError if the folder is not empty or does not exist.
        """
        if self.reaches(f"{path}/"):
            os.rmdir(f"{self.root}/{path}")
            self._forget(path)

    def _forget(self, path: str) -> None:
        self._is_real.pop(path, None)
        self._folders.discard(path)

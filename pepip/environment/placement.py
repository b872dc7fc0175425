"""Giving an environment what its plan says: a link to a folder or file of an entry, or a file of its own."""

from __future__ import annotations

import os

from pepip import paths
from pepip.host import files, links
from pepip.host.transfer import CLONE, COPY, LINK, Transfer
from pepip.wheel.libraries import is_library_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.model import Entry, Environment

MODES = (LINK, CLONE, COPY)
"""How files of an environment's own are made from an entry's, in uv's words. Where there are links, it is empty."""


class Placer:
    """Makes links and files, each by the cheapest way that its place allows.

    `is_near` tells whether the environment may be on the device of the store.
    """

    def __init__(self, *, is_near: bool) -> None:
        self.is_near = is_near
        self._has_ready_links: dict[str, bool] = {}
        self._transfers = {mode: Transfer(mode) for mode in MODES}
        self._stand_in = Transfer(CLONE, may_link=False)

    def place(self, entry: Entry, inside: str, place: str, *, is_directory: bool, mode: str = "") -> None:
        """Give `place` what an entry has at `inside`: with a `mode` a file of its own, else a link.

        METADATA is linked by a link that names its entry, as folders are. A file of which there can be no hard link
        is copied: programs ask for real paths, and find their neighbours by them. Of what nobody asks that, the
        metadata and the libraries that the loader finds by the path it was given, a symbolic link does.
        Raises FileExistsError if something is there already.
        """
        target = f"{entry.path}/{inside}"
        if mode:
            self._transfers[mode].file(target, place)
        elif is_directory:
            links.link_directory(target, place, ready=self._ready(entry, inside))
        elif inside == f"{entry.dist_info}/METADATA":
            links.link_name(target, place, ready=self._ready(entry, inside))
        elif self.is_near and links.link_file(target, place):
            pass
        elif is_library_name(inside) or inside.startswith(f"{entry.dist_info}/"):
            links.symbolic_link(target, place)
        else:
            self._stand_in.file(target, place)

    def is_placed(self, place: str, target: str) -> bool:
        """Tell whether `place` is a link to `target` already, or a copy of it where there can be no hard link."""
        if links.is_link_to(place, target):
            return True
        may_link = self.is_near and files.user_id() in {0, files.owner_id(target)}
        return not may_link and links.is_copy(place, target)

    def used(self, mode: str) -> str:
        """Return the mode by which files were really made that were to be made by `mode`."""
        return self._transfers[mode].way

    def _ready(self, entry: Entry, inside: str) -> str:
        """Return the link that an entry keeps ready, empty if it can't be used.

        Those links count if they lead into the entry by the path at which it is reached now: not after the store was
        moved, nor where it is mounted at a second place. One stands for all: they were made together.
        """
        if entry.id not in self._has_ready_links:
            metadata = f"{entry.dist_info}/METADATA"
            target = links.read_link(paths.ready(entry.path, metadata)) if self.is_near else ""
            self._has_ready_links[entry.id] = target == f"{entry.path}/{metadata}"
        return paths.ready(entry.path, inside) if self._has_ready_links[entry.id] else ""


def placer_for(environment: Environment, entries: Iterable[Entry]) -> Placer:
    """Return what places `entries`, all of one store, in an environment."""
    one = next(iter(entries), None)
    places = (environment.root, environment.site_packages)
    return Placer(is_near=one is None or any(links.share_device(one.path, place) for place in places))


def files_below(entry: Entry, folder: str) -> list[str]:
    """Return the paths of the files in a folder of an entry and below it."""
    start = len(entry.path) + 1
    return [f"{current[start:]}/{name}" for current, _, names in os.walk(f"{entry.path}/{folder}") for name in names]

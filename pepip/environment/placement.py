"""Makes the links of a plan: links to folders and files of entries, or real files made from them."""

from __future__ import annotations

from pepip import paths
from pepip.host import files, links
from pepip.host.transfer import CLONE, COPY, LINK, Transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pepip.model import Entry, Environment

MODES = (LINK, CLONE, COPY)
"""The ways to make an environment's own files from an entry's, in uv's words. For links, a mode is empty."""


class Placer:
    """Makes links and files, each in the cheapest way that its file system allows.

    `near` has the folders `packages` of those stores that may be on the same device as the environment.
    """

    def __init__(self, near: Collection[str]) -> None:
        self._near = tuple(f"{folder}/" for folder in near)
        self._has_ready_links: dict[str, bool] = {}
        self._transfers = {mode: Transfer(mode) for mode in MODES}
        self._stand_in = Transfer(CLONE, may_link=False)

    def is_near(self, path: str) -> bool:
        """Tell whether a path in an entry may be on the same device as the environment."""
        return path.startswith(self._near)

    def place(self, entry: Entry, inside: str, place: str, *, is_directory: bool, mode: str = "") -> None:
        """Make `place` a link to the path `inside` of an entry or, with a `mode`, a real file made from it.

        Folders and METADATA get a link whose target names the entry. Other files get a hard link. If that is
        impossible, libraries and the rest of the metadata get a symbolic link, because no program resolves their
        paths. All other files are then cloned or copied: a program that resolves a symbolic link would look in the
        store for the files beside it. Raises FileExistsError if something is at `place`.
        """
        target = f"{entry.path}/{inside}"
        if mode:
            self._transfers[mode].file(target, place)
        elif is_directory:
            links.link_directory(target, place, ready=self._ready(entry, inside))
        elif inside == f"{entry.dist_info}/METADATA":
            links.link_by_name(target, place, ready=self._ready(entry, inside))
        elif self.is_near(target) and links.link_file(target, place):
            pass
        elif _is_library_name(inside) or inside.startswith(f"{entry.dist_info}/"):
            links.symbolic_link(target, place)
        else:
            self._stand_in.file(target, place)

    def is_placed(self, place: str, target: str) -> bool:
        """Tell whether `place` is a link to `target` or, where no hard link is possible, a copy of it."""
        if links.is_link_to(place, target):
            return True
        may_link = self.is_near(target) and files.user_id() in {0, files.owner_id(target)}
        return not may_link and links.is_copy(place, target)

    def used(self, mode: str) -> str:
        """Return the mode that was really used for files requested with `mode`, since a file system may refuse it."""
        return self._transfers[mode].way

    def _ready(self, entry: Entry, inside: str) -> str:
        """Return the path of an entry's ready-made link to `inside`, or an empty string if it can't be used.

        A ready-made link is used only if it leads into the entry by the entry's present path. After a move of the
        store, or at a second mount point, it does not. Only one link is checked, because all were made together.
        """
        if entry.id not in self._has_ready_links:
            metadata = f"{entry.dist_info}/METADATA"
            target = links.read_link(paths.ready(entry.path, metadata)) if self.is_near(entry.path) else ""
            self._has_ready_links[entry.id] = target == f"{entry.path}/{metadata}"
        return paths.ready(entry.path, inside) if self._has_ready_links[entry.id] else ""


def _is_library_name(path: str) -> bool:
    from pepip.wheel import libraries  # imported only where hard links fail: a quick install does without it

    return libraries.is_library_name(path)


def placer_for(environment: Environment, entries: Iterable[Entry]) -> Placer:
    """Return the placer that links `entries`, of one store or several, into an environment."""
    stores: dict[str, str] = {}
    for entry in entries:
        stores.setdefault(entry.path.rsplit("/", 2)[0], entry.path)
    places = (environment.root, environment.site_packages)
    return Placer(
        [folder for folder, one in stores.items() if any(links.share_device(one, place) for place in places)]
    )


def files_below(entry: Entry, folder: str) -> list[str]:
    """Return the paths, relative to an entry, of all files below one of its folders."""
    start = len(entry.path) + 1
    return [
        f"{current[start:]}/{name}" for current, _, names in links.walk(f"{entry.path}/{folder}") for name in names
    ]

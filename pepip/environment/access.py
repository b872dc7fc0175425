"""Permission checks that run before the journal is written, while nothing has changed yet.

If a user wrote a journal and lacked the permissions to complete it, that journal would block every later change.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.environment import contents, metadata, removal, without_record
from pepip.environment.listings import Listings
from pepip.environment.tree import Tree
from pepip.errors import VenvError
from pepip.host import links, rights

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.environment.change_plan import LinkChange, PlannedChange
    from pepip.model import Environment


class PermissionCheck:
    """Checks whether this user may make and remove files in an environment.

    Paths are relative to the environment. Each folder is checked once. The methods raise VenvError, which names the
    obstacle.
    """

    def __init__(self, environment: Environment) -> None:
        self._root = environment.root
        base = environment.interpreter.site_packages
        # These folders may be links: every installer follows them.
        self._is_real = dict.fromkeys((*paths.ancestors(base), base, environment.interpreter.scripts), True)
        self._seen: set[str] = set()
        self._absent: set[str] = set()
        self._listings = Listings(environment.root)
        self._check_folder("")

    def has(self, place: str) -> bool:
        """Tell whether a file, a folder or a link is at `place`."""
        path = f"{self._root}/{place}"
        return self._listings.may_have(path) and os.path.lexists(path)

    def check_making(self, places: Iterable[str]) -> None:
        """Check that files, links or folders can be made at `places`, and that anything there now can be removed."""
        for place in places:
            folder = place.rpartition("/")[0]
            self._check_folder(folder)
            if folder not in self._absent and self._listings.may_have(f"{self._root}/{place}"):
                path = f"{self._root}/{place}"
                if os.path.isdir(path) and not links.read_link(path):
                    self.removes_tree(place)
                else:
                    self._check_removable(place)

    def makes_in(self, folders: Iterable[str]) -> None:
        """Check that files can be made in `folders`. If one does not exist, check that it can be made."""
        for folder in folders:
            self._check_folder(folder)

    def removes(self, places: Iterable[str]) -> None:
        """Check that files and links can be removed. For a module, check its `__pycache__` folder, too."""
        for place in places:
            folder, _, name = place.rpartition("/")
            self._check_folder(folder)
            self._check_removable(place)
            cache = f"{folder}/{paths.PYCACHE}"
            if name.endswith(".py") and cache not in self._seen and os.path.isdir(f"{self._root}/{cache}"):
                self.removes_tree(cache)

    def removes_tree(self, place: str) -> None:
        """Check that a file, a link, or a folder with all its contents can be moved away and removed."""
        self._check_folder(place.rpartition("/")[0])
        self._check_removable(place)
        if links.read_link(f"{self._root}/{place}"):
            self._seen.add(place)
            return
        for folder, folders, names in links.walk(f"{self._root}/{place}"):
            inside = folder[len(self._root) + 1 :]
            self._check_folder(inside)
            for name in (*folders, *names):
                self._check_removable(f"{inside}/{name}")

    def _check_folder(self, folder: str) -> None:
        """Check the folder or, if it does not exist, the nearest existing folder above it.

        A link counts as a folder that does not exist, because a real folder replaces it.
        """
        if folder in self._seen:
            return
        self._seen.add(folder)
        path = f"{self._root}/{folder}" if folder else self._root
        is_there = not folder or self._listings.may_have(path)
        if folder and not (is_there and self._is_folder(folder)):
            self._absent.add(folder)
            self._check_folder(folder.rpartition("/")[0])
            return
        self._refuse(rights.obstacle_to_changing(path))

    def _is_folder(self, folder: str) -> bool:
        return links.is_below_real_folders(self._root, f"{folder}/", self._is_real) and os.path.isdir(
            f"{self._root}/{folder}"
        )

    def _check_removable(self, place: str) -> None:
        self._refuse(rights.obstacle_to_removing(f"{self._root}/{place}"))

    def _refuse(self, reason: str) -> None:
        if reason:
            raise VenvError(f"cannot change {self._root}: {reason}", hint=_HINT)


_HINT = "nothing was changed: make the place writable, or let its owner run the command"


def check(environment: Environment, planned: PlannedChange) -> None:
    """Raise VenvError if this user lacks a permission that a planned change needs."""
    permission = PermissionCheck(environment)
    _check_links(permission, environment, planned)
    _check_metadata(permission, environment, planned)
    _check_removals(permission, environment, planned.change)
    base = environment.interpreter.site_packages
    permission.makes_in(f"{base}/{folder}" for folder in planned.change.reserved)


def _check_links(permission: PermissionCheck, environment: Environment, planned: PlannedChange) -> None:
    """Check that each link that differs between the plans can be made or removed."""
    before, after, root = planned.before.links, planned.after.links, environment.root
    new = [path for path, link in after.items() if planned.known.get(path) != link]
    if planned.change.is_recovery:  # most links exist already
        new = [path for path in new if not links.is_link_to(f"{root}/{path}", after[path].target)]
    permission.check_making(new)
    permission.removes(path for path, link in before.items() if after.get(path) != link)


def _check_metadata(permission: PermissionCheck, environment: Environment, planned: PlannedChange) -> None:
    """Check that metadata and scripts of additions can be made, and RECORD of each changed entry replaced."""
    interpreter = environment.interpreter
    for addition in planned.change.additions:
        names = metadata.script_names(environment, addition.entry)
        permission.check_making(f"{interpreter.scripts}/{name}" for name in names)
        place = f"{interpreter.site_packages}/{addition.entry.dist_info}"
        if permission.has(place):
            permission.removes_tree(place)
        else:
            permission.check_making([place])
    permission.check_making(
        f"{interpreter.site_packages}/{entry.dist_info}/RECORD" for entry in planned.with_changed_folders
    )


def _check_removals(permission: PermissionCheck, environment: Environment, change: LinkChange) -> None:
    """Check that the distributions that go can be removed."""
    base, tree = environment.interpreter.site_packages, Tree(environment)
    for distribution in change.removals:
        if not without_record.lacks_record(distribution):
            contents.check_record(environment, distribution)
            permission.removes(removal.reached_files(environment, tree, distribution))
            permission.removes_tree(f"{base}/{distribution.dist_info}")
    for name in (*change.leaving.names, *change.leaving.metadata):
        permission.removes_tree(f"{base}/{name}")
    permission.check_making(f"{base}/{name}" for name, _ in change.leaving.contents)

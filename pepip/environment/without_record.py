"""Distributions without a RECORD, which `setup.py install` and `setup.py develop` have made.

Only uv knows which files to remove with such a distribution. So uv removes the distribution from a twin of
site-packages, which has the same names and almost no content. The environment itself changes only under its journal.
"""

from __future__ import annotations

import os
import stat
import sys

from pepip import paths
from pepip.environment import set_aside
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.model import Environment, Installed


class Departure(NamedTuple):
    """The changes to site-packages that remove distributions without a RECORD.

    `names` and `metadata` are children of site-packages to remove, `metadata` last, so that a killed removal can be
    repeated. `contents` has pairs: the name of a file to rewrite, and its new content.
    """

    names: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    contents: tuple[tuple[str, bytes], ...] = ()


NOTHING = Departure()


def lacks_record(distribution: Installed) -> bool:
    """Tell whether a distribution has the metadata of an egg, and so no RECORD."""
    return not distribution.dist_info.endswith(".dist-info")


def make_twin(site_packages: str, going: Iterable[Installed], twin: str) -> None:
    """Fill the empty folder `twin` with copies of files that uv reads and stand-ins for files that it may remove."""
    metadata = {item.dist_info for item in going}
    for child in os.scandir(site_packages):
        place = f"{twin}/{child.name}"
        if child.name in metadata or child.name.endswith(_PATH_FILE):
            if child.is_dir(follow_symlinks=False):
                os.mkdir(place)
                for part in os.scandir(child.path):
                    _copy(part, f"{place}/{part.name}")
            _copy(child, place)
        elif not child.name.endswith(_METADATA):
            if sys.platform != "win32" and links.is_link(child):  # plain users of Windows can't make links
                links.symbolic_link(_NOWHERE, place)
            elif child.is_dir():
                os.mkdir(place)
            else:
                files.create(place)


def _copy(child: os.DirEntry[str], place: str) -> None:
    """Copy a regular file; skip all else. uv reads only a few files directly in the metadata folder."""
    if child.is_file(follow_symlinks=False):
        files.create(place, files.read_regular(child.path))


def departure(site_packages: str, going: Iterable[Installed], twin: str) -> Departure:
    """Return the files that uv has removed from a twin, and the files that it has rewritten there."""
    metadata = {item.dist_info for item in going}
    left = set(os.listdir(twin))
    gone, rewritten = [], []
    for name in sorted(os.listdir(site_packages)):
        if name.endswith(_METADATA) and name not in metadata:
            continue
        if name not in left:
            gone.append(name)
        elif name.endswith(_PATH_FILE) and os.path.isfile(f"{twin}/{name}"):
            content = files.read_regular(f"{twin}/{name}")
            if content != files.read_regular(f"{site_packages}/{name}"):
                rewritten.append((name, content))
    names = (name for name in gone if name not in metadata)
    return Departure(tuple(names), tuple(name for name in gone if name in metadata), tuple(rewritten))


def paths_of(environment: Environment, leaving: Departure) -> set[str]:
    """Return all paths that will be removed, with the contents of folders, relative to the environment."""
    found = set()
    for name in (*leaving.names, *leaving.metadata):
        top = f"{environment.interpreter.site_packages}/{name}"
        found.add(top)
        if links.read_link(f"{environment.root}/{top}"):
            continue
        for folder, folders, names in links.walk(f"{environment.root}/{top}"):
            inside = folder[len(environment.root) + 1 :]
            found.update(f"{inside}/{name}" for name in (*folders, *names))
    return found


def remove(environment: Environment, leaving: Departure) -> set[str]:
    """Rewrite the files in `leaving.contents`, then set aside the files to remove, metadata last.

    Returns the removed paths, relative to the environment.
    """
    base, removed = environment.interpreter.site_packages, paths_of(environment, leaving)
    for name, content in leaving.contents:
        set_aside.put_copy(environment.root, f"{base}/{name}")
        place, unfinished = f"{environment.site_packages}/{name}", f"{paths.scratch(environment.root)}/rewritten"
        mode = stat.S_IMODE(os.stat(place).st_mode)
        files.write_whole(place, content, exact_mode=mode, unfinished=unfinished)
    for name in (*leaving.names, *leaving.metadata):
        set_aside.put(environment.root, f"{base}/{name}")
    return removed


_METADATA = (".dist-info", ".egg-info", ".egg-link")
_PATH_FILE = ".pth"
_NOWHERE = "nowhere"

"""Finds the distributions of an environment that pepip does not link, and tells which of them could be linked.

Only metadata is read, and scripts of another size than in RECORD. Of all other files, only status and rights
are checked. So an edited file of the same size is not noticed here; adopting hashes every file before it links. No
program is started, because the environment may belong to anybody.
"""

from __future__ import annotations

import json
import os

from pepip import digests, names, paths
from pepip.environment import contents, makers, reasons
from pepip.environment.file_tree import FileTree
from pepip.fast_namedtuple import NamedTuple
from pepip.host import disk_usage, files, filesystems, links, reflinks, rights
from pepip.wheel import footprint, record, scripts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pepip.model import StoreRoots

_MOST_BYTES = 1 << 28
_MARKS = (1 << 53) - 1  # every JSON reader keeps integers of 53 bits exactly
_INSIDE_INIT = ("__init__.py", "__init__.pyi", "__init__.pyc")


class Inodes(NamedTuple):
    """Those inodes of a distribution's files that have `names` hard links each.

    `mark` is computed from the inodes: if the files of two distributions are hard links to the same inodes, their
    marks are equal. It is 0 if `names` is 1. `number` counts the inodes.
    """

    mark: int
    names: int
    size_bytes: int
    number: int


class Unlinked(NamedTuple):
    """One distribution of an environment, and the disk space that its files occupy.

    `reason` says in words why the distribution can't be linked, and is empty if it can. `changed` are its files that
    differ from RECORD. `content` is equal for distributions whose RECORDs list the same files. `inodes` are the
    inodes of its files. `bytecode` is a pair for bytecode files and their folders: allocated bytes, and number.
    `folders` is such a pair for the folders that links would replace; `links` counts the outermost of them.
    `new_folders` counts the folders of bytecode and of `.data` that an entry would have and the environment lacks.
    """

    name: str
    version: str
    dist_info: str
    reason: str
    changed: tuple[str, ...]
    content: str
    inodes: tuple[Inodes, ...]
    bytecode: tuple[int, int]
    folders: tuple[int, int]
    links: int = 0
    new_folders: int = 0

    @property
    def size_bytes(self) -> int:
        """The bytes that its files and bytecode occupy."""
        return sum(group.size_bytes for group in self.inodes) + self.bytecode[0]


class Survey(NamedTuple):
    """The contents of an environment. Sizes are allocated bytes. `linked` counts distributions that pepip links."""

    copies: tuple[Unlinked, ...]
    linked: int
    allocated_bytes: int
    inode_count: int
    bytecode_bytes: int
    device: int
    folders: tuple[str, ...]
    """All folders, relative to the environment. Their modification times show whether the survey is still true."""


class _Found(NamedTuple):
    """A `Unlinked` that has no sizes yet. `listed` are the paths in its RECORD, relative to the environment."""

    copy: Unlinked
    listed: list[str]


def survey(root: str, store_roots: StoreRoots) -> Survey:
    """Survey the environment at `root`. `store_roots` are all spellings of the roots of the store and its layers.

    Raises OSError if a folder can't be read.
    """
    tree = FileTree(root)
    found: list[_Found] = []
    linked = 0
    for site_packages in site_packages_in_use(root):
        base = site_packages[len(root) + 1 :]
        present = contents.installed_in(site_packages, store_roots)
        all_names = [item.name for item in present]
        for item in present:
            if item.entry_id:
                linked += 1
            elif f"{base}/{item.dist_info}" in tree.folders or not item.dist_info.endswith(".dist-info"):
                seen = _look(root, base, item.dist_info, tree, name=item.name, version=item.version)
                if all_names.count(item.name) > 1 and not seen.copy.reason:
                    seen = seen._replace(copy=seen.copy._replace(reason=reasons.TWICE, content=""))
                found.append(seen)
        found += [_Found(copy, []) for copy in _eggs(base, tree)]
        found = _weighed(root, tree, base, found)
    everything = {status.st_ino: status for status in (*tree.files.values(), *tree.folders.values())}
    compiled = (tree.files[path] for some in tree.bytecode.values() for path in some)
    return Survey(
        copies=tuple(item.copy for item in found),
        linked=linked,
        allocated_bytes=sum(map(disk_usage.allocated_of, everything.values())),
        inode_count=len(everything) + len(tree.links),
        bytecode_bytes=sum(map(disk_usage.allocated_of, compiled)),
        device=tree.folders[""].st_dev,
        folders=tuple(tree.folders),
    )


def site_packages_in_use(root: str) -> list[str]:
    """Return the site-packages that the environment's Python reads, or the first one if none is of its version."""
    found = contents.site_packages_of(root)
    version = makers.python_of(makers.settings_of(root))
    read = f"/python{'.'.join(version.split('.')[:2])}/site-packages"
    return [folder for folder in found if folder.endswith(read)] or found[:1]


def _eggs(base: str, tree: FileTree) -> Iterator[Unlinked]:
    """Yield the eggs that `easy_install` and `setup.py install` have made: files or folders named `*.egg`."""
    for path in sorted(path for path in (*tree.files, *tree.folders) if path.endswith(".egg")):
        folder, _, file_name = path.rpartition("/")
        if folder == base:
            name, _, version = file_name.removesuffix(".egg").partition("-")
            yield Unlinked(
                names.normalize_name(name),
                version.partition("-")[0],
                file_name,
                reasons.EGG,
                (),
                "",
                (),
                (0, 0),
                (0, 0),
            )


def _look(root: str, base: str, dist_info: str, tree: FileTree, *, name: str, version: str) -> _Found:
    """Read one distribution, and tell whether it could be linked or why not."""

    def kept(reason: str, changed: Iterable[str] = (), listed: Iterable[str] = ()) -> _Found:
        copy = Unlinked(name, version, dist_info, reason, tuple(changed), "", (), (0, 0), (0, 0))
        return _Found(copy, list(listed))

    if not dist_info.endswith(".dist-info"):
        return kept(reasons.of_egg(dist_info))
    prefix = f"{base}/{dist_info}"
    record_path = f"{prefix}/RECORD"
    if record_path in tree.links or f"{prefix}/METADATA" in tree.links:
        is_of_pepip = _is_in_a_store(links.read_link(f"{root}/{prefix}/METADATA"))
        return kept("it is linked from another store of pepip" if is_of_pepip else reasons.LINKED_BY_OTHERS)
    if record_path not in tree.files or f"{prefix}/METADATA" not in tree.files:
        return kept(reasons.NO_RECORD if record_path not in tree.files else "it has no METADATA")
    try:
        content = files.read_regular(f"{root}/{record_path}", most_bytes=_MOST_BYTES)
    except (OSError, ValueError) as error:
        return kept(f"its RECORD can't be read: {error}")
    rows = record.rows_of(content)
    listed, content_rows, changed, farmed, reason = [], [], [], 0, ""
    skipped = record.own_metadata(dist_info)
    for path, hash_value, size in rows:
        if path in skipped:
            continue
        inside = f"{base}/{path}" if not path.startswith((".", "/")) else record.in_environment(path, base)
        obstacle = reasons.of_path(path, inside)
        if obstacle:
            reason = reason or obstacle
            continue
        status = tree.files.get(inside)
        if paths.PYCACHE in path and path.endswith(".pyc"):
            continue
        if status is not None and status.st_uid != files.user_id():
            reason = reason or reasons.OF_OTHERS
        if status is not None and rights.gives_rights(f"{root}/{inside}", status):
            reason = reason or reasons.SPECIAL
        if status is None and not hash_value and inside not in tree.links:
            continue  # virtualenv lists files that it has not made
        listed.append(inside)
        if status is None:
            farmed += inside in tree.links or _is_below_link(inside, tree)
            changed.append(path)
        elif size and size != str(status.st_size) and not _is_script_of_wheel(root, inside, size):
            changed.append(path)
        if not path.startswith("../"):
            content_rows.append(f"{path},{hash_value}")
    origin = _origin(root, prefix, tree)
    if origin or reason:
        return kept(origin or reason, (), listed)
    if farmed:
        return kept(reasons.LINKED_BY_OTHERS, (), listed)
    if changed:
        return kept(reasons.CHANGED, sorted(changed), listed)
    if not {f"{prefix}/METADATA", f"{prefix}/WHEEL"} <= set(listed):
        return kept(reasons.NO_WHEEL, (), listed)
    text = "\n".join([f"{name} {version}", *sorted(content_rows)])
    key = digests.hexadecimal(text.encode("utf-8", "surrogateescape"))
    return _Found(Unlinked(name, version, dist_info, "", (), key, (), (0, 0), (0, 0)), listed)


def _is_in_a_store(target: str) -> bool:
    """Tell whether a link leads into an entry of some store.

    The entry's document must exist, because other tools, such as PDM, also have a folder named `packages`.
    """
    above, _, inside = target.rpartition(paths.packages("") + "/")
    entry = "/".join(inside.split("/")[:2])
    return bool(inside) and os.path.isfile(f"{paths.packages(above)}/{entry}/{paths.ENTRY_METADATA}")


def _is_script_of_wheel(root: str, path: str, size: str) -> bool:
    """Tell whether `size`, from RECORD, is the size that the script has in its wheel.

    pip changes the first line of a script; older versions of pip leave the old size in RECORD.
    """
    if not path.startswith(("bin/", "Scripts/")):
        return False
    try:
        content = files.read_regular(f"{root}/{path}", most_bytes=files.RECORD_BYTES)
    except (OSError, ValueError):
        return False
    return size == str(len(scripts.restored(content)))


def content_of_entry(name: str, version: str, dist_info: str, text: bytes) -> str:
    """Return the `Copy.content` that a distribution with an entry's files has. `text` is the entry's RECORD."""
    skipped = record.own_metadata(dist_info)
    data = paths.data_folder(dist_info) + "/"
    merged = tuple(f"{data}{scheme}/" for scheme in ("purelib", "platlib"))
    rows = []
    for path, hash_value, _ in record.rows_of(text):
        if path in skipped or (paths.PYCACHE in path and path.endswith(".pyc")):
            continue
        shown = path.split("/", 2)[2] if path.startswith(merged) else path
        if not shown.startswith(data):
            rows.append(f"{shown},{hash_value}")
    return digests.hexadecimal("\n".join([f"{name} {version}", *sorted(rows)]).encode("utf-8", "surrogateescape"))


def _is_below_link(path: str, tree: FileTree) -> bool:
    return any(folder in tree.links for folder in paths.ancestors(path))


def _origin(root: str, prefix: str, tree: FileTree) -> str:
    """Return the reason why the origin of a distribution (`direct_url.json`) rules out links, or an empty string."""
    if f"{prefix}/direct_url.json" not in tree.files:
        return ""
    try:
        origin = json.loads(files.read_regular(f"{root}/{prefix}/direct_url.json", most_bytes=_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return "its direct_url.json can't be read"
    folder = origin.get("dir_info") if isinstance(origin, dict) else None
    if not isinstance(folder, dict):
        return ""
    return reasons.EDITABLE if folder.get("editable") else reasons.BUILT_HERE


def _weighed(root: str, tree: FileTree, base: str, found: list[_Found]) -> list[_Found]:
    """Return the distributions with the sizes of their files and of the folders that links would replace."""
    holders: dict[str, str] = {}
    for copy, listed in found:
        for folder in _folders_above(listed):
            holders[folder] = copy.dist_info if holders.get(folder, copy.dist_info) == copy.dist_info else ""
    listed_anywhere = {path for item in found for path in item.listed}
    for path in (*tree.files.keys() - listed_anywhere, *tree.links):
        if paths.PYCACHE not in path and ".dist-info/" not in path:
            for above in paths.ancestors(path):
                holders[above] = ""
    for folder in tree.folders.keys() - _folders_above(listed_anywhere):
        if paths.PYCACHE not in folder and ".dist-info/" not in folder:
            for above in paths.ancestors(folder):
                holders[above] = ""
    may_clone = reflinks.may_clone(filesystems.mount_point(root))
    return [item._replace(copy=_weigh(root, tree, base, item, holders, may_clone=may_clone)) for item in found]


def _folders_above(files: Iterable[str]) -> set[str]:
    """Return the folders that hold these files, and all folders above them. Looks at each folder once."""
    found: set[str] = set()
    for folder in {path.rpartition("/")[0] for path in files}:
        above = folder
        while above and above not in found:
            found.add(above)
            above = above.rpartition("/")[0]
    return found


def _weigh(
    root: str, tree: FileTree, base: str, item: _Found, holders: dict[str, str], *, may_clone: bool
) -> Unlinked:
    sums: dict[int, list[int]] = {}
    for path in item.listed:
        status = tree.files.get(path)
        if status is None or path.startswith(("bin/", "Scripts/")):
            continue  # a script is not replaced by a link
        group = sums.setdefault(status.st_nlink, [0, 0, 0])
        size = disk_usage.allocated_of(status)
        if may_clone and status.st_nlink == 1 and size:
            size = max(0, size - reflinks.shared_bytes(f"{root}/{path}"))
        group[0] += _mark(status) if status.st_nlink > 1 else 0
        group[1] += size
        group[2] += 1
    groups = tuple(Inodes(row[0] & _MARKS, names, row[1], row[2]) for names, row in sorted(sums.items()))
    folders = _folders_above(item.listed)
    whole = set(_linked_whole(base, item.copy.dist_info, folders, set(item.listed), holders))
    whole -= _kept_real(base, item.listed, whole)
    statuses = [tree.folders[folder] for folder in whole if folder in tree.folders]
    bytecode: list[os.stat_result] = []
    for folder in folders:
        if holders.get(folder) == item.copy.dist_info and folder in tree.bytecode:
            cache = f"{folder}/{paths.PYCACHE}"
            bytecode += [tree.folders[cache], *(tree.files[path] for path in tree.bytecode[folder])]
    with_modules = {path.rpartition("/")[0] for path in item.listed if path.endswith(".py")}
    return item.copy._replace(
        inodes=groups,
        folders=_sum(statuses),
        bytecode=_sum(bytecode),
        links=len({folder for folder in whole if folder.rpartition("/")[0] not in whole}),
        new_folders=sum(f"{folder}/{paths.PYCACHE}" not in tree.folders for folder in with_modules)
        + _data_folders(base, folders),
    )


def _data_folders(base: str, folders: set[str]) -> int:
    """Return the number of folders that an entry needs for files outside site-packages, without scripts.

    In an entry these files lie below two more folders: `.data`, and one for their scheme.
    """
    above = set(paths.ancestors(f"{base}/x"))
    outside = [path for path in folders - above if not path.startswith((f"{base}/", "bin", "Scripts"))]
    return len(outside) + 2 if outside else 0


def _kept_real(base: str, listed: list[str], whole: set[str]) -> set[str]:
    """Return the folders that stay real, so that pip finds a file in each namespace: see `footprint`."""
    start = len(base) + 1
    kept: set[str] = set()
    while True:
        left = whole - kept
        tops = [folder[start:] for folder in left if folder.rpartition("/")[0] not in left]
        spaces = {above for top in tops for above in paths.ancestors(top) if not above.endswith(".dist-info")}
        spaces -= {folder[start:] for folder in kept}
        if not spaces:
            return kept
        inside = [path[start:] for path in listed if path.startswith(f"{base}/")]
        visible = [path for path in inside if not any(path.startswith(f"{top}/") for top in tops)]
        shape = footprint.Footprint(tuple(tops), tuple(visible), (), tuple(sorted(spaces)), ())
        hidden = footprint.folders_to_open(footprint.tree_of(inside), shape)
        if not hidden:
            return kept
        kept |= {f"{base}/{folder}" for folder in hidden}


def _sum(statuses: list[os.stat_result]) -> tuple[int, int]:
    return sum(map(disk_usage.allocated_of, statuses)), len(statuses)


def _mark(status: os.stat_result) -> int:
    """Return a number for an inode. The sum of these numbers identifies a set of inodes."""
    return (status.st_ino * 0x9E3779B97F4A7C15 ^ status.st_dev * 0xC2B2AE3D27D4EB4F) & _MARKS


def _linked_whole(
    base: str, dist_info: str, folders: Iterable[str], listed: set[str], holders: dict[str, str]
) -> Iterator[str]:
    """Yield the folders of a distribution that links would replace, and all its folders below them."""
    whole: set[str] = set()
    for folder in sorted(folders, key=lambda path: path.count("/")):
        if not folder.startswith(f"{base}/") or folder == f"{base}/{dist_info}":
            continue
        above, _, name = folder.rpartition("/")
        is_regular = any(f"{folder}/{init}" in listed for init in _INSIDE_INIT) or not name.isidentifier()
        is_regular = is_regular or folder.startswith(f"{base}/{dist_info}/")  # such as licenses
        if above in whole or (holders.get(folder) == dist_info and is_regular):
            whole.add(folder)
            yield folder

"""Finds the distributions of an environment that pepip does not link, and tells which of them could be linked.

Only metadata is read; of all other files, only size and kind are checked. So an edited file of the same size is not
noticed here; adopting hashes every file before it links. No program is started, because the environment may belong to
anybody.
"""

from __future__ import annotations

import json
import os
import stat

from pepip import digests, paths
from pepip.environment import contents
from pepip.fast_namedtuple import NamedTuple
from pepip.host import disk_usage, files, filesystems, links, reflinks
from pepip.wheel import footprint, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pepip.model import StoreRoots

_MOST_BYTES = 1 << 28
_MARKS = (1 << 53) - 1  # every JSON reader keeps integers of 53 bits exactly
_FARMED = "its files are links of another tool"
_INSIDE_INIT = ("__init__.py", "__init__.pyi", "__init__.pyc")


class Inodes(NamedTuple):
    """The inodes of a distribution that have the same number of `names` (hard links) each.

    `mark` is computed from the inodes: distributions that are hard links of the same files have equal marks. It is 0
    for inodes with one name. `number` counts the inodes.
    """

    mark: int
    names: int
    size_bytes: int
    number: int


class Copy(NamedTuple):
    """One distribution of an environment, and the disk space that its files occupy.

    `reason` says in words why the distribution can't be linked, and is empty if it can. `changed` are its files that
    differ from RECORD. `content` is equal for distributions whose RECORDs list the same files. `inodes` are the
    inodes of its files. `bytecode` and `folders` are pairs of allocated bytes and number: of compiled bytecode, and
    of the folders that links would replace. `links` counts the outermost of these folders. `new_folders` counts the
    folders that an entry would have and the environment has not: for bytecode, and in `.data`.
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

    copies: tuple[Copy, ...]
    linked: int
    allocated_bytes: int
    inode_count: int
    bytecode_bytes: int
    device: int
    folders: tuple[str, ...]
    """All folders, relative to the environment. Their modification times show whether the survey is still true."""


class _Tree:
    """All files and folders of an environment, by their relative path.

    `links` are all paths that are neither a regular file nor a folder. `bytecode` lists the `.pyc` files by the
    folder of their modules.
    """

    def __init__(self, root: str) -> None:
        self.files: dict[str, os.stat_result] = {}
        self.folders: dict[str, os.stat_result] = {"": os.lstat(root)}
        self.links: set[str] = set()
        self.bytecode: dict[str, list[str]] = {}
        pending = [""]
        while pending:
            folder = pending.pop()
            self._list(root, folder, pending)

    def _list(self, root: str, folder: str, pending: list[str]) -> None:
        prefix = f"{folder}/" if folder else ""
        is_bytecode = folder.endswith(paths.PYCACHE)
        with os.scandir(f"{root}/{folder}" if folder else root) as children:
            for child in children:
                try:
                    status = child.stat(follow_symlinks=False)
                except FileNotFoundError:  # a program that runs in the environment has removed it
                    continue
                path = prefix + child.name
                if stat.S_ISDIR(status.st_mode):
                    self.folders[path] = status
                    pending.append(path)
                elif stat.S_ISREG(status.st_mode):
                    self.files[path] = status
                    if is_bytecode and child.name.endswith(".pyc"):
                        self.bytecode.setdefault(folder[: -len(paths.PYCACHE) - 1], []).append(path)
                else:
                    self.links.add(path)


class _Found(NamedTuple):
    """A `Copy` that has no sizes yet. `listed` are the paths in its RECORD, relative to the environment."""

    copy: Copy
    listed: list[str]


def survey(root: str, store_roots: StoreRoots) -> Survey:
    """Survey the environment at `root`. `store_roots` are the spellings of the store's root.

    Raises OSError if a folder can't be read.
    """
    tree = _Tree(root)
    found: list[_Found] = []
    linked = 0
    for site_packages in contents.site_packages_of(root)[:1]:
        base = site_packages[len(root) + 1 :]
        for item in contents.installed_in(site_packages, store_roots):
            if item.entry_id:
                linked += 1
            elif f"{base}/{item.dist_info}" in tree.folders or not item.dist_info.endswith(".dist-info"):
                found.append(_look(root, base, item.dist_info, tree, name=item.name, version=item.version))
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


def _look(root: str, base: str, dist_info: str, tree: _Tree, *, name: str, version: str) -> _Found:
    """Read one distribution, and tell whether it could be linked or why not."""

    def own(reason: str, changed: Iterable[str] = (), listed: Iterable[str] = ()) -> _Found:
        copy = Copy(name, version, dist_info, reason, tuple(changed), "", (), (0, 0), (0, 0))
        return _Found(copy, list(listed))

    if not dist_info.endswith(".dist-info"):
        return own("it has an egg's metadata, and no RECORD")
    prefix = f"{base}/{dist_info}"
    record_path = f"{prefix}/RECORD"
    if record_path in tree.links or f"{prefix}/METADATA" in tree.links:
        target = links.read_link(f"{root}/{prefix}/METADATA")
        is_of_pepip = f"/{dist_info}/METADATA" in target and paths.packages("") in target
        return own("another store of pepip has it" if is_of_pepip else _FARMED)
    if record_path not in tree.files or f"{prefix}/METADATA" not in tree.files:
        return own("it has no RECORD" if record_path not in tree.files else "it has no METADATA")
    try:
        content = files.read_regular(f"{root}/{record_path}", most_bytes=_MOST_BYTES)
    except (OSError, ValueError) as error:
        return own(f"its RECORD can't be read: {error}")
    rows = record.parse(content.decode("utf-8", "surrogateescape"))
    listed, content_rows, changed, farmed, reason = [], [], [], 0, ""
    skipped = record.own_metadata(dist_info)
    for path, hash_value, size in rows:
        if path in skipped:
            continue
        inside = f"{base}/{path}" if not path.startswith((".", "/")) else _inside(base, path)
        if not inside:
            reason = reason or f"its RECORD lists {path}, outside of the environment"
            continue
        status = tree.files.get(inside)
        if paths.PYCACHE in path and path.endswith(".pyc"):
            continue
        if status is None and not hash_value and inside not in tree.links:
            continue  # virtualenv lists files that it has not made
        listed.append(inside)
        if status is None:
            farmed += inside in tree.links or _is_below_link(inside, tree)
            changed.append(path)
        elif size and size != str(status.st_size):
            changed.append(path)
        if not path.startswith("../"):
            content_rows.append(f"{path},{hash_value}")
    origin = _origin(root, prefix, tree)
    if origin or reason:
        return own(origin or reason, (), listed)
    if farmed:
        return own(_FARMED, (), listed)
    if changed:
        return own("its files are not as RECORD says", sorted(changed), listed)
    text = "\n".join([f"{name} {version}", *sorted(content_rows)])
    key = digests.hexadecimal(text.encode("utf-8", "surrogateescape"))
    return _Found(Copy(name, version, dist_info, "", (), key, (), (0, 0), (0, 0)), listed)


def content_of_entry(name: str, version: str, dist_info: str, text: bytes) -> str:
    """Return the `Copy.content` of a distribution with the files of an entry. `text` is the entry's RECORD."""
    skipped = record.own_metadata(dist_info)
    data = dist_info.removesuffix(".dist-info") + ".data/"
    merged = tuple(f"{data}{scheme}/" for scheme in ("purelib", "platlib"))
    rows = []
    for path, hash_value, _ in record.parse(text.decode("utf-8", "surrogateescape")):
        if path in skipped or (paths.PYCACHE in path and path.endswith(".pyc")):
            continue
        shown = path.split("/", 2)[2] if path.startswith(merged) else path
        if not shown.startswith(data):
            rows.append(f"{shown},{hash_value}")
    return digests.hexadecimal("\n".join([f"{name} {version}", *sorted(rows)]).encode("utf-8", "surrogateescape"))


def _inside(base: str, path: str) -> str:
    """Return a path of RECORD relative to the environment, or an empty string if it leads out of it."""
    if path.startswith("/"):
        return ""
    place = os.path.normpath(f"{base}/{path}").replace(os.sep, "/")
    return place if paths.is_inside(place) else ""


def _is_below_link(path: str, tree: _Tree) -> bool:
    return any(folder in tree.links for folder in paths.ancestors(path))


def _origin(root: str, prefix: str, tree: _Tree) -> str:
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
    return "it is editable" if folder.get("editable") else "it was built from a folder on this machine"


def _weighed(root: str, tree: _Tree, base: str, found: list[_Found]) -> list[_Found]:
    """Return the distributions with the sizes of their files and of the folders that links would replace."""
    holders: dict[str, str] = {}
    for copy, listed in found:
        for folder in {path.rpartition("/")[0] for path in listed}:
            for above in (*paths.ancestors(folder), folder):
                holders[above] = copy.dist_info if holders.get(above, copy.dist_info) == copy.dist_info else ""
    listed_anywhere = {path for item in found for path in item.listed}
    for path in (*tree.files.keys() - listed_anywhere, *tree.links):
        if paths.PYCACHE not in path and ".dist-info/" not in path:
            for above in paths.ancestors(path):
                holders[above] = ""
    may_clone = reflinks.clones(filesystems.mount_point(root))
    return [item._replace(copy=_weigh(root, tree, base, item, holders, may_clone=may_clone)) for item in found]


def _weigh(root: str, tree: _Tree, base: str, item: _Found, holders: dict[str, str], *, may_clone: bool) -> Copy:
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
    folders = {folder for path in item.listed for folder in paths.ancestors(path)}
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
    """Return the number of folders that an entry has for `.data` files: theirs, the scheme's, and `.data` itself."""
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
        hidden = footprint.hidden_folders(footprint.tree_of(inside), shape)
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

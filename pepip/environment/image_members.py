"""The members of an image that come from an environment: its files, with the files of entries in the place of links.

Reads the environment, and changes nothing. Each path in an image is the path in the environment. Modes are 755 for
folders and programs, and 644 for other files: any user can read an image.
"""

from __future__ import annotations

import os
import re
import stat

from pepip.environment import base_interpreter, contents, file_modes
from pepip.errors import ImageError, VenvError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, links
from pepip.host.tar_stream import FILE, FOLDER, LINK, Member
from pepip.wheel import record, scripts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from pepip.model import Environment, StoreRoots

_OWN_AT_ROOT = re.compile(r"\.pepip|\.lock$|\.[^/]*\.pepip-")
_INTERPRETER = re.compile(r"(python|pypy)[\d.]*[tw]?$")
_MOST_FOLDERS = 200
_LARGEST_SCRIPT = files.SMALL_BYTES


class Found(NamedTuple):
    """The members by path, and some links of the environment. Paths are relative to the environment.

    `linked` has the paths of linked folders, by the id of the entry that they lead into. `outside` has pairs of path
    and target, for links that lead neither into the store nor to a place in the environment.
    """

    members: dict[str, Member]
    linked: dict[str, list[str]]
    outside: list[tuple[str, str]]


def of_environment(
    environment: Environment, store_roots: StoreRoots, tag: str, *, without: Collection[tuple[int, int]] = ()
) -> Found:
    """Return the members for the files of an environment, except its interpreter, pepip's own files, and uv's lock.

    Only bytecode with this `tag` in its name is included. Files with the devices and inodes in `without` are left
    out. Raises VenvError if the store has lost an entry, OSError if a folder can't be read, and ImageError if links
    lead in a circle.
    """
    walk = _Walk(environment, store_roots, tag, frozenset(without))
    walk.run()
    return walk.found


class _Walk:
    def __init__(
        self, environment: Environment, store_roots: StoreRoots, tag: str, without: Collection[tuple[int, int]]
    ) -> None:
        self.found = Found({}, {}, [])
        self._environment = environment
        self._real_root = os.path.realpath(environment.root)
        self._store_roots = store_roots
        self._tag = tag
        self._without = without
        self._pending: list[tuple[str, str, bool]] = [("", environment.root, False)]

    def run(self) -> None:
        while self._pending:
            folder, place, is_entry = self._pending.pop()
            with os.scandir(place) as children:
                for child in children:
                    self._take(child, f"{folder}/{child.name}" if folder else child.name, is_entry=is_entry)

    def _take(self, child: os.DirEntry[str], path: str, *, is_entry: bool) -> None:
        folder, _, name = path.rpartition("/")
        if folder == self._environment.interpreter.scripts and _INTERPRETER.match(name):
            return
        if (not folder and _OWN_AT_ROOT.match(name)) or not base_interpreter.is_wanted(path, self._tag):
            return
        if name == file_modes.NOTE and folder.endswith(".dist-info"):
            return
        if links.is_link(child) and not is_entry:
            self._take_link(child.path, path)
        elif child.is_dir():
            self._take_folder(child.path, path, is_entry=is_entry)
        elif child.is_file():
            self._take_file(path, child.path, child.stat())

    def _take_folder(self, place: str, path: str, *, is_entry: bool) -> None:
        if path.count("/") > _MOST_FOLDERS:
            raise ImageError(f"{place} lies in more than {_MOST_FOLDERS} folders: a link leads in a circle")
        self.found.members[path] = Member(FOLDER, 0o755)
        self._pending.append((path, place, is_entry))

    def _take_file(self, path: str, place: str, status: os.stat_result) -> None:
        if (status.st_dev, status.st_ino) not in self._without:
            self.found.members[path] = Member(FILE, 0o755 if status.st_mode & stat.S_IXUSR else 0o644, place)

    def _take_link(self, place: str, path: str) -> None:
        entry_id = contents.linked_entry(place, self._store_roots)
        if entry_id:
            try:
                status = os.stat(place)
            except FileNotFoundError as error:
                raise VenvError(
                    f"the store has lost {entry_id.rpartition('/')[2]}, which {self._environment.root} links",
                    hint="`pepip store repair` stores it again",
                ) from error
            if stat.S_ISDIR(status.st_mode):
                self.found.linked.setdefault(entry_id, []).append(path)
                self._take_folder(place, path, is_entry=True)
            else:
                self._take_file(path, place, status)
            return
        target, real = links.read_link(place), os.path.realpath(place)
        if f"{real}/".startswith(f"{self._real_root}/"):
            above = os.path.realpath(os.path.dirname(place))
            kept = target if _stays_inside(path, target) else os.path.relpath(real, above)
            self.found.members[path] = Member(LINK, 0o777, target=kept)
        else:
            self.found.outside.append((path, target))


def _stays_inside(path: str, target: str) -> bool:
    """Tell whether a link's relative target never leaves the root, not even on its way."""
    depth = path.count("/")
    for part in target.split("/"):
        depth += -1 if part == ".." else part not in {"", "."}
        if depth < 0:
            return False
    return not target.startswith("/")


def make_scripts_relocatable(members: dict[str, Member], folder: str, skeleton: Iterable[Sequence[str]]) -> set[str]:
    """Let the scripts in `folder` start the interpreter beside them. Return the paths of the rewritten scripts.

    `skeleton` has the files of a relocatable environment that uv made. In the image its activation scripts replace
    the environment's own, which contain its path.
    """
    for path in [path for path in members if path.rpartition("/")[0] == folder]:
        if path.rpartition("/")[2].lower().startswith(("activate", "deactivate")):
            del members[path]
    for kind, path, text in skeleton:
        if path.rpartition("/")[0] == folder and kind in {"file", "program"} and "\0" not in text:
            members[path] = Member(FILE, 0o755 if kind == "program" else 0o644, content=text.encode())
    changed = set()
    for path, member in members.items():
        if path.rpartition("/")[0] == folder and member.source:
            content = _script(member.source)
            if scripts.is_of_environment(content):
                made = scripts.shebang("python", relocatable=True) + scripts.body(content)
                members[path] = member._replace(source="", content=made)
                changed.add(path)
    return changed


def _script(path: str) -> bytes:
    """Return the content of a script, empty for a file without a `#!` line or larger than any script."""
    with open(files.open_regular(path, follows=True), "rb") as file:
        if file.read(2) != b"#!" or os.fstat(file.fileno()).st_size > _LARGEST_SCRIPT:
            return b""
        return b"#!" + file.read()


def rewrite_records(environment: Environment, found: Found, store_roots: StoreRoots, changed: set[str]) -> None:
    """Let each RECORD list the files of the image: no links, and the `changed` scripts with their new hashes."""
    base = environment.interpreter.site_packages
    for path, member in found.members.items():
        info, _, name = path.rpartition("/")
        if name != "RECORD" or not info.endswith(".dist-info") or os.path.dirname(info) != base:
            continue
        old = files.read_regular(member.source, most_bytes=files.RECORD_BYTES, follows=True)
        entry_id = contents.linked_entry(f"{environment.root}/{info}/METADATA", store_roots)
        folders = [os.path.relpath(folder, base) for folder in found.linked.get(entry_id, ())]
        new = record.without_folders(old, folders, f"{os.path.basename(info)}/{file_modes.NOTE}")
        if changed and b"../" in new:
            new = _with_scripts(new, base, found.members, changed)
        if new != old:
            found.members[path] = member._replace(source="", content=new)


def _with_scripts(content: bytes, base: str, members: dict[str, Member], changed: set[str]) -> bytes:
    rows = record.parse(content.decode("utf-8", "surrogateescape"))
    for number, row in enumerate(rows):
        path = record.in_environment(row.path, base) if ".." in row.path else ""
        if path in changed and row.hash_value:
            rows[number] = record.row_of(row.path, members[path].content)
    return record.render(rows).encode("utf-8", "surrogateescape")


def take_path_files(environment: Environment, found: Found) -> list[tuple[str, str]]:
    """Return the `.pth` and `.egg-link` files of site-packages that name a folder outside the environment.

    Each file comes with that folder. In the members, absolute paths into the environment become relative.
    """
    base = environment.interpreter.site_packages
    real_root = os.path.realpath(environment.root)
    outside = []
    for path, member in list(found.members.items()):
        folder, _, name = path.rpartition("/")
        if folder != base or not name.endswith((".pth", ".egg-link")) or not member.source:
            continue
        content = files.read_regular(member.source, follows=True)
        lines = content.decode("utf-8", "surrogateescape").splitlines()
        for number, raw_line in enumerate(lines):
            line = raw_line.strip()
            if not line or line.startswith(("#", "import ", "import\t")):
                continue
            real = os.path.realpath(os.path.join(environment.root, base, line))
            if real == real_root or real.startswith(f"{real_root}/"):
                if os.path.isabs(line):
                    lines[number] = os.path.relpath(real, f"{real_root}/{base}")
            elif os.path.isabs(line) or os.path.exists(real):
                outside.append((path, line))
        new = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
        if new.split() != content.split():
            found.members[path] = member._replace(source="", content=new)
    return outside

"""The types of environments, of the store's entries, and of the links between them. All are small and immutable.

An *entry* is one wheel in the store. An *environment* is a virtual environment. A *link* is one file-system link in
an environment, and a *plan* is all the links that the environment needs.
"""

from __future__ import annotations

from pepip import paths
from pepip.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Interpreter(NamedTuple):
    """The facts that an environment's Python reports about itself.

    `executable` is an absolute path. The other paths are relative to the environment's root.
    """

    executable: str
    version: str
    implementation: str
    site_packages: str
    scripts: str
    headers: str


class BaseInterpreter(NamedTuple):
    """The Python on which an environment is based: its prefix, its program, and its folders of modules.

    The folders are relative to the prefix. `short_version` is as in the names of its programs (`3.13`, `3.13t`).
    `magic` is the number at the beginning of its bytecode, `tag` the tag in the names of its bytecode.
    """

    prefix: str
    program: str
    module_folders: tuple[str, ...]
    short_version: str
    magic: bytes
    tag: str


class Environment(NamedTuple):
    """A virtual environment: its root folder, its interpreter, and the interpreter's wheel tags, best first."""

    root: str
    interpreter: Interpreter
    tags: tuple[str, ...] = ()

    @property
    def executable(self) -> str:
        """The absolute path of its interpreter."""
        return self.interpreter.executable

    @property
    def site_packages(self) -> str:
        """The absolute path of the folder that holds the distributions."""
        return f"{self.root}/{self.interpreter.site_packages}"


class Artifact(NamedTuple):
    """One file, commit or folder that a resolution chose for a distribution.

    Artifacts with the same `identity` are the same (`sha256:…` of a wheel, `sdist-sha256:…@cp312`,
    `git:<commit>@cp312`). A local folder or a file without a hash has an empty identity: the store never keeps it.
    `package` is a `[[packages]]` table of a `pylock.toml`, reduced to this one file, commit or folder, so that uv
    stages exactly this artifact. `wheel` is the file name of a wheel, empty for other artifacts. `size_bytes` is the
    size of the download, 0 if the index doesn't name it. `direct_url` is the content of the environment's
    `direct_url.json` (PEP 610), None for an artifact of an index. `local_path` is the path of a file on this machine,
    which uv watches for changes.
    """

    name: str
    version: str
    identity: str
    package: dict[str, Any]
    wheel: str
    size_bytes: int
    direct_url: dict[str, object] | None
    local_path: str

    @property
    def is_shared(self) -> bool:
        """Whether the store may keep it."""
        return bool(self.identity)

    @property
    def is_located(self) -> bool:
        """Whether its package table names its source. Otherwise only the request names the source."""
        return not self.package.keys().isdisjoint(("wheels", "sdist", "archive", "vcs", "directory", "url"))

    @property
    def is_of_index(self) -> bool:
        """Whether it is a file of an index that must be downloaded."""
        return ("wheels" in self.package or "sdist" in self.package) and not self.local_path


class Entry(NamedTuple):
    """One wheel in the store, with all facts for linking it. They are computed when it is stored.

    Paths are relative to the entry, which is laid out as an unpacked wheel. `directories` are linked whole, and
    `files` one by one. `opened` are real folders in an environment. `namespaces` are the opened folders that
    are no regular package, so that other distributions may add packages to them. `bytecode` are the opened
    folders whose `__pycache__` may be shared. `compiled` are the bytecode files that the wheel itself ships.
    `data` are (scheme, path) rows below `<name>.data/`. `launchers` has the text after the `#!` line of each entry
    point's script. `unlisted` are files that the wheel's RECORD does not list. `metadata` has the text of further
    files that uv writes into the `.dist-info` folder, by name. `format` is the format of the entry's document.
    """

    id: str
    path: str
    name: str
    version: str
    identity: str
    dist_info: str
    directories: tuple[str, ...]
    files: tuple[str, ...]
    opened: tuple[str, ...]
    namespaces: tuple[str, ...]
    bytecode: tuple[str, ...]
    compiled: tuple[str, ...]
    data: tuple[tuple[str, str], ...]
    launchers: dict[str, str]
    size_bytes: int
    unlisted: tuple[str, ...] = ()
    metadata: dict[str, str] = {}  # noqa: RUF012 - never changed
    format: int = 2

    @property
    def data_directory(self) -> str:
        """The entry's `.data` folder, relative to the entry."""
        return paths.data_folder(self.dist_info)


class StoreRoots(NamedTuple):
    """The spellings of a store's root that links may have: as configured first, then resolved.

    `layers` has the same for each further store from which links may come: see `store.layers`.
    """

    own: tuple[str, ...]
    layers: tuple[tuple[str, ...], ...] = ()


class Link(NamedTuple):
    """One link of an environment. `path` is relative to the environment, `target` an absolute path in an entry.

    If it has a `mode` (`hardlink`, `clone` or `copy`), it is the environment's own file, made from the target.
    """

    path: str
    target: str
    is_directory: bool
    owner: str
    mode: str = ""


class Plan(NamedTuple):
    """The links that an environment needs, by path, and the real folders that hold them."""

    links: dict[str, Link]
    directories: set[str]


class Installed(NamedTuple):
    """A distribution in an environment. `entry_id` is empty if its files are the environment's own.

    If pepip made those files from an entry, `source_id` is the entry's id, and `mode` is the way it made them.
    """

    name: str
    version: str
    dist_info: str
    entry_id: str
    source_id: str = ""
    mode: str = ""

    @property
    def store_id(self) -> str:
        """The entry that its links lead to, or that its files were made from; empty if there is none."""
        return self.entry_id or self.source_id

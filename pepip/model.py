"""Small immutable types that modules exchange. Knows nothing of files, uv or terminals.

An *entry* is one distribution version in the store. An *environment* is a virtual environment that links entries. A
*link* is one file-system link in it, and a *plan* is all the links that it needs.
"""

from __future__ import annotations

from pepip.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
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
    `git:<commit>@cp312`). A local folder or a file without a hash has an empty identity: the store may not keep it.
    `package` is the table of the lock that names the artifact, and nothing else, so that uv stages exactly this
    artifact. `wheel` is the file name of a wheel, empty for other artifacts. `size_bytes` is the size of the
    download, 0 if the index doesn't name it. `direct_url` is the content of the environment's `direct_url.json` (PEP
    610), None for an artifact of an index. `local_path` is the path of a file on this machine, which uv watches for
    changes.
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
    """One distribution version in the store, with all facts for linking it. They are computed when it is stored.

    Paths are relative to the entry, which is laid out as an unpacked wheel. `directories` are linked whole, and
    `files` one by one. `opened` are real directories in an environment. `namespaces` are the opened directories that
    are no regular package, so that other distributions may add packages to them. `bytecode` are the opened
    directories whose `__pycache__` may be shared. `compiled` are the bytecode files that the wheel itself ships.
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
        return self.dist_info.removesuffix(".dist-info") + ".data"


class StoreRoots(NamedTuple):
    """The spellings of a store's root that links may have: as configured first, then resolved.

    `layers` has the same for each further store from which links may come: see `store.layers`.
    """

    own: tuple[str, ...]
    layers: tuple[tuple[str, ...], ...] = ()


class CachedEntry(NamedTuple):
    """An entry that this run has read, with the state of its document at that time."""

    entry: Entry
    changed_at_ns: int
    inode: int

    def is_current(self, status: os.stat_result) -> bool:
        """Tell whether the document, which has this `status` now, is unchanged."""
        return (self.changed_at_ns, self.inode) == (status.st_mtime_ns, status.st_ino)


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
    """The links that an environment needs, by path, and the real directories that hold them."""

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


class Change(NamedTuple):
    """One line of uv's plan.

    `version` may be empty for a distribution from a URL. `url` is empty for one from an index.
    """

    name: str
    version: str
    url: str


class Changes(NamedTuple):
    """The distributions that uv would remove from an environment and add to it, and the sentences of its warnings."""

    removed: tuple[Change, ...]
    added: tuple[Change, ...]
    warnings: tuple[str, ...] = ()


class Progress(NamedTuple):
    """One step of an operation, for the command line or the app to show.

    `phase` is one of those below, or empty before the first. `done` and `total` count bytes while downloading or
    adopting, and distributions otherwise; `total` is 0 if it isn't known. `detail` is a name or a sentence. With
    `is_of_uv` it is a warning of uv, which uv repeats if it is asked again. At a step that `is_before_fork`, a
    display ends its threads: a second process follows if no thread runs that could hold a lock.
    """

    phase: str
    detail: str = ""
    done: int = 0
    total: int = 0
    is_of_uv: bool = False
    is_before_fork: bool = False

    @property
    def title(self) -> str:
        """The phase's name for people."""
        return _PHASES.get(self.phase, self.phase)


_PHASES = {
    "make": "Made",
    "remake": "Made anew",
    "would make": "Would make",
    "would remake": "Would make anew",
    "resolve": "Resolving",
    "download": "Downloading",
    "store": "Storing",
    "link": "Linking",
    "build": "Installing with uv",
    "compile": "Compiling bytecode",
    "verify": "Verifying",
    "repair": "Repairing",
    "prune": "Pruning",
    "undo": "Bringing back",
    "wait": "Waiting",
    "scan": "Looking into",
    "ask": "Asking the network",
    "adopt": "Hashing and linking",
    "eject": "Copying",
    "image": "Packing",
    "warning": "warning:",
}


class Summary(NamedTuple):
    """The result of a change to an environment. Sizes are bytes on disk, inodes counted once.

    `linked`, `removed` and `private` (installed by uv, as the project's own) are names and versions. In a dry run,
    `download_bytes` is the size of the downloads that would be needed, as far as the index gives it, and `downloads`
    has the identity and the size of each.
    """

    environment: str
    dry_run: bool
    linked: tuple[tuple[str, str], ...] = ()
    removed: tuple[tuple[str, str], ...] = ()
    private: tuple[tuple[str, str], ...] = ()
    reused: tuple[str, ...] = ()
    downloaded: tuple[str, ...] = ()
    avoided_bytes: int = 0
    stored_bytes: int = 0
    seconds: float = 0.0
    download_bytes: int = 0
    downloads: tuple[tuple[str, int], ...] = ()


class Request(NamedTuple):
    """A user's request to install, in uv's words. Options are split by the uv commands that know them.

    `common_options` (indexes, builds, cache, network) go to every call of uv, `resolver_options` to the calls that
    resolve, and `installer_options` only to `uv pip install` itself. With `is_whole`, the environment must hold only
    the distributions in the requirement files, as with `uv pip sync`.
    """

    packages: tuple[str, ...] = ()
    requirement_files: tuple[str, ...] = ()
    constraint_files: tuple[str, ...] = ()
    editables: tuple[str, ...] = ()
    common_options: tuple[str, ...] = ()
    resolver_options: tuple[str, ...] = ()
    installer_options: tuple[str, ...] = ()
    no_deps: bool = False
    is_whole: bool = False


class ProjectRequest(NamedTuple):
    """A user's request for a project, in uv's words. Options are split by the uv commands that know them.

    `common_options` go to every call of uv, `build_options` (packages that may or must be built) to all calls on the
    project, `resolver_options` to the calls that lock, `selection_options` (extras, groups, packages) to those that
    lock or sync, and `sync_options` to those that sync. `reinstall_options` (packages to install again) are for uv's
    plan alone. `lock_mode` is `locked`, `frozen` or empty. `python` is a request for an interpreter in uv's words.
    `script` is the path of a script with inline metadata (PEP 723); the request is then for the script's environment,
    not the project's.
    """

    common_options: tuple[str, ...] = ()
    build_options: tuple[str, ...] = ()
    resolver_options: tuple[str, ...] = ()
    selection_options: tuple[str, ...] = ()
    sync_options: tuple[str, ...] = ()
    reinstall_options: tuple[str, ...] = ()
    lock_mode: str = ""
    python: str = ""
    script: str = ""


class Stored(NamedTuple):
    """An entry as the store describes it to people. Times are seconds since 1970.

    `last_linked_at` is 0 if it is not known. `state` is `ok`, or `damaged` if the entry's own metadata can't be read;
    the other fields may then be empty.
    """

    id: str
    path: str
    name: str
    version: str
    identity: str
    origin: str
    file_count: int
    stored_at: int
    last_linked_at: int
    state: str

    @property
    def bucket(self) -> str:
        """The bucket of the entry: the part of the store for one interpreter ABI and platform."""
        return self.id.split("/")[-2]

    @property
    def last_used_at(self) -> int:
        """The time when an environment last linked the entry, or when it was stored if that is later.

        Links are noted to the hour, by a clock that may be ahead of this one.
        """
        return max(self.last_linked_at, self.stored_at)

    @property
    def layer(self) -> str:
        """The root of the layer that has the entry, empty if the store itself has it."""
        return self.path.rsplit("/", 3)[0] if self.id == self.path else ""


class Registration(NamedTuple):
    """One file of the registry: where an environment is, and which entries it linked when pepip last changed it.

    `environment` is the environment's real path. `named` is the path that the user gave, which may lead over links.
    `device`, `mount_point` and `filesystem` (0 if not known) say where the environment lay then. `registered_at` is
    seconds since 1970, 0 if not known. `id` is the environment's own id. `location` tells one disk or container from
    another: see `filesystems.Place`. If an old pepip wrote the file, `id` and `location` may be empty, and `entries`
    may be None.
    `damage` says in words why the file can't be read, and is empty if it can. Nothing else in a damaged file is
    known. `others` are files that other users registered for the same environment.
    """

    file: str
    environment: str
    project: str
    device: int
    mount_point: str
    entries: tuple[str, ...] | None
    damage: str = ""
    named: str = ""
    filesystem: int = 0
    others: tuple[str, ...] = ()
    registered_at: int = 0
    id: str = ""
    location: str = ""

    @property
    def is_damaged(self) -> bool:
        """Whether the file can't be read."""
        return bool(self.damage)


class Usage(NamedTuple):
    """The disk usage of trees. Bytes are allocated bytes, and each inode is counted once.

    A symbolic link counts as a link, not as its target.
    """

    allocated_bytes: int = 0
    inodes: int = 0

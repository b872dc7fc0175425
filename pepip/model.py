"""The nouns: small immutable types that cross module borders. Knows nothing of files, uv or terminals.

An *entry* is one distribution version in the store, an *environment* a virtual environment that links
entries, a *link* one file-system link in it, a *plan* the links that it needs.
"""

from __future__ import annotations

from pepip.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any


class Interpreter(NamedTuple):
    """What an environment's Python says of itself. Paths are relative to the environment's root."""

    executable: str
    version: str
    implementation: str
    site_packages: str
    scripts: str
    headers: str


class Environment(NamedTuple):
    """A virtual environment: its root folder, its interpreter, and the wheel tags that this supports, best first."""

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

    `identity` is what makes two of them the same (`sha256:…` of a wheel, `sdist-sha256:…@cp312`,
    `git:<commit>@cp312`), or empty where the store may not keep it: a local folder, a file without a hash.
    `package` is the table of the lock that names it, and nothing else, so that uv stages exactly this. `wheel` is the
    file name of a wheel, `size_bytes` the download's size, 0 where the index doesn't say. `direct_url` is what the
    environment's `direct_url.json` records (PEP 610), None for an artifact of an index. `local_path` is the file, if
    it lies on this machine, where uv watches it for changes.
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
        """Whether it is known where it comes from: else only the request itself tells."""
        return not self.package.keys().isdisjoint(("wheels", "sdist", "archive", "vcs", "directory", "url"))

    @property
    def is_of_index(self) -> bool:
        """Whether it is a file of an index, to be downloaded."""
        return ("wheels" in self.package or "sdist" in self.package) and not self.local_path


class Entry(NamedTuple):
    """One distribution version in the store, with all that linking it needs, computed when it was stored.

    Paths are relative to the entry, which is laid out as an unpacked wheel. `directories` are linked whole,
    `files` one by one, and `opened` are real directories in an environment; `namespaces` are those of them that
    are no regular package, so that others may add packages to them. `bytecode` are those opened
    directories whose `__pycache__` may be shared, `compiled` the bytecode files that the wheel itself ships.
    `data` are (scheme, path) rows below `<name>.data/`, and `launchers` the text after the `#!` line of each
    entry point's script. `unlisted` are files that the wheel's RECORD does not list, and `metadata` has the text of
    further files that uv writes into the `.dist-info` folder, by name. `format` is that of the entry's document.
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


class CachedEntry(NamedTuple):
    """An entry that this run has read, with the state of its document at that time."""

    entry: Entry
    changed_at_ns: int
    inode: int

    def is_as(self, status: os.stat_result) -> bool:
        """Tell whether the document is still the same."""
        return (self.changed_at_ns, self.inode) == (status.st_mtime_ns, status.st_ino)


class Link(NamedTuple):
    """One link of an environment. `path` is relative to the environment, `target` an absolute path in an entry.

    With a `mode` (`hardlink`, `clone` or `copy`) it is a file of the environment's own, made from the target.
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
    """A distribution that an environment has. `entry_id` is empty where its files are the environment's own.

    Of these, those that pepip made from an entry have its id as `source_id`, and the `mode` by which it did.
    """

    name: str
    version: str
    dist_info: str
    entry_id: str
    source_id: str = ""
    mode: str = ""

    @property
    def store_id(self) -> str:
        """The entry that it is linked from, or that its files were made from; empty if there is none."""
        return self.entry_id or self.source_id


class Change(NamedTuple):
    """One line of uv's plan. `version` is empty for what is named by URL, `url` for what an index has."""

    name: str
    version: str
    url: str


class Changes(NamedTuple):
    """What uv would remove from an environment and add to it, and the sentences with which it warns."""

    removed: tuple[Change, ...]
    added: tuple[Change, ...]
    warnings: tuple[str, ...] = ()


class Progress(NamedTuple):
    """One step of an operation, for whoever shows it.

    `phase` is one of those below, or empty before the first. `done` and `total` count bytes while downloading or
    adopting, and distributions otherwise; `total` is 0 where it isn't known. `detail` is a name or a sentence.
    """

    phase: str
    detail: str = ""
    done: int = 0
    total: int = 0

    @property
    def title(self) -> str:
        """What people call the phase."""
        return _PHASES.get(self.phase, self.phase)


_PHASES = {
    "resolve": "Resolving",
    "download": "Downloading",
    "store": "Storing",
    "link": "Linking",
    "build": "Installing with uv",
    "compile": "Compiling bytecode",
    "verify": "Verifying",
    "repair": "Repairing",
    "prune": "Pruning",
    "wait": "Waiting",
    "scan": "Looking into",
    "adopt": "Hashing and linking",
    "eject": "Copying",
    "warning": "warning:",
}


class Summary(NamedTuple):
    """What a change to an environment did. Sizes are bytes on disk, inodes counted once.

    `linked`, `removed` and `private` (installed by uv, as the project's own) are names and versions. Of a dry run,
    `download_bytes` is the size of what would be downloaded, as far as the index says it.
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


class Request(NamedTuple):
    """What a user asks to install, in uv's words. Options are split by the uv commands that know them.

    `everywhere` (indexes, builds, cache, network) reaches every call of uv, `resolving` those that resolve, and
    `installing` only `uv pip install` itself. With `is_whole` the requirement files are all that the environment
    shall hold, as with `uv pip sync`.
    """

    packages: tuple[str, ...] = ()
    requirement_files: tuple[str, ...] = ()
    constraint_files: tuple[str, ...] = ()
    editables: tuple[str, ...] = ()
    everywhere: tuple[str, ...] = ()
    resolving: tuple[str, ...] = ()
    installing: tuple[str, ...] = ()
    no_deps: bool = False
    is_whole: bool = False


class ProjectRequest(NamedTuple):
    """What a user asks of a project, in uv's words. Options are split by the uv commands that know them.

    `everywhere` reaches every call of uv, `building` (what may be built, and must be) all those on the project,
    `resolving` those that lock, `selecting` (extras, groups, packages) those that lock or sync, `syncing` those that
    sync, and `replacing` (what is to be installed again) is for uv's plan alone. `lock_mode` is `locked`, `frozen` or
    empty, `python` a request in uv's words.
    """

    everywhere: tuple[str, ...] = ()
    building: tuple[str, ...] = ()
    resolving: tuple[str, ...] = ()
    selecting: tuple[str, ...] = ()
    syncing: tuple[str, ...] = ()
    replacing: tuple[str, ...] = ()
    lock_mode: str = ""
    python: str = ""


class Stored(NamedTuple):
    """What the store says of one entry, for people. Times are seconds since 1970, of the last link 0 if not known.

    `state` is `ok`, or `damaged` where the entry's own metadata can't be read; its other fields may then be empty.
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
        """The part of the store for one kind of interpreter."""
        return self.id.partition("/")[0]


class Registration(NamedTuple):
    """One file of the registry: where an environment is, and which entries it linked when pepip last changed it.

    `environment` is its real path; `named` the one by which it was reached, perhaps by links. `device`, `mount_point`
    and `filesystem` (0 if not known) held it then. `registered_at` is seconds since 1970, 0 if not known. `id` is
    the environment's own, and `location` tells from where it was seen: see `filesystems.Place`. Both are empty
    where an older pepip registered it.
    `entries` is None where an older pepip registered it. `damage` says in words why the file can't be read, and is
    empty if it can; nothing else in a damaged file is known. `others` are further files on the same environment, by
    other users.
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
    """What trees occupy on disk. Bytes are allocated ones, each inode counted once; symbolic links count as such."""

    allocated_bytes: int = 0
    inodes: int = 0

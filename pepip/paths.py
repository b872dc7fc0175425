"""Path arithmetic: where things lie in a store and in an environment. Changes nothing on disk.

Paths are strings: `pathlib` alone takes as long to import as the interpreter takes to start.
"""

from __future__ import annotations

import os
import sys

from pepip import digests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ENTRY_METADATA = "pepip-entry.json"
READY = ".pepip"
"""The folder of ready-made links and files in an entry. Environments hard-link them. No wheel has such a folder."""
PYCACHE = "__pycache__"

LOCK_FOLDERS = ".pepip-locks"
"""The folder, beside a lock's file, for locks made of folders: see `host.lock_folders`."""

_READY_FILES = {"RECORD", "INSTALLER", "REQUESTED"}
_LONGEST_NAME_BYTES = 255


def slashed(path: str) -> str:
    """Return a path with `/` between its parts. Only on Windows, a backslash stands between parts, too."""
    return path.replace("\\", "/") if sys.platform == "win32" else path


def absolute(path: str) -> str:
    """Return a path as `os.path.abspath` does, with `/` between its parts."""
    return slashed(os.path.abspath(path))


def real(path: str) -> str:
    """Return the path without links, as `os.path.realpath` does, with `/` between its parts."""
    return slashed(os.path.realpath(path))


def configured_store_root(variables: Mapping[str, str]) -> str:
    """Return the store's root: `PEPIP_HOME`, or `~/.pepip`, as an absolute path.

    Raises UsageError as `expand_user` does.
    """
    return absolute(expand_user(_store_root(variables), variables))


def known_store_root(variables: Mapping[str, str]) -> str:
    """Return the path of `configured_store_root`, empty where that raises an error."""
    expanded = _expanded(_store_root(variables), variables)
    return absolute(expanded) if expanded else ""


def _store_root(variables: Mapping[str, str]) -> str:
    return variables.get("PEPIP_HOME") or "~/.pepip"


def user_home(variables: Mapping[str, str]) -> str:
    """Return the user's home folder by uv's rule, empty if there is none.

    `HOME` comes first, unless it is empty, then the system's record of the user. In a container the user often has no
    record.
    """
    if sys.platform == "win32":
        home = os.path.expanduser("~")
        return "" if home == "~" else home
    if variables.get("HOME"):
        return variables["HOME"]
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


def expand_user(path: str, variables: Mapping[str, str]) -> str:
    """Return a path with the home folder in place of a leading `~` or `~user`.

    Raises UsageError if there is no such home folder: an unexpanded `~` would name a folder in the current folder.
    """
    expanded = _expanded(path, variables)
    if expanded or not path:
        return expanded
    from pepip.errors import UsageError

    user = path.partition("/")[0]
    if user == "~":
        raise UsageError(
            f"there is no home folder for {path}: HOME is not set, and the system has none for this user",
            hint="set HOME, or set PEPIP_HOME to the folder of the store",
        )
    raise UsageError(f"there is no home folder for {path}: the system knows no user {user[1:]}")


def _expanded(path: str, variables: Mapping[str, str]) -> str:
    """Return the result of `expand_user`, empty if there is no such home folder."""
    if not path.startswith("~"):
        return path
    user, separator, rest = path.partition("/")
    home = user_home(variables) if user == "~" else os.path.expanduser(user)
    return f"{home.rstrip('/')}{separator}{rest}" or "/" if home and home != user else ""


def user_folder(variables: Mapping[str, str], name: str, default: str) -> str:
    """Return a folder of the XDG specification: the variable `name`, or `default` in the user's home.

    A relative path in the variable does not count. The result is empty if there is no home folder either.
    """
    configured = variables.get(name, "")
    if os.path.isabs(configured):
        return configured
    home = user_home(variables)
    return f"{home}/{default}" if home else ""


def uv_settings(variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the folders of uv's settings, the user's own first. Source: uv's documentation of configuration files."""
    if sys.platform == "win32":
        for name in ("APPDATA", "PROGRAMDATA"):
            if variables.get(name):
                yield slashed(f"{variables[name]}/uv")
        return
    own = user_folder(variables, "XDG_CONFIG_HOME", ".config")
    if own:
        yield f"{own}/uv"
    for folder in (variables.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep):
        yield f"{folder}/uv"
    yield "/etc/uv"


def uv_data(variables: Mapping[str, str]) -> str:
    """Return the folder of the tools and interpreters of uv: `.uv` in the current folder if no home folder is known.

    Source: uv's documentation of storage, and `StateStore::from_settings` of uv 0.13.
    """
    if sys.platform == "win32":
        return slashed(f"{variables.get('APPDATA', '')}/uv/data")
    own = user_folder(variables, "XDG_DATA_HOME", ".local/share")
    return f"{own}/uv" if own else ".uv"


def packages(store_root: str) -> str:
    """Return the folder of all buckets."""
    return f"{store_root}/packages"


def projects(store_root: str) -> str:
    """Return the folder of the registry: one small file per environment."""
    return f"{store_root}/projects"


def staging(store_root: str) -> str:
    """Return the folder where entries are prepared before they are published."""
    return f"{store_root}/staging"


def trash(store_root: str) -> str:
    """Return the folder where removed entries wait for their deletion."""
    return f"{store_root}/trash"


def cache(store_root: str) -> str:
    """Return the folder of files that can be lost without harm."""
    return f"{store_root}/cache"


def global_environment(store_root: str) -> str:
    """Return the environment whose interpreter is used where no project has an environment."""
    return f"{store_root}/global-venv"


def trust(store_root: str) -> str:
    """Return the file in which the owner of a store names the members that all its users trust."""
    return f"{store_root}/trust.json"


OF_ENVIRONMENTS = frozenset(
    (
        ".lock",
        ".pepip",
        ".pepip.copies",
        ".pepip.adopting",
        ".pepip-id",
        ".pepip-linked.json",
        ".pepip-linked.json.new",
        LOCK_FOLDERS,
    )
)
"""Names in an environment's folder that belong to uv and pepip: no wheel puts anything there."""


def environment_lock(environment: str) -> str:
    """Return the lock file of an environment, which uv locks, too, while it changes the environment."""
    return f"{environment}/.lock"


def environment_id(environment: str) -> str:
    """Return the file with the id of an environment. The id tells environments apart that have the same path."""
    return f"{environment}/.pepip-id"


def registry_lost(store_root: str) -> str:
    """Return the file that marks a lost registry. It is there until a scan has found the environments again."""
    return f"{store_root}/registry-lost"


def scratch(environment: str) -> str:
    """Return the folder of an environment for its journal and new metadata. It exists only while links change."""
    return f"{environment}/.pepip"


def aside(environment: str) -> str:
    """Return the folder in an environment where a change keeps the files that it removes, until it is complete."""
    return f"{environment}/.pepip/aside"


def provenance(environment: str) -> str:
    """Return the file in an environment that names the entries from which its own files were made."""
    return f"{environment}/.pepip-linked.json"


def copies(environment: str) -> str:
    """Return the folder in an environment where copies are prepared. It exists only while an entry is copied."""
    return f"{environment}/.pepip.copies"


def adopting(environment: str) -> str:
    """Return the folder in an environment for links and files that replace others. It exists only during a swap."""
    return f"{environment}/.pepip.adopting"


def ready(entry: str, inside: str) -> str:
    """Return the path of an entry's ready-made link to `inside`, which is a path relative to the entry.

    The link's name is `inside` with a percent sign for each slash. It is a hash instead if `inside` has a percent
    sign, if the name would be too long, or if a ready-made file has that name.
    """
    name = inside.replace("/", "%")
    if "%" in inside or name in _READY_FILES or len(os.fsencode(name)) > _LONGEST_NAME_BYTES:
        name = f"%{digests.hexadecimal(os.fsencode(inside))}"
    return f"{entry}/{READY}/{name}"


def data_folder(dist_info: str) -> str:
    """Return the `.data` folder that belongs to a `.dist-info` folder. Most wheels have none."""
    return dist_info.removesuffix(".dist-info") + ".data"


def ancestors(path: str) -> list[str]:
    """Return the relative folders above `path`, the outermost first: `a/b/c` gives `a`, `a/b`."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def upward(folder: str) -> Iterator[str]:
    """Yield the absolute path of a folder, then of each folder above it, up to the root."""
    folder = absolute(folder)
    while True:
        yield folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return
        folder = parent


def is_inside(path: str) -> bool:
    """Tell whether a RECORD path stays below its base folder: it is not absolute, and `..` does not lead out."""
    if not path or path.startswith(("/", "\\")) or "\\" in path or "\0" in path or path[1:2] == ":":
        return False
    return os.path.normpath(path).split(os.sep, 1)[0] != os.pardir


def is_name(text: str) -> bool:
    """Tell whether a text is the plain name of one file or folder: no path, all characters printable."""
    is_one = "/" not in text and "\\" not in text and text[1:2] != ":"  # no drive
    return is_one and text not in {"", os.curdir, os.pardir} and text.isprintable()


def is_entry_id(text: str) -> bool:
    """Tell whether a text can be the id of an entry: its bucket and its folder, or its path in a layer."""
    root, parts = layer_of(text), text.split("/")
    if root:
        is_plain = "\0" not in root and os.path.normpath(root).replace(os.sep, "/") == root
        return is_plain and all(map(is_name, parts[-2:]))
    return len(parts) == 2 and all(map(is_name, parts))


def is_layered(entry_id: str) -> bool:
    """Tell whether an id belongs to an entry of a layer: such an id is the absolute path of the entry's folder."""
    return entry_id.startswith("/") if os.sep == "/" else os.path.isabs(entry_id)


def layer_of(entry_id: str) -> str:
    """Return the root of the layer that has an entry, empty for an entry of one's own store."""
    root, *rest = entry_id.rsplit("/", 3)
    return root if len(rest) == 3 and rest[0] == "packages" and os.path.isabs(root) else ""


def entry_name(entry_id: str) -> str:
    """Return the name of an entry's folder: the distribution's name and version, perhaps with a hash (`~…`)."""
    return entry_id.rpartition("/")[2]


def leases(store_root: str) -> str:
    """Return the folder of a layer in which readers note the entries that they link."""
    return f"{store_root}/leases"


def layer_policy(store_root: str) -> str:
    """Return the file that makes a store a layer for other users. It also says for how many days a lease counts."""
    return f"{store_root}/layer.json"


def layer_list(store_root: str) -> str:
    """Return the file of a store that names its layers, one path in each line."""
    return f"{store_root}/layers"


def entry_of_link(target: str, store_roots: tuple[str, ...]) -> str:
    """Return the id (`bucket/name-version`) of the entry in which a link's target lies, empty if it lies in none.

    `store_roots` are the accepted spellings of the store's folder: as configured, and resolved.
    """
    for store_root in store_roots:
        prefix = f"{store_root}/packages/"
        if target.startswith(prefix):
            parts = target[len(prefix) :].split("/", 2)
            if len(parts) >= 2 and not {"", ".", ".."} & set(parts[:2]):
                return f"{parts[0]}/{parts[1]}"
    return ""


def is_bytecode_name(name: str) -> bool:
    """Tell whether a file in `__pycache__` is bytecode, finished or not, or a file of numba's cache."""
    return name.endswith(_BYTECODE) or is_unfinished_bytecode(name)


def is_unfinished_bytecode(name: str) -> bool:
    """Tell whether a file in `__pycache__` has the name under which Python or numba writes it before a rename."""
    return any(f"{suffix}." in name for suffix in _BYTECODE)


_BYTECODE = (".pyc", ".nbi", ".nbc")

"""The environments that uv keeps in folders of its own: environments of tools, and environments in its cache.

In uv's cache, `environments-v2/NAME-HASH` is the environment of a script. `environments-v2/HASH/HASH` is a link to
the environment of `--with` or `uvx`, which lies in `archive-v0`. Source: uv 0.13, `CachedEnvironment` and
`ScriptEnvironment`; uv's documentation of tools.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.errors import UvError
from pepip.uv import arguments, cacheable, process, python_choice, settings, writable_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_RECEIPT = "uv-receipt.toml"
_NO_CACHE = frozenset(("-n", "--no-cache", "--no-cache-dir"))
_OF_CACHE = {
    **dict.fromkeys(("--cache-dir", "--config-file", "--directory", "--project"), True),
    "--no-config": False,
}
"""The options that say where uv's cache is, and whether each takes a value."""

_NAMES_PACKAGES = ("-w", "--with", "--with-editable", "--with-requirements", "--from")
_OF_PROJECT = ("pyproject.toml", "setup.py", "setup.cfg")
_BEFORE_PATH = r"((-[rce]|--requirements?|--constraints?|--editable)[\s=]+)?([^@/\\]*@)?\s*(file://)?"

SHOWS_ITS_PATH = ("python", "-I", "-c", "import sys; print(*sys.path, sep='\\n')")
"""A command that prints the folders from which it imports, one a line."""

_CHANGES_NOTHING = {"UV_OFFLINE": "1", "UV_NO_SYNC": "1", "UV_PYTHON_DOWNLOADS": "never"}


def cache_of(options: Sequence[str], *, of_tool: bool = False) -> str:
    """Return the cache that uv uses with these options, empty if it is unknown or does not outlast the command.

    With `of_tool`, uv reads its settings as `uv tool` does: no settings files of a project.
    """
    if settings.may_mention("no-cache") or settings.is_on("UV_NO_CACHE") or not _NO_CACHE.isdisjoint(options):
        return ""
    named = next(arguments.values_of(options, "--cache-dir"), "")
    if named or os.environ.get("UV_CACHE_DIR"):
        return cacheable.cache_folder(["--cache-dir", named] if named else ())
    words = arguments.only(options, _OF_CACHE)
    if of_tool:  # above the root there is no project
        words = [*arguments.without(words, values={"--project"}), "--project", os.path.abspath(os.sep)]
    return writable_cache.named_in_settings(words) or cacheable.cache_folder()


def in_cache(cache: str) -> list[str]:
    """Return the real paths of the environments in a cache of uv, each once."""
    found = {}
    for folder in folders_in_cache(cache):
        for name in _children(folder):
            path = os.path.realpath(f"{folder}/{name}")
            if os.path.isfile(f"{path}/pyvenv.cfg"):
                found[path] = True
    return list(found)


def used_by(words: Sequence[str], environments: Iterable[str]) -> list[str]:
    """Return those of the environments from which a command of uv imports. `words` end with `SHOWS_ITS_PATH`.

    uv makes, syncs and downloads nothing for this. The result is empty if uv can't run the command.
    """
    kept = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "VIRTUAL_ENV"))}
    try:
        output = process.run(words, **{**kept, **_CHANGES_NOTHING}).stdout
    except UvError:
        return []
    folders = [f"{paths.real(line)}/" for line in output.splitlines()]
    return [root for root in environments if any(folder.startswith(f"{root}/") for folder in folders)]


def folders_in_cache(cache: str) -> list[str]:
    """Return the folders whose modification times change when an environment in the cache is made or removed."""
    buckets = cacheable.folders(cache, "environments-v")
    inner = [f"{bucket}/{name}" for bucket in buckets for name in _children(bucket) if "-" not in name]
    return [*buckets, *(folder for folder in inner if not os.path.lexists(f"{folder}/pyvenv.cfg"))]


def named_files(options: Sequence[str]) -> list[str]:
    """Return the files that decide, besides settings, which environment uv makes for these options of `uv run`.

    These are files that may name a Python version, requirements files with the files that they name, and the files
    in which local projects name their dependencies.
    """
    found: dict[str, None] = {}
    folder = next(arguments.values_of(options, "--directory"), "") or os.environ.get("UV_WORKING_DIR", "")
    for value in arguments.values_of(options, *_NAMES_PACKAGES):
        for requirement in value.split(","):
            _add_named(requirement, os.path.abspath(folder), found)
    return [*found, *python_choice.version_files()]


def _add_named(requirement: str, folder: str, found: dict[str, None]) -> None:
    """Add the files that a requirement names, as a path relative to `folder`."""
    import re  # a repeated command does without

    text = requirement.split(" #")[0].split(";")[0].split("[")[0].strip()
    path = os.path.join(folder, re.sub(_BEFORE_PATH, "", text, count=1))
    if not text or path in found:
        return
    if os.path.isdir(path):
        found.update(dict.fromkeys(f"{path}/{name}" for name in _OF_PROJECT))
    elif os.path.isfile(path):
        found[path] = None
        if not path.endswith((*cacheable.ARCHIVES, ".py", ".toml", ".cfg")):  # else it is a list of requirements
            for line in settings.content(path).decode("utf-8", "replace").splitlines():
                _add_named(line, os.path.dirname(path), found)


def tools(folder: str) -> dict[str, tuple[int, int]]:
    """Return the environments of the tools in uv's `folder` for them, each with the state of its receipt.

    uv writes the receipt anew when it installs or upgrades a tool.
    """
    found = {}
    for name in _children(folder):
        try:
            status = os.stat(f"{folder}/{name}/{_RECEIPT}")
        except OSError:
            continue
        found[f"{folder}/{name}"] = (status.st_mtime_ns, status.st_ino)
    return found


def _children(folder: str) -> Iterator[str]:
    """Yield the names of the folders, and of the links to folders, in a folder."""
    try:
        with os.scandir(folder) as children:
            yield from sorted(child.name for child in children if child.is_dir())
    except OSError:
        return

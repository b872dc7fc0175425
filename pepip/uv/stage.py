"""Lets uv unpack and build wheels into a staging prefix, and install private distributions in the environment."""

from __future__ import annotations

import os
import re

from pepip.fast_namedtuple import NamedTuple
from pepip.host import files
from pepip.names import normalize_name
from pepip.uv import arguments, process, pylock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from pepip.model import Artifact
    from pepip.uv.request import Request

PLAIN_OUTPUT = ("--color", "never", "--no-progress")
_DOWNLOADED = r"^\s*(Downloaded|Built) ([A-Za-z0-9._-]+)"
# A lock leaves nothing to resolve, so uv refuses a lock together with one of the first three. The hashes of a lock
# are always checked, so the last two are removed, too.
_VARIABLES_OF_RESOLUTION = ("UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE", "UV_NO_VERIFY_HASHES", "UV_REQUIRE_HASHES")
_VARIABLES_OF_VENV = ("UV_VENV_SEED", "UV_VENV_CLEAR", "UV_VENV_RELOCATABLE")
_METADATA = frozenset(("METADATA", "RECORD", "INSTALLER", "WHEEL", "REQUESTED", "direct_url.json", "uv_cache.json"))
_LOCKABLE = ("wheels", "sdist", "archive", "vcs")


class Arrival(NamedTuple):
    """A distribution that uv has downloaded or built. An empty name says that uv has started."""

    name: str
    is_built: bool


def stage(
    request: Request,
    packages: Sequence[Mapping[str, Any]],
    executable: str,
    *,
    prefix: str,
    lock: str,
    indexes: Sequence[str] = (),
    own_cache: str = "",
) -> Iterator[Arrival]:
    """Lay out the files of these package tables of a lock in `prefix`, by links into uv's cache of unpacked wheels.

    The tables are written to `lock`, a new file named `pylock.*.toml`. uv takes each file from its cache, or from the
    URL in its table, and compares it with the hash there. uv asks no index. The `indexes`, URLs that may hold
    passwords, let uv find the files that it has cached from them, and log in. With `own_cache`, a folder, uv fetches
    all files anew into that folder, and the links lead there. The first item has no name: uv has started, and the
    caller may do other work meanwhile. Raises UvError with uv's message; the prefix may then hold a part of the
    files.
    """
    pylock.write(lock, packages)
    options = arguments.without(request.common_options, values={"--link-mode"})
    variables = dict.fromkeys(_VARIABLES_OF_RESOLUTION, "")
    variables.update(_index_variables(request, indexes))
    into = ("--python", executable, "--prefix", prefix, "--link-mode", "symlink")
    command = ["pip", "install", "--no-deps", "--verify-hashes", *PLAIN_OUTPUT, *options, *into, "-r", lock]
    yield from _arrivals(command, cache=own_cache, **variables)


def _index_variables(request: Request, indexes: Sequence[str]) -> dict[str, str]:
    """Return the variable that names these indexes to uv: other users could read a password in a command line."""
    name = "UV_EXTRA_INDEX_URL" if arguments.names_index(request) else "UV_INDEX"
    return {name: " ".join((*os.environ.get(name, "").split(), *indexes))}


def check(
    request: Request, executable: str, *, prefix: str, site_packages: str, cache: str = ""
) -> Iterator[Arrival]:
    """Let uv install the unchanged request into `prefix`, so that uv checks every hash that the request demands.

    Distributions in the environment's folder `site_packages` (a relative path) count as installed, as they do for the
    request itself. `cache` is as in `arrivals`. Raises UvError with uv's message if a hash differs.
    """
    root = os.path.dirname(os.path.dirname(executable))
    for folder in os.listdir(f"{root}/{site_packages}"):
        if folder.endswith(".dist-info"):
            _copy_metadata(f"{root}/{site_packages}/{folder}", f"{prefix}/{site_packages}/{folder}")
    plain = request._replace(common_options=tuple(arguments.without(request.common_options, values={"--link-mode"})))
    command = ["pip", "sync" if request.is_whole else "install", *PLAIN_OUTPUT]
    into = ["--python", executable, "--prefix", prefix, *fast_options(request)]
    yield from arrivals([*command, *into, *arguments.as_given(plain)], cache=cache)


def fast_options(request: Request) -> list[str]:
    """Return the options by which uv lays out files fast, for reading only: links, unless uv has no cache."""
    return [] if arguments.wants_no_cache(request) else ["--link-mode", "symlink"]


def _copy_metadata(source: str, target: str) -> None:
    os.makedirs(target)
    for name in _METADATA.intersection(os.listdir(source)):
        files.create(f"{target}/{name}", files.read_regular(f"{source}/{name}", follows=True))


def install_private(
    request: Request,
    artifacts: Sequence[Artifact],
    executable: str,
    *,
    reinstall: Sequence[str] = (),
    prefix: str = "",
    indexes: Sequence[str] = (),
    cache: str = "",
) -> Iterator[Arrival]:
    """Let uv install artifacts that are not shared, as real files, into the environment or into `prefix`.

    `indexes` are as in `stage`, and `cache` as in `arrivals`. `reinstall` names the artifacts that uv must fetch or
    build anew. The dependencies of the artifacts must be in the environment already.
    """
    from pepip.host import temp_dirs

    command = ["pip", "install", "--no-deps", *PLAIN_OUTPUT, "--python", executable, *request.common_options]
    command += ["--prefix", prefix] if prefix else []
    command += [word for name in reinstall for word in ("--reinstall-package", name)]
    in_lock = list(filter(_may_be_locked, artifacts))
    by_line = [item for item in artifacts if not _may_be_locked(item)]
    with temp_dirs.folder() as folder:
        if in_lock:
            pylock.write(f"{folder}/pylock.toml", [item.package for item in in_lock])
            variables = {**dict.fromkeys(_VARIABLES_OF_RESOLUTION, ""), **_index_variables(request, indexes)}
            yield from arrivals([*command, "-r", f"{folder}/pylock.toml"], cache=cache, **variables)
        if by_line:
            listing = f"{folder}/requirements.txt"
            with open(listing, "w", encoding="utf-8") as file:
                file.writelines(f"{pylock.requirement_line(item)}\n" for item in by_line)
            yield from arrivals([*command, "-r", listing], cache=cache)


def _may_be_locked(artifact: Artifact) -> bool:
    """Tell whether a lock may describe an artifact to uv.

    uv would note the commit of a lock as the requested revision, also if the user requested none.
    """
    is_unnamed_revision = "requested-revision" not in artifact.package.get("vcs", {"requested-revision": ""})
    return not artifact.package.keys().isdisjoint(_LOCKABLE) and not is_unnamed_revision


def install_as_given(request: Request, executable: str, *, cache: str = "") -> Iterator[Arrival]:
    """Let uv read the request itself, and install the missing distributions. `cache` is as in `arrivals`."""
    installer_words = arguments.without(request.installer_options, arguments.REINSTALL, {"--reinstall-package"})
    resolver_words = arguments.without(request.resolver_options, {"--upgrade", "-U"})
    rest = request._replace(installer_options=tuple(installer_words), resolver_options=tuple(resolver_words))
    command = ["pip", "sync" if request.is_whole else "install", *PLAIN_OUTPUT, "--python", executable]
    yield from arrivals([*command, *arguments.as_given(rest)], cache=cache)


def uninstall(executable: str, names: Sequence[str]) -> None:
    """Let uv remove distributions that it then installs again. Raises UvError.

    If uv were told to reinstall them, it would build them once more, although they were built to learn their files.
    """
    if names:
        process.run(["pip", "uninstall", *PLAIN_OUTPUT, "--python", executable, "--", *names])


def uninstall_from(folder: str, executable: str, names: Sequence[str]) -> None:
    """Let uv remove distributions from a `folder` that stands for site-packages. Raises UvError."""
    process.run(["pip", "uninstall", *PLAIN_OUTPUT, "--python", executable, "--target", folder, "--", *names])


def make_environment(
    root: str, python: str, *, prompt: str = "", meanwhile: Callable[[], None] | None = None
) -> None:
    """Let uv make a virtual environment at `root` on `python`. If `python` is empty, uv chooses the interpreter.

    With a `prompt`, the project and variables for `uv venv` are ignored, as if uv made the environment for itself.
    `meanwhile` is called while uv works. Raises UvError.
    """
    choice = ["--python", python] if python else []
    own = ["--prompt", prompt, "--no-project"] if prompt else []
    variables = dict.fromkeys(_VARIABLES_OF_VENV, "") if prompt else _python_setting()
    process.run(["venv", "--quiet", "--color", "never", *choice, *own, "--", root], meanwhile, **variables)


def make_relocatable(root: str, python: str, *, prompt: str, system_site_packages: bool) -> None:
    """Make a virtual environment at `root` whose scripts start the interpreter beside them. Raises UvError."""
    options = ["--relocatable", "--no-project", *(["--system-site-packages"] if system_site_packages else [])]
    options += ["--prompt", prompt] if prompt else []
    variables = dict.fromkeys(_VARIABLES_OF_VENV, "")
    process.run(["venv", "--quiet", "--color", "never", "--python", python, *options, "--", root], **variables)


def build_wheels(projects: Mapping[str, str], executable: str, *, prefix: str) -> Iterator[Arrival]:
    """Build projects, given as URLs by name, and install their wheels into `prefix` for this interpreter.

    They are built even if uv has cached a wheel: uv could miss that a source has changed. Raises UvError.
    """
    command = ["pip", "install", "--no-deps", *PLAIN_OUTPUT, "--python", executable, "--prefix", prefix]
    command += ["--link-mode", "copy"]
    command += [word for name in projects for word in ("--reinstall-package", name)]
    variables = dict.fromkeys(_VARIABLES_OF_RESOLUTION, "")
    yield from arrivals([*command, *(f"{name} @ {url}" for name, url in projects.items())], **variables)


def _python_setting() -> dict[str, str]:
    return {"UV_PYTHON": os.environ["UV_PYTHON"]} if "UV_PYTHON" in os.environ else {}


def arrivals(words: Sequence[str], *, cache: str = "", **variables: str) -> Iterator[Arrival]:
    """Run uv and yield the distributions that it has downloaded or built. Raises UvError.

    With `cache`, a folder, uv uses that as its cache, even if it was told to use none. `variables` are environment
    variables for this run alone.
    """
    return (arrival for arrival in _arrivals(words, cache=cache, **variables) if arrival.name)


def _arrivals(words: Sequence[str], *, cache: str = "", **variables: str) -> Iterator[Arrival]:
    """Yield an item without a name as soon as uv has started, then the items of `arrivals`."""
    if cache:
        words = ["--cache-dir", cache, *arguments.without(words, arguments.NO_CACHE, {"--cache-dir"})]
        variables["UV_NO_CACHE"] = "0"  # overrides a settings file
    for number, line in enumerate(process.stream(words, **variables)):
        if not number:
            yield Arrival("", is_built=False)
        match = re.match(_DOWNLOADED, line)
        if match:
            yield Arrival(normalize_name(match[2]), match[1] == "Built")

"""A user's requests, in uv's words: distributions for an environment, or a project's state."""

from __future__ import annotations

from pepip.fast_namedtuple import NamedTuple


class Request(NamedTuple):
    """A user's request to install, in uv's words. Options are split by the uv commands that know them.

    `common_options` (indexes, builds, cache, network) go to every call of uv, `resolver_options` to the calls that
    resolve, and `installer_options` only to `uv pip install` and `uv pip sync`, dry runs included. With `is_whole`,
    the environment must hold only the distributions in the requirement files, as with `uv pip sync`.
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

    `common_options` go to every call of uv, `build_options` (what may or must be built) to all calls on the
    project, `resolver_options` to the calls that lock, `selection_options` (extras, groups, packages) to those that
    sync, run or export, and `sync_options` to those that sync. `reinstall_options` (what to install again) go to
    `uv sync` only if it plans, or installs without pepip. `lock_mode` is `locked`, `frozen` or empty. `python` is a
    request for an interpreter in uv's words. `script` is the path of a script with inline metadata (PEP 723); the
    request is then for the script's environment, not the project's.
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

"""Finding, making and opening the environment that an operation works on."""

from __future__ import annotations

import os

from pepip import paths
from pepip.errors import VenvError
from pepip.host import filesystems, locks
from pepip.model import Environment
from pepip.uv import interpreter, stage

# What `uv venv` makes before pyvenv.cfg, which comes last.
_FRESH = {"CACHEDIR.TAG", ".gitignore", ".lock", "bin", "lib", "lib64", "Lib", "Scripts", "include"}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.store.home import Store


def locate(named: str, variables: dict[str, str], folder: str) -> str:
    """Return the environment's absolute path: named, activated, configured, or the nearest `.venv`.

    Where there is none, `.venv` in `folder` is where it will be made. Source: uv's discovery of environments.
    """
    for choice in (named, variables.get("VIRTUAL_ENV", ""), variables.get("UV_PROJECT_ENVIRONMENT", "")):
        if choice:
            return os.path.abspath(os.path.join(folder, os.path.expanduser(choice)))
    current = folder
    while True:
        if os.path.isfile(f"{current}/.venv/pyvenv.cfg"):
            return f"{current}/.venv"
        parent = os.path.dirname(current)
        if parent == current:
            return os.path.abspath(f"{folder}/.venv")
        current = parent


def make(root: str, python: str, options: Sequence[str]) -> bool:
    """Make the environment with uv if nothing is there. Returns whether it was made.

    Raises VenvError if something else stands in its place, UvError if uv can't make it; nothing is left then.
    """
    if os.path.isfile(f"{root}/pyvenv.cfg"):
        return False
    parent = os.path.dirname(root)
    try:
        os.makedirs(parent, exist_ok=True)
    except OSError as error:
        raise VenvError(f"cannot make {parent}: {error.strerror}") from error
    if not os.access(parent, os.W_OK | os.X_OK):
        raise VenvError(f"cannot make {root}: no permission to write {parent}")
    with locks.in_use(parent, alone=True):
        if os.path.isfile(f"{root}/pyvenv.cfg"):
            return False  # another run was first
        if _is_unfinished(root):
            filesystems.remove_tree(root)
        if os.path.lexists(root) and (not os.path.isdir(root) or os.listdir(root)):
            interpreter.executable(root)  # says what is wrong
        was_there = os.path.isdir(root)
        try:
            stage.make_environment(root, python, options)
        except BaseException:
            if not was_there:
                filesystems.remove_tree(root)
            raise
    return True


def unmake(root: str) -> None:
    """Remove an environment that this run made for nothing, unless another run has begun to use it."""
    with locks.in_use(os.path.dirname(root), alone=True):
        has_distributions = any(name.endswith(".dist-info") for _, folders, _ in os.walk(root) for name in folders)
        if not has_distributions and not locks.is_held(root):
            filesystems.remove_tree(root)


def _is_unfinished(root: str) -> bool:
    """Tell whether a run was killed while uv made this environment: uv's own files, and no pyvenv.cfg yet."""
    try:
        return os.path.isfile(f"{root}/CACHEDIR.TAG") and set(os.listdir(root)) <= _FRESH
    except NotADirectoryError:
        return False


def open_environment(root: str, store: Store) -> tuple[Environment, list[str]]:
    """Return the environment at `root` and the wheel tags that its interpreter supports.

    Raises VenvError if it can't be used.
    """
    facts, tags = interpreter.inspect(root, paths.cache(store.home))
    site_packages = f"{root}/{facts.site_packages}"
    if os.path.isdir(site_packages) and not os.access(site_packages, os.W_OK | os.X_OK):
        raise VenvError(f"cannot change {root}: no permission to write {site_packages}")
    return Environment(root, facts), tags

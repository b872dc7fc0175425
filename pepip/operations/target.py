"""Finding, making and opening the environment that an operation works on."""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.errors import VenvError
from pepip.host import filesystems, locks
from pepip.model import Environment
from pepip.uv import interpreter, stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pepip.store.home import Store


def locate(named: str, variables: dict[str, str], folder: str) -> str:
    """Return the environment's absolute path: named, activated, configured, or the nearest `.venv`.

    Where there is none, `.venv` in `folder` is where it will be made. Source: uv's discovery of environments.
    """
    active = [variables.get(name, "") for name in ("VIRTUAL_ENV", "CONDA_PREFIX")]
    for choice in (named, *filter(_is_environment, active), variables.get("UV_PROJECT_ENVIRONMENT", "")):
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


def _is_environment(path: str) -> bool:
    """Tell whether a virtual environment is there. One that was activated and removed since is passed over."""
    return bool(path) and os.path.isfile(f"{path}/pyvenv.cfg")


def make(root: str, python: str) -> bool:
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
    marker = f"{parent}/.{os.path.basename(root)}.pepip-making"
    with locks.in_use(parent, alone=True):
        if os.path.lexists(marker) and not os.path.isfile(f"{root}/pyvenv.cfg"):
            filesystems.remove_tree(root)  # a run was killed while uv made it: its marker is still there
        if os.path.isfile(f"{root}/pyvenv.cfg"):
            _remove(marker)
            return False  # another run was first
        if os.path.lexists(root) and (not os.path.isdir(root) or os.listdir(root)):
            interpreter.executable(root)  # says what is wrong
        was_there = os.path.isdir(root)
        try:
            with open(marker, "x", encoding="utf-8"):
                pass
            stage.make_environment(root, python)
        except BaseException:
            if not was_there:
                filesystems.remove_tree(root)
            raise
        finally:
            _remove(marker)
    return True


@contextlib.contextmanager
def tried_out(root: str, python: str) -> Iterator[str]:
    """Yield the environment to ask for what an install would do: the one at `root`, or a temporary one.

    Changes nothing at `root`. Raises VenvError if something else stands there.
    """
    if os.path.lexists(root) and (not os.path.isdir(root) or os.listdir(root)):
        interpreter.executable(root)
        yield root
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="pepip-") as folder:
        stage.make_environment(f"{folder}/.venv", python)
        yield f"{folder}/.venv"


def unmake(root: str) -> None:
    """Remove an environment that this run made for nothing, unless another run has begun to use it."""
    with locks.in_use(os.path.dirname(root), alone=True):
        has_distributions = any(name.endswith(".dist-info") for _, folders, _ in os.walk(root) for name in folders)
        if not has_distributions and not locks.is_held(root):
            filesystems.remove_tree(root)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def open_environment(root: str, store: Store) -> tuple[Environment, list[str]]:
    """Return the environment at `root` and the wheel tags that its interpreter supports.

    Raises VenvError if it can't be used.
    """
    facts, tags = interpreter.inspect(root, paths.cache(store.home))
    site_packages = f"{root}/{facts.site_packages}"
    if os.path.isdir(site_packages) and not os.access(site_packages, os.W_OK | os.X_OK):
        raise VenvError(f"cannot change {root}: no permission to write {site_packages}")
    return Environment(root, facts), tags

"""Finding, making and opening the environment that an operation works on."""

from __future__ import annotations

import contextlib
import json
import os

from pepip import paths
from pepip.environment import skeleton
from pepip.errors import VenvError
from pepip.host import filesystems, locks
from pepip.model import Environment
from pepip.uv import answers, interpreter, repetition, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pepip.store.home import Store
    from pepip.uv.answers import Answers


def locate(named: str, variables: dict[str, str], folder: str) -> str:
    """Return the environment's absolute path: named, activated, configured, or the nearest `.venv`.

    Where there is none, `.venv` in `folder` is where it will be made. Source: uv's discovery of environments.
    """
    active = variables.get("VIRTUAL_ENV", "")
    if named:
        return os.path.abspath(os.path.join(folder, paths.expand_user(named, variables)))
    if _is_environment(active):
        return os.path.abspath(os.path.join(folder, active))
    configured = variables.get("UV_PROJECT_ENVIRONMENT", "")
    if configured:
        return os.path.abspath(os.path.join(settings.project_folder() or folder, configured))
    places = (f"{above}/.venv" for above in paths.upward(folder))
    return next(filter(_is_environment, places), os.path.abspath(f"{folder}/.venv"))


def _is_environment(path: str) -> bool:
    """Tell whether a virtual environment is there. One that was activated and removed since is passed over."""
    return bool(path) and os.path.isfile(f"{path}/pyvenv.cfg")


def is_conda(variables: dict[str, str]) -> bool:
    """Tell whether a conda environment is active, and no virtual one: uv installs there, as real files."""
    prefix = variables.get("CONDA_PREFIX", "")
    is_base = variables.get("CONDA_DEFAULT_ENV", "") in {"base", "root"}
    return bool(prefix) and not is_base and not _is_environment(variables.get("VIRTUAL_ENV", ""))


def environment_of(python: str) -> str:
    """Return the environment that a request for a Python names: its folder, or its interpreter. Empty if none."""
    if not python or not os.path.exists(python):
        return ""
    folder = os.path.abspath(python)
    candidates = (folder, os.path.dirname(os.path.dirname(folder)))
    return next((candidate for candidate in candidates if _is_environment(candidate)), "")


def make(root: str, python: str, known: Answers) -> bool:
    """Make the environment with uv if nothing is there. Returns whether it was made.

    Where uv would make the same one as before, at another place, it is made from what `known` holds.
    Raises VenvError if something else stands in its place, UvError if uv can't make it; nothing is left then.
    """
    if os.path.isfile(f"{root}/pyvenv.cfg"):
        return False
    return make_with(root, lambda: _make_skeleton(root, python, known))


def _make_skeleton(root: str, python: str, known: Answers) -> None:
    question = repetition.environment_question(python) if skeleton.is_plain(root) else None
    if question is None:
        _make_by_uv(root, python)
        return
    words, places = question
    key = answers.key("environment", *words)
    answer = known.recall(key)
    if answer is not None:
        skeleton.write(root, json.loads(answer))
        return
    evidence = answers.states(filter(None, places))
    _make_by_uv(root, python)
    rows = skeleton.read(root)
    if rows:
        base = os.path.realpath(interpreter.executable(root))
        known.remember(key, json.dumps(rows), [*evidence, (base, answers.state_of(base))])


def _make_by_uv(root: str, python: str) -> None:
    from pepip.uv import stage

    stage.make_environment(root, python)


def make_with(root: str, maker: Callable[[], None], *, anew: bool = False) -> bool:
    """Let `maker` make the environment at `root` if it is missing, or `anew` if it is there. See `make`."""
    parent = os.path.dirname(root)
    try:
        os.makedirs(parent, exist_ok=True)
    except OSError as error:
        raise VenvError(f"cannot make {parent}: {error.strerror}") from error
    if not os.access(parent, os.W_OK | os.X_OK):
        raise VenvError(f"cannot make {root}: no permission to write {parent}")
    with locks.in_use(parent, alone=True):
        _remove_unfinished(root)
        if _is_environment(root) and not anew:
            return False  # another run was first
        if not anew and os.path.lexists(root) and (not os.path.isdir(root) or os.listdir(root)):
            interpreter.executable(root)  # says what is wrong
        was_there = os.path.isdir(root)
        try:
            with open(_marker(root), "x", encoding="utf-8"):
                pass
            if anew:
                _clear(root)
            maker()
        except BaseException:
            if not was_there:
                filesystems.remove_tree(root)
            raise
        finally:
            _remove(_marker(root))
    return True


def remove_unfinished(name: str, folder: str) -> None:
    """Remove an environment `name`, in `folder` or above it, that uv was making when its run was killed.

    uv itself would refuse to go on with it. `name` may be an absolute path.
    """
    for root in {os.path.join(above, name) for above in paths.upward(folder)}:
        if os.path.lexists(_marker(root)):
            with locks.in_use(os.path.dirname(root), alone=True):
                _remove_unfinished(root)


def _remove_unfinished(root: str) -> None:
    """Remove what a killed maker left; the caller holds the lock of the folder above."""
    if os.path.lexists(_marker(root)):
        if not _is_environment(root):
            filesystems.remove_tree(root)
        _remove(_marker(root))


def _clear(root: str) -> None:
    """Remove an environment, which counts as unfinished from the first moment on. A link to its folder stays."""
    _remove(f"{root}/pyvenv.cfg")
    if os.path.islink(root):
        for name in os.listdir(root) if os.path.isdir(root) else ():
            filesystems.remove(f"{root}/{name}")
    else:
        filesystems.remove_tree(root)


def _marker(root: str) -> str:
    """Return the file that stands beside an environment while uv makes it."""
    return f"{os.path.dirname(root)}/.{os.path.basename(root)}.pepip-making"


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

    from pepip.uv import stage

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


def open_environment(root: str, store: Store) -> Environment:
    """Return the environment at `root`, with the wheel tags that its interpreter supports.

    Raises VenvError if it can't be used.
    """
    facts, tags = interpreter.inspect(root, paths.cache(store.home))
    return Environment(root, facts, tuple(tags))


def check_writable(environment: Environment) -> None:
    """Raise VenvError if this user may not change the environment."""
    site_packages = environment.site_packages
    if os.path.isdir(site_packages) and not os.access(site_packages, os.W_OK | os.X_OK):
        raise VenvError(f"cannot change {environment.root}: no permission to write {site_packages}")

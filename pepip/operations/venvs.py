"""Finding, making and opening the environment that an operation works on."""

from __future__ import annotations

import contextlib
import json
import os

from pepip import paths
from pepip.environment import layout_check, project_venv
from pepip.errors import StoreError, UsageError, VenvError
from pepip.host import locks, machine, rights
from pepip.model import Environment
from pepip.operations.reporting import Progress
from pepip.uv import answer_cache, cacheable, interpreter, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pepip.store.root import Store
    from pepip.uv.answer_cache import AnswerCache


def locate(named: str, variables: dict[str, str], folder: str) -> str:
    """Return the absolute path of the named environment, or else of the active, the configured or the nearest one.

    The nearest one is `folder` itself or its `.venv`, or the same of a folder above. If there is none, the result is
    the path of `.venv` in `folder`, where the environment will be made. Source: uv's discovery of environments.
    """
    active = variables.get("VIRTUAL_ENV", "")
    if named:
        place = paths.absolute(os.path.join(folder, paths.expand_user(named, variables)))
        meant = project_venv.in_folder(os.path.dirname(place)) if os.path.basename(place) == ".venv" else place
        return meant if interpreter.is_environment(meant) else place
    if interpreter.is_environment(active):
        return paths.absolute(os.path.join(folder, active))
    configured = variables.get("UV_PROJECT_ENVIRONMENT", "")
    if configured:
        return paths.absolute(os.path.join(settings.project_folder() or folder, configured))
    found = (place for above in paths.upward(folder) for place in (above, project_venv.in_folder(above)))
    return next(filter(interpreter.is_environment, found), paths.absolute(f"{folder}/.venv"))


def in_words(environment: Environment) -> str:
    """Return the line in which uv names the environment that a command works on.

    Empty for `.venv` in the current folder, and for an environment in uv's cache.
    """
    root, here = environment.root, paths.slashed(os.getcwd())
    cache = cacheable.cache_folder()
    if root == paths.absolute(".venv") or (cache and root.startswith(f"{cache}/")):
        return ""
    shown = root.removeprefix(f"{here}/") if root != here else "."
    return f"Using Python {environment.interpreter.version} environment at: {shown}"


def is_conda(variables: dict[str, str]) -> bool:
    """Tell whether a conda environment other than base is active, and no virtual one.

    uv installs into such an environment, as real files.
    """
    prefix = variables.get("CONDA_PREFIX", "")
    is_base = variables.get("CONDA_DEFAULT_ENV", "") in {"base", "root"}
    return bool(prefix) and not is_base and not interpreter.is_environment(variables.get("VIRTUAL_ENV", ""))


def environment_of(python: str) -> str:
    """Return the environment that a request for a Python names, by its folder or interpreter. Empty if none."""
    if not python or not os.path.exists(python):
        return ""
    folder = paths.absolute(python)
    candidates = (folder, os.path.dirname(os.path.dirname(folder)))
    return next((candidate for candidate in candidates if interpreter.is_environment(candidate)), "")


def choose(named: str, python: str, variables: dict[str, str], folder: str) -> str:
    """Return the path of the environment that a command of uv's pip interface works on.

    `named` and `python` are the command's options. A request for a Python may name an environment. Any other
    request chooses the Python of a new environment. Raises UsageError if the existing environment has another Python.
    """
    request = python or variables.get("UV_PYTHON", "")
    meant = "" if named else environment_of(request)
    root = locate(named or meant, variables, folder)
    if request and not meant and interpreter.is_environment(root):
        _check_python(root, request)
    return root


def _check_python(root: str, request: str) -> None:
    """Raise UsageError if the environment's Python does not satisfy the request, as uv reads it."""
    from pepip.environment import makers

    own = interpreter.executable(root)
    facts = makers.settings_of(root)
    version = ".".join(makers.python_of(facts).split(".")[:2])  # `home` may hold Pythons of several versions
    name = os.path.basename(own) if own.endswith(".exe") else f"python{version}"
    base = os.path.join(facts.get("home", ""), name)
    programs = {
        paths.real(own),
        paths.real(base),
    }  # not the same if the environment has a copy of its base
    if os.path.isabs(request) and paths.real(request) in programs:
        return
    found = interpreter.find(request, environment=root)
    if os.path.dirname(found) != os.path.dirname(own) and paths.real(found) not in programs:
        import shlex

        raise UsageError(
            f"the Python of {root} is not {request}",
            hint=f"`pepip venv --clear --python {shlex.quote(request)} {shlex.quote(root)}` makes it anew, without "
            "its packages; --venv PATH names another one",
        )


def make(root: str, python: str, known: AnswerCache) -> bool:
    """Make the environment with uv if nothing is there. Return whether it was made.

    If uv has made an equal environment at another path before, pepip writes this one from the files kept in `known`.
    Raises VenvError if something else stands in its place, UvError if uv can't make it; nothing is left then.
    """
    if interpreter.is_environment(root):
        return False
    from pepip.operations import venv_creation

    return venv_creation.make(
        root, lambda: make_skeleton(root, ["venv", python], python, known, lambda: _make_by_uv(root, python, known))
    )


def make_skeleton(
    root: str, words: Sequence[str], python: str, known: AnswerCache, by_uv: Callable[[], None], *, prompt: str = ""
) -> None:
    """Make the environment at `root` from the files of an equal one that `known` keeps, or else by `by_uv`.

    `words`, the request for a `python` and uv's settings determine the environment that uv makes. If its prompt
    depends on more than these, `prompt` is that prompt, and files that contain the prompt are not kept.
    """
    from pepip.environment import skeleton
    from pepip.uv import python_choice

    question = python_choice.question(python) if skeleton.is_plain(root) else None
    if question is None:
        by_uv()
        return
    key = answer_cache.key("environment", *words, *question.words, *machine.facts(), ignored={"PATH"})
    answer = known.recall(key)
    if answer is not None:
        skeleton.write(root, json.loads(answer))
        return
    evidence = answer_cache.states(question.places)
    by_uv()
    rows = skeleton.read(root)
    if rows and not (prompt and skeleton.has_prompt(rows, prompt)):
        base = paths.real(interpreter.executable(root))
        known.remember(key, json.dumps(rows), [*evidence, (base, answer_cache.state_of(base))])


def _make_by_uv(root: str, python: str, known: AnswerCache) -> None:
    from pepip.uv import stage

    stage.make_environment(root, python, meanwhile=lambda: interpreter.prepare_to_inspect(known.cache))


@contextlib.contextmanager
def locked(store: Store, root: str) -> Iterator[None]:
    """Hold the locks of a change: the store's, so that no prune removes entries, and that of the environment."""
    with store.linking(), locks.held(paths.environment_lock(root)):
        yield


@contextlib.contextmanager
def existing_or_temporary(root: str, python: str) -> Iterator[str]:
    """Yield the environment for a dry run: the one at `root` if there is one, otherwise a temporary one.

    Changes nothing at `root`. Raises VenvError if something else stands there.
    """
    from pepip.host import temp_dirs

    if os.path.lexists(root) and (not os.path.isdir(root) or os.listdir(root)):
        interpreter.executable(root)
        yield root
        return
    from pepip.uv import stage

    with temp_dirs.folder() as folder:
        stage.make_environment(f"{folder}/.venv", python)
        yield f"{folder}/.venv"


def making_step(root: str, environment: Environment, phase: str) -> Progress:
    """Return the progress step for making the environment at `root`. `environment` has the same Python."""
    return Progress(phase, f"{root} with Python {environment.interpreter.version}")


def refuse_the_store(root: str, store: Store) -> None:
    """Raise StoreError if a folder is both an environment and a store: both would lock the same file there."""
    real = paths.real(root)
    if real == paths.real(store.root):
        sentence = f"{root} is the store, and can't be an environment too"
        raise StoreError(sentence, hint="set PEPIP_HOME to another folder")
    if any(real == paths.real(layer.root) for layer in store.layers):
        raise StoreError(f"{root} is a layer, and can't be an environment too", hint="choose another folder")


def is_own(root: str) -> bool:
    """Tell whether this user owns an environment: its folder, its `pyvenv.cfg`, and the interpreter that it starts.

    If all users may write to a folder of this user, somebody else may have put a `pyvenv.cfg` there.
    """
    program = next((path for path in interpreter.PROGRAMS if os.path.lexists(f"{root}/{path}")), "")
    inside = ("pyvenv.cfg", os.path.dirname(program), program)
    return rights.is_own(root) and all(rights.owns(f"{root}/{path}") for path in inside)


def open_environment(root: str, store: Store, *, is_new: bool = False) -> Environment:
    """Return the environment at `root`, with the wheel tags that its interpreter supports.

    `is_new` says that this run has just made it. Raises VenvError if it can't be used, StoreError if it is the store.
    """
    refuse_the_store(root, store)
    check_layout(root, store)
    facts, tags = interpreter.inspect(root, paths.cache(store.root), is_new=is_new)
    environment = Environment(root, facts, tuple(tags))
    layout_check.check_frame(environment)
    return environment


def check_layout(root: str, store: Store) -> None:
    """Check the environment at `root` as `layout_check.check` does. Folders checked before are not read again."""
    answers = answer_cache.AnswerCache(paths.cache(store.root))
    key = answer_cache.key("layout", root, ignored=os.environ)  # one file for each environment
    known = set((answers.recall(key) or "").splitlines())
    found = layout_check.check(root, store.known_roots, known)
    if len(found - known) * _STATES_PER_CHANGE > len(found):
        answers.remember(key, "\n".join(found), answer_cache.states([f"{root}/pyvenv.cfg"]))


_STATES_PER_CHANGE = 8  # states are noted anew if more than one in eight has changed


def check_writable(environment: Environment) -> None:
    """Raise VenvError if this user may not change the environment."""
    folder = environment.site_packages
    obstacle = rights.obstacle_to_changing(folder) if os.path.isdir(folder) else ""
    if obstacle:
        raise VenvError(f"cannot change {environment.root}: {obstacle}")

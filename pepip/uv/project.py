"""Asks uv about a project: the changes that `uv sync` would make, its lock, and the files that the lock names.

pepip asks about a script with inline metadata (PEP 723) in the same way, by `--script`. uv makes a lock for a script
only on demand. uv alone reads and writes `pyproject.toml`, scripts and locks. Source: uv's documentation of projects
and of scripts, and the pylock.toml specification (PEP 751).
"""

from __future__ import annotations

import json
import os

from pepip import paths
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files
from pepip.names import normalize_name
from pepip.uv import arguments, dry_run_output, known_pins, program, resolve, settings, versions
from pepip.uv.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from pepip.model import Artifact, Environment
    from pepip.uv.answer_cache import AnswerCache
    from pepip.uv.dry_run_output import Change, Changes
    from pepip.uv.process import Result
    from pepip.uv.request import ProjectRequest
    from pepip.uv.stage import Arrival


_ENVIRONMENT_ACTIONS = {"check", "update", "replace", "create"}
_NO_LOCK = "none"  # a script has a lock only if the user made one
_LOCK_ACTIONS = {"use", "check", "update", "create", _NO_LOCK}
"""The actions that pepip knows, for the environment and for the lock. Any other word counts as unreadable."""

_OF_INTERPRETERS = {
    **dict.fromkeys(("--cache-dir", "--config-file", "--python-preference", "--python-fetch"), True),
    **dict.fromkeys(("--offline", "--no-config", "--managed-python", "--no-managed-python"), False),
    **dict.fromkeys(
        ("--no-python-downloads", "--allow-python-downloads", "--no-cache", "--no-cache-dir", "-n"), False
    ),
}
"""The options that change how uv looks for an interpreter, and whether each takes a value."""

FILES = ("pyproject.toml", "uv.lock")
"""The files of a project, or of a workspace, that uv writes."""

_MOST_BYTES = 1 << 27  # of a lock
_ALL = ":all:"  # uv's word for every distribution


class SyncPreview(NamedTuple):
    """The result that `uv sync` would have.

    `is_made` says that uv would make the environment, or make it anew. `lock` is the path of the lock, empty if a
    script has none. `is_locked` says that uv would not change the lock. `script` is the absolute path of the script
    that the environment belongs to, empty for a project. `document` is uv's own report in JSON (`--output-format
    json`).
    """

    environment: str
    is_made: bool
    lock: str
    is_locked: bool
    changes: Changes
    document: dict[str, Any]
    script: str = ""


def preview(request: ProjectRequest, meanwhile: Callable[[], None] | None = None) -> SyncPreview:
    """Return the result that `uv sync` would have. Changes nothing. Raises UvError with uv's message.

    `meanwhile` is called while uv works: see `process.run`.
    """
    command = ["sync", "--dry-run", "--output-format", "json", "--color", "never", *_words_of_sync(request)]
    result = versions.ask(command, meanwhile, **_variables_of_sync())
    with versions.readable():
        document = json.loads(result.stdout)
        changes = dry_run_output.read(document["sync"]["changes"], result.stderr)
        return read_preview(document, changes, is_of_script=bool(request.script))


def sync(request: ProjectRequest, *, compile_bytecode: bool) -> Iterator[Arrival]:
    """Let uv sync the environment, as it would without pepip. Raises UvError with uv's message."""
    from pepip.uv import stage

    compiling = ["--compile-bytecode"] if compile_bytecode else []
    command = ["sync", *stage.PLAIN_OUTPUT, *_words_of_sync(request), *compiling]
    yield from stage.arrivals(command, **_variables_of_sync())


def _words_of_sync(request: ProjectRequest) -> list[str]:
    lock_mode = [f"--{request.lock_mode}"] if request.lock_mode else []
    options = [*_common(request), *request.resolver_options, *request.selection_options, *request.sync_options]
    return [*lock_mode, *options, *request.reinstall_options]


def _variables_of_sync() -> dict[str, str]:
    return {**_variables(), **_variables_if_set("UV_FROZEN", "UV_LOCKED")}


def read_preview(document: dict[str, Any], changes: Changes, *, is_of_script: bool = False) -> SyncPreview:
    """Return the result that uv's `document` describes, with these changes. Raises ValueError or KeyError."""
    environment, action = document["sync"]["environment"]["path"], document["sync"]["action"]
    environment = paths.absolute(environment)  # behind a redirect file, uv may name it with `..`
    lock_action = document["lock"]["action"] if document["lock"] else _NO_LOCK
    if action not in _ENVIRONMENT_ACTIONS or lock_action not in _LOCK_ACTIONS:
        raise ValueError(f"actions {action} and {lock_action}")
    return SyncPreview(
        environment=environment,
        is_made=action in {"create", "replace"},
        lock=document["lock"]["path"] if document["lock"] else "",
        is_locked=lock_action not in {"create", "update"},
        changes=changes,
        document=document,
        script=document["script"]["path"] if is_of_script else "",
    )


def mode_of_lock(request: ProjectRequest) -> str:
    """Return the mode in which uv uses a current lock: `frozen`, or `locked` with `--no-sources`.

    uv refuses `--frozen` together with `--no-sources`.
    """
    is_without_sources = "--no-sources" in request.common_options or settings.is_on("UV_NO_SOURCES")
    return "locked" if is_without_sources else "frozen"


def lock(request: ProjectRequest) -> None:
    """Bring `uv.lock` up to date. If it raises UvError, the lock is unchanged."""
    _run("lock", "--color", "never", *_common(request), *request.resolver_options)


def edit(command: str, words: Sequence[str]) -> None:
    """Run `uv add` or `uv remove` with these words, without the sync that follows. Raises UvError."""
    _run(command, "--no-sync", "--color", "never", *words, **_variables_if_set("UV_LOCKED"))


def make_environment(request: ProjectRequest, *, elsewhere: str = "") -> None:
    """Make the project's environment as `uv sync` would, but empty; with `elsewhere`, make it at that path.

    Raises UvError. For a script, see `make_environment_of_script`.
    """
    active = [option for option in request.sync_options if option == "--active" and not elsewhere]
    variables = {"UV_PROJECT_ENVIRONMENT": elsewhere} if elsewhere else {}
    nothing = [program.path(), "--version"]
    _run("run", "--no-sync", *_common(request), *request.selection_options, *active, "--", *nothing, **variables)


def words_of_environment(request: ProjectRequest) -> list[str]:
    """Return the words that determine, with uv's settings, the environment that uv makes.

    Empty if words and settings are not enough: in a workspace, each member says which Pythons it supports; with
    `--active`, a variable names the environment.
    """
    if request.script:
        settings.include_script(os.path.abspath(request.script))
    if settings.may_mention("workspace") or "--active" in request.sync_options:
        return []
    kind = ["script", os.path.basename(request.script)] if request.script else ["project"]
    return [*kind, *arguments.only(request.common_options, _OF_INTERPRETERS)]


def make_environment_of_script(request: ProjectRequest, root: str) -> None:
    """Make an environment at `root` as `uv sync --script` would, but empty. Raises UvError.

    uv has no command that makes only the environment of a script. But `uv python find` names the script's
    interpreter.
    """
    from pepip.uv import stage

    asked = request.python or os.environ.get("UV_PYTHON", "")
    meant = [asked] if asked else ["--script", request.script]
    options = arguments.only(request.common_options, _OF_INTERPRETERS)
    python = _run("python", "find", *options, *meant, UV_PYTHON="").stdout.strip()
    stage.make_environment(root, python, prompt=os.path.basename(request.script))


def locate(
    request: ProjectRequest, wanted: Sequence[Change], environment: Environment, lock: str, answers: AnswerCache
) -> list[Artifact]:
    """Return the artifacts that the `lock` at this path names for the distributions that uv plans to add.

    If `answers` has the artifacts of all these distributions, uv is not asked again.
    A distribution that an option, a variable or a setting wants built from source is never shared, because only uv
    knows which build that is.
    """
    try:
        text = files.read_regular(lock, most_bytes=_MOST_BYTES, follows=True).decode("utf-8", "surrogateescape")
    except OSError:
        text = ""
    known = known_pins.of_project(answers, request, text, environment)
    artifacts = known.recall(wanted) if known else []
    if len(artifacts) < len(wanted):
        bases = known.bases(wanted) if known else {}
        artifacts = _exported(request, wanted, environment)
        if known:
            known.remember(artifacts, bases)
    from_source = _from_source(request)
    return [item._replace(identity="") if from_source & {item.name, _ALL} else item for item in artifacts]


def _exported(request: ProjectRequest, wanted: Sequence[Change], environment: Environment) -> list[Artifact]:
    result = _run(
        "export", *_kept_lock(request), "--format", "pylock.toml", "--no-header", "--quiet",
        *_common(request._replace(python="")), *request.selection_options, "--python", environment.executable,
    )  # fmt: skip
    return resolve.artifacts_of_lock(staging_request(request), result.stdout, wanted, environment)


def lay_out(
    request: ProjectRequest,
    executable: str,
    root: str,
    *,
    reinstall: Sequence[str],
    without: Sequence[str],
    cache: str = "",
) -> Iterator[Arrival]:
    """Let `uv sync` make an environment at `root` from the lock, `without` these distributions.

    `reinstall` names distributions that uv must fetch or build anew. `executable` is the interpreter of the project's
    environment. `cache` is as in `stage.arrivals`. Raises UvError.
    """
    from pepip.uv import stage

    left_out = [word for name in without for word in ("--no-install-package", name)]
    left_out += [word for name in reinstall for word in ("--reinstall-package", name)]
    options = [*request.common_options, *request.build_options, *request.selection_options]
    options += arguments.without(request.sync_options, {"--active", "--inexact"})
    command = ["sync", f"--{mode_of_lock(request)}", *stage.PLAIN_OUTPUT, *options, "--python", executable]
    command += stage.fast_options(staging_request(request))
    yield from stage.arrivals([*command, *left_out], cache=cache, UV_PROJECT_ENVIRONMENT=root)


def install_private(request: ProjectRequest, *, without: Sequence[str] = (), cache: str = "") -> Iterator[Arrival]:
    """Let `uv sync` install the distributions that are not linked: the project itself, and private distributions.

    Those in `without` are neither installed nor removed. `cache` is as in `stage.arrivals`.
    """
    from pepip.uv import stage

    left_out = [word for name in without for word in ("--no-install-package", name)]
    left_out += ["--inexact"] if without and "--inexact" not in request.sync_options else []
    command = ["sync", *_kept_lock(request), *stage.PLAIN_OUTPUT]
    options = [*_common(request), *request.selection_options, *request.sync_options, *left_out]
    yield from stage.arrivals([*command, *options], cache=cache, **_variables())


def staging_request(request: ProjectRequest) -> Request:
    """Return the request that stages a project's lock: the project's options in the words of `uv pip install`."""
    build_words: list[str] = []
    words = iter(request.build_options)
    for option in words:
        if option == "--no-build":
            build_words.append(option)
        elif option == "--no-build-package":
            build_words += ["--only-binary", next(words)]
        elif option == "--no-binary":
            build_words += ["--no-binary", _ALL]
        elif option == "--no-binary-package":
            build_words += ["--no-binary", next(words)]
    return Request(
        common_options=(*request.common_options, *build_words), installer_options=request.reinstall_options
    )


def written(package: str) -> list[str]:
    """Return the files that `uv add` may write: those of the workspace, and of the project or its member `package`.

    Raises UvError if there is no project.
    """
    root = _run("workspace", "dir").stdout.strip()
    member = _run("workspace", "dir", "--package", package).stdout.strip() if package else settings.project_folder()
    if not all(map(os.path.isabs, (root, member))):
        raise versions.unreadable()
    return [f"{folder}/{name}" for folder in sorted({root, member}) for name in FILES]


def _from_source(request: ProjectRequest) -> set[str]:
    """Return the distributions that uv must build from source even if they have a wheel; `:all:` means every one."""
    words = request.build_options
    named = {words[at + 1] for at, word in enumerate(words) if word == "--no-binary-package"}
    named.update(os.environ.get("UV_NO_BINARY_PACKAGE", "").split())
    if "--no-binary" in words or settings.is_on("UV_NO_BINARY"):
        named.add(_ALL)
    for setting in ("no-binary", "no-binary-package"):
        for value in settings.values(setting):
            if value is not False:
                named.update(value if isinstance(value, list) else [_ALL])
    return {name if name == _ALL else normalize_name(name) for name in named}


def lock_of_script(script: str) -> str:
    """Return the path of a script's lock. The lock exists only if the user made one."""
    return f"{script}.lock"


def _kept_lock(request: ProjectRequest) -> list[str]:
    """Return the options with which uv takes the lock as it is, or the options of resolution if there is no lock."""
    if request.script and not os.path.isfile(lock_of_script(request.script)):
        return list(request.resolver_options)
    return [f"--{mode_of_lock(request)}"]


def _common(request: ProjectRequest) -> list[str]:
    python = ["--python", request.python] if request.python else []
    script = ["--script", request.script] if request.script else []
    return [*request.common_options, *request.build_options, *python, *script]


def _run(*arguments: str, **variables: str) -> Result:
    return versions.ask(arguments, **{**_variables(), **variables})


def _variables() -> dict[str, str]:
    """Return the variables that choose a project's environment. Other calls of uv must not see them."""
    return _variables_if_set("UV_PYTHON", "VIRTUAL_ENV")


def _variables_if_set(*names: str) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}

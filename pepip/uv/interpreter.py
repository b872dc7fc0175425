"""Asking an environment's Python about itself: version, folders, and the wheel tags that it supports."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys

from pepip import digests, early_imports, paths
from pepip.errors import UvError, VenvError
from pepip.host import files, machine, user_cache
from pepip.model import Interpreter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROGRAMS = ("bin/python", "Scripts/python.exe")
"""The path of an environment's interpreter: on most systems, and on Windows."""

_START, _END = "<pepip-facts>", "</pepip-facts>"
"""Marks around the answer: a `sitecustomize` or `.pth` file may print text before and after it."""

_FORMAT = 4 if sys.platform in {"darwin", "win32"} else 3
"""The format number of a cached answer. Raise it when a new pepip caches other facts for the same interpreter."""

# This code runs in the environment's own interpreter, Python 3.8 or newer, so it is plain. It writes to the file
# descriptor, because `sitecustomize` may have replaced `sys.stdout`.
_FACTS = """
import json, os, sys, sysconfig
prefix = sys.prefix
short = "python%d.%d" % sys.version_info[:2]
paths = sysconfig.get_paths()
relative = lambda name: os.path.relpath(paths[name], prefix).replace(os.sep, "/")
facts = {
    "version": ".".join(map(str, sys.version_info[:3])),
    "implementation": sys.implementation.name,
    "site_packages": relative("purelib"),
    "scripts": relative("scripts"),
    "headers": ("Include" if os.name == "nt" else "include") + "/site/" + short,
    "soabi": sysconfig.get_config_var("SOABI") or "",
    "is_free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
}
if sys.platform == "win32":
    facts["platform"] = sysconfig.get_platform()
if sys.platform == "darwin":
    facts["machine"] = os.uname()[4]
"""
_TELL = """
os.write(1, ("\\n" + START + json.dumps(facts) + END + "\\n").encode("ascii"))
"""


def is_environment(root: str) -> bool:
    """Tell whether a virtual environment is at `root`."""
    return bool(root) and os.path.isfile(f"{root}/pyvenv.cfg")


def executable(environment: str) -> str:
    """Return the path of an environment's interpreter.

    Raises VenvError if `environment` is no virtual environment, if its path is not valid UTF-8, or if its interpreter
    is gone.
    """
    if not os.path.lexists(environment):
        raise VenvError(f"there is no environment at {environment}", hint="`pepip venv` or `pepip install` makes one")
    if not os.path.isfile(f"{environment}/pyvenv.cfg"):
        fault = "is a file" if os.path.isfile(environment) else "is not a virtual environment (no pyvenv.cfg)"
        raise VenvError(f"{environment} {fault}", hint="name another folder with --venv, or move this one away")
    if not is_readable_by_uv(environment):
        raise VenvError(f"uv can't work in {environment}: its path is not valid UTF-8", hint="rename that folder")
    for candidate in PROGRAMS:
        if os.path.lexists(f"{environment}/{candidate}"):
            if os.access(f"{environment}/{candidate}", os.X_OK):
                return f"{environment}/{candidate}"
            raise VenvError(
                f"the interpreter of {environment} is gone: {candidate} points to nothing that can be started",
                hint=f"make the environment anew: `uv venv --clear {environment}`",
            )
    raise VenvError(f"{environment} has no interpreter", hint=f"make it anew: `uv venv --clear {environment}`")


def find(request: str, *, environment: str) -> str:
    """Return the path of the interpreter that uv finds for a request. The `environment` is the first place to look.

    Raises UvError if uv finds none.
    """
    from pepip.uv import process

    words = ["python", "find", "--no-project", "--color", "never", "--", request]
    return process.run(words, VIRTUAL_ENV=environment, UV_PYTHON="").stdout.strip()


def is_readable_by_uv(path: str) -> bool:
    """Tell whether uv can work in a path: it must be valid UTF-8."""
    return path.isascii() or os.fsencode(path).decode("utf-8", "ignore") == path


def inspect(environment: str, cache: str, *, is_new: bool = False) -> tuple[Interpreter, list[str]]:
    """Return an environment's interpreter and the tags that it supports, the most specific first.

    The answer is cached in the folder `cache` until the interpreter's file changes. If the environment `is_new` and
    has the interpreter that runs pepip, the facts come from this process. Raises VenvError if the interpreter is
    gone, does not start, or answers with invalid facts.
    """
    path = executable(environment)
    real = os.path.realpath(path)
    status = os.stat(real)
    # The tags depend on the machine. Several machines may share a store, and have the same interpreter's file.
    key = "\n".join([str(_FORMAT), real, str(status.st_mtime_ns), str(status.st_size), *machine.facts()])
    known = _recall(cache, key)
    if known is None:
        known = _answered(path, _own_answer() if is_new and _is_own(real) else _answer_of(path))
        _note(cache, key, known)
    facts = Interpreter(
        executable=path,
        version=known["version"],
        implementation=known["implementation"],
        site_packages=known["site_packages"],
        scripts=known["scripts"],
        headers=known["headers"],
    )
    return facts, known["tags"]


def prepare_to_inspect(cache: str) -> None:
    """Import the modules that `inspect` needs for an unknown interpreter. Do nothing if `cache` has any facts."""
    if os.path.isdir(_folder(cache, files.user_id())) or os.path.isdir(_folder(cache, 0)):
        return
    import sysconfig

    early_imports.load("packaging.tags")
    if sys.prefix != sys.base_prefix:
        sysconfig.get_config_var("SOABI")


def compile_bytecode(path: str, targets: list[str]) -> None:
    """Compile the modules below the folders `targets` with the interpreter at `path`.

    Some wheels ship files for other versions of Python, which do not compile. pepip ignores such errors, as uv
    does.
    """
    from pepip.uv import process

    # The names on stdin are UTF-8, and Windows has a code page.
    utf8 = ["-X", "utf8"] if sys.platform == "win32" else []
    arguments = [*_isolated(), *utf8, "-m", "compileall", "-q", "-j", "0", "-i", "-"]
    with contextlib.suppress(UvError):
        process.run_python(path, arguments, stdin="\n".join(targets) + "\n")


def _isolated() -> list[str]:
    """Return the options by which an interpreter ignores the current folder, PYTHONPATH and PYTHONHOME.

    `-I` hides all of Python's environment variables. So the place of bytecode and the level of optimization are
    passed on as options: `-X pycache_prefix` and `-O`.
    """
    options = ["-I"]
    prefix, level = os.environ.get("PYTHONPYCACHEPREFIX", ""), os.environ.get("PYTHONOPTIMIZE", "")
    if prefix:
        options += ["-X", f"pycache_prefix={prefix}"]
    if level:
        options += ["-O"] * (min(int(level), 2) if level.isdecimal() else 1)
    return options


def _is_own(real: str) -> bool:
    """Tell whether pepip runs in an environment of this interpreter: then a new environment has the same facts."""
    is_virtual = sys.prefix != sys.base_prefix and os.path.isfile(f"{sys.prefix}/pyvenv.cfg")
    return is_virtual and real == os.path.realpath(sys.executable) and not sys.flags.no_site


def _own_answer() -> bytes:
    """Return the answer of this program's own interpreter."""
    values: dict[str, Any] = {}
    exec(_FACTS, values)
    return json.dumps(values["facts"]).encode()


def _answer_of(path: str) -> bytes:
    """Return the answer of the interpreter at `path`. Raises VenvError."""
    try:
        from pepip.uv import process

        script = f"START, END = {_START!r}, {_END!r}\n{_FACTS}{_TELL}"
        output = process.run_python(path, ["-I", "-c", script]).stdout
    except UvError as error:
        last_line = (error.output.strip().splitlines() or [""])[-1]
        raise VenvError(
            f"{error.message}{': ' + last_line if last_line else ''}", hint="make the environment anew"
        ) from error
    before, _, rest = output.rpartition(_START)
    text, is_whole, _ = rest.partition(_END)
    if not is_whole:
        said = f" It said: {before or rest}".rstrip() if output.strip() else ""
        raise VenvError(
            f"the interpreter {path} ended before it reported its version.{said.splitlines()[0] if said else ''}",
            hint="look for a sitecustomize.py, or a .pth or .start file of the environment, that ends it",
        )
    return text.encode()


def _answered(path: str, text: bytes) -> dict[str, Any]:
    """Return the facts in the answer of the interpreter at `path`. Raises VenvError if they are invalid."""
    try:
        answer: dict[str, Any] = files.load_json(text)
        version, implementation = answer["version"], answer["implementation"]
        is_free_threaded = answer.pop("is_free_threaded")
        abi = abi_of(implementation, version, answer.pop("soabi"), is_free_threaded=is_free_threaded)
        platforms = _platforms(answer.pop("platform", ""), answer.pop("machine", ""))
        answer["tags"] = tags_of(implementation, version, abi, platforms)
        if _is_sound(answer):
            return answer
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise VenvError(f"the interpreter {path} reports invalid facts about itself", hint="make the environment anew")


def _is_sound(facts: dict[str, Any]) -> bool:
    """Tell whether the facts of an interpreter have the right types, and name no folder outside its environment."""
    texts = [facts.get(name) for name in ("version", "implementation", "site_packages", "scripts", "headers")]
    if not all(isinstance(text, str) for text in texts):
        return False
    tags = facts.get("tags")
    try:  # an interpreter has a thousand tags
        are_tags = isinstance(tags, list) and set(map(str.count, tags, itertools.repeat("-"))) <= {2}
    except TypeError:
        return False
    return are_tags and all(map(paths.is_inside, map(str, texts[2:])))


def abi_of(implementation: str, version: str, soabi: str, *, is_free_threaded: bool = False) -> str:
    """Return the ABI tag of an interpreter (`cp314t`, `pypy311_pp73`), or `none` if its SOABI names none.

    `soabi` is the part of its extension modules' file names that names the ABI. It is empty on Windows before Python
    3.13.
    """
    parts = soabi.split("-")
    if implementation == "cpython":
        short = "".join(version.split(".")[:2])
        flags = parts[1].lstrip("0123456789") if soabi.startswith("cpython-") else ""
        if is_free_threaded and "t" not in flags:
            flags = f"t{flags}"
        return f"cp{short}{flags}"
    lengths = {"pypy": 2, "graalpy": 3}  # the platform follows these parts
    return "_".join(parts[: lengths.get(implementation, 1)]) or "none"


def _platforms(platform: str, machine: str) -> list[str]:
    """Return the platform tags of an interpreter, the most specific first.

    An interpreter may be built for other processors than pepip's own: for x86_64 on a Mac with Rosetta, where
    `machine` says so, or for 32 bits on Windows, where `platform` says so. On other systems both are empty.
    """
    from packaging import tags

    if sys.platform == "win32" and platform:
        return [platform.replace("-", "_").replace(".", "_")]
    if sys.platform == "darwin" and machine:
        return list(tags.mac_platforms(None, machine))
    # uv ranks a plain `linux` tag after all of manylinux and musllinux; `packaging` ranks it before them.
    return sorted(tags.platform_tags(), key=lambda tag: tag.startswith("linux_"))


def tags_of(implementation: str, version: str, abi: str, platforms: list[str]) -> list[str]:
    """Return the tags of an interpreter on these platforms, the most specific first.

    pepip's own Python computes them, because an old interpreter can't import a current `packaging`.
    """
    from packaging import tags

    numbers = [int(part) for part in version.split(".")[:2]]
    short = "".join(map(str, numbers))
    if implementation == "cpython":
        name = f"cp{short}"
        is_debug = abi.endswith("d") and numbers >= [3, 8]
        abis = [abi, abi.removesuffix("d")] if is_debug else [abi]  # debug builds load release extensions, too
        specific = tags.cpython_tags(numbers, abis, platforms)
    else:
        name = f"{tags.INTERPRETER_SHORT_NAMES.get(implementation, implementation)}{short}"
        specific = tags.generic_tags(name, [abi], platforms)
    return list(dict.fromkeys(str(tag) for tag in (*specific, *tags.compatible_tags(numbers, name, platforms))))


def _folder(cache: str, user_id: int) -> str:
    return f"{cache}/interpreters-{user_id}"


def _file(key: str) -> str:
    return f"{digests.hexadecimal(key.encode())[:24]}.json"


def _recall(cache: str, key: str) -> dict[str, Any] | None:
    """Return the facts that this user or root has cached. Facts from another user could name any folder."""
    return _read(cache, key, files.user_id()) or _read(cache, key, 0)


def _read(cache: str, key: str, user_id: int) -> dict[str, Any] | None:
    try:
        content = user_cache.read(_folder(cache, user_id), _file(key), most_bytes=_MOST_BYTES, owner_id=user_id)
        document = files.load_json(content)
    except (OSError, ValueError):
        return None
    is_meant = isinstance(document, dict) and document.pop("key", "") == key
    return document if is_meant and _is_sound(document) else None


_MOST_BYTES = 1 << 24


def _note(cache: str, key: str, facts: dict[str, Any]) -> None:
    if os.path.isdir(cache):  # a dry run does not create the store
        with contextlib.suppress(OSError):  # without the cache, the next run asks the interpreter again
            content = json.dumps({"key": key, **facts}).encode()
            user_cache.write(_folder(cache, files.user_id()), _file(key), content, mode=0o644)

"""Questions about releases, which uv answers from the network: advisories, newer releases, yanked releases.

Each question is about many pins at once, and changes nothing. A pin is a name and a version. uv takes its settings
from `folder`. If `folder` is empty, only the settings of the user and of the system count.
"""

from __future__ import annotations

import json
import os
import re
import tempfile

from pepip.errors import PepipError, UnreadableAnswerError, UvError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files
from pepip.uv import process, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import Any

Pin = tuple[str, str]

_ROOT = "all-environments-of-pepip"
_YANKED = re.compile(r"^warning: `([^`=]+)==([^`]+)` is yanked(?: \(reason: \"(.*)\"\))?", re.MULTILINE)
_OWN_WORKSPACE = "[tool.uv.workspace]\n"
"""Ends uv's search for settings and projects in the folders above, where other users may have put some."""
_NO_BUILD = ("--no-build", "--no-deps", "--no-header", "--color", "never")


class Yanked(NamedTuple):
    """`reasons` has the yanked pins, each with its reason. `unknown` are the pins that no index answered for."""

    reasons: dict[Pin, str]
    unknown: frozenset[Pin]


def refuse_offline() -> None:
    """Raise PepipError if uv is told to use no network. Some questions would then find nothing, and not say so."""
    if settings.is_on("UV_OFFLINE") or settings.may_mention("offline"):
        raise _no_answer("uv is told to be offline")


def advisories(pins: Collection[Pin], *, service_url: str = "") -> list[dict[str, Any]]:
    """Return the advisories on pins, as `uv audit` writes them. Raises PepipError if there is no answer.

    uv audits a lock, so it gets one that names all pins. Names must be normalized.
    """
    if not pins:
        return []
    with tempfile.TemporaryDirectory() as scratch:
        files.create(f"{scratch}/pyproject.toml", f"[project]\n{_project()}".encode())
        files.create(f"{scratch}/uv.lock", _lock(sorted(pins)).encode())
        words = ["audit", "--directory", scratch, "--frozen", "--output-format", "json"]
        words += ["--service-url", service_url] if service_url else []
        answer = _ask([*words, "--preview-features", "audit-command,json-output"], accepts=(0, 1))
    try:
        found = json.loads(answer.stdout)["vulnerabilities"]
        if not all(isinstance(item["dependency"]["name"], str) and isinstance(item["id"], str) for item in found):
            raise TypeError
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableAnswerError("the answer of `uv audit` can't be read: use another uv, or --osv") from error
    return list(found)


def _project() -> str:
    return f'name = "{_ROOT}"\nversion = "0"\nrequires-python = ">=3"\n{_OWN_WORKSPACE}'


def _lock(pins: Sequence[Pin]) -> str:
    """Return a lock (`uv.lock`) of a project that depends on all pins, perhaps several versions of one name."""
    source = 'source = { registry = "index" }'
    wanted = "".join(f'    {{ name = "{name}", version = "{version}", {source} }},\n' for name, version in pins)
    packages = "".join(f'\n[[package]]\nname = "{name}"\nversion = "{version}"\n{source}\n' for name, version in pins)
    root = (
        f'[[package]]\nname = "{_ROOT}"\nversion = "0"\nsource = {{ virtual = "." }}\ndependencies = [\n{wanted}]\n'
    )
    return f'version = 1\nrequires-python = ">=3"\n\n{root}{packages}'


def newest(pins: Mapping[str, str], *, python: str, folder: str = "") -> dict[str, str]:
    """Return by name the newest release for an interpreter, if it is newer than the version in `pins`.

    uv lists the outdated distributions in a folder. So it gets a folder with only the metadata of `pins`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        files.create(f"{scratch}/pyproject.toml", _OWN_WORKSPACE.encode())
        target = f"{scratch}/packages"
        os.mkdir(target)
        for name, version in pins.items():
            info = f"{target}/{name.replace('-', '_')}-{version}.dist-info"
            os.mkdir(info)
            files.create(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode())
        words = ["pip", "list", "--outdated", "--format", "json", "--target", target, "--python", python]
        answer = _ask([*words, "--directory", folder or scratch])
    try:
        return {item["name"]: item["latest_version"] for item in json.loads(answer.stdout)}
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableAnswerError("the answer of `uv pip list --outdated` can't be read") from error


def yanked(pins: Iterable[Pin], *, python: str, folder: str = "") -> Yanked:
    """Return which of the pins are yanked. uv warns of them when it resolves them.

    If no index has a wheel for one pin, uv resolves none of them. Then each half of the pins is asked about alone,
    down to single pins.
    """
    reasons: dict[Pin, str] = {}
    unknown: set[Pin] = set()
    with tempfile.TemporaryDirectory() as scratch:
        files.create(f"{scratch}/pyproject.toml", _OWN_WORKSPACE.encode())
        rounds = [sorted(items) for items in _rounds(pins)]
        while rounds:
            asked = rounds.pop()
            text = "".join(f"{name}=={version}\n" for name, version in asked)
            words = ["pip", "compile", "-", *_NO_BUILD, "--python", python, "--directory", folder or scratch]
            try:
                answer = _ask(words, stdin=text, accepts=(0, 1))
            except _NoSolutionError:
                if len(asked) == 1:
                    unknown.update(asked)
                else:
                    rounds += [asked[: len(asked) // 2], asked[len(asked) // 2 :]]
                continue
            for name, version, reason in _YANKED.findall(answer.stderr):
                reasons[name, version] = reason
    return Yanked(reasons, frozenset(unknown))


def _rounds(pins: Iterable[Pin]) -> list[list[Pin]]:
    """Return the pins in as few lists as possible that have each name only once."""
    rounds: list[list[Pin]] = []
    counts: dict[str, int] = {}
    for name, version in sorted(set(pins)):
        place = counts[name] = counts.get(name, -1) + 1
        if place == len(rounds):
            rounds.append([])
        rounds[place].append((name, version))
    return rounds


class _NoSolutionError(PepipError):
    """uv can't resolve the pins."""


def _ask(words: Sequence[str], *, stdin: str = "", accepts: Collection[int] = (0,)) -> process.Result:
    """Run uv. Raises PepipError if it fails, most likely because the network or a host does not answer."""
    project = {"UV_PROJECT": "", "UV_WORKING_DIR": "", "UV_WORKING_DIRECTORY": ""}
    try:
        answer = process.run(words, None, accepts, stdin=stdin, **project)
    except UvError as error:
        raise _no_answer(_reason(error.output) or error.message) from error
    if stdin and not answer.stdout.strip():
        raise _NoSolutionError(_reason(answer.stderr))
    return answer


def _no_answer(reason: str) -> PepipError:
    return PepipError(
        f"the network gave no answer: {reason}", hint="`pepip audit --osv FILE` needs no network, only OSV records"
    )


def _reason(output: str) -> str:
    """Return uv's error in one line: its first sentence, and the last of its causes."""
    lines = [line.strip() for line in output.splitlines()]
    first = next((line.removeprefix("error:").strip() for line in lines if line.startswith("error:")), "")
    causes = [line.removeprefix("cause:").strip() for line in lines if line.startswith("cause:")]
    return ": ".join(dict.fromkeys([*([first] if first else []), *causes[-1:]]))

"""Asking uv what to install: its plan for an environment, and the exact wheels behind it.

uv decides. `uv pip install --dry-run` says what it would change in an environment, with all that is there, and
`uv pip compile --format pylock.toml` names the files, with hashes, before anything is downloaded.
Source: the pylock.toml specification (PEP 751), and PEP 610 for direct URLs.
"""

from __future__ import annotations

import json
import os
import sys

from pepip.errors import UvError
from pepip.model import Artifact
from pepip.paths import normalize_name, without_password
from pepip.uv import announcements, answers, hashes, repetition, settings, versions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pepip.model import Change, Changes, Request
    from pepip.uv.answers import Answers

_BUILD_OPTIONS = {
    *("--config-setting", "--config-settings", "-C", "--config-settings-package", "--no-build-isolation"),
    *("--no-build-isolation-package", "--build-constraints", "--build-constraint", "-b"),
}
_BUILD_SETTINGS = ("config-settings", "extra-build", "no-build-isolation", "build-constraint")


def is_lock(path: str) -> bool:
    """Tell whether a requirements file is a lock in the format of PEP 751 (`pylock.toml`, `pylock.dev.toml`)."""
    name = os.path.basename(path)
    return name.startswith("pylock.") and name.endswith(".toml")


def changes(request: Request, executable: str) -> Changes:
    """Return what `uv pip install`, or `sync`, would change in the environment of `executable`.

    Raises UvError with uv's message if the request can't be met.
    """
    command = ["pip", "sync" if request.is_whole else "install", "--dry-run", "--output-format", "json"]
    result = versions.ask([*command, "--color", "never", "--python", executable, *_as_given(request)])
    with versions.readable():
        reported = json.loads(result.stdout)["changes"]
    return announcements.read(reported, result.stderr)


def removals(request: Request, executable: str) -> tuple[Change, ...]:
    """Return what `uv pip uninstall` would remove from the environment of `executable`. Raises UvError."""
    command = ["pip", "uninstall", "--dry-run", "--color", "never", "--python", executable, *_as_given(request)]
    return announcements.read_removals(versions.ask(command).stderr)


def resolve(request: Request, executable: str, tags: Sequence[str], known: Answers | None = None) -> list[Artifact]:
    """Return the artifacts that the request needs in an environment that has nothing yet.

    Where uv would answer the same as before, the answer in `known` is taken.
    """
    key = ""
    evidence: list[tuple[str, str]] = []
    if known and repetition.is_offline(request) and repetition.is_plain(request):
        python = os.path.realpath(executable)
        named = [hashes.read(path) for path in repetition.files(request)]
        asked = [*_as_given(request), "", *named, "", *settings.texts()]
        key = answers.key("resolution", python, answers.state_of(python), *asked)
        answer = known.recall(key)
        if answer is not None:
            return [Artifact(*row) for row in json.loads(answer)]
        evidence = repetition.index_evidence()
    requirements = [*request.packages, *(f"-e {path}" for path in request.editables)]
    files = list(request.requirement_files)
    found = _compile(request, requirements, files, executable, tags, no_deps=request.no_deps)
    if known and evidence and all(item.wheel and not item.local_path and not item.direct_url for item in found):
        known.remember(
            key, json.dumps(found), [*evidence, *repetition.metadata_evidence(item.name for item in found)]
        )
    return found


def locate(request: Request, wanted: Sequence[Change], executable: str, tags: Sequence[str]) -> list[Artifact]:
    """Return the artifacts of the distributions that uv plans to add, as far as they can be told.

    The request itself is resolved again, with uv's plan as constraints: only it knows the sources and indexes of
    a `pyproject.toml`. Where it names none of those, or that has no solution (what is installed may hold versions
    that no index has), the pins are looked up by themselves. What neither finds is absent from the answer.
    """
    locks = [path for path in request.requirement_files if is_lock(path)]
    artifacts: list[Artifact] = []
    for path in locks:
        artifacts += [
            _preferring_url(item) for item in _artifacts(hashes.read(path), tags, os.path.dirname(path), {})
        ]
    is_asked = request.packages or request.requirement_files or request.editables or request.resolving
    is_plain = repetition.is_plain(request)
    if not locks and is_asked and not is_plain:
        artifacts = _of_request(request, wanted, executable, tags)
    found = _matching(artifacts, wanted)
    missing = {change.name for change in wanted} - {artifact.name for artifact in found}
    lines = [requirement_of(change) for change in wanted if change.name in missing]
    if lines:
        try:
            artifacts = _compile(request, lines, [], executable, tags, no_deps=True)
        except UvError:
            artifacts = _of_request(request, wanted, executable, tags) if is_plain and not locks else []
        found += [artifact for artifact in _matching(artifacts, wanted) if artifact.name in missing]
    return found


def _of_request(request: Request, wanted: Sequence[Change], executable: str, tags: Sequence[str]) -> list[Artifact]:
    """Return the artifacts that the request itself needs, uv's plan as constraints. None where that fails."""
    requirements = [*request.packages, *(f"-e {path}" for path in request.editables)]
    try:
        return _compile(
            request,
            requirements,
            list(request.requirement_files),
            executable,
            tags,
            no_deps=request.no_deps or request.is_whole,
            constraints=[requirement_of(change) for change in wanted if change.version and not change.url],
        )
    except UvError:
        return []


def requirement_of(change: Change) -> str:
    """Return the requirement line that names exactly what a change adds."""
    return f"{change.name} @ {change.url}" if change.url else f"{change.name}=={change.version}"


def _preferring_url(artifact: Artifact) -> Artifact:
    """Return the artifact of a user's lock, to be taken from where the lock says: no index need have it."""
    return artifact._replace(requirement=artifact.by_url or artifact.requirement)


def _as_given(request: Request) -> list[str]:
    """Return the request as arguments of `uv pip install` or `sync`."""
    arguments = [*request.everywhere, *request.resolving, *request.installing]
    for path in request.requirement_files:
        arguments += [path] if request.is_whole else ["-r", path]
    for path in request.constraint_files:
        arguments += ["-c", path]
    for path in request.editables:
        arguments += ["-e", path]
    if request.no_deps:
        arguments.append("--no-deps")
    return [*arguments, "--", *request.packages] if request.packages else arguments


def _compile(
    request: Request,
    requirements: Sequence[str],
    files: Sequence[str],
    executable: str,
    tags: Sequence[str],
    *,
    no_deps: bool,
    constraints: Sequence[str] = (),
) -> list[Artifact]:
    from pepip.uv import process

    arguments = [
        "pip",
        "compile",
        "--quiet",
        "--format",
        "pylock.toml",
        "--no-header",
        "--python",
        executable,
    ]
    arguments += [*request.everywhere, *request.resolving]
    for path in request.constraint_files:
        arguments += ["-c", path]
    if no_deps:
        arguments.append("--no-deps")
    sources = list(files)
    stdin = ""
    if requirements:
        sources.append("-")
        stdin = "\n".join(requirements) + "\n"
    if constraints or settings.mention("output-file"):
        import tempfile

        with tempfile.TemporaryDirectory(prefix="pepip-") as folder:
            path = f"{folder}/constraints.txt"
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in constraints)
            arguments += ["-c", path, "--output-file", f"{folder}/pylock.toml"]
            process.run([*arguments, "--", *sources], stdin=stdin)
            with open(f"{folder}/pylock.toml", encoding="utf-8") as file:
                artifacts = _artifacts(file.read(), tags, folder, hashes.demanded(request))
    else:
        output = process.run([*arguments, "--", *sources], stdin=stdin).stdout
        artifacts = _artifacts(output, tags, os.getcwd(), hashes.demanded(request))
    return _shareable(request, artifacts)


def artifacts_of_lock(request: Request, lock: str, wanted: Sequence[Change], tags: Sequence[str]) -> list[Artifact]:
    """Return the artifacts that a lock, made in this folder, names for what uv plans to add."""
    return _shareable(request, _matching(_artifacts(lock, tags, os.getcwd(), {}), wanted))


def _shareable(request: Request, artifacts: list[Artifact]) -> list[Artifact]:
    """Return the artifacts, those without an identity that other projects' settings could build otherwise."""
    if not _has_build_settings(request):
        return artifacts
    # What they change in a build is no part of its identity: such a build is the project's own.
    return [item if item.wheel else item._replace(identity="") for item in artifacts]


def _has_build_settings(request: Request) -> bool:
    """Tell whether builds are told anything that other projects may not tell them."""
    return any(option.partition("=")[0] in _BUILD_OPTIONS for option in request.everywhere) or settings.mention(
        *_BUILD_SETTINGS
    )


def _matching(artifacts: list[Artifact], wanted: Sequence[Change]) -> list[Artifact]:
    versions = {change.name: change.version for change in wanted}
    return [
        artifact
        for artifact in artifacts
        if artifact.name in versions
        and ("" in {artifact.version, versions[artifact.name]} or versions[artifact.name] == artifact.version)
    ]


def _artifacts(lock: str, tags: Sequence[str], folder: str, allowed: dict[str, set[str]]) -> list[Artifact]:
    """Read a lock. Paths in it are relative to `folder`, `allowed` are the digests that the request demands."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    rank = {tag: position for position, tag in enumerate(tags)}
    with versions.readable():
        document = tomllib.loads(lock)
        if not document["lock-version"].startswith("1."):
            raise ValueError("the format has another major version")
        packages = document.get("packages", [])
        return [_artifact(item, rank, folder, allowed.get(normalize_name(item["name"]))) for item in packages]


def _artifact(package: dict[str, Any], rank: dict[str, int], folder: str, allowed: set[str] | None) -> Artifact:
    name, version = normalize_name(package["name"]), package.get("version", "")
    if "vcs" in package:
        return _of_commit(name, version, package["vcs"], rank)
    if "archive" in package:
        return _of_archive(name, version, package["archive"], folder, rank)
    if "directory" in package:
        return _of_folder(name, version, package["directory"], folder)
    wheels, sdist = package.get("wheels", []), package.get("sdist", {})
    if allowed is not None:
        wheels = [wheel for wheel in wheels if wheel.get("hashes", {}).get("sha256") in allowed]
        if not wheels and sdist.get("hashes", {}).get("sha256") not in allowed:
            line = f"{name}=={version} " + " ".join(f"--hash=sha256:{digest}" for digest in sorted(allowed))
            return Artifact(name, version, "sha256:none", line, "", 0, None, "")  # uv says what doesn't match
    wheel = _best_wheel(wheels, rank)
    chosen = wheel or sdist
    digest = _digest(chosen, folder)
    line = f"{name}=={version}" + (f" --hash=sha256:{digest}" if digest else "")
    identity = f"sha256:{digest}" if wheel else _identity_of_build(f"sdist-sha256:{digest}", rank)
    path = _local_path(chosen, folder)
    url = chosen.get("url") or (_file_url(path) if path else "")
    return Artifact(
        name=name,
        version=version,
        identity=identity if digest else "",
        requirement=line,
        wheel=_file_name(wheel) if wheel else "",
        size_bytes=chosen.get("size", 0),
        direct_url=None,
        local_path=path,
        by_url=f"{name} @ {url}{f' --hash=sha256:{digest}' if digest else ''}" if url else "",
    )


def _identity_of_build(source: str, rank: dict[str, int]) -> str:
    """Return the identity of what an interpreter with these tags builds from a source.

    Another Python may build something else from it, also where the wheel's tag doesn't say so.
    """
    return f"{source}@{next(iter(rank), 'any').partition('-')[0]}"


def _of_folder(name: str, version: str, directory: dict[str, Any], folder: str) -> Artifact:
    """Return a local folder's artifact, which is never shared."""
    path = _local_path(directory, folder)
    if directory.get("subdirectory"):
        path = f"{path}/{directory['subdirectory']}"
    line = f"-e {_file_url(path)}" if directory.get("editable") else f"{name} @ {_file_url(path)}"
    return Artifact(name, version, "", line, "", 0, None, "")


def _of_commit(name: str, version: str, vcs: dict[str, Any], rank: dict[str, int]) -> Artifact:
    subdirectory = vcs.get("subdirectory", "")
    commit, url = vcs["commit-id"], vcs["url"]
    information = {"vcs": vcs["type"], "commit_id": commit}
    if "requested-revision" in vcs:
        information["requested_revision"] = vcs["requested-revision"]
    direct_url: dict[str, object] = {"url": without_password(url), "vcs_info": information}
    fragment = ""
    if subdirectory:
        direct_url["subdirectory"] = subdirectory
        fragment = f"#subdirectory={subdirectory}"
    line = f"{name} @ {vcs['type']}+{url}@{commit}{fragment}"
    identity = _identity_of_build(f"{vcs['type']}{fragment}:{commit}", rank)
    return Artifact(name, version, identity, line, "", 0, direct_url, "")


def _of_archive(name: str, version: str, archive: dict[str, Any], folder: str, rank: dict[str, int]) -> Artifact:
    digest = _digest(archive, folder)
    url = archive.get("url") or _file_url(_local_path(archive, folder))
    file_name = url.rpartition("/")[2].partition("#")[0]
    wheel = file_name if file_name.endswith(".whl") else ""
    direct_url: dict[str, object] = {"url": without_password(url), "archive_info": {}}
    line = f"{name} @ {url}"
    fragment = archive.get("subdirectory", "")
    if fragment:
        direct_url["subdirectory"] = fragment
        line += f"#subdirectory={fragment}"
    if digest:
        line += f" --hash=sha256:{digest}"
    build = f"sdist-sha256{'#' + fragment if fragment else ''}:{digest}"
    identity = f"sha256:{digest}" if wheel else _identity_of_build(build, rank)
    if not digest:
        identity = ""
    return Artifact(
        name, version, identity, line, wheel, archive.get("size", 0), direct_url, _local_path(archive, folder)
    )


def _local_path(source: dict[str, Any], folder: str) -> str:
    """Return the absolute path of a file of the lock, empty if it is to be downloaded."""
    url = str(source.get("url", ""))
    if url.startswith("file://"):
        from urllib.request import url2pathname

        return url2pathname(url.removeprefix("file://").partition("#")[0])
    path = source.get("path", "")
    return os.path.abspath(os.path.join(folder, path)) if path else ""


def _digest(source: dict[str, Any], folder: str) -> str:
    """Return the SHA-256 digest of a file of the lock, empty if its index names none.

    uv 0.11 names none of local files.
    """
    named = str(source.get("hashes", {}).get("sha256", ""))
    path = _local_path(source, folder)
    if named or not path:
        return named
    from pepip.wheel.record import digest

    return digest(path, "sha256").hex()


def _file_url(path: str) -> str:
    from urllib.request import pathname2url

    return "file://" + pathname2url(path)


def _file_name(wheel: dict[str, Any]) -> str:
    from urllib.parse import unquote

    name = wheel.get("name") or (wheel.get("url") or wheel.get("path", "")).rpartition("/")[2]
    return unquote(str(name).partition("#")[0])


def _best_wheel(wheels: list[dict[str, Any]], rank: dict[str, int]) -> dict[str, Any] | None:
    """Return the wheel whose tag the interpreter likes most, None if it can use none.

    uv lists those that it can use, in no order; a lock from elsewhere lists those of other systems too.
    """
    if not wheels:
        return None
    from pepip.wheel.tags import expand, of_filename

    def position(wheel: dict[str, Any]) -> int:
        return min(rank.get(tag, len(rank)) for tag in expand(of_filename(_file_name(wheel))))

    best = min(wheels, key=position)
    return best if position(best) < len(rank) else None

"""Reads the lock in an answer of uv, and writes a lock of the artifacts that the store lacks.

An artifact is one package table of a lock, reduced to the one file that the environment gets. uv stages from that
table: URL, index and hash come from the resolution, and no index is asked again.
Source: the pylock.toml specification (PEP 751), and PEP 610 for direct URLs.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys

from pepip.errors import InvalidWheelError
from pepip.model import Artifact
from pepip.names import normalize_name
from pepip.urls import of_path, without_credentials
from pepip.uv import wheel_choice
from pepip.wheel import tags as wheel_tags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

_PROOFS = ("sha256", "sha512", "sha384", "blake2b")
"""The hash algorithms that may identify an entry, the preferred one first. MD5 proves nothing."""


def artifacts(
    lock: str,
    tags: Sequence[str],
    folder: str,
    *,
    preferred: Callable[[str], frozenset[str]] | None = None,
    may_be_yanked: bool = False,
    applies: Callable[[str], bool] | None = None,
) -> list[Artifact]:
    """Return the artifacts that a lock names for an interpreter with these supported `tags`.

    Paths in the lock are relative to `folder`. `preferred` returns the hashes that the request demands of a
    distribution; uv prefers a wheel with one of them. If a listed file `may_be_yanked`, uv must choose between
    several builds of one wheel. `applies` evaluates a marker; tables whose marker does not hold are left out.
    Raises ValueError or KeyError if the text is no lock.
    """
    from pepip import toml

    rank = {tag: position for position, tag in enumerate(tags)}
    document = toml.loads(lock)
    if not document["lock-version"].startswith("1."):
        raise ValueError("the format has another major version")
    found = []
    for package in document.get("packages", []):
        if "marker" in package and applies is not None and not applies(package["marker"]):
            continue
        demanded = preferred(normalize_name(package["name"])) if preferred else frozenset()
        artifact = _artifact(package, rank, folder, demanded)
        is_open = may_be_yanked and has_several_builds(package)
        found.append(left_to_uv(artifact) if is_open else artifact)
    return found


def of_package(package: dict[str, Any], tags: Sequence[str]) -> Artifact:
    """Return the artifact that one package table names for an interpreter with these supported `tags`."""
    return _artifact(package, {tag: position for position, tag in enumerate(tags)}, os.getcwd(), frozenset())


def write(path: str, packages: Iterable[Mapping[str, Any]]) -> None:
    """Write a lock of these package tables to a new file. It may hold passwords, so only this user can read it."""
    lines = ['lock-version = "1.0"\n', 'created-by = "pepip"\n']
    for package in packages:
        lines.append("\n[[packages]]\n")
        lines += [f"{key} = {_toml(value)}\n" for key, value in package.items()]
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.writelines(lines)


def requirement_line(artifact: Artifact) -> str:
    """Return the requirements file line for a local folder, a repository, or an artifact that no lock describes."""
    package = artifact.package
    repository = package.get("vcs")
    if repository is not None:
        subdirectory = repository.get("subdirectory")
        inside = f"#subdirectory={subdirectory}" if subdirectory else ""
        return f"{artifact.name} @ {repository['type']}+{repository['url']}{inside}"
    directory = package.get("directory")
    if directory is None:
        return f"{artifact.name} @ {package['url']}" if "url" in package else f"{artifact.name}=={artifact.version}"
    path = directory["path"] + (f"/{directory['subdirectory']}" if directory.get("subdirectory") else "")
    return f"-e {_file_url(path)}" if directory.get("editable") else f"{artifact.name} @ {_file_url(path)}"


def left_to_uv(artifact: Artifact) -> Artifact:
    """Return the artifact with only its name and version, so that uv itself chooses and checks the file."""
    return _private({"name": artifact.name, **({"version": artifact.version} if artifact.version else {})})


def _toml(value: object) -> str:
    """Return a value as TOML. JSON strings are TOML strings if DEL is escaped and non-ASCII characters are not."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _artifact(package: dict[str, Any], rank: dict[str, int], folder: str, preferred: frozenset[str]) -> Artifact:
    name, version = normalize_name(package["name"]), package.get("version", "")
    head = {"name": package["name"], **({"version": version} if version else {})}
    if "directory" in package:
        return _of_folder(head, package["directory"], folder)
    if "vcs" in package:
        return _of_commit(head, package["vcs"], folder, rank)
    if "archive" in package:
        return _of_archive(head, package["archive"], folder, rank)
    if "index" in package:
        head["index"] = package["index"]
    wheels, sdist = package.get("wheels", []), package.get("sdist")
    wheel = _chosen(wheels, rank, preferred)
    if sdist is not None and preferred.intersection(_digests(sdist)) and not _any_of(wheels, preferred):
        wheel = None  # uv takes the file with a demanded hash
    if wheel is not None:
        file, digest = _file(wheel, folder)
        return Artifact(
            name=name,
            version=version,
            identity="" if any(map(_is_variant, wheels)) else digest,
            package={**head, "wheels": [file]},
            wheel=_file_name(wheel),
            size_bytes=wheel.get("size", 0),
            direct_url=None,
            local_path=_local_path(wheel, folder),
        )
    if sdist is None:  # no file fits the interpreter: uv reports it
        return _private(head, wheels=[_file(item, folder)[0] for item in wheels])
    file, digest = _file(sdist, folder)
    return Artifact(
        name=name,
        version=version,
        identity=_identity_of_build(f"sdist-{digest}", rank) if digest else "",
        package={**head, "sdist": file},
        wheel="",
        size_bytes=sdist.get("size", 0),
        direct_url=None,
        local_path=_local_path(sdist, folder),
    )


def _any_of(wheels: list[dict[str, Any]], hashes: frozenset[str]) -> bool:
    return any(hashes.intersection(_digests(wheel)) for wheel in wheels)


def has_several_builds(package: dict[str, Any]) -> bool:
    """Tell whether two different wheels of a table have one tag. One may be yanked (PEP 592).

    uv lists one file again for each option or setting that names its folder or index: it counts once.
    """
    tags: dict[str, tuple[str, ...]] = {}
    for wheel in package.get("wheels", []):
        file = (_file_name(wheel), *(sorted(_digests(wheel)) or [str(wheel.get("url") or wheel.get("path"))]))
        with contextlib.suppress(InvalidWheelError):
            if tags.setdefault(wheel_tags.parse(_file_name(wheel)).tag, file) != file:
                return True
    return False


def _chosen(wheels: list[dict[str, Any]], rank: dict[str, int], preferred: frozenset[str]) -> dict[str, Any] | None:
    """Return the wheel that uv takes, None if no wheel fits. Wheels with a demanded hash come before all others."""
    demanded = [wheel for wheel in wheels if preferred.intersection(_digests(wheel))]
    for candidates in (demanded, wheels):
        position = wheel_choice.best(list(map(_file_name, candidates)), rank)
        if position is not None:
            return candidates[position]
    return None


def _is_variant(wheel: dict[str, Any]) -> bool:
    """Tell whether a wheel is a variant (PEP 817). If a table has a variant, only uv can choose a wheel."""
    try:
        return bool(wheel_tags.parse(_file_name(wheel)).variant)
    except InvalidWheelError:
        return False


def _identity_of_build(source: str, rank: dict[str, int]) -> str:
    """Return the identity of the wheel that an interpreter with these tags builds from a source.

    Another Python may build a different wheel from that source, even if the wheel has the same tag.
    """
    python, _, rest = next(iter(rank), "any").partition("-")
    abi = rest.partition("-")[0]  # a free-threaded build has ABI tag `cp315t` and Python tag `cp315`
    return f"{source}@{abi if abi.startswith(python) else python}"


def _private(head: dict[str, Any], **table: object) -> Artifact:
    """Return an artifact that is never shared."""
    return Artifact(normalize_name(head["name"]), head.get("version", ""), "", {**head, **table}, "", 0, None, "")


def _of_folder(head: dict[str, Any], directory: dict[str, Any], folder: str) -> Artifact:
    """Return the artifact of a local folder, which is never shared."""
    path = os.path.abspath(os.path.join(folder, directory["path"]))
    return _private(head, directory={**directory, "path": path})


def _of_commit(head: dict[str, Any], vcs: dict[str, Any], folder: str, rank: dict[str, int]) -> Artifact:
    kind, commit, subdirectory = vcs["type"], vcs["commit-id"], vcs.get("subdirectory", "")
    url = vcs.get("url") or _file_url(os.path.abspath(os.path.join(folder, vcs["path"])))
    information = {"vcs": kind, "commit_id": commit}
    if "requested-revision" in vcs:
        information["requested_revision"] = vcs["requested-revision"]
    direct_url: dict[str, object] = {"url": without_credentials(url), "vcs_info": information}
    if subdirectory:
        direct_url["subdirectory"] = subdirectory
    table = {key: value for key, value in vcs.items() if key != "path"}
    source = f"{kind}{'#subdirectory=' + subdirectory if subdirectory else ''}:{commit}"
    return Artifact(
        name=normalize_name(head["name"]),
        version=head.get("version", ""),
        identity=_identity_of_build(source, rank),
        package={**head, "vcs": {**table, "url": url}},
        wheel="",
        size_bytes=0,
        direct_url=direct_url,
        local_path="",
    )


def _of_archive(head: dict[str, Any], archive: dict[str, Any], folder: str, rank: dict[str, int]) -> Artifact:
    file, digest = _file(archive, folder)
    url, subdirectory = file["url"], archive.get("subdirectory", "")
    path = _local_path(archive, folder)
    if path:  # uv accepts no `file:` URL for an archive
        file = {"path": path, **{key: value for key, value in file.items() if key != "url"}}
    named = url.partition("#subdirectory=")[0]  # uv's export of a project repeats the fragment
    direct_url: dict[str, object] = {"url": without_credentials(named), "archive_info": {}}
    if subdirectory:
        direct_url["subdirectory"] = file["subdirectory"] = subdirectory
    name = _file_name(archive)
    wheel = name if name.endswith(".whl") else ""
    build = f"sdist{'#' + subdirectory if subdirectory else ''}-{digest}"
    return Artifact(
        name=normalize_name(head["name"]),
        version=head.get("version", ""),
        identity=(digest if wheel else _identity_of_build(build, rank)) if digest else "",
        package={**head, "archive": file},
        wheel=wheel,
        size_bytes=archive.get("size", 0),
        direct_url=direct_url,
        local_path=path,
    )


def _file(source: dict[str, Any], folder: str) -> tuple[dict[str, Any], str]:
    """Return the table of one file with one hash, and that hash (`sha256:…`), empty if no hash proves the content.

    uv accepts a file that matches any hash in a lock. Here the file must match the hash that identifies the entry, so
    uv gets only that hash. If no hash proves the content, the table keeps all hashes.
    """
    digests = _digests(source)
    path = _local_path(source, folder)
    table: dict[str, Any] = {key: source[key] for key in ("name", "size") if key in source}
    table["url"] = source.get("url") or _file_url(path)
    chosen = next((item for kind in _PROOFS for item in digests if item.startswith(f"{kind}:")), "")
    if chosen:
        algorithm, _, digest = chosen.partition(":")
        table["hashes"] = {algorithm: digest}
    elif "hashes" in source:
        table["hashes"] = dict(source["hashes"])
    return table, chosen


def _digests(source: dict[str, Any]) -> list[str]:
    return [f"{algorithm}:{str(digest).lower()}" for algorithm, digest in source.get("hashes", {}).items()]


def _local_path(source: dict[str, Any], folder: str) -> str:
    """Return the absolute path of a file of the lock, empty if the file must be downloaded."""
    url = str(source.get("url", ""))
    if url.startswith("file://"):
        from urllib.request import url2pathname

        return url2pathname(url.removeprefix("file://").partition("#")[0])
    path = source.get("path", "")
    return os.path.abspath(os.path.join(folder, path)) if path else ""


def _file_url(path: str) -> str:
    if sys.platform == "win32":
        return of_path(path)
    from urllib.parse import quote

    return "file://" + quote(os.fsencode(path))


def _file_name(source: dict[str, Any]) -> str:
    place = source.get("url") or source.get("path", "")
    name = str(source.get("name") or place.partition("#")[0].partition("?")[0].rpartition("/")[2])
    if "%" not in name:  # importing the decoder takes milliseconds
        return name
    from urllib.parse import unquote

    return unquote(name)

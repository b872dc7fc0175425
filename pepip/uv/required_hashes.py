"""Finds the hashes that a request demands. This module does nothing but repeat rules of uv.

uv checks a demanded hash when it downloads a file. A wheel in the store is not downloaded. Instead, pepip compares
the demand with the hash in the wheel's identity. That is safe only if pepip reads the demand exactly as uv reads it.
If pepip can't do so, it reports the demand as unclear. Then uv itself must check the request (see `stage.check`).

The rules: `--hash` options belong to the requirement of their logical line, and one of them must match. If two lines
name the same version, both must be met. A comment ends with its line, even if a backslash ends that line. Hashes in
the fragment of a URL are not read here: uv's lock carries them.
Source: uv's `HashStrategy::from_requirements`, pip's requirements file format. `tests/differential` compares with uv.
"""

from __future__ import annotations

import os

from pepip.fast_namedtuple import NamedTuple
from pepip.names import normalize_name
from pepip.uv import arguments, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pepip.model import Artifact
    from pepip.uv.request import Request

_ALGORITHMS = {"md5": 32, "sha256": 64, "sha384": 96, "sha512": 128, "blake2b": 128}
"""The hash algorithms that uv knows, and the number of hexadecimal digits of a digest."""
_MAY_DEMAND_ANYTHING = "--require-hashes --hash"
"""Replaces the lines of a file that pepip can't read as uv reads it. Such a file may demand anything."""
_INDEX_OPTIONS = ("-i", "-f", "--index", "--extra-index", "--find-links", "--no-index", _MAY_DEMAND_ANYTHING)
UNREADABLE = "\0"
"""Replaces the text of a file that can't be read."""
_INCLUDES = ("-r", "-c", "--requirement", "--requirements", "--constraint", "--constraints")


class Pin(NamedTuple):
    """A requirement that names a version or a URL, and demands one of these hashes (`sha256:…`).

    `version` is empty if there is a `url`. `name` is empty if the requirement is only a URL.
    """

    name: str
    version: str
    url: str
    hashes: frozenset[str]


class Demands(NamedTuple):
    """The hashes that a request demands. If `is_unclear`, the request may demand more than these pins."""

    pins: tuple[Pin, ...] = ()
    is_unclear: bool = False

    def allowed(self, name: str) -> frozenset[str]:
        """Return all hashes in the pins of a distribution, given its normalized name."""
        return frozenset(hash_ for pin in self.pins if pin.name == name for hash_ in pin.hashes)

    def are_met_by(self, artifact: Artifact) -> bool:
        """Tell whether an artifact certainly meets the demands on its distribution.

        The answer is False if pins name the distribution, but none names this version: then nothing is certain,
        since pepip does not evaluate the markers of pins.
        """
        url = _url(artifact)
        pins = [pin for pin in self.pins if pin.name == artifact.name or (pin.url and not pin.name)]
        rough = _rough(artifact.version)
        concerned = [pin for pin in pins if (pin.url == url if pin.url else _rough(pin.version) == rough)]
        is_pinned = any(pin.url or pin.version == artifact.version for pin in concerned)
        is_named = any(pin.name for pin in pins)
        proof = _proof(artifact.identity)
        return not (is_named and not is_pinned) and all(proof in pin.hashes for pin in concerned)

    def are_met_by_all(self, artifacts: Iterable[Artifact]) -> bool:
        """Tell whether these artifacts certainly meet all demands.

        If a pin is only a URL, an artifact must have exactly this URL. Otherwise the answer is False: uv may spell
        the URL differently.
        """
        known = list(artifacts)
        urls = {_url(artifact) for artifact in known}
        is_found = all(pin.name or pin.url in urls for pin in self.pins)
        return not self.is_unclear and is_found and all(map(self.are_met_by, known))


def of(request: Request) -> Demands:
    """Return the hashes that a request demands. There are none if it tells uv not to verify hashes."""
    if _is_told_not_to_verify(request):
        return Demands()
    pins = []
    is_unclear = any(map(_has_open_fragment, request.packages))
    for line in _all_lines(request):
        if "--hash" not in line:
            is_unclear = is_unclear or _has_open_fragment(line)
            continue
        hashes, requirement = _hash_options(line)
        pin = _pinned(requirement, frozenset(hashes))
        if pin is not None and hashes:
            pins.append(pin)
        else:
            is_unclear = True
    return Demands(tuple(pins), is_unclear)


def are_required(request: Request) -> bool:
    """Tell whether uv may refuse requirements without a hash. Only `uv pip install` itself makes this check."""
    return (
        settings.is_on("UV_REQUIRE_HASHES")
        or any(word.startswith("--require-hashes") for word in request.installer_options)
        or any(line.startswith("--require-hashes") for line in _all_lines(request))
        or settings.may_mention("require-hashes")
    )


def may_name_index(request: Request) -> bool:
    """Tell whether the files of a request may name indexes. uv also searches these indexes for build requirements."""
    return any(line.startswith(_INDEX_OPTIONS) for line in _all_lines(request))


def texts(request: Request) -> list[str]:
    """Return the lines of a request's files, and of included files. The demands of the request depend on them."""
    return list(_all_lines(request))


def _is_told_not_to_verify(request: Request) -> bool:
    for word in reversed(request.installer_options):
        if word in {"--no-verify-hashes", "--verify-hashes"}:
            return word == "--no-verify-hashes" and not are_required(request)
    return settings.is_on("UV_NO_VERIFY_HASHES") and not are_required(request)


def ignores_fragments(request: Request) -> bool:
    """Tell whether a URL of the request has a hash that uv is told not to verify."""
    texts = (*request.packages, *_all_lines(request))
    return any(map(_fragment_hashes, texts)) and _is_told_not_to_verify(request)


def _all_lines(request: Request) -> Iterator[str]:
    seen: set[str] = set()
    named = [word for name in ("UV_CONSTRAINT", "UV_OVERRIDE") for word in os.environ.get(name, "").split()]
    overrides = arguments.values_of(request.resolver_options, "--overrides", "--override")
    for path in (*request.requirement_files, *request.constraint_files, *overrides, *named):
        yield from _lines(path, seen)


def _lines(path: str, seen: set[str]) -> Iterator[str]:
    """Yield the logical lines of a requirements file and of the files that it includes, without comments."""
    if path in seen or path.endswith((".toml", ".py", "setup.cfg")):
        return
    seen.add(path)
    text = read(path)
    if not text.replace("\t", " ").replace("\r\n", "\n").replace("\n", " ").isprintable() or "\ufffd" in text:
        yield _MAY_DEMAND_ANYTHING
        return
    for line in _logical_lines(text):
        target = _included(line)
        if "$" in target:  # uv expands variables there
            yield _MAY_DEMAND_ANYTHING
        elif target:
            if "://" not in target and not os.path.isabs(target):
                separator = "/" if "://" in path else os.sep
                target = f"{path.rpartition(separator)[0] or '.'}{separator}{target}"
            yield from _lines(target, seen)
        elif line:
            yield line


def _logical_lines(text: str) -> Iterator[str]:
    """Yield the lines of a text without comments. Lines that a backslash connects are joined."""
    begun = ""
    for line in text.splitlines():
        plain = f" {line}".replace("\t", " ")
        is_commented = " #" in plain
        plain = plain.partition(" #")[0]
        if plain.endswith("\\") and not is_commented:
            begun += plain[:-1]
            continue
        yield (begun + plain).strip()
        begun = ""
    yield begun.strip()


def _included(line: str) -> str:
    """Return the file that a line includes, empty if it includes none."""
    for option in _INCLUDES:
        if line.startswith((f"{option}=", f"{option} ", f"{option}\t")):
            return line[len(option) + 1 :].strip().strip("\"'")
        if len(option) == 2 and line.startswith(option) and not line.startswith("--"):
            return line[2:].strip().strip("\"'")
    return ""


def _hash_options(line: str) -> tuple[list[str], str]:
    """Return the well-formed `--hash` options at the end of a line, and the text before them.

    If an option is malformed, return no option and the whole line.
    """
    words = line.split()
    hashes: list[str] = []
    while words:
        last = words[-1]
        value = last.removeprefix("--hash=")
        if value == last and len(words) > 1 and words[-2] == "--hash":
            words.pop()
        elif value == last:
            break
        words.pop()
        algorithm, _, digest = value.partition(":")
        if len(digest) != _ALGORITHMS.get(algorithm) or set(digest.lower()) - set("0123456789abcdef"):
            return [], line
        hashes.append(f"{algorithm}:{digest.lower()}")
    return hashes, " ".join(words)


def _pinned(text: str, hashes: frozenset[str]) -> Pin | None:
    """Return the pin of a requirement with `==`, of one with a URL, or of a URL alone; None for any other.

    A marker is ignored: see `Demands.are_met_by`.
    """
    text = text.partition(" ;")[0].strip()
    name, separator, url = text.partition("@")
    if "://" in text:
        name, url = (name, url.strip()) if separator and "://" not in name else ("", text)
        is_plain = url.startswith(("http://", "https://")) and not set(url) & {"#", "$", "@", " ", ";"}
        return Pin(_plain_name(name), "", url, hashes) if is_plain and bool(name) == bool(_plain_name(name)) else None
    name, separator, version = text.partition(";")[0].replace(" ", "").partition("==")
    version = version.removeprefix("=")
    is_version = bool(version) and all(letter.isalnum() or letter in "-_.+!" for letter in version)
    return Pin(_plain_name(name), version, "", hashes) if separator and is_version and _plain_name(name) else None


def _plain_name(text: str) -> str:
    """Return the normalized name of a distribution without its extras; empty if the text has anything else."""
    name, _, extras = text.strip().partition("[")
    is_name = bool(name) and name.isascii() and all(letter.isalnum() or letter in "-_." for letter in name)
    return normalize_name(name) if is_name and (not extras or extras.endswith("]")) else ""


def _fragment_hashes(text: str) -> list[str]:
    """Return the algorithms of the hashes in the fragment of a URL: `…#sha256=…`."""
    _, _, fragment = text.partition("#")
    return [algorithm for algorithm in _ALGORITHMS if f"{algorithm}=" in fragment.lower()]


def _has_open_fragment(text: str) -> bool:
    """Tell whether the fragment of a URL demands a hash that uv's lock does not carry."""
    found = _fragment_hashes(text)
    return bool(found) and (found != ["sha256"] or "http://" not in text.replace("https://", "http://"))


def _url(artifact: Artifact) -> str:
    """Return the URL by which an artifact was requested, empty if it comes from an index."""
    return str(artifact.package.get("archive", {}).get("url", ""))


def _proof(identity: str) -> str:
    """Return the file hash that an identity contains: `sha256:…` for `sdist-sha256:…@cp312`."""
    return identity.rpartition("sdist-")[2].partition("@")[0]


def _rough(version: str) -> str:
    """Return a version in a form that is equal for all its spellings, and perhaps for a few other versions."""
    return version.lower().replace("-", ".").replace("_", ".").rstrip("0.")


def read(path: str) -> str:
    """Return the text of a requirements file or lock, at a path or a URL, or `UNREADABLE`."""
    if "://" not in path:
        return settings.content(path).decode("utf-8", "replace") if os.path.isfile(path) else UNREADABLE
    from http.client import HTTPException
    from urllib.request import url2pathname, urlopen

    if path.startswith("file://"):
        return read(url2pathname(path.removeprefix("file://").removeprefix("localhost")))
    if "@" in path.partition("://")[2].partition("/")[0]:
        return UNREADABLE
    try:
        with urlopen(path) as answer:
            return str(answer.read().decode("utf-8", "replace"))
    except (OSError, ValueError, HTTPException):  # uv may succeed: it may log in, or trust another certificate
        return UNREADABLE

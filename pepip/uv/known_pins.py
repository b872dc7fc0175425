"""Artifacts that uv named before for exact versions. An artifact is kept as long as uv would name the same one.

uv's plan has only names and versions. pepip asks uv a second time for the files. The second answer depends on
settings, on the interpreter, and on the text that an index or a lock has for the distribution. As long as these are
unchanged, the answer is unchanged.
Source: uv's cache of index pages. A page ends in a random id of the response, uv's caching policy, a CRC-32 of these
and of the page's length, and that length. If an index answers "not modified", only the policy changes. If it sends
the same page again, as indexes without validators do, the id changes, too.
"""

from __future__ import annotations

import json
import os

from pepip import digests
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, machine
from pepip.model import Artifact
from pepip.uv import answer_cache, cacheable, program, required_hashes, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pepip.model import Environment
    from pepip.uv.answer_cache import AnswerCache
    from pepip.uv.dry_run_output import Change
    from pepip.uv.request import ProjectRequest, Request

_MOST_ROWS = 2000
_FOOTER_BYTES = 12  # a CRC-32 and a length
_ID_BYTES = 24  # the id of a response, and the padding that aligns it
_MOST_POLICY_BYTES = 1 << 16
_WITHOUT_EFFECT = frozenset(("PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "UV_PYTHON", "UV_OFFLINE"))


class Basis(NamedTuple):
    """The text on which the answer for a name and a version rests.

    `state` is empty if there is no such text. `digest` reads the whole text. In another state, the digest
    may still be the same.
    """

    state: str
    digest: Callable[[], str]


class KnownPins(NamedTuple):
    """The artifacts that uv named with the same settings for the same interpreter."""

    answers: AnswerCache
    key: str
    program_state: tuple[tuple[str, str], ...]
    basis_of: Callable[[str, str], Basis]

    def recall(self, wanted: Iterable[Change]) -> list[Artifact]:
        """Return the known artifacts of the wanted changes."""
        rows = self._rows()
        found = []
        for change in wanted if rows else ():
            row = rows.get(f"{change.name}\t{change.version}", "").split("\t", 2)
            if len(row) == 3 and not change.url:
                state, digest, text = row
                basis = self.basis_of(change.name, change.version)
                if basis.state and (state == basis.state or (digest and digest == basis.digest())):
                    found.append(Artifact(*json.loads(text)))
        return found

    def bases(self, wanted: Iterable[Change]) -> dict[str, tuple[str, str]]:
        """Return the states and digests of the texts on which the answers for `wanted` rest now, for `remember`."""
        found = {item.name: self.basis_of(item.name, item.version) for item in wanted if not item.url}
        return {name: (basis.state, basis.digest()) for name, basis in found.items() if basis.state}

    def remember(self, artifacts: Iterable[Artifact], bases: dict[str, tuple[str, str]]) -> None:
        """Keep the lasting artifacts, each with the state that its text had before uv was asked.

        The text's digest is kept only if the text is unchanged after the answer: then uv has read this text.
        """
        rows = self._rows()
        for item in artifacts:
            if item.name in bases and is_lasting(item):
                state, digest = bases[item.name]
                place = f"{item.name}\t{item.version}"
                if digest != self.basis_of(item.name, item.version).digest():
                    digest = ""
                rows.pop(place, None)
                rows[place] = f"{state}\t{digest}\t{json.dumps(item)}"
        latest = list(rows.items())[-_MOST_ROWS:]
        text = "".join(f"{place}\t{row}\n" for place, row in latest)
        self.answers.remember(self.key, text, self.program_state)

    def _rows(self) -> dict[str, str]:
        """Return the basis and the artifact of each name and version."""
        found = {}
        for line in (self.answers.recall(self.key) or "").split("\n")[:-1]:
            name, version, row = line.split("\t", 2)
            found[f"{name}\t{version}"] = row
        return found


def is_lasting(artifact: Artifact) -> bool:
    """Tell whether an artifact is a wheel of an index. Any other artifact may change unnoticed."""
    is_of_index = artifact.is_of_index and artifact.direct_url is None
    return bool(artifact.wheel) and artifact.is_shared and is_of_index


def of_request(answers: AnswerCache, request: Request, environment: Environment) -> KnownPins:
    """Return the known pins for a plain request (see `cacheable.is_plain`), whose pins uv looks up in indexes."""
    named = [required_hashes.read(path) for path in cacheable.files(request)]
    words = [*request.common_options, *request.resolver_options, "", *named, "", *settings.texts(with_projects=False)]
    folders = [
        inner
        for bucket in cacheable.folders(cacheable.cache_folder(), "simple-v")
        for folder in cacheable.below(bucket)
        for inner in (folder, *cacheable.below(folder))
    ]
    return _known(answers, "pins-2", words, environment, lambda name, _: _pages(sorted(folders), name))


def of_project(
    answers: AnswerCache, request: ProjectRequest, lock: str, environment: Environment
) -> KnownPins | None:
    """Return the known pins for a project with this text of `uv.lock`, None if options or settings may matter, too.

    The lock alone decides on the files of a distribution, unless uv is told to build it, or not to build it.
    """
    is_told = request.build_options or settings.may_mention("no-binary", "no-build")
    if is_told or not cacheable.are_plain_options(request.common_options):
        return None
    sections: dict[str, str] = {}
    for section in lock.split("[[package]]")[1:]:
        fields = section.split("\n", 4)
        if len(fields) == 5 and fields[3].startswith('source = { registry = "http'):
            name, version = (field.partition('"')[2].rpartition('"')[0] for field in fields[1:3])
            place = f"{name}\t{version}"
            sections[place] = "" if place in sections else section
    head = lock.partition("[[package]]")[0]

    def basis_of(name: str, version: str) -> Basis:
        section = sections.get(f"{name}\t{version}", "")
        text = digests.hexadecimal(f"{head}{section}".encode("utf-8", "surrogateescape")) if section else ""
        return Basis(text, lambda: text)

    return _known(answers, "locked-2", request.common_options, environment, basis_of)


def _known(
    answers: AnswerCache,
    topic: str,
    words: Sequence[str],
    environment: Environment,
    basis_of: Callable[[str, str], Basis],
) -> KnownPins:
    python = os.path.realpath(environment.executable)
    key = answer_cache.key(topic, python, *words, *machine.facts(), ignored=_WITHOUT_EFFECT)
    return KnownPins(answers, key, tuple(answer_cache.states([program.path(), python])), basis_of)


def _pages(folders: Sequence[str], name: str) -> Basis:
    """Return the pages in uv's cache about a distribution, as a basis. Its state is a digest of the responses' ids.

    The state is empty if there is no page, or if one can't be read.
    """
    places = [f"{folder}/{name}.rkyv" for folder in folders]
    return Basis(_digest_of(places, _response_of), lambda: _digest_of(places, _content_of))


def _digest_of(places: Iterable[str], read: Callable[[int, int], bytes]) -> str:
    """Return a digest of the pages at these places; empty if one is unreadable. `read` returns a page's part."""
    found = []
    for path in places:
        try:
            part = _read_page(path, read)
        except FileNotFoundError:
            continue
        except OSError:
            return ""
        if not part:
            return ""
        found.append(f"{path}={part}")
    return digests.hexadecimal(" ".join(found).encode("utf-8", "surrogateescape")) if found else ""


def _read_page(path: str, read: Callable[[int, int], bytes]) -> str:
    """Return a digest of one part of a page; empty if the page has another format."""
    import binascii  # only plain requests have pages, and this loads a library

    descriptor = files.open_regular(path)
    try:
        size = os.fstat(descriptor).st_size
        if size < _FOOTER_BYTES:
            return ""
        os.lseek(descriptor, size - _FOOTER_BYTES, os.SEEK_SET)
        footer = os.read(descriptor, _FOOTER_BYTES)
        length = int.from_bytes(footer[4:], "little")
        if not 0 <= size - _FOOTER_BYTES - length <= _MOST_POLICY_BYTES:
            return ""
        os.lseek(descriptor, length, os.SEEK_SET)
        tail = os.read(descriptor, size - _FOOTER_BYTES - length)
        is_whole = binascii.crc32(tail + footer[4:]) == int.from_bytes(footer[:4], "little")
        part = read(descriptor, length) if is_whole and len(tail) > _ID_BYTES else b""
        return f"{length}-{digests.hexadecimal(part)}" if part else ""
    finally:
        os.close(descriptor)


def _response_of(descriptor: int, length: int) -> bytes:
    """Return the id of the response from which uv made a page of this `length`."""
    os.lseek(descriptor, length, os.SEEK_SET)
    return os.read(descriptor, _ID_BYTES)


def _content_of(descriptor: int, length: int) -> bytes:
    """Return the page itself: uv's facts about the files of a distribution."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    content = os.read(descriptor, length)
    return content if len(content) == length else b""

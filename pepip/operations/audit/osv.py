"""Advisories in files of OSV records, and which versions of a distribution they concern. Uses no network.

Source: the OSV schema (https://ossf.github.io/osv-schema/). Its ranges for PyPI follow the order of versions in
PyPA's specification of version specifiers.
"""

from __future__ import annotations

import os
import zipfile
import zlib

from packaging.version import InvalidVersion, Version

from pepip.errors import UsageError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files
from pepip.names import normalize_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

ECOSYSTEM = "PyPI"
_MOST_RECORD_BYTES = 1 << 24
_MOST_FILE_BYTES = 1 << 28


class Advisory(NamedTuple):
    """A published vulnerability of some versions of a distribution.

    `fixed` are the versions that fix it, oldest first. `link` is a page about it, empty if none is known.
    """

    id: str
    aliases: tuple[str, ...]
    summary: str
    fixed: tuple[str, ...]
    link: str


class Records:
    """OSV records by the name of the distribution that they concern. `unread` counts those that can't be read."""

    def __init__(self) -> None:
        self._affected: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
        self.count = 0
        self.unread = 0

    def add(self, record: Any) -> None:
        """Take a record. One that was withdrawn, or that concerns another ecosystem, is only counted."""
        try:
            if not isinstance(record["id"], str):
                raise TypeError
            found = [(_name(affected), affected) for affected in record.get("affected") or ()]
        except (AttributeError, KeyError, TypeError):
            self.unread += 1
            return
        self.count += 1
        if not record.get("withdrawn"):
            for name, affected in found:
                if name:
                    self._affected.setdefault(name, []).append((record, affected))

    def about(self, name: str, version: str) -> list[Advisory]:
        """Return the advisories on a version of a distribution, by their ids. Empty if the version can't be parsed.

        A local build (`1.0+cu118`) counts as the release that it was made from.
        """
        try:
            meant = Version(Version(version).public)
        except InvalidVersion:
            return []
        found: dict[str, Advisory] = {}
        for record, affected in self._affected.get(normalize_name(name), ()):
            if concerns(affected, meant) and record["id"] not in found:
                found[record["id"]] = _advisory(record, affected)
        return merged(sorted(found.values()))


def concerns(affected: dict[str, Any], version: Version) -> bool:
    """Tell whether a record's `affected` object names a version: in its `versions`, or by one of its `ranges`.

    A version or range that can't be parsed names nothing.
    """
    listed = affected.get("versions")
    if isinstance(listed, list) and any(_parsed(text) == version for text in listed):
        return True
    ranges = affected.get("ranges")
    return isinstance(ranges, list) and any(_is_in(item, version) for item in ranges)


def _is_in(item: Any, version: Version) -> bool:
    """Tell whether a version lies in a range. Events that can't be parsed are left out.

    `introduced` 0 is before every version. A version is out from `fixed` on, and after `last_affected`. If there are
    limits, it is also out from the highest `limit` on.
    """
    if not isinstance(item, dict) or item.get("type") != "ECOSYSTEM":
        return False
    events = [event for event in _list(item.get("events")) if isinstance(event, dict)]
    limits = [event["limit"] for event in events if "limit" in event]
    if limits and not any(text == "*" or ((limit := _parsed(text)) and version < limit) for text in limits):
        return False
    is_in = False
    for is_start, is_last, at in sorted(_steps(events), key=lambda step: (step[2] is not None, step[2] or _OLDEST)):
        if is_start:
            is_in = is_in or at is None or version >= at
        elif at is not None and (version > at if is_last else version >= at):
            is_in = False
    return is_in


_OLDEST = Version("0.dev0")


def _steps(events: Sequence[dict[str, Any]]) -> Iterator[tuple[bool, bool, Version | None]]:
    """Yield three facts about each event that starts or ends a range, all starts first.

    They are: whether the event is a start; whether it is the last affected version, which is still in the range; and
    the version, None for the start before every version.
    """
    for event in events:
        at = _parsed(event.get("introduced"))
        if event.get("introduced") == "0" or at is not None:
            yield True, False, None if event.get("introduced") == "0" else at
    for event in events:
        for kind in ("fixed", "last_affected"):
            at = _parsed(event.get(kind))
            if at is not None:
                yield False, kind == "last_affected", at


def _parsed(text: Any) -> Version | None:
    try:
        return Version(text) if isinstance(text, str) else None
    except InvalidVersion:
        return None


def _list(value: Any) -> list[Any]:
    """Return a list of a record, empty if anything else is in its place."""
    return value if isinstance(value, list) else []


def _name(affected: Any) -> str:
    """Return the name of the distribution that an `affected` object concerns, empty for another ecosystem."""
    package = affected.get("package") or {}
    is_python = str(package.get("ecosystem", "")).partition(":")[0] == ECOSYSTEM
    return normalize_name(package["name"]) if is_python else ""


def _advisory(record: dict[str, Any], affected: dict[str, Any]) -> Advisory:
    events = [
        event
        for item in _list(affected.get("ranges"))
        if isinstance(item, dict) and item.get("type") == "ECOSYSTEM"
        for event in _list(item.get("events"))
    ]
    fixed = {at for event in events if isinstance(event, dict) and (at := _parsed(event.get("fixed")))}
    links = [item.get("url") for item in _list(record.get("references")) if isinstance(item, dict)]
    text = str(record.get("summary") or record.get("details") or "")
    return Advisory(
        record["id"],
        tuple(sorted(str(alias) for alias in _list(record.get("aliases")))),
        text.strip().partition("\n")[0][:300],
        tuple(map(str, sorted(fixed))),
        next((link for link in links if isinstance(link, str)), ""),
    )


def merged(found: Sequence[Advisory]) -> list[Advisory]:
    """Return the advisories, with one in place of those that name each other: they describe one vulnerability.

    The merged advisory has the id of the first one, and the first summary and link that is not empty.
    """
    groups: list[list[Advisory]] = []
    for item in found:
        ids = {item.id, *item.aliases}
        same = [group for group in groups if any(ids & {other.id, *other.aliases} for other in group)]
        groups = [group for group in groups if group not in same]
        groups.append([*(other for group in same for other in group), item])
    return [_as_one(sorted(group)) for group in sorted(groups)]


def _as_one(group: Sequence[Advisory]) -> Advisory:
    first = group[0]
    ids = {name for item in group for name in (item.id, *item.aliases)} - {first.id}
    fixed = {text for item in group for text in item.fixed}
    return first._replace(
        aliases=tuple(sorted(ids)),
        summary=next((item.summary for item in group if item.summary), ""),
        fixed=tuple(sorted(fixed, key=lambda text: (_parsed(text) or _OLDEST, text))),
        link=next((item.link for item in group if item.link), ""),
    )


def read(path: str) -> Records:
    """Return the records at `path`: a JSON file with one record or a list, or a folder or a zip of such files.

    Raises UsageError if there is nothing at `path`, or no record in it can be read.
    """
    records = Records()
    try:
        if os.path.isdir(path):
            _read_folder(path, records)
        elif os.path.isfile(path) and zipfile.is_zipfile(path):
            _read_archive(path, records)
        else:
            _add_text(files.read_regular(path, most_bytes=_MOST_FILE_BYTES, follows=True), records)
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"the OSV records {path} can't be read: {reason}") from error
    if not records.count:
        raise UsageError(
            f"there is no OSV record in {path}",
            hint="a record is a JSON object with an `id`; a folder or a zip archive has files *.json",
        )
    return records


def _read_folder(path: str, records: Records) -> None:
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            if name.endswith(".json"):
                try:
                    content = files.read_regular(f"{folder}/{name}", most_bytes=_MOST_RECORD_BYTES, follows=True)
                except OSError:
                    records.unread += 1
                    continue
                _add_text(content, records)


def _read_archive(path: str, records: Records) -> None:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.filename.endswith(".json"):
                if member.file_size > _MOST_RECORD_BYTES or member.flag_bits & 1:
                    records.unread += 1
                    continue
                with archive.open(member) as file:
                    _add_text(file.read(_MOST_RECORD_BYTES), records)


def _add_text(content: bytes, records: Records) -> None:
    try:
        document = files.load_json(content)
    except ValueError:
        records.unread += 1
        return
    if isinstance(document, dict) and isinstance(document.get("vulns"), list):
        document = document["vulns"]  # the answer of a query
    for record in document if isinstance(document, list) else [document]:
        records.add(record)

"""The data that the panes show: one immutable catalog of the store, read in a thread.

Knows nothing of widgets. A reading writes only the scan cache and the day's sample of the store's growth.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.environment import purposes
from pepip.errors import PepipError
from pepip.fast_namedtuple import NamedTuple
from pepip.operations import census, growth, idle, overview, preferences
from pepip.store import audit_answers, growth_log, trust, verdicts
from pepip.store.growth_log import Growth
from pepip.store.scan_cache import ScanCache
from pepip.tui import formatting
from pepip.uv import program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from pepip.operations.census import KnownVenv
    from pepip.operations.overview import Overview
    from pepip.operations.savings import VenvShare
    from pepip.store.audit_answers import Answer
    from pepip.store.listing import Stored
    from pepip.store.root import Store
    from pepip.store.verdicts import Verdict

ABSENT = "absent"
DENIED = "denied"
AWAY = "away"


class Trouble(NamedTuple):
    """A problem with the store or with uv.

    `kind` is `absent`, `denied`, `away`, `read-only`, `sharing`, `settings`, `uv` or `registry`.
    """

    kind: str
    sentence: str
    advice: str


class Catalog(NamedTuple):
    """One reading of the store.

    `stored` maps the id of each entry, also of those in layers, to the entry. `users` maps the id to the environments
    that link the entry. `shares` maps the root of each environment to its share. With `trouble`, there is no
    overview, or the overview of an earlier reading. `notices` are lesser problems. `verdicts` has the last
    verification of each entry by its id. `answers` has the last answer of an audit to each kind of question.
    `used_at` has the last use of each environment, in seconds since 1970, where it is known. If `is_fresh` is false,
    nothing was scanned: all data come from the scan cache, except the answers and the growth, which have files of
    their own.
    """

    overview: Overview | None
    users: dict[str, list[str]]
    stored: dict[str, Stored]
    shares: dict[str, VenvShare]
    trouble: Trouble | None
    notices: tuple[Trouble, ...]
    is_fresh: bool
    verdicts: Mapping[str, Verdict] = {}
    answers: Mapping[str, Answer] = {}
    growth: Growth = Growth()
    used_at: Mapping[str, float] = {}

    @property
    def is_empty(self) -> bool:
        """Whether the store has no entry, no environment and no damaged registration."""
        return self.overview is None or not (self.stored or self.shares or self.overview.census.damaged)

    def called(self, environment: str) -> str:
        """Return an environment's name for users: its path, or the name of its script or tool with the kind."""
        share = self.shares.get(environment)
        return name_of(share.known) if share else formatting.printable(formatting.short_path(environment))


def name_of(known: KnownVenv) -> str:
    """Return an environment's name for users, with its kind if it is that of a script or a tool."""
    name = formatting.printable(formatting.short_path(known.name))
    kind = known.purpose.kind
    return name if kind in {purposes.PROJECT, purposes.RUN} else f"{name} ({kind})"


def recall(store: Store, memory: ScanCache) -> Catalog | None:
    """Return the catalog in the scan cache, None if there is none or the store can't be read. Reads no entries."""
    if _trouble(store, was_there=False) is not None:
        return None
    seen = overview.recall(store, memory)
    if seen is None:
        return None
    found = _of(seen, (), is_fresh=False)
    return found._replace(answers=audit_answers.read(store), growth=growth_log.read(store))


def read(store: Store, *, was_there: bool, memory: ScanCache | None = None) -> Catalog:
    """Read the store. If it can't be read, the catalog has `trouble`.

    With `was_there`, an earlier reading found the store. If the store is missing now, the trouble is `away`, not
    `absent`. `memory` is the scan cache, if the caller has just loaded it.
    """
    found = _read(store, was_there=was_there, memory=memory)
    notices = tuple(map(_printable, found.notices))
    return found._replace(trouble=found.trouble and _printable(found.trouble), notices=notices)


def _printable(trouble: Trouble) -> Trouble:
    """Return a trouble with unprintable characters escaped: it may name a file that anybody has made."""
    return Trouble(trouble.kind, *map(formatting.printable, trouble[1:]))


def _read(store: Store, *, was_there: bool, memory: ScanCache | None) -> Catalog:
    trouble = _trouble(store, was_there=was_there)
    if trouble is None:
        try:
            memory = memory or ScanCache(paths.cache(store.root))
            seen = overview.take(store, memory)
            memory.save()
            known = growth.note(store, seen.savings)
            # A store that disappears during the reading looks empty: check again.
            trouble = _trouble(store, was_there=was_there)
            if trouble is None:
                checked = verdicts.read(store, seen.census.stored)
                found = _of(seen, tuple(_notices(store, seen)), is_fresh=True)
                used = idle.used_at(seen.census.projects)
                return found._replace(verdicts=checked, answers=audit_answers.read(store), growth=known, used_at=used)
        except OSError as error:
            trouble = _refused(store, error)
    return _without_data(trouble)


def unreadable(store: Store, reason: str) -> Catalog:
    """Return the catalog of a store that can't be read for this reason."""
    return _without_data(_printable(_denied(store, reason)))


def _without_data(trouble: Trouble | None) -> Catalog:
    return Catalog(None, {}, {}, {}, trouble, (*_notice_of_uv(),), is_fresh=True)


def stamp(store: Store) -> tuple[int, ...]:
    """Return a value that changes when entries come or go, environments are registered, or answers are noted.

    Answers are those of an audit or of a verification. The value holds the modification times of a few folders and
    files. If a folder can't be read, the value says whether the store exists.
    """
    folders = [paths.packages(store.root), paths.projects(store.root)]
    try:
        with os.scandir(folders[0]) as buckets:
            folders += sorted(bucket.path for bucket in buckets)
        times = [os.stat(folder).st_mtime_ns for folder in folders]
        return (*times, audit_answers.modified_ns(store), verdicts.modified_ns(store))
    except OSError:
        return (int(os.path.isdir(store.root)),)


def _of(seen: Overview, notices: tuple[Trouble, ...], *, is_fresh: bool) -> Catalog:
    here = [share for share in seen.shares if share.known.state in census.READABLE]
    return Catalog(
        overview=seen,
        users=seen.census.users(),
        stored={item.id: item for item in (*seen.census.stored, *seen.census.layered)},
        # Of several with one path, in containers, the list has the one that is here.
        shares={share.known.environment: share for share in (*seen.shares, *here)},
        trouble=None,
        notices=notices,
        is_fresh=is_fresh,
    )


def _trouble(store: Store, *, was_there: bool) -> Trouble | None:
    try:
        os.listdir(store.root)
        if os.path.isdir(paths.packages(store.root)):
            os.listdir(paths.packages(store.root))
        elif was_there:
            return _away(store)
    except FileNotFoundError:
        return (
            _away(store)
            if was_there
            else Trouble(ABSENT, f"There is no store at {formatting.short_path(store.root)} yet.", "")
        )
    except OSError as error:
        return _refused(store, error)
    return None


def _away(store: Store) -> Trouble:
    return Trouble(
        AWAY,
        f"The store at {formatting.short_path(store.root)} has disappeared.",
        "Its disk may not be mounted, or somebody removed the store. Mount the disk, then press r. "
        "Until then, environments that link the store are broken. pepip removes nothing meanwhile.",
    )


def _refused(store: Store, error: OSError) -> Trouble:
    place = f" ({error.filename})" if error.filename and error.filename != store.root else ""
    return _denied(store, f"{error.strerror or error}{place}")


def _denied(store: Store, reason: str) -> Trouble:
    return Trouble(
        DENIED,
        f"The store at {formatting.short_path(store.root)} can't be read: {reason}.",
        "Ask the owner of that folder for permission to read it, then press r. Or start with PEPIP_HOME set to a "
        "folder of your own.",
    )


def _notices(store: Store, seen: Overview) -> list[Trouble]:
    found = [*_notice_of_uv()]
    damaged = seen.census.damaged
    if damaged:
        found.append(
            Trouble(
                "registry",
                f"The registry file {damaged[0].file} can't be read ({damaged[0].damage}). "
                "Until it is repaired, nothing can be pruned.",
                "Scan (C) the folder of that file's project, to register the project again. Then remove the file.",
            )
        )
    weakness = trust.weakness(store.root, store.root_stat) if store.exists() else ""
    if weakness:
        found.append(
            Trouble(
                "sharing",
                _sentence(weakness),
                "The store's owner or root repairs this with `pepip store init --shared GROUP`.",
            )
        )
    if store.exists() and not store.is_writable():
        found.append(
            Trouble(
                "read-only",
                "Read-only store: you can use it, not change it.",
                "Ask its owner for permission to write, or start with PEPIP_HOME set to a folder of your own.",
            )
        )
    return [*found, *_notice_of_settings()]


def _sentence(words: str) -> str:
    """Return words as a sentence: with a capital letter and a full stop."""
    return f"{words[:1].upper()}{words[1:].rstrip('.')}." if words else ""


def _notice_of_settings() -> list[Trouble]:
    try:
        preferences.read()
    except PepipError as error:
        return [Trouble("settings", _sentence(error.message), _sentence(error.hint or ""))]
    return []


def _notice_of_uv() -> list[Trouble]:
    try:
        program.path()
    except PepipError as error:
        return [
            Trouble(
                "uv",
                f"{_sentence(error.message)} Nothing can be installed, upgraded or repaired.",
                f"{_sentence(error.hint or '')} The rest of the app works without uv.",
            )
        ]
    return []

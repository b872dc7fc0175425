"""Commands whose work is done, and of which nothing has changed since: typed again, they need not ask uv.

To tell that requirements are met, uv looks at the environment and at files, at no index. What it looks at is noted
with its state: the same words, typed in the same place with the same variables, then find nothing to do.
"""

from __future__ import annotations

import os
import sys

from pepip import paths
from pepip.errors import StoreError
from pepip.fast_namedtuple import NamedTuple
from pepip.uv.answer_cache import AnswerCache, key, states

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pepip.model import Entry, Environment, Installed, ProjectRequest, Request
    from pepip.store.root import Store

_SECOND_NS = 1_000_000_000
_LAG_NS = _SECOND_NS // 20  # how much earlier than the clock a file system may stamp a change


def is_up_to_date(store_root: str, words: Sequence[str]) -> bool:
    """Tell whether these words of a command line have nothing to do, as was noted before."""
    return AnswerCache(paths.cache(store_root)).recall(_key(words)) is not None


class Question(NamedTuple):
    """A command line that asks for something, when it began, and the request that it means.

    `words` are empty where the same words may find something else next time.
    """

    words: Sequence[str]
    began_at_ns: int
    request: Request | ProjectRequest


def note(
    store: Store,
    asked: Question,
    environment: Environment,
    present: Sequence[Installed],
    have: Iterable[Entry],
    *,
    is_locked: bool,
) -> None:
    """Note that what was asked for is there, so that the same words find nothing to do.

    Only plain requests, and projects whose lock is of indexes alone, are noted, and only if nothing that they rest on
    was changed since they began. The environment itself may have been, if the caller holds its lock. `present` is
    what it has, `have` are entries that it links, as far as they were read already.
    """
    from pepip import model
    from pepip.store import entries
    from pepip.uv import cacheable

    if not asked.words:
        return
    if isinstance(asked.request, model.Request):
        files = cacheable.files(asked.request) if cacheable.is_plain(asked.request) else None
    else:
        files = cacheable.files_of_project(asked.request) or None
    if files is None:
        return
    around = _places_around(environment, files)
    inside = _places_inside(store, environment, present)
    known = {entry.id: entry for entry in have}
    try:
        linked = [known.get(item.entry_id) or entries.read(store, item.entry_id) for item in present if item.entry_id]
    except (OSError, StoreError):
        return  # something is not as it should be: the next command finds out what
    watched = around if is_locked and not _is_coarse(environment.site_packages) else [*around, *inside]
    if not any(_may_have_changed(place, asked.began_at_ns) for place in watched):
        evidence = [*states([*around, *inside]), *_seals(linked)]
        AnswerCache(paths.cache(store.root)).remember(_key(asked.words), "", evidence)


def _key(words: Sequence[str]) -> str:
    return key("settled", os.getcwd(), *_meaningful(words))


def _meaningful(words: Sequence[str]) -> Iterator[str]:
    """Yield the words that say what is wanted: not how much is said, nor which Python an environment once got."""
    remaining = iter(words)
    for word in remaining:
        if word in {"-q", "--quiet", "--no-progress"}:
            continue
        name, separator, value = word.partition("=")
        if name in {"-p", "--python"} and words[0] == "install":
            value = value if separator else next(remaining, "")
            if _names_environment(value):
                yield f"{name}={value}"
        else:
            yield word


def _names_environment(python: str) -> bool:
    """Tell whether a request for a Python names an environment, by its folder or its interpreter."""
    folder = os.path.dirname(os.path.dirname(python))
    return any(os.path.exists(f"{place}/pyvenv.cfg") for place in (python or ".", folder or "."))


def _places_around(environment: Environment, files: Iterable[str]) -> list[str]:
    """Return what says which environment is meant, and what is asked of it."""
    from pepip.uv import program, settings

    active = [os.environ.get(name, "") for name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")]
    others = [*active, *(f"{folder}/.venv" for folder in paths.upward(os.getcwd()))]
    markers = [f"{place}/pyvenv.cfg" for place in others if place != environment.root]
    return [program.path(), *settings.places(), *markers, *files]


def _places_inside(store: Store, environment: Environment, present: Iterable[Installed]) -> list[str]:
    """Return what says that an environment is whole, and what it has."""
    from pepip.store import registry

    root, site_packages = environment.root, environment.site_packages
    metadata = [f"{site_packages}/{item.dist_info}" for item in present]
    return [
        f"{root}/pyvenv.cfg",
        environment.interpreter.executable,
        paths.scratch(root),
        paths.copies(root),
        *filter(None, [registry.file_of(store, root)]),
        f"{site_packages}/*",
        *metadata,
        *(f"{folder}/METADATA" for folder in metadata),  # through the links: the store may lie elsewhere by now
    ]


def _seals(linked: Iterable[Entry]) -> list[tuple[str, str]]:
    """Return what says that entries are as they were stored: when their folders were changed last, and that alone."""
    from pepip.store import entries

    places = [f"{path}/." for entry in linked for path in entries.sealed(entry)]
    if sys.platform == "win32":  # folders of an entry are not sealed there
        return states(places)
    return [(place, str(entries.SEALED_AT_NS)) for place in places]


def _is_coarse(place: str) -> bool:
    """Tell whether a file system may stamp by whole seconds: two changes could bear one stamp."""
    return os.stat(place).st_mtime_ns % _SECOND_NS == 0


def _may_have_changed(place: str, since_ns: int) -> bool:
    """Tell whether a place may have been changed at that time or later, and stamped as if before.

    File systems stamp by a clock that lags, and some by whole seconds, or two.
    """
    try:
        changed_at_ns = os.stat(place.removesuffix("/*")).st_mtime_ns
    except OSError:
        return False
    return changed_at_ns >= since_ns - (_LAG_NS if changed_at_ns % _SECOND_NS else 2 * _SECOND_NS)

"""Commands that found nothing to do, and of which nothing has changed since: they need not ask uv again.

To tell that requirements are met, uv looks at the environment and at files, at no index. What it looked at is noted
with its state: the same words, typed in the same place with the same variables, then find the same.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.uv.answers import Answers, key, states

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pepip.model import ProjectRequest, Request, Summary
    from pepip.store.home import Store

_SECOND_NS = 1_000_000_000
_LAG_NS = _SECOND_NS // 20  # how much earlier than the clock a file system may stamp a change


def is_settled(home: str, words: Sequence[str]) -> bool:
    """Tell whether these words of a command line found nothing to do before, and would find the same now."""
    return Answers(paths.cache(home)).recall(_key(words)) is not None


def note_install(store: Store, words: Sequence[str], request: Request, summary: Summary, started_at_ns: int) -> None:
    """Note that an install of plain requirements, begun at that time, found nothing to do. Others are not noted."""
    from pepip.uv import repetition

    if _did_nothing(summary) and repetition.is_plain(request):
        _note(store, words, summary.environment, repetition.files(request), started_at_ns)


def note_sync(
    store: Store, words: Sequence[str], request: ProjectRequest, summary: Summary, started_at_ns: int
) -> None:
    """Note that a project's sync, begun at that time, found nothing to do.

    Only where its lock is of indexes alone, and no setting lets other files decide.
    """
    from pepip.uv import repetition

    files = repetition.files_of_project(request) if _did_nothing(summary) else []
    if files:
        _note(store, words, summary.environment, files, started_at_ns)


def _did_nothing(summary: Summary) -> bool:
    return not (summary.dry_run or summary.linked or summary.removed or summary.private or summary.warnings)


def _key(words: Sequence[str]) -> str:
    return key("settled", os.getcwd(), *words)


def _note(store: Store, words: Sequence[str], root: str, files: Iterable[str], started_at_ns: int) -> None:
    """Note what the finding rests on, unless something of it was changed since the command began."""
    from pepip.environment import contents, copying, journal
    from pepip.operations import target
    from pepip.store import entries, registry
    from pepip.uv import program, settings

    environment, _ = target.open_environment(root, store)
    site_packages = environment.site_packages
    places = [
        program.path(),
        *settings.places(),
        *(f"{folder}/.venv/pyvenv.cfg" for folder in paths.upward(os.getcwd())),
        *(f"{os.environ.get(name, '')}/pyvenv.cfg" for name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")),
        f"{root}/pyvenv.cfg",
        environment.interpreter.executable,
        journal.scratch(root),
        copying.folder_of(root),
        *registry.files(store, root),
        site_packages,
        *files,
    ]
    for item in contents.installed(environment, store.homes):
        places += [f"{site_packages}/{item.dist_info}", f"{site_packages}/{item.dist_info}/METADATA"]
        if item.entry_id:
            places += entries.sealed(entries.read(store, item.entry_id))
    if not any(_may_have_changed(place, started_at_ns) for place in places):
        Answers(paths.cache(store.home)).remember(_key(words), "", states(places))


def _may_have_changed(place: str, since_ns: int) -> bool:
    """Tell whether a place may have been changed at that time or later, and stamped as if before.

    File systems stamp by a clock that lags, and some by whole seconds, or two.
    """
    try:
        changed_at_ns = os.stat(place).st_mtime_ns
    except OSError:
        return False
    return changed_at_ns >= since_ns - (_LAG_NS if changed_at_ns % _SECOND_NS else 2 * _SECOND_NS)

"""Linking the environments that uv keeps in its own folders: of tools, of `uvx`, and of `uv run --with`.

uv has no command that only plans them. So uv decides and installs. Then each distribution that agrees with its RECORD
is linked, and the others keep uv's files. uv's receipts and launchers are not touched.
"""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.errors import PepipError
from pepip.fast_namedtuple import NamedTuple
from pepip.operations.reporting import Progress
from pepip.uv import answer_cache, own_environments, program, settings, up_to_date
from pepip.uv.answer_cache import AnswerCache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from pepip.store.root import Store


class Run(NamedTuple):
    """The environments in uv's cache that pepip linked for a command, and when the command ran, in nanoseconds."""

    at_ns: int
    environments: tuple[str, ...]


def last_run(store_root: str, words: Sequence[str]) -> Run | None:
    """Return the run of these words that was noted last, also if uv's cache has changed since."""
    try:
        at_ns, *environments = (
            AnswerCache(paths.cache(store_root)).recall_last(up_to_date.key_of_links(words)) or ""
        ).split("\n")
        return Run(int(at_ns), tuple(environments))
    except ValueError:
        return None


def made_since(run: Run, environments: Iterable[str]) -> list[str]:
    """Return those of the environments that uv has made since a run, and that pepip has not linked.

    Where pepip's process became uv, uv may have made one: the index may have a newer version, for example.
    """
    found = []
    for root in environments:
        with contextlib.suppress(OSError):
            is_newer = os.stat(f"{root}/pyvenv.cfg").st_mtime_ns > run.at_ns
            if is_newer and not os.path.lexists(paths.environment_id(root)):
                found.append(root)
    return found


def state(cache: str) -> list[tuple[str, str]]:
    """Return the state of uv's program, settings and cache. It changes when uv makes or removes an environment."""
    return answer_cache.states([program.path(), *settings.places(), *own_environments.folders_in_cache(cache)])


def note_linked(store_root: str, words: Sequence[str], run: Run, evidence: Iterable[tuple[str, str]]) -> None:
    """Note that all environments that uv makes for these words are linked.

    The note is valid while `evidence` is the same, and while uv installs nothing in the environments. The evidence is
    a `state`, and the states of the files that these words name.
    """
    from pepip.environment import contents

    folders = [f"{folder}/*" for root in run.environments for folder in contents.site_packages_of(root)]
    AnswerCache(paths.cache(store_root)).remember(
        up_to_date.key_of_links(words),
        "\n".join((str(run.at_ns), *run.environments)),
        [*evidence, *answer_cache.states(folders)],
    )


def link(store: Store, roots: Iterable[str], *, label: str = "") -> Generator[Progress, None, int]:
    """Link the distributions of environments that uv has just made. Return the number of distributions linked.

    `label` names the command for which an environment in uv's cache was made. A distribution that can't be linked
    stays as uv made it. A failure gives a warning, and nothing is lost.
    """
    from pepip.environment import venv_id
    from pepip.operations.adoption import adopt, preview

    linked = 0
    try:
        seen = yield from preview.preview(store, list(roots))
        if not seen.linkable:
            return 0
        done = yield from adopt.adopt(store, seen)
    except (PepipError, OSError) as error:
        yield Progress("warning", f"the environment stays as uv made it: {error}")
        return 0
    for item in done:
        linked += len(item.linked)
        if item.linked and label:
            venv_id.note_label(item.environment, label)
        if item.failure:
            yield Progress("warning", f"{item.environment} stays as uv made it: {item.failure}")
    return linked

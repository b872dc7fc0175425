"""The same action on several environments: one preview for all, and then a job for each. Knows nothing of widgets."""

from __future__ import annotations

from typing import Any

from pepip.errors import PepipError
from pepip.fast_namedtuple import NamedTuple
from pepip.operations import upgrades
from pepip.operations.reporting import Progress
from pepip.tui import formatting, previews
from pepip.tui.job import Job
from pepip.tui.job_queue import entered
from pepip.tui.previews import Change, Preview, PreviewedAction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence


class Part(NamedTuple):
    """The action on one environment, which users know as `place`. Without an action, `reason` says why.

    With an action, `environment` is the root of the environment.
    """

    place: str
    action: PreviewedAction | None
    reason: str = ""
    environment: str = ""


class CombinedAction:
    """The action on all environments. When the preview is over, `jobs` has a job for each environment that changes.

    An environment whose preview fails keeps the others from nothing. `total` returns a sentence about all parts that
    have work. If the parts depend on facts that take long to find, `settled` returns them when the preview begins. If
    one job carries out several parts, `jobs_of` returns the jobs for the parts that have work.
    """

    def __init__(
        self,
        title: str,
        verb: str,
        parts: Sequence[Part],
        *,
        command: str = "",
        total: Callable[[list[Part]], str] | None = None,
        settled: Callable[[], Sequence[Part]] | None = None,
        jobs_of: Callable[[list[Part]], Sequence[Job[Any]]] | None = None,
    ) -> None:
        self.title = title
        self.jobs: list[Job[Any]] = []
        self._parts, self._total, self._verb = parts, total, verb.lower()
        self._settled = settled
        self._jobs_of = jobs_of or _own_jobs
        possible = [part for part in parts if part.action is not None]
        actions = [part.action for part in parts if part.action is not None]
        command = command or _command_of(self._jobs_of(possible))
        preview = Job(title, command, self._look, is_listed=False)
        is_destructive = any(action.is_destructive for action in actions)
        self.action = PreviewedAction(title, verb, preview, preview, is_destructive=is_destructive)

    def _look(self) -> Generator[Progress, None, Preview]:
        changes: list[Change] = []
        words: list[str] = []
        working: list[Part] = []
        downloads: dict[str, int] = {}
        self.jobs = []
        parts = self._parts
        if self._settled is not None:
            yield Progress("scan", "running programs")
            parts = self._settled()
        for number, part in enumerate(parts):
            if part.action is None:
                changes.append(Change(previews.STAYS, part.place, f"stays as it is: {part.reason}"))
                continue
            yield Progress("scan", part.place, number, len(parts))
            try:
                with entered(part.action.preview.folder):
                    seen = yield from part.action.preview.make()
            except (PepipError, OSError) as error:
                reason = upgrades.sentence_of(error)
                changes.append(Change(previews.IS_LOST, part.place, f"fails: {reason}"))
                words.append(f"{part.place}: {reason}")
                continue
            sign = previews.GOES if part.action.is_destructive else previews.COMES
            changes.append(Change(sign if seen.has_work else previews.STAYS, part.place, seen.sentence))
            changes += [change._replace(name=f"  {change.name}") for change in seen.changes]
            downloads |= {
                identity or f"{number} {place}": size for place, (identity, size) in enumerate(seen.downloads)
            }
            if seen.has_work:
                working.append(part)
        self.jobs = list(self._jobs_of(working))
        sentence = self._sentence(working, len(words), downloads)
        command = _command_of(self.jobs) if words else ""
        return Preview(sentence, changes, has_work=bool(working), words="\n".join(words), command=command)

    def _sentence(self, working: list[Part], failed: int, downloads: dict[str, int]) -> str:
        if not working:
            return f"Nothing to {self._verb}." + (f" {failed} failed." if failed else "")
        sentence = f"{formatting.count(len(working), 'environment')} would change"
        if downloads:  # a file that several environments lack is downloaded once
            size = f" ({formatting.size(sum(downloads.values()))})" if any(downloads.values()) else ""
            sentence += f" · {len(downloads)} to download{size}"
        if failed:
            sentence += f" · {failed} can't; the others can"
        total = self._total(working) if self._total is not None else ""
        return f"{sentence}. {total}" if total else sentence


def _own_jobs(parts: Sequence[Part]) -> list[Job[Any]]:
    return [part.action.carry_out for part in parts if part.action is not None]


def _command_of(jobs: Sequence[Job[Any]]) -> str:
    return "; ".join(dict.fromkeys(job.command for job in jobs))

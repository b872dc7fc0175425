"""The state that all parts of the app share. Knows nothing of widgets."""

from __future__ import annotations

from pepip.operations.preferences import Preferences

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pepip.operations.adoption.preview import AdoptionPreview
    from pepip.operations.needs import UnmetNeed
    from pepip.operations.prune import PrunePreview
    from pepip.store.check import Flaw
    from pepip.store.root import Store
    from pepip.store.scan_cache import ScanCache
    from pepip.tui.catalog import Catalog
    from pepip.tui.job import Job
    from pepip.tui.job_queue import JobQueue


class Session:
    """One run of the app.

    - `folder`: the folder in which the app was started
    - `queue`: the queue of jobs; `earlier`: the finished jobs of earlier runs
    - `catalog`: the catalog that is shown, None before the first one
    - `verified`: the flaws of each verified entry by its id, also from earlier runs; an intact entry has none
    - `unshared`: the environments that a search has found and that do not link the store yet
    - `search_place`: the folder that a running search has reached
    - `prunable`: the preview of a prune of all orphans, None until it is ready
    - `unmet`: the unmet needs of each environment that has any
    - `drafts`: the typed lines of dialogs that were closed without an answer, by the dialog's title
    - `preferences`: the user's settings
    - `is_leaving`: the app exits as soon as no job is left
    - `last_jobs`: the jobs that were unfinished when the user asked to leave
    """

    def __init__(self, store: Store, queue: JobQueue, folder: str) -> None:
        self.store = store
        self.folder = folder
        self.queue = queue
        self.catalog: Catalog | None = None
        self.verified: dict[str, Sequence[Flaw]] = {}
        self.unshared: AdoptionPreview | None = None
        self.search_place = ""
        self.prunable: PrunePreview | None = None
        self.unmet: Mapping[str, Sequence[UnmetNeed]] = {}
        self.earlier: list[Job[object]] = []
        self.drafts: dict[str, tuple[str, ...]] = {}
        self.is_leaving = False
        self.last_jobs: Sequence[Job[object]] = ()
        self.preferences = Preferences()
        self._memories: list[ScanCache] = []

    def take_scan_cache(self) -> ScanCache | None:
        """Return the scan cache for one thread, which puts it back at its end; None if another thread has it.

        A thread that gets none loads its own. Loading it for each thread would take as long as reading an unchanged
        store, and would fragment the memory of the process.
        """
        try:
            memory = self._memories.pop()
        except IndexError:
            return None
        memory.begin_anew()
        return memory

    def put_scan_cache_back(self, memory: ScanCache) -> None:
        """Keep the scan cache for the next thread."""
        self._memories[:] = [memory]

    def verified_in(self, catalog: Catalog) -> dict[str, Sequence[Flaw]]:
        """Return `verified` for a newer catalog: without the flaws of entries that were removed or replaced."""
        kept = dict(self.verified)
        if catalog.trouble is None:
            before, now = self.catalog.stored if self.catalog else {}, catalog.stored
            kept = {
                entry_id: flaws
                for entry_id, flaws in kept.items()
                if entry_id in now
                and (entry_id not in before or before[entry_id].stored_at == now[entry_id].stored_at)
            }
        return {**kept, **{entry_id: verdict.flaws for entry_id, verdict in catalog.verdicts.items()}}

    @property
    def damaged(self) -> frozenset[str]:
        """The ids of the entries that a verification found damaged or unproven."""
        return damaged_in(self.verified)

    @property
    def touched(self) -> frozenset[str]:
        """The ids of entries and the roots of environments that unfinished jobs work on."""
        return frozenset(key for job in self.queue.unfinished for key in job.touches)


def damaged_in(verified: Mapping[str, Sequence[Flaw]]) -> frozenset[str]:
    """Return the ids of the entries with flaws."""
    return frozenset([entry_id for entry_id, flaws in list(verified.items()) if flaws])

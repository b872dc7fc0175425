"""The state that the parts of the app share. Knows nothing of widgets."""

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
    from pepip.tui.catalog import Catalog
    from pepip.tui.job_queue import Job, JobQueue


class Session:
    """One run of the app: the store, its queue of jobs, and the catalog that is shown, None before the first one.

    `folder` is the one in which the app was started. `drafts` has the lines of dialogs that were closed without an
    answer, by the dialog's title. `earlier` has the finished jobs of earlier runs.
    `verified` maps the id of each verified entry to its flaws, those of earlier runs, too. An intact entry has none.
    `unshared` has the
    environments that a search found and that were not registered. `search_place` is the place to which a running
    search has come. `prunable` is what a prune of all orphans would do, None until it is known. `unmet` has the unmet
    needs of environments. `preferences` are the user's settings. `is_leaving` says that the app exits as
    soon as no job is left.
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
        self.preferences = Preferences()

    @property
    def damaged(self) -> frozenset[str]:
        """The ids of the entries that a verification found damaged."""
        return frozenset([entry_id for entry_id, flaws in list(self.verified.items()) if flaws])

    @property
    def touched(self) -> frozenset[str]:
        """The ids of entries and the roots of environments that unfinished jobs work on."""
        return frozenset(key for job in self.queue.busy for key in job.touches)

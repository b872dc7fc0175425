"""Supplies: everything that a decided change needs before its environment is touched."""

from __future__ import annotations

import contextlib
import functools

from pepip import early_imports
from pepip.fast_namedtuple import NamedTuple
from pepip.operations import acquire
from pepip.operations.reporting import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pepip.operations.deciding import ChangeJob, Decision, Work
    from pepip.store.root import Store


class Supply(NamedTuple):
    """Everything that a change needs before the environment is touched.

    `work` is the decided work; distributions that turned out not to be shareable have moved to `private`. `reserved`
    are the folders of site-packages into which uv will write private distributions. `mode` is as in `Installation`.
    With `installs_private_first`, uv installs the private distributions first, into an empty environment.
    """

    work: Work
    acquired: acquire.Acquired
    reserved: set[str]
    mode: str
    installs_private_first: bool = False


@contextlib.contextmanager
def with_one_cache(job: ChangeJob, decision: Decision) -> Iterator[Decision]:
    """Yield the decision. If uv is told to use no cache, its work names a temporary one.

    uv installs private distributions twice, at first to show where their files will be. Without a cache, it would
    build them twice. uv itself uses one temporary cache for a whole command, too.
    """
    from pepip.uv import arguments

    if not (decision.work.changes.added and arguments.wants_no_cache(job.request)):
        yield decision
        return
    from pepip.host import temp_dirs

    with temp_dirs.folder() as cache:
        yield decision._replace(work=decision.work._replace(cache=cache))


def get(store: Store, job: ChangeJob, decision: Decision) -> Generator[Progress, None, Supply]:
    """Get the entries that the work needs, and the folders of its private distributions. Raises PepipError."""
    environment, work = decision.environment, decision.work
    mode = ""
    if work.shared:
        from pepip.uv import link_mode

        command = link_mode.PROJECT if job.is_of_project else link_mode.PIP
        mode = link_mode.chosen(job.request.common_options, command, script=job.script)
    if work.has_open_demands:
        yield from acquire.check_demands(job.request, environment)
        if not store.is_writable():  # nothing can be staged for comparison with the checked files
            from pepip.uv import pylock

            left = map(pylock.left_to_uv, work.shared)
            work = work._replace(shared=[], private=[*work.private, *left])
    acquired = yield from acquire.acquire(
        store,
        job.request,
        work.shared,
        environment,
        private=work.private,
        began_at_ns=job.began_at_ns,
        is_checked=work.has_open_demands,
        meanwhile=_load_modules_of_linking,
    )
    if acquired.stored:
        from pepip.operations import recover

        recover.replace_outdated_hard_links(store, (acquired.entries[name] for name in acquired.stored))
    if acquired.unshared:
        from pepip.uv import pylock

        for name, reason in acquired.unshared.items():
            yield Progress("warning", f"{name} is not shared: {reason}")
        unshared = [pylock.left_to_uv(item) for item in work.shared if item.name in acquired.unshared]
        shared = [item for item in work.shared if item.name not in acquired.unshared]
        work = work._replace(shared=shared, private=[*work.private, *unshared])
    if not work.private:
        return Supply(work, acquired, set(), mode)
    yield Progress("build", ", ".join(artifact.name for artifact in work.private))
    if acquired.indexes:
        work = work._replace(private=acquired.indexes.named(work.private), indexes=acquired.indexes.urls)
    if job.install_private_first and not decision.present:
        return Supply(work, acquired, set(), mode, installs_private_first=True)
    reserved = acquire.folders_of_private(
        store,
        functools.partial(job.lay_out_private, work),
        {artifact.name for artifact in work.private},
        environment.interpreter.site_packages,
    )
    return Supply(work, acquired, reserved, mode)


def _load_modules_of_linking() -> None:
    early_imports.load("pepip.environment.outdated", "pepip.operations.recover", "pepip.operations.relinking")
    early_imports.load("pepip.store.leases")

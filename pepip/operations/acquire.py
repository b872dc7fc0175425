"""Getting the entries for a set of artifacts: from the store, or staged by uv and published."""

from __future__ import annotations

import contextlib
import functools
import os

from pepip import early_imports, humanized, names, paths
from pepip.errors import StoreError
from pepip.fast_namedtuple import NamedTuple
from pepip.operations.reporting import Progress
from pepip.store import entries
from pepip.uv import resolve
from pepip.wheel import tags as wheel_tags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from pepip.model import Artifact, Entry, Environment
    from pepip.store.root import Store
    from pepip.uv.request import Request
    from pepip.uv.resolve import Indexes


class Acquired(NamedTuple):
    """The entries of artifacts, by distribution name, and the distributions that can't be shared.

    `stored` names the distributions that uv staged in this run, even if the store held an equal entry before.
    `unshared` has the reason for each distribution that can't be shared, by name: uv installs those as it would
    without pepip. `indexes` are the indexes that the resolution took files from, None if no step needed them.
    """

    entries: dict[str, Entry]
    stored: tuple[str, ...] = ()
    unshared: dict[str, str] = {}  # noqa: RUF012 - never changed
    indexes: Indexes | None = None


def lookup(store: Store, artifacts: Sequence[Artifact], environment: Environment) -> dict[str, Entry]:
    """Return the entries of these artifacts that the store already holds undamaged, by distribution name.

    A distribution that was built on this machine may lie in any bucket that the environment's interpreter may link.
    """
    where = []
    if not all(artifact.wheel for artifact in artifacts):
        where = wheel_tags.buckets_for(list(environment.tags))
    found: dict[str, Entry] = {}

    def look(artifact: Artifact) -> None:
        known = [wheel_tags.bucket(wheel_tags.tag_of_file_name(artifact.wheel))] if artifact.wheel else where
        entry = entries.find(
            store, name=artifact.name, version=artifact.version, identity=artifact.identity, buckets=known
        )
        if entry is not None:
            with contextlib.suppress(FileNotFoundError):  # pruned meanwhile, so it is missing
                if not paths.is_layered(entry.id) and os.stat(entry.path).st_mode & 0o200:
                    from pepip.store import publish

                    publish.complete(store, entry)
                found[artifact.name] = entry

    if store.has_remote:
        from pepip.host import parallel

        parallel.in_threads(look, artifacts)
    else:
        for artifact in artifacts:
            look(artifact)
    return {artifact.name: found[artifact.name] for artifact in artifacts if artifact.name in found}


def acquire(
    store: Store,
    request: Request,
    artifacts: Sequence[Artifact],
    environment: Environment,
    *,
    private: Sequence[Artifact] = (),
    began_at_ns: int = 0,
    is_checked: bool = False,
    replacing: str = "",
    meanwhile: Callable[[], None] = lambda: None,
) -> Generator[Progress, None, Acquired]:
    """Return the entries of all `artifacts`, yielding progress. uv stages the missing ones, mostly in one call.

    `private` are artifacts that uv will install by itself; the indexes of the result cover them, too. Wheels that uv
    unpacked since `began_at_ns` (0 for the time when storing begins) count as just checked. With `is_checked`, uv has
    already checked all hashes that the request demands. But the file that it checked may differ from the one that the
    resolution names. So all artifacts are staged and compared, even those that the store holds. They are all staged,
    too, if `replacing` is the path of an entry to be replaced. `meanwhile` is called while uv fetches.
    Raises UvError or StoreError; entries that were published before the failure stay.
    """
    have = {} if replacing or is_checked else lookup(store, artifacts, environment)
    missing = [artifact for artifact in artifacts if artifact.name not in have]
    if not missing:
        return Acquired(have, indexes=resolve.indexes(request, private, environment) if private else None)
    store.create()
    for root, reason in store.layers_away().items():
        yield Progress("warning", f"the layer {root} {reason}: its packages are stored in {store.root} instead")
    if not store.is_writable():
        names = humanized.listed([f"{artifact.name} {artifact.version}".strip() for artifact in missing], most=5)
        raise StoreError(
            f"the store {store.root} does not hold {names}, and you have no permission to add to it",
            hint="ask its owner to add what is missing, or set PEPIP_HOME to a store of your own",
        )
    load_storing = functools.partial(early_imports.load, "pepip.operations.storing")
    indexes = resolve.indexes(request, [*missing, *private], environment, load_storing)
    from pepip.operations import preparing, storing

    need = preparing.Need(
        request, missing, environment, indexes, began_at_ns, is_checked=is_checked, meanwhile=meanwhile
    )
    stored = yield from storing.store_missing(store, need, already=len(have), replacing=replacing)
    return Acquired({**have, **stored.entries}, tuple(stored.entries), stored.unshared, indexes)


def folders_of_private(
    store: Store, lay_out: Callable[[str], Iterator[object]], names: set[str], site_packages: str
) -> set[str]:
    """Return the folders in which uv will put files of the distributions `names`, which it installs itself.

    Folders are relative to site-packages. They must be real: uv must never write through a link to an entry. To find
    them, `lay_out` lets uv install the distributions into a scratch folder, where they lie in `site_packages`
    (relative). Raises UvError if a distribution can't be built: nothing has changed then, except that uv keeps the
    wheels that it has built.
    """
    from pepip.host import temp_dirs
    from pepip.store import staging

    with staging.area(store) if store.is_writable() else temp_dirs.folder() as area:
        for _ in lay_out(f"{area}/private"):
            pass
        return _folders_of(f"{area}/private/{site_packages}", names)


def _folders_of(site_packages: str, wanted: set[str]) -> set[str]:
    """Return the folders in which `wanted` distributions have files, relative to `site_packages`."""
    from pepip.wheel import record

    found: set[str] = set()
    for name in os.listdir(site_packages) if os.path.isdir(site_packages) else ():
        is_meant = names.normalize_name(name.partition("-")[0]) in wanted and name.endswith(".dist-info")
        if is_meant and os.path.isfile(f"{site_packages}/{name}/RECORD"):
            for row in record.read(f"{site_packages}/{name}/RECORD"):
                if paths.is_inside(row.path):
                    found.update(paths.ancestors(row.path))
    return found


def check_demands(request: Request, environment: Environment) -> Iterator[Progress]:
    """Let uv check every hash that the request demands. Raises UvError with uv's message if one differs."""
    from pepip.host import temp_dirs
    from pepip.uv import stage

    with temp_dirs.folder() as folder:
        for arrival in stage.check(
            request,
            environment.executable,
            prefix=f"{folder}/checked",
            site_packages=environment.interpreter.site_packages,
        ):
            yield Progress("download", arrival.name)

"""Environments of scripts with inline metadata (PEP 723): uv's plan for them, and the sync that uv makes by itself.

Only `uv sync` and `uv run` read the settings in a script. uv exports a script's lock for all platforms and Pythons
that the script allows. This can fail although the environment for this machine can be made. And the calls of `uv pip`
that fetch files know no index, password or certificate that only the script names. If the export or one of these
calls fails, uv syncs the script. Then its distributions are linked as those of a tool.
"""

from __future__ import annotations

import os

from pepip.environment import contents, layout_check, venv_id
from pepip.operations import venv_creation
from pepip.operations.reporting import Progress, Summary
from pepip.store import listing
from pepip.uv import arguments, project

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from pepip.store.root import Store
    from pepip.uv.dry_run_output import Change
    from pepip.uv.project import SyncPreview
    from pepip.uv.request import ProjectRequest


def preview(request: ProjectRequest) -> SyncPreview:
    """Ask uv for its plan for a script, and for the place of its environment. Raises UvError or VenvError."""
    while True:
        planned = project.preview(request)
        if not venv_creation.is_unfinished(planned.environment):
            layout_check.check(planned.environment)
            return planned
        venv_creation.remove_unfinished([planned.environment])


def rehearsed_by_uv(store: Store, request: ProjectRequest, planned: SyncPreview) -> Summary:
    """Return the summary of `sync_by_uv` without making the sync. It does not say which packages the store has."""
    changes, is_linked = planned.changes, _links_after(store, request)
    private = {item.name for item in changes.added if not is_linked or _is_of_folder(item)}
    return Summary(
        planned.environment,
        dry_run=True,
        linked=tuple((item.name, item.version) for item in changes.added if item.name not in private),
        removed=tuple((item.name, item.version) for item in changes.removed),
        private=tuple((item.name, item.version) for item in changes.added if item.name in private),
    )


def sync_by_uv(
    store: Store, request: ProjectRequest, planned: SyncPreview, *, compile_bytecode: bool
) -> Generator[Progress, None, Summary]:
    """Let uv sync the environment of a script, and link the distributions that uv installs.

    Raises UvError with uv's message; the environment is then as uv left it.
    """
    from pepip.operations import uv_environments

    root = planned.environment
    before, stored = _versions(store, root), set(listing.stored_ids(store))
    for arrival in project.sync(request, compile_bytecode=compile_bytecode):
        yield Progress("build" if arrival.is_built else "download", arrival.name)
    venv_id.note_script(root, planned.script)
    if _links_after(store, request):
        yield from uv_environments.link(store, [root])
    after = _versions(store, root)
    added = {name: version for name, (version, _) in after.items() if before.get(name, ("", ""))[0] != version}
    linked = sorted(name for name in added if after[name][1])
    new = [name for name in linked if after[name][1] not in stored]
    local = {item.name for item in planned.changes.added if item.url.startswith("file:")}
    return Summary(
        root,
        dry_run=False,
        linked=tuple((name, added[name]) for name in linked),
        removed=tuple(
            sorted((name, version) for name, (version, _) in before.items() if name not in after or name in added)
        ),
        private=tuple(sorted((name, version) for name, version in added.items() if not after[name][1])),
        reused=tuple(name for name in linked if after[name][1] in stored),
        downloaded=tuple(name for name in new if name not in local),
        local=tuple(name for name in new if name in local),
    )


def _links_after(store: Store, request: ProjectRequest) -> bool:
    """Tell whether the packages are linked after uv has synced the script."""
    return (store.is_writable() or not store.exists()) and not _wants_own_files(request)


def _is_of_folder(change: Change) -> bool:
    """Tell whether uv builds a distribution from a folder of this machine, so that it stays real files."""
    from urllib.request import url2pathname

    path = change.url.partition("#")[0].partition("file://")[2]
    return bool(path) and os.path.isdir(url2pathname(path))


def _wants_own_files(request: ProjectRequest) -> bool:
    """Tell whether the environment gets real files, or does not outlast the command."""
    from pepip.uv import link_mode

    if arguments.wants_no_cache(project.staging_request(request)):
        return True
    return bool(link_mode.chosen(request.common_options, link_mode.PROJECT, script=request.script))


def _versions(store: Store, root: str) -> dict[str, tuple[str, str]]:
    """Return the version and the entry of each distribution in an environment. The entry is empty if it has none."""
    try:
        return {
            item.name: (item.version, item.entry_id) for item in contents.distributions_below(root, store.known_roots)
        }
    except OSError:
        return {}

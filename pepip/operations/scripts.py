"""Environments of scripts with inline metadata (PEP 723): uv's plan for them, and the sync that uv makes by itself.

Only `uv sync` and `uv run` read the settings in a script. uv exports a script's lock for all platforms and Pythons
that the script allows. This can fail although the environment for this machine can be made. And the calls of `uv pip`
that fetch files know no index, password or certificate that only the script names. If the export or one of these
calls fails, uv syncs the script. Then its distributions are linked as those of a tool.
"""

from __future__ import annotations

from pepip.environment import contents, layout_check, venv_id
from pepip.operations import venv_creation
from pepip.operations.reporting import Progress, Summary
from pepip.uv import arguments, project

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from pepip.store.root import Store
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


def sync_by_uv(
    store: Store, request: ProjectRequest, planned: SyncPreview, *, compile_bytecode: bool
) -> Generator[Progress, None, Summary]:
    """Let uv sync the environment of a script, and link the distributions that uv installs.

    Raises UvError with uv's message; the environment is then as uv left it.
    """
    from pepip.operations import own_environments

    root = planned.environment
    before = _versions(store, root)
    for arrival in project.sync(request, compile_bytecode=compile_bytecode):
        yield Progress("build" if arrival.is_built else "download", arrival.name)
    venv_id.note_script(root, planned.script)
    may_be_filled = store.is_writable() or not store.exists()
    if may_be_filled and not _wants_own_files(request):
        yield from own_environments.link(store, [root])
    after = _versions(store, root)
    added = {name: version for name, (version, _) in after.items() if before.get(name, ("", ""))[0] != version}
    return Summary(
        root,
        dry_run=False,
        linked=tuple(sorted((name, version) for name, version in added.items() if after[name][1])),
        removed=tuple(
            sorted((name, version) for name, (version, _) in before.items() if name not in after or name in added)
        ),
        private=tuple(sorted((name, version) for name, version in added.items() if not after[name][1])),
    )


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

"""The tools that uv keeps: upgrading and uninstalling them. uv does both, and pepip links what uv has installed."""

from __future__ import annotations

import os

from pepip.environment import contents
from pepip.errors import UvError
from pepip.operations import uv_environments
from pepip.operations.reporting import Progress, Summary
from pepip.uv import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from pepip.model import Installed
    from pepip.store.root import Store


def upgrade(store: Store, environment: str) -> Generator[Progress, None, Summary]:
    """Let uv upgrade the tool of this environment with all its distributions, and link those that uv installs.

    uv can't upgrade only some distributions of a tool. Raises UvError; the tool is then as it was.
    """
    name = os.path.basename(environment)
    before = _versions(store, environment)
    yield Progress("resolve", name)
    _run("upgrade", environment=environment)
    yield from uv_environments.link(store, [environment])
    after = _versions(store, environment)
    new, own = after.items() - before.items(), _unlinked(store, environment)
    return Summary(
        environment,
        dry_run=False,
        linked=tuple(sorted(item for item in new if item[0] not in own)),
        removed=tuple(sorted(before.items() - after.items())),
        private=tuple(sorted(item for item in new if item[0] in own)),
    )


def uninstall(store: Store, environment: str) -> Generator[Progress, None, Summary]:
    """Let uv uninstall the tool of this environment, with its launchers. Entries that only it linked become orphans.

    Raises UvError: the tool is then as it was, or uv has left its environment.
    """
    before = _versions(store, environment)
    yield Progress("link", os.path.basename(environment))
    _run("uninstall", environment=environment)
    if os.path.lexists(f"{environment}/pyvenv.cfg"):
        raise UvError(f"uv left the tool {os.path.basename(environment)} in {environment}", output="")
    return Summary(environment, dry_run=False, removed=tuple(sorted(before.items())))


def _run(command: str, *, environment: str) -> None:
    """Run `uv tool` on the tool of this environment, which may lie in another folder than new tools do now."""
    folder, name = os.path.split(environment)
    kept = {key: os.environ[key] for key in ("UV_PYTHON", "UV_COMPILE_BYTECODE") if key in os.environ}
    process.run(["tool", command, "--color", "never", name], **{**kept, "UV_TOOL_DIR": folder})


def _versions(store: Store, environment: str) -> dict[str, str]:
    return {item.name: item.version for item in _distributions(store, environment)}


def _unlinked(store: Store, environment: str) -> set[str]:
    return {item.name for item in _distributions(store, environment) if not item.store_id}


def _distributions(store: Store, environment: str) -> list[Installed]:
    try:
        return contents.distributions_below(environment, store.known_roots)
    except OSError:
        return []

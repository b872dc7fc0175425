"""Removing environments of scripts, which uv keeps in its cache. uv has no command for it, and makes them anew."""

from __future__ import annotations

import contextlib
import os

from pepip.environment import purposes
from pepip.errors import StoreError, UsageError
from pepip.host import filesystems, locks, permissions, running_processes
from pepip.model import Progress, Summary
from pepip.store import registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from pepip.operations.census import KnownVenv
    from pepip.store.root import Store


_HINTS = {
    purposes.TOOL: "`pepip tool uninstall NAME` removes a tool",
    purposes.RUN: "`pepip cache prune` removes environments of `uvx` and `--with`",
    purposes.PROJECT: "delete the folder of the environment, then `pepip prune` frees what only it linked",
}


def remove(store: Store, known: KnownVenv) -> Generator[Progress, None, Summary]:
    """Remove the environment of a script, and its registration. What only it linked becomes an orphan.

    The script itself stays. Raises UsageError if it is no script's environment, StoreError if a program runs from it
    or if it can't be removed. After a StoreError, the environment is as it was, or is no environment any more and
    its remaining files are left.
    """
    root = known.environment
    if known.purpose.kind != purposes.SCRIPT:
        raise UsageError(f"{known.name} is no environment of a script", hint=_HINTS[known.purpose.kind])
    if not os.path.isdir(root):
        registry.forget(known.registration)
        return Summary(root, dry_run=False)
    if os.path.islink(root) or not permissions.may_remove(root):
        raise StoreError(f"{root} belongs to another user, or is a link")
    yield Progress("prune", known.name)
    # A run of pepip makes or links the environment under these locks.
    with (
        store.linking(),
        locks.in_use(os.path.dirname(root), alone=True, inside=True),
        locks.in_use(root, alone=True),
    ):
        users = running_processes.users_of([root]).get(root)
        if users:
            raise StoreError(
                f"{users[0].name} ({users[0].number}) runs from {root}", hint="end it, then run the command again"
            )
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{root}/pyvenv.cfg")  # from now on the folder is no environment
            filesystems.remove_tree(root)
        except OSError as error:
            raise StoreError(f"cannot remove {root}: {error.strerror}") from error
        registry.forget(known.registration)
    return Summary(root, dry_run=False, removed=tuple((item.name, item.version) for item in known.packages))

"""Files of entries that too many users can write. Knows modes, and neither documents nor the store's users."""

from __future__ import annotations

import os
import stat

from pepip.host import links, permissions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def below(folder: str, *, serves_others: bool) -> Iterator[str]:
    """Yield the path, relative to `folder`, of each open file below it. Bytecode counts, too. Reads no file."""
    for current, _, names in links.walk(folder):
        for place in (f"{current}/{name}" for name in names):
            if is_open(place, serves_others=serves_others):
                yield place[len(folder) + 1 :]


def is_open(place: str, *, serves_others: bool) -> bool:
    """Tell whether too many users can write a file: see `permissions.too_writable`. False if it is missing."""
    try:
        mode = os.lstat(place).st_mode
    except FileNotFoundError:
        return False  # an import replaces its bytecode
    return stat.S_ISREG(mode) and permissions.too_writable(mode, serves_others=serves_others)

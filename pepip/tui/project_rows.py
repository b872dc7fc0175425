"""Projects and their packages as rows of tables, and as facts to filter. Knows nothing of widgets."""

from __future__ import annotations

import math
import os
from collections import Counter

from pepip.environment import purposes
from pepip.operations import census
from pepip.tui import formatting
from pepip.tui.filtering import Facts
from pepip.tui.table import Column, TableRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from typing import Any

    from pepip.model import Installed
    from pepip.operations.census import KnownVenv
    from pepip.operations.savings import VenvShare
    from pepip.tui.catalog import Catalog

UNMET = "unmet needs"

_TONES = {
    census.OK: "good",
    census.BROKEN: "bad",
    census.CHANGING: "accent",
    census.MISSING: "warn",
    census.UNREACHABLE: "warn",
    UNMET: "bad",
}
_GLYPHS = {
    census.OK: "●",
    census.BROKEN: "✗",
    census.CHANGING: "◐",
    census.MISSING: "○",
    census.UNREACHABLE: "?",
    UNMET: "!",
}

COLUMNS = (
    Column("state", "", 1),
    Column("name", "Project", 0, keeps_both_ends=True),
    Column("path", "Folder", 0, from_width=60, keeps_end=True),
    Column("python", "Python", 7, from_width=68),
    Column("packages", "Linked", 7, is_right=True, from_width=46),
    Column("alone", "Without", 9, is_right=True),
    Column("own", "Now", 9, is_right=True),
    Column("used", "Last used", 11, from_width=90),
    Column("state", "State", 11, from_width=64),
)
PACKAGES = (
    Column("name", "Package", 0),
    Column("version", "Version", 16),
    Column("size", "Size", 9, is_right=True, from_width=40),
    Column("others", "Others", 8, is_right=True, from_width=36),
)


def state_of(share: VenvShare, unmet: Collection[str], busy: Collection[str]) -> str:
    """Return the state that the app shows for a project.

    `unmet` are the environments with unmet needs, `busy` those that jobs of the app change.
    """
    known = share.known
    if known.environment in busy:
        return census.CHANGING
    return UNMET if known.environment in unmet and known.state != census.CHANGING else known.state


def row_of(share: VenvShare, state: str, used_at: Mapping[str, float]) -> TableRow:
    """Return the row of a project in a state (see `state_of`). `used_at` maps environments to their last use."""
    known = share.known
    name, folder = _name_and_folder(known)
    tone, glyph = _TONES[state], _GLYPHS[state]
    own = sum(not package.store_id for package in known.packages)
    linked = len(known.entries or ())
    return TableRow(
        known.environment,
        (
            glyph,
            formatting.printable(name),
            formatting.printable(formatting.short_path(folder)),
            known.python.removesuffix(".final.0")[:7],
            f"{linked}+{own}" if own else str(linked),
            formatting.size(share.alone_bytes),
            formatting.size(share.own_bytes),
            formatting.day(int(used_at.get(known.environment, 0))),
            state,
        ),
        (tone, "name", "muted", "muted", "", "", "", "muted", tone),
    )


def _name_and_folder(known: KnownVenv) -> tuple[str, str]:
    """Return the name of a project, script or tool, and its folder."""
    purpose = known.purpose
    if purpose.script is not None:
        return f"{os.path.basename(purpose.script.path)} (script)", os.path.dirname(purpose.script.path)
    if purpose.kind != purposes.PROJECT:
        kind = "" if purpose.kind == purposes.RUN else f" ({purpose.kind})"
        return f"{purpose.name}{kind}", os.path.dirname(known.environment)
    name = os.path.basename(known.project) or known.project
    if os.path.basename(known.name) != ".venv":
        name = f"{name} ({os.path.basename(known.environment)})"
    return name, os.path.dirname(known.project)


def facets_of(shares: Sequence[VenvShare], states: Iterable[str]) -> dict[str, int]:
    """Return how many projects each facet lets through: kinds, if there are several, and `states` other than `ok`."""
    kinds = Counter(share.known.purpose.kind for share in shares)
    found = {f"kind:{kind}": number for kind in purposes.KINDS if (number := kinds[kind])} if len(kinds) > 1 else {}
    return found | Counter(state.partition(" ")[0] for state in states if state != census.OK)


def order_by(key: str, unmet: Collection[str], used_at: Mapping[str, float]) -> Callable[[VenvShare], Any]:
    """Return the key function that sorts projects by a column. An unknown last use counts as now."""
    orders: dict[str, Callable[[VenvShare], Any]] = {
        "name": lambda share: _name_and_folder(share.known)[0],
        "path": lambda share: share.known.environment,
        "python": lambda share: formatting.natural(share.known.python),
        "packages": lambda share: len(share.known.entries or ()),
        "alone": lambda share: share.alone_bytes,
        "own": lambda share: share.own_bytes,
        "used": lambda share: used_at.get(share.known.environment, math.inf),
        "state": lambda share: (share.known.environment not in unmet, share.known.state),
    }
    return orders[key]


def facts_of(share: VenvShare, state: str, used_at: Mapping[str, float]) -> Facts:
    """Return the properties of a project in a state that a filter tests.

    An unknown last use passes no filter of ages.
    """
    known = share.known
    name = _name_and_folder(known)[0].lower()
    text = f"{name} {known.name} {known.environment} {known.python} {state}".lower()
    users = (known.environment, known.name)
    used = used_at.get(known.environment, math.nan)
    stored_at = 0  # the filter `stored:` is only for entries
    return Facts(name, "", known.python, share.alone_bytes, (), users, text, (known.purpose.kind,), stored_at, used)


def packages_of(share: VenvShare, catalog: Catalog, *, key: str, is_descending: bool) -> list[TableRow]:
    """Return the rows of the packages of a project, sorted by a column."""
    sizes = catalog.overview.sizes if catalog.overview else {}
    rows = []
    orders: dict[str, Callable[[Installed], Any]] = {
        "name": lambda package: package.name,
        "version": lambda package: formatting.natural(package.version),
        "size": lambda package: sizes.get(package.store_id, 0),
        "others": lambda package: len(catalog.users.get(package.store_id, ())),
    }
    for package in sorted(sorted(share.known.packages), key=orders[key], reverse=is_descending):
        others = len(catalog.users.get(package.store_id, ())) - 1
        shared = f"{others:,}" if others > 0 else "-"
        rows.append(
            TableRow(
                package.name,
                (
                    formatting.printable(package.name),
                    formatting.printable(package.version),
                    formatting.size(sizes.get(package.store_id, 0)) if package.store_id else "",
                    shared if package.entry_id else package.mode or "private",
                ),
                ("name", "", "", "muted" if package.store_id else "accent"),
            )
        )
    if not rows:
        rows = [
            TableRow(
                entry_id,
                (entry_id.partition("/")[2], "", formatting.size(sizes.get(entry_id, 0)), ""),
                ("", "", "", ""),
            )
            for entry_id in sorted(share.known.entries or ())
        ]
    return rows

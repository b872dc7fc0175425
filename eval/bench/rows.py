"""The rows of the table, and the targets for pepip against uv."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One thing that is timed.

    In `title`, `{other}` stands for a cache on another file system, and `{network}` for the speed of a network.
    """

    key: str
    title: str


NEW = Row("new", "new environment: venv and install")
UNSEEN = Row("unseen", "the same, for a request that this tool never saw")
OTHER = Row("other", "new environment, {other}")
NOTHING = Row("nothing", "nothing to do")
ADD = Row("add", "one package added")
UPGRADE = Row("upgrade", "one package upgraded")
UNINSTALL = Row("uninstall", "one package uninstalled")
PROJECT_ADD = Row("project-add", "`add` of a package to a project with a lock")
PROJECT_SYNC = Row("project-sync", "`sync` after the lock changed by one package")
IMPORT = Row("import", "first import in the new environment")
FIRST_IMPORT = Row("first-import", "from nothing to first import done, second project on")
REMOVE = Row("remove", "project removed: rm -rf")
TIDY = Row("tidy", "… and then pruned")
AGAIN = Row("again", "new environment, right after the removal of one")
COLD = Row("cold", "cold first install: empty cache, index on loopback")
COLD_IMPORT = Row("cold-import", "cold first install to first import done")
NETWORK = Row("network", "cold first install, {network} between index and machine")

ROWS = (
    *(NEW, UNSEEN, OTHER, NOTHING, ADD, UPGRADE, UNINSTALL, PROJECT_ADD, PROJECT_SYNC, IMPORT, FIRST_IMPORT, REMOVE),
    *(TIDY, AGAIN, COLD, COLD_IMPORT, NETWORK),
)
"""All rows, in the order of the table."""

SUMS = {FIRST_IMPORT: (NEW, IMPORT), TIDY: (REMOVE, TIDY), COLD_IMPORT: (COLD, COLD_IMPORT)}
"""Rows that add up two measurements of one round: the user waits for both, one after the other."""

COLD_WORK = Row("cold-work", "processor seconds of a cold first install")
BYTES = Row("bytes", "bytes of the last project, after its first import")
INODES = Row("inodes", "inodes of the last project, after its first import")


class Target(NamedTuple):
    """A limit for pepip: at most `ratio` times what uv's default needs, for one set (empty: for any)."""

    row: Row
    set_name: str
    ratio: float


TARGETS = (
    Target(NEW, "seed", 0.59),
    Target(NEW, "ml", 0.20),
    Target(OTHER, "ml", 0.03),
    Target(NOTHING, "", 2.0),
    Target(ADD, "ml", 3.0),
    Target(UPGRADE, "ml", 3.0),
    Target(UNINSTALL, "ml", 3.0),
    Target(PROJECT_ADD, "ml", 2.0),
    Target(PROJECT_SYNC, "ml", 2.5),
    Target(FIRST_IMPORT, "ml", 0.55),
    Target(COLD, "seed", 1.4),
    Target(COLD, "ml", 1.25),
    Target(COLD_WORK, "ml", 1.12),
    Target(NETWORK, "ml", 1.05),
    Target(BYTES, "ml", 0.05),
    Target(INODES, "ml", 0.05),
)

"""Kills and refusals at random changes: adopting and ejecting always go on from where they were."""

from __future__ import annotations

import errno
import hashlib
import os
import random
from pathlib import Path

import pytest

from tests.operations.adoption.test_adopt import NAMES, Attic, attic
from tests.support.kills import changes_seen, killed_before, refused_at
from tests.support.snapshots import changes, snapshot
from tests.support.stores import leftovers_of, problems_of

__all__ = ["attic"]

KILLS = int(os.environ.get("PEPIP_TEST_KILLS") or 200)
SEED = int(os.environ.get("PEPIP_TEST_SEED") or 29)
ERRORS = {"kill": 0, "full disk": errno.ENOSPC, "no permission": errno.EACCES}


def seen_from(environment: Path) -> dict[str, str]:
    """Return the SHA-256 digests of all files that programs see in an environment, by path. Links are followed.

    Left out are RECORD, bytecode, and pepip's own notes.
    """
    found = {}
    for folder, folders, names in os.walk(environment, followlinks=True):
        folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".pepip")]
        for name in names:
            path = Path(folder, name)
            if name not in {"RECORD", ".lock"} and "pepip-" not in name:
                found[str(path.relative_to(environment))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.mark.real_world
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("error", ERRORS)
def test_random_interruptions_of_adopt_and_eject_lose_nothing(attic: Attic, error: str) -> None:
    """After each one, all files have their bytes and the store is whole; in the end both commands complete.

    `PEPIP_TEST_KILLS` sets their number, and `PEPIP_TEST_SEED` their order.
    """
    environments = [attic.make("one", "pip"), attic.make("two", "uv copy")]
    commands: list[tuple[str | Path, ...]] = [("adopt", "--yes", attic.code)]
    commands += [("eject", environment) for environment in environments]
    before = [snapshot(environment) for environment in environments]
    bytes_before = [seen_from(environment) for environment in environments]
    counts = []
    for command in commands:
        killed_before(attic.machine, 0, command, folder=attic.folder, within=attic.folder)
        counts.append(len(changes_seen(attic.folder)))
    chance = random.Random(SEED)
    interrupted = turn = 0

    while interrupted < KILLS:
        turn += 1
        number = chance.choice((0, 0, 1, 2))
        point = chance.randrange(1, counts[number] + 1)
        place = {"folder": attic.folder, "within": attic.folder}
        if error == "kill":
            output = killed_before(attic.machine, point, commands[number], **place)
        else:
            output = refused_at(attic.machine, point, commands[number], **place, error=ERRORS[error])
        shown = f"run {turn} of seed {SEED}: {commands[number]} at change {point}: {output.stderr}"
        interrupted += len(changes_seen(attic.folder)) >= point  # else the run ended before this change
        assert "Traceback" not in output.stderr, shown
        assert [seen_from(environment) for environment in environments] == bytes_before, shown
        assert problems_of(attic.machine.store, sealed=False) == [], shown

    print(f"{interrupted} of {turn} runs were interrupted")
    attic.adopt()
    assert [attic.linked(environment) for environment in environments] == [set(NAMES)] * 2
    attic.machine.pepip("store", "verify", folder=attic.folder)
    assert problems_of(attic.machine.store) == []
    assert leftovers_of(attic.machine.store) == []
    for environment, nodes in zip(environments, before, strict=True):
        attic.machine.pepip("eject", environment, folder=attic.folder)
        found = changes(nodes, snapshot(environment))
        assert [line for line in found if "__pycache__" not in line and "added: .lock" not in line] == []

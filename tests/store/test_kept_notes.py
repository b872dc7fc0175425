"""Small files that pepip keeps for itself: a damaged field in one never ends a command.

Readers leave out what they can't use. What they return can be shown: a day of any time, a sum of any sizes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pepip import humanized, paths
from pepip.host import files, user_cache
from pepip.operations import growth
from pepip.store import activity_log, audit_answers, buried, growth_log, leases
from pepip.store.root import Store
from tests.support.badness import BAD, NONSENSE

pytestmark = pytest.mark.unit

_NOON = 1_772_366_400
SAMPLE = growth_log.Sample(_NOON, 1, 1, 1, 1, 1)
FINISHED = activity_log.Finished("Prune", "pepip prune", "done", "1 entry", ["removed"], _NOON, 1.5)
FINDING = ["lamp", "1.0", "X-1", ["CVE-1"], "bad", ["2.0"], "https://example.org"]
NUMBERS = ("1e999", "-1e999", "1e300", "9" * 40, "9" * 400, str(1 << 62), str(-(1 << 62)))
"""Numbers of valid JSON that no field holds."""

NOTES: dict[str, Any] = {
    "growth": {"format": 1, "samples": [list(SAMPLE)], "prunes": [[_NOON, 1, 1]]},
    "activity": [list(FINISHED)],
    "audit": {
        "format": 1,
        "yanked": {"asked_at": _NOON, "source": "uv", "pins": [["lamp", "1.0"]], "findings": [FINDING]},
    },
    "layer": {"format": 1, "leases": True, "lease_days": 60},
    "lease": {"format": 1, "environment": "/x", "host": "h", "entries": ["py3-none-any/lamp-1.0"]},
    "place": "/x/.venv",
}


def _use_growth(store: Store) -> None:
    known = growth_log.read(store)
    growth.days(known, 30, SAMPLE._replace(taken_at=_NOON + 1))
    sum(float(size) for sample in known.samples for size in sample)


def _use_activity(store: Store) -> None:
    for row in activity_log.read(store):
        f"{row.seconds:.1f} {humanized.moment(row.ended_at)} {humanized.size(row.freed_bytes)}".encode()


def _use_audit(store: Store) -> None:
    for answer in audit_answers.read(store).values():
        humanized.day(answer.asked_at).encode()


USES: dict[str, tuple[str, Callable[[Store], object]]] = {
    "growth": ("cache/answers-UID/growth.json", _use_growth),
    "activity": ("state/pepip/ACTIVITY", _use_activity),
    "audit": ("cache/answers-UID/audit.json", _use_audit),
    "layer": ("layer.json", leases.valid),
    "lease": ("leases/0-x.json", leases.users),
    "place": (
        "trash/1-1/.environments/0/place.json",
        lambda store: buried.environments_in(f"{store.root}/trash/1-1"),
    ),
}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a layer that takes leases. The user's folder for states is in it, too."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    leases.set_policy(str(tmp_path), leases.Policy(takes_leases=True, days=60))
    for folder in ("cache", "trash/1-1/.environments/0/environment"):
        (tmp_path / folder).mkdir(parents=True)
    store = Store(str(tmp_path))
    activity_log.add(store, FINISHED)
    user_cache.make_folder(user_cache.folder_in(paths.cache(store.root)))
    return store


def place_of(store: Store, kind: str) -> Path:
    """Return the path of a kind of note."""
    path = USES[kind][0].replace("UID", str(files.user_id()))
    if path.endswith("ACTIVITY"):
        (found,) = Path(store.root).glob(path.replace("ACTIVITY", "activity-*.json"))
        return found
    return Path(store.root, path)


def spoiled(note: Any) -> Iterator[str]:
    """Yield the texts of a note with something else in the place of each value in it, at any depth."""
    hole = "the hole"
    contents = [*NUMBERS, *(json.dumps(value) for value in NONSENSE)]
    for holed in _holed(note, hole):
        before, _, after = json.dumps(holed).partition(json.dumps(hole))
        yield from (f"{before}{content}{after}" for content in contents)


def _holed(value: Any, hole: str) -> Iterator[Any]:
    yield hole
    if isinstance(value, dict):
        for key, item in value.items():
            yield from ({**value, key: holed} for holed in _holed(item, hole))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from ([*value[:at], holed, *value[at + 1 :]] for holed in _holed(item, hole))


@pytest.mark.parametrize("kind", NOTES)
def test_a_spoiled_note_is_read_as_far_as_it_can_be_used(store: Store, kind: str) -> None:
    """This holds for all nonsense in the place of each value."""
    path, (_, use) = place_of(store, kind), USES[kind]
    path.write_text(json.dumps(NOTES[kind]))
    use(store)

    for text in spoiled(NOTES[kind]):
        path.write_text(text)
        use(store)


@pytest.mark.parametrize("kind", NOTES)
def test_a_bad_file_in_the_place_of_a_note_is_no_note(store: Store, kind: str) -> None:
    """The bad files are those of `tests/whole_program/test_one_bad_file.py`."""
    path, (_, use) = place_of(store, kind), USES[kind]

    for put in BAD.values():
        if os.path.lexists(path):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        put(path)
        use(store)
        for beside in path.parent.glob(f"{path.name}.pipe"):
            beside.unlink()
        for inside in path.glob("*") if path.is_dir() else ():
            inside.unlink()


@pytest.mark.parametrize("seconds", [1 << 62, -(1 << 62), 10**40, 1e300, (1 << 63) / 1e9 * 1e18])
def test_a_time_that_no_calendar_has_is_not_shown(seconds: float) -> None:
    """A file on tmpfs can have such a modification time, and any user can set it."""
    assert humanized.day(seconds) == humanized.moment(seconds) == ""

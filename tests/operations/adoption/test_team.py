"""Several users adopt into one store: each links only what they trust, and can read what they link."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.machines import Machine, site_packages_of
from tests.support.offices import DRUM, Office, owner_of
from tests.support.snapshots import changes, snapshot
from tests.support.teams import Team


def _make(office: Office, user: Machine) -> Path:
    """Make an environment of a user with uv, by copies."""
    folder = user.make_folder(user.home / "app")
    index = office.source[:3]
    user.uv("venv", ".venv", *office.source[3:], folder=folder)
    user.uv("pip", "install", "--link-mode", "copy", "--python", ".venv", *index, "drum", "horn", folder=folder)
    return folder / ".venv"


def _adopt(user: Machine) -> dict[str, object]:
    output = user.pepip("adopt", "--yes", "--json", user.home / "app", folder=user.home)
    (item,) = json.loads(output.stdout)["environments"]
    assert item["failure"] == ""
    found: dict[str, object] = item
    return found


def test_member_adopts_an_entry_of_their_own_where_only_the_owner_is_trusted(office: Office) -> None:
    """Equal bytes of another member are not linked: their owner could change them."""
    _make(office, office.attacker)
    _make(office, office.victim)

    _adopt(office.attacker)
    _adopt(office.victim)
    entry = office.entry(office.attacker.user_id)  # type: ignore[attr-defined]
    office.attack(f"chmod -R u+w {entry} && echo \"SOUND = 'evil'\" > {entry}/drum/__init__.py")

    sound = office.sound(office.victim)
    assert sound.startswith("boom")
    assert owner_of(sound) == office.victim.user_id  # type: ignore[attr-defined]
    office.victim.pepip("install", "--reinstall", "drum", *office.source, folder=office.victim.home / "app")
    assert office.sound(office.victim).startswith("boom")


def test_member_links_entries_that_root_adopted(office: Office) -> None:
    """What the store's owner has adopted serves everybody, and is stored once."""
    _make(office, office.root)
    _make(office, office.victim)

    _adopt(office.root)
    _adopt(office.victim)

    assert owner_of(office.sound(office.victim)) == os.geteuid()
    assert len(list(office.store.glob("packages/*/drum-1.0*"))) == 1


@pytest.mark.parametrize("umask", ["022", "077"])
def test_members_who_trust_each_other_share_an_adopted_entry(
    tmp_path: Path, wheelhouse: Path, interpreter: Path, umask: str
) -> None:
    """One entry, which the other can read, whatever the modes in the environment that it came from."""
    office = Office(tmp_path / "office", wheelhouse, interpreter, trust="members")
    team = Team(office.team.users, office.store, office.team.group_id)
    first, second = team.users
    strict = type(first)(
        first.home,
        first.store,
        first.uv_cache,
        tuple(word.replace("umask 022", f"umask {umask}") for word in first.prefix),
        user_id=first.user_id,  # type: ignore[attr-defined]
    )
    _make(office, strict)
    _make(office, second)

    _adopt(strict)
    _adopt(second)

    assert len(list(office.store.glob("packages/*/drum-1.0*"))) == 1
    plain = second.run(
        [second.home / "app" / ".venv" / "bin" / "drum"], folder=second.home, check=False
    )  # its launcher ends with what it returns
    assert "BOOM" in plain.stderr + plain.stdout
    assert second.pepip("store", "verify", folder=second.home, check=False).returncode == 0
    entry = next(office.store.glob("packages/*/drum-1.0*"))
    for path in entry.rglob("*"):
        assert path.is_symlink() or path.stat().st_mode & 0o040, f"the group can't read {path}"


def test_environment_of_another_user_is_neither_read_nor_changed(office: Office) -> None:
    """Root adopts below a folder of several users: others' environments are named and left alone."""
    environment = _make(office, office.victim)
    before = snapshot(environment)

    output = office.root.pepip("adopt", "--yes", office.victim.home, folder=office.root.home)

    assert "it belongs to" in output.stdout
    assert changes(before, snapshot(environment)) == []
    assert not (site_packages_of(environment) / "drum").is_symlink()
    assert DRUM.name in {path.name.partition("-")[0] for path in site_packages_of(environment).glob("*.dist-info")}

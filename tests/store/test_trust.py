"""In a store that several users write, no file of another user is followed, executed or believed.

There are three users: one member of the group attacks another member, and root.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.support.offices import Office, owner_of
from tests.support.refusals import assert_refused
from tests.support.snapshots import changes, snapshot
from tests.support.stores import entries_of, problems_of
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench


def test_a_member_links_their_own_entries_and_not_those_of_another(office: Office) -> None:
    """If the attacker changes an entry but keeps its real hash, nobody else imports it."""
    office.install(office.attacker)
    module = office.entry(office.attacker.user_id) / "drum" / "__init__.py"
    office.attack(f"chmod u+w '{module.parent}' && rm '{module}' && echo \"SOUND = 'stolen'\" > '{module}'")
    office.attack(f"touch -d 2000-01-01T00:00:00Z '{module.parent}' && chmod a-w '{module.parent}'")

    said = office.install(office.victim)

    assert "1 from local files" in said
    assert office.sound(office.victim).startswith("boom")
    assert owner_of(office.sound(office.victim)) == office.victim.user_id
    office.install(office.root)
    assert office.sound(office.root).startswith("boom")


def test_an_entry_of_root_serves_everybody(office: Office) -> None:
    """Members link root's entry, so the wheel is stored once."""
    office.install(office.root)

    for user in (office.attacker, office.victim):
        assert "0 downloaded" in office.install(user)
        assert owner_of(office.sound(user)) == 0
    assert entries_of(office.store) == ["drum-1.0"]


def test_members_who_trust_each_other_store_once(tmp_path: Path, wheelhouse: Path, interpreter: Path) -> None:
    """The owner chose this trust when the store was made."""
    office = Office(tmp_path / "office", wheelhouse, interpreter, trust="members")
    office.install(office.attacker)

    assert "0 downloaded" in office.install(office.victim)
    assert owner_of(office.sound(office.victim)) == office.attacker.user_id


@pytest.mark.parametrize("how", ["a file of their own", "a file that all may write"])
def test_only_the_owner_says_whom_to_trust(office: Office, how: str) -> None:
    """A `trust.json` that a member wrote, or could have written, does not count."""
    office.install(office.attacker)
    path = office.store / "trust.json"
    path.unlink()
    if how == "a file of their own":
        office.attack(f"echo '{json.dumps({'format': 1, 'trust': 'members'})}' > '{path}'")
    else:
        path.write_text(json.dumps({"format": 1, "trust": "members"}))
        path.chmod(0o666)

    assert "1 from local files" in office.install(office.victim)


def test_a_store_of_an_older_pepip_is_not_believed_either_and_warned_of(
    tmp_path: Path, wheelhouse: Path, interpreter: Path
) -> None:
    """Its members can rename its folders. Every command warns of this, and so does the doctor, with the remedy."""
    office = Office(tmp_path / "office", wheelhouse, interpreter, trust="")
    office.install(office.attacker)

    said = office.install(office.victim)

    assert "can rename its folders" in said
    assert "pepip store init --shared" in said
    assert owner_of(office.sound(office.victim)) == office.victim.user_id
    checks = json.loads(office.victim.pepip("doctor", "--json", folder=office.victim.home, check=False).stdout)
    assert [row["state"] for row in checks if row["topic"] == "sharing"] == ["warning"]


def test_init_takes_the_frame_from_members_and_can_be_repeated(
    tmp_path: Path, wheelhouse: Path, interpreter: Path
) -> None:
    """After it no command warns, and only root can rename a folder of the store."""
    office = Office(tmp_path / "office", wheelhouse, interpreter, trust="")
    office.install(office.attacker)
    for _ in range(2):
        office.root.pepip("store", "init", "--shared", str(office.team.group_id), folder=office.root.home)

    assert "warning" not in office.install(office.victim)
    office.attack(f"mv '{office.store}/packages' '{office.store}/stolen'", check=False)
    office.attack(f"mv '{office.store}/packages/'* '{office.attacker.home}'", check=False)
    assert (office.store / "packages").stat().st_uid == 0
    assert stat.S_IMODE(office.store.stat().st_mode) == 0o3775
    office.sound(office.victim)


def test_init_opens_no_store_that_was_closed(office: Office) -> None:
    """A store of one user stays closed to others."""
    office.install(office.root)
    office.store.chmod(0o700)

    office.root.pepip("store", "init", folder=office.root.home)

    assert stat.S_IMODE(office.store.stat().st_mode) == 0o700
    assert not (office.store / "trust.json").exists()


def test_init_refuses_a_change_that_it_may_not_make(office: Office) -> None:
    """Another user's store, an unknown group, and a group without the user are refused. Nothing changes."""
    before = snapshot(office.store)
    for words, sentence in (
        (["--shared", str(office.team.group_id)], "belongs to another user"),
        (["--shared", "no-such-group"], "there is no group no-such-group"),
        (["--shared", "0"], "you are not a member of the group"),
        (["--trust", "members"], "has no members to trust"),
    ):
        output = office.victim.pepip("store", "init", *words, folder=office.victim.home, check=False)
        assert output.returncode != 0
        assert sentence in output.stderr
    assert changes(before, snapshot(office.store)) == []


def test_nobody_else_can_look_into_a_run_that_stores(office: Office, tmp_path: Path) -> None:
    """The published files are the checked ones, since no other user has access to them before."""
    from pepip.store import staging
    from pepip.store.root import Store

    store = Store(str(office.store))
    store.create()
    with staging.area(store) as area:
        assert os.stat(area).st_mode & 0o077 == 0


@pytest.mark.parametrize("kind", ["a link", "a pipe", "a folder"])
@pytest.mark.parametrize("name", [".lock", "trash/.lock"])
def test_a_link_planted_at_a_lock_is_not_followed(office: Office, kind: str, name: str) -> None:
    """Neither a member nor root follows it: the file behind it keeps content and mode, and nothing waits for ever."""
    precious = office.victim.home / "precious"
    precious.write_text("mine\n")
    precious.chmod(0o600)
    os.chown(precious, office.victim.user_id, -1)
    lock = office.store / name
    lock.unlink(missing_ok=True)
    make = {"a link": f"ln -s '{precious}'", "a pipe": "mkfifo", "a folder": "mkdir"}[kind]
    office.attack(f"{make} '{lock}'")

    for user in (office.victim, office.root):
        office.install(user)
        user.pepip("prune", "--yes", folder=user.home, check=False)
        office.sound(user)

    assert precious.read_text() == "mine\n"
    assert stat.S_IMODE(precious.stat().st_mode) == 0o600


@pytest.mark.parametrize("place", ["answers", "interpreters", "seen"])
def test_a_link_planted_at_a_cache_is_not_followed(office: Office, place: str) -> None:
    """The attacker plants links at the names of the victim's caches. Nothing is written through them."""
    aim = office.victim.home / "aim"
    aim.mkdir()
    os.chown(aim, office.victim.user_id, -1)
    for user_id in (office.victim.user_id, 0):
        name = f"seen-{user_id}.json" if place == "seen" else f"{place}-{user_id}"
        office.attack(f"rm -rf '{office.store}/cache/{name}'; ln -s '{aim}' '{office.store}/cache/{name}'")

    for user in (office.victim, office.root):
        office.install(user)
        user.pepip("store", "list", folder=user.home)

    assert list(aim.iterdir()) == []


def test_root_runs_no_program_of_a_member(office: Office) -> None:
    """Root runs neither the Python of the store's own environment, nor that of an environment that a repair reads."""
    office.install(office.root)
    office.install(office.attacker)
    trap = office.attacker.home / "ran"
    program = f"#!/bin/sh\necho $(id -u) >> '{trap}'\nexec /usr/bin/env python3 \"$@\"\n"
    python = office.attacker.home / "app" / ".venv" / "bin" / "python"
    python.unlink(missing_ok=True)
    python.write_text(program)
    python.chmod(0o755)
    os.chown(python, office.attacker.user_id, -1)
    planted = office.store / "global-venv"
    office.attack(f"mkdir -p '{planted}/bin'; cp '{python}' '{planted}/bin/python'; echo > '{planted}/pyvenv.cfg'")
    (entry,) = office.store.glob("packages/py3-none-any/drum-1.0")
    (entry / "drum" / "more.py").write_text("")

    looks = [["store", "verify"], ["prune", "--yes"], ["projects"], ["uses", "drum"], ["savings"], ["doctor"]]
    for words in [["store", "repair"], ["store", "add", "horn", *office.source[:3]], *looks]:
        office.root.pepip(*words, folder=office.root.home, check=False)

    ran = trap.read_text().split() if trap.exists() else []
    assert "0" not in ran
    assert problems_of(office.store) == []


def test_a_link_in_an_entrys_place_is_neither_followed_nor_chmodded(office: Office) -> None:
    """This holds for root, who prunes and repairs everything in the store."""
    office.install(office.root, "horn")
    aim = office.victim.home / "aim"
    (aim / "inside").mkdir(parents=True)
    (aim / "inside" / "file").write_text("mine\n")
    for path in (aim, aim / "inside"):
        path.chmod(0o500)
    bucket = office.store / "packages" / f"py3-none-any~{office.attacker.user_id}"
    office.attack(f"mkdir '{bucket}'; ln -s '{aim}' '{bucket}/horn-1.0'")
    office.attack(f"ln -s '{aim.parent}' '{office.store}/packages/zzz'")
    before = snapshot(aim)

    office.root.pepip("store", "repair", folder=office.root.home, check=False)
    office.root.pepip("prune", "--yes", folder=office.root.home, check=False)

    assert changes(before, snapshot(aim)) == []
    assert stat.S_IMODE(aim.stat().st_mode) == 0o500


@pytest.mark.parametrize("launcher", ["../../../../evil", "/tmp/evil", "a/b"])
def test_a_launcher_that_leads_elsewhere_makes_an_entry_damaged(office: Office, launcher: str) -> None:
    """A careless administrator may leave one even in root's store."""
    office.install(office.root)
    path = office.entry(0) / "pepip-entry.json"
    document = json.loads(path.read_text())
    document["launchers"] = {launcher: "import os"}
    path.chmod(0o644)
    path.write_text(json.dumps(document))

    office.install(office.victim)

    assert office.sound(office.victim).startswith("boom")
    assert not Path("/tmp/evil").exists()
    assert list(office.victim.home.glob("evil*")) == []


def test_modes_that_others_need_are_flaws_and_are_corrected(office: Office) -> None:
    """A hard link shares its mode: a `chmod` in a project changes the entry too, and so takes it from everybody."""
    office.install(office.root)
    office.root.run(["chmod", "-R", "go=", office.root.home / "app" / ".venv"], folder=office.root.home)
    office.root.run(["chmod", "go=", office.entry(0) / "drum" / "__init__.py"], folder=office.root.home)

    verdict = office.root.pepip("store", "verify", folder=office.root.home, check=False)
    assert "mode" in verdict.stdout + verdict.stderr
    office.root.pepip("store", "repair", folder=office.root.home)

    assert "0 downloaded" in office.install(office.victim)
    office.sound(office.victim)


def test_a_link_in_the_place_of_leases_is_not_followed(office: Office) -> None:
    """A member makes it before the owner makes the store a layer. It leads to a folder of the owner."""
    victim = office.root.home / "private"
    victim.mkdir(mode=0o700)
    victim.chmod(0o700)
    office.attack(f"ln -s '{victim}' '{office.store}/leases'")
    words = ("store", "init", "--shared", str(office.team.group_id), "--layer", "--lease-days", "60")

    refused = office.root.pepip(*words, folder=office.root.home, check=False)

    assert_refused(refused, f"{office.store}/leases is a link")
    assert stat.S_IMODE(victim.stat().st_mode) == 0o700
    assert not (office.store / "layer.json").exists()


def test_init_seals_no_entry_that_somebody_has_changed(workbench: Workbench) -> None:
    """With a umask of teams, the group could write the entry before. Others must not link the changed code."""
    workbench.supply([Wheel("drum", "1.0", files={"drum/__init__.py": "SOUND = 'boom'\n"})])
    workbench.install("drum")
    entry = workbench.entry("drum-1.0")
    for path in (entry / "drum", entry / "drum" / "__init__.py"):
        path.chmod(path.stat().st_mode | 0o220)
    changed = entry / "drum" / "__init__.py"
    changed.unlink()
    changed.write_text("SOUND = 'bang'\n")
    changed.chmod(0o664)

    said = workbench.pepip("store", "init", "--layer", check=False)

    assert said.returncode == 1
    sentence = (
        f"other users can still write files of {entry.parent.name}/drum-1.0: `pepip store repair`, by their owner"
    )
    assert f"warning: {sentence}" in said.stderr
    assert workbench.pepip("store", "init", "--json", check=False).returncode == 1
    verdict = workbench.pepip("store", "verify", check=False)
    assert verdict.returncode == 1
    shutil.rmtree(workbench.environment)
    workbench.install("drum")
    assert workbench.python("-c", "import drum; print(drum.SOUND)") == "boom"
    workbench.pepip("store", "repair")
    assert "warning" not in workbench.pepip("store", "init").stderr

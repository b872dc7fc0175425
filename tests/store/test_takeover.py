"""No member of a team can replace a store's folders, or redirect others out of the store through them.

Everything that the attacker plants lies where the store lets every member write.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepip.errors import StoreError
from pepip.host import user_cache
from pepip.store import root, trash
from tests.support.offices import Office, owner_of
from tests.support.snapshots import changes, snapshot
from tests.support.stores import entries_of, problems_of


def mode_of(path: Path) -> int:
    """Return the permission bits of a path, without following a link."""
    return stat.S_IMODE(path.lstat().st_mode)


def older(ground: Path, wheelhouse: Path, interpreter: Path, *, first: str = "attacker") -> Office:
    """Return a team whose store was made by `mkdir` and `chmod 2775`, and first used by the user `first`."""
    office = Office(ground / "office", wheelhouse, interpreter, trust="")
    office.install(getattr(office, first), "horn")
    return office


@pytest.fixture
def old_office(ground: Path, wheelhouse: Path, interpreter: Path) -> Office:
    """Return a team whose store was never given to `pepip store init`, and was first used by the attacker."""
    return older(ground, wheelhouse, interpreter)


# Folders of the store


def test_only_owners_write_in_the_folders_of_a_founded_store(office: Office) -> None:
    """The store's folders have the sticky bit and belong to its owner.

    A member's own bucket is closed to all others.
    """
    office.install(office.root)
    office.install(office.victim)

    for name in ("", "packages", "projects", "staging", "trash", "cache", "packages/py3-none-any"):
        assert (office.store / name).stat().st_uid == 0
        assert mode_of(office.store / name) == 0o3775
    office.install(office.victim, "horn")
    own = office.store / "packages" / f"py3-none-any~{office.victim.user_id}"
    assert mode_of(own) == 0o2755
    assert own.stat().st_uid == office.victim.user_id


def test_founding_an_older_store_takes_its_buckets_from_members(old_office: Office) -> None:
    """Their entries stay, but only the user who stored an entry links it. Root can store entries beside them."""
    office = old_office
    (bucket,) = (office.store / "packages").iterdir()
    assert bucket.name == f"py3-none-any~{office.attacker.user_id}"
    (office.store / "packages" / "py3-none-any").mkdir()
    os.chown(office.store / "packages" / "py3-none-any", office.attacker.user_id, office.team.group_id)

    office.found()

    office.install(office.root)
    assert owner_of(f"in {office.entry(0)}") == 0
    assert (office.store / "packages" / "py3-none-any").stat().st_uid == 0
    assert bucket.stat().st_uid == office.attacker.user_id
    assert "0 downloaded" in office.install(office.victim)
    assert "Nothing to do" in office.install(office.attacker, "horn")
    assert office.entry(office.attacker.user_id, "horn").parent == bucket


def test_a_bucket_in_the_name_of_another_is_refused_until_root_sets_it_right(office: Office) -> None:
    """If the attacker makes the victim's bucket first, the attacker could rename the victim's entries in it."""
    bucket = office.store / "packages" / f"py3-none-any~{office.victim.user_id}"
    office.attack(f"mkdir -m 777 '{bucket}'")
    folder = office.victim.make_folder(office.victim.home / "app")

    output = office.victim.pepip("install", "drum", *office.source, folder=folder, check=False)

    assert output.returncode == 1
    assert f"{bucket} belongs to somebody who is not trusted" in output.stderr
    assert "Traceback" not in output.stderr
    assert list(bucket.iterdir()) == []
    office.found()
    assert "1 from local files" in office.install(office.victim)
    assert mode_of(bucket) == 0o2755


@pytest.mark.parametrize("name", ["packages", "projects", "staging", "trash"])
def test_a_frame_that_belongs_to_a_member_is_warned_of(office: Office, name: str) -> None:
    """Every command warns, and so does the doctor, with a hint how to end it."""
    os.chown(office.store / name, office.attacker.user_id, -1)

    said = office.victim.pepip("store", "list", folder=office.victim.home).stderr

    assert f"{office.store}/{name} belongs to a member" in said
    checks = json.loads(office.victim.pepip("doctor", "--json", folder=office.victim.home, check=False).stdout)
    (row,) = (row for row in checks if row["topic"] == "sharing")
    assert row["state"] == "warning"
    assert "pepip store init" in row["hint"]
    office.found()
    assert "warning" not in office.victim.pepip("store", "list", folder=office.victim.home).stderr


def test_nobody_but_its_run_moves_things_into_a_grave(office: Office) -> None:
    """The folder is closed to other users, since a link in it would redirect removals."""
    with trash.grave(root.Store(str(office.store))) as grave:
        assert mode_of(Path(grave)) & 0o077 == 0


@pytest.mark.parametrize("place", ["packages/zzz", "packages"])
def test_a_pruned_entry_is_reached_through_no_link(office: Office, place: str) -> None:
    """The attacker replaces a folder by a link after root has listed the folder. Nothing behind the link changes."""
    aim = office.root.home / "aim" / "zzz" / "horn-1.0"
    aim.mkdir(parents=True)
    (aim / "file").write_text("mine\n")
    if place == "packages":
        (office.store / "packages").rmdir()
        (office.store / "packages").symlink_to(office.root.home / "aim")
    else:
        (office.store / "packages" / "zzz").symlink_to(aim.parent)
    before = snapshot(office.root.home)

    store = root.Store(str(office.store))
    with pytest.raises(StoreError):
        trash.discard(store, f"{office.store}/packages/zzz/horn-1.0")

    assert changes(before, snapshot(office.root.home)) == []


@pytest.mark.parametrize("name", ["packages", "projects", "staging", "trash", "cache"])
def test_nothing_is_written_or_removed_behind_a_members_link(old_office: Office, name: str) -> None:
    """In an older store a member can replace a folder by a link: here to a folder of root. Root's commands stop."""
    office = old_office
    office.install(office.root)
    aim = office.root.home / "aim"
    (aim / "1-1").mkdir(parents=True)
    (aim / "file").write_text("precious\n")
    office.attack(f"mv '{office.store}/{name}' '{office.store}/moved'; ln -s '{aim}' '{office.store}/{name}'")
    before = snapshot(office.root.home)

    for words in (
        ["install", "horn", *office.source],
        ["list"],
        ["prune", "--yes", "--now"],
        ["store", "repair"],
        ["doctor"],
        ["ui", "--screenshot", "out.svg"],
    ):
        output = office.root.pepip(*words, folder=office.root.home / "app", check=False)
        assert output.returncode == 1, words
        assert f"error: {office.store}/{name} is a link that another user may have made" in output.stderr

    assert changes(before, snapshot(office.root.home)) == []
    office.root.run(["rm", office.store / name], folder=office.root.home)
    office.root.run(["mv", office.store / "moved", office.store / name], folder=office.root.home)
    office.install(office.root, "horn")


def test_a_folder_of_the_store_may_lie_on_another_disk(office: Office) -> None:
    """A link that root made there counts as the folder."""
    office.install(office.root)
    other = office.store.parent / "other-disk"
    office.root.run(["mv", office.store / "packages", other], folder=office.root.home)
    (office.store / "packages").symlink_to(other)

    assert "0 downloaded" in office.install(office.victim)
    assert owner_of(office.sound(office.victim)) == 0


# Registrations, entries and locks of members


@pytest.mark.parametrize("named", ["above the store", "through a link"])
def test_a_registration_leads_nobody_to_repair_a_folder_that_is_no_entry(office: Office, named: str) -> None:
    """Root owns a folder that all may write. The attacker makes it look like an entry, and registers it.

    No command of root changes this folder.
    """
    office.install(office.root)
    public = office.team.store.parent / "public" / "tmp"
    public.mkdir(parents=True)
    public.chmod(0o1777)
    (public / "of-root").mkdir(mode=0o750)
    (public / "of-root" / "file").write_text("precious\n")
    office.attack(f"cp -r '{office.entry(0)}/.' '{public}'; chmod -R u+w '{public}'/.pepip; rm -r '{public}'/.pepip")
    if named == "through a link":
        office.attack(f"ln -s '{public.parent}' '{office.store}/packages/zzz'")
    entry_id = "../../public/tmp" if named == "above the store" else "zzz/tmp"
    template = json.loads(next((office.store / "projects").glob("*.json")).read_text())
    registration = {**template, "environment": "/gone", "id": "", "entries": [entry_id]}
    office.attack(f"echo '{json.dumps(registration)}' > '{office.store}/projects/planted.json'")
    before = snapshot(public)

    for words in (["store", "list"], ["store", "repair"], ["install", "horn", *office.source], ["prune", "--yes"]):
        office.root.pepip(*words, folder=office.root.home / "app", check=False)

    assert changes(before, snapshot(public)) == []
    assert mode_of(public) == 0o1777
    assert mode_of(public / "of-root") == 0o750


def test_a_registration_makes_root_run_no_program(office: Office) -> None:
    """Root owns a folder that all may write. The attacker makes it an environment, and registers it.

    No command of root runs the environment's Python.
    """
    office.install(office.root)
    public = office.team.store.parent / "public"
    public.mkdir()
    public.chmod(0o1777)
    trap = office.attacker.home / "ran"
    office.install(office.attacker)
    office.attack(
        f"cp -a '{office.attacker.home}/app/.venv/.' '{public}'; rm '{public}'/bin/python '{public}'/.pepip-id"
    )
    office.attack(f"printf '#!/bin/sh\nid -u >> {trap}\n' > '{public}/bin/python'; chmod +x '{public}/bin/python'")
    template = json.loads(next((office.store / "projects").glob("*.json")).read_text())
    named = {key: str(public) for key in ("environment", "named", "project")}
    registration = {**template, **named, "id": "", "entries": ["py3-none-any/drum-1.0"]}
    office.attack(f"echo '{json.dumps(registration)}' > '{office.store}/projects/planted.json'")
    (office.entry(0) / "drum" / "added.py").write_text("")

    for words in (["store", "repair"], ["install", "horn", *office.source], ["prune", "--yes"], ["uses", "drum"]):
        office.root.pepip(*words, folder=office.root.home / "app", check=False)

    assert not trap.exists()


def test_root_changes_no_mode_in_a_members_entry(office: Office) -> None:
    """A file in it may be a hard link to another user's file, if the system lets members make those."""
    office.install(office.attacker)
    module = office.entry(office.attacker.user_id) / "drum" / "__init__.py"
    secret = office.root.home / "secret"
    secret.write_text(module.read_text())
    secret.chmod(0o444)
    modified_ns = module.parent.stat().st_mtime_ns
    module.unlink()
    os.link(secret, module)
    os.utime(module.parent, ns=(modified_ns, modified_ns))

    office.root.pepip("store", "repair", folder=office.root.home, check=False)

    assert mode_of(secret) == 0o444


def test_root_leaves_a_members_own_damaged_entry_and_says_so(office: Office) -> None:
    """The entry lies in the member's own bucket, and the member can repair it there."""
    office.install(office.attacker)
    entry = office.entry(office.attacker.user_id)
    module = entry / "drum" / "__init__.py"
    office.attack(f"chmod u+w '{module.parent}' '{module}'; echo broken > '{module}'")
    before = snapshot(office.store / "packages")

    output = office.root.pepip("store", "repair", *office.source[:3], folder=office.root.home, check=False)

    assert output.returncode == 1
    assert "it belongs to another user, who may repair it" in output.stderr
    assert changes(before, snapshot(office.store / "packages")) == []
    folder = office.attacker.home / "app"
    office.attacker.pepip("store", "repair", *office.source[:3], folder=folder)
    assert problems_of(office.store) == []


@pytest.mark.parametrize("kind", ["a link", "a pipe"])
def test_nothing_is_pruned_where_nobody_can_be_waited_for(office: Office, kind: str) -> None:
    """If something else lies at the lock's path, nobody can lock, so nothing is pruned."""
    office.install(office.root)
    office.root.pepip("uninstall", "drum", folder=office.root.home / "app")
    lock = office.store / ".lock"
    lock.unlink()
    office.attack(f"ln -s /dev/null '{lock}'" if kind == "a link" else f"mkfifo '{lock}'")

    output = office.root.pepip("prune", "--yes", folder=office.root.home, check=False)

    assert output.returncode == 1
    assert f"{lock} is no file" in output.stderr
    assert entries_of(office.store) == ["drum-1.0"]


# Trust


def test_a_user_who_is_trusted_by_name_stores_for_all(office: Office) -> None:
    """An example is the user who runs a team's automatic builds. Others are trusted no more than before."""
    office.found(str(office.attacker.user_id))

    office.install(office.attacker)
    office.install(office.victim, "horn")

    assert "0 downloaded" in office.install(office.victim)
    assert owner_of(office.sound(office.victim)) == office.attacker.user_id
    assert "1 from local files" in office.install(office.root, "horn")
    checks = json.loads(office.victim.pepip("doctor", "--json", folder=office.victim.home, check=False).stdout)
    (row,) = (row for row in checks if row["topic"] == "sharing")
    assert row["state"] == "ok"
    assert str(office.attacker.user_id) in row["sentence"]


def test_a_name_that_nobody_has_can_not_be_trusted(office: Office) -> None:
    """The unknown name is an error, and nothing changes."""
    before = snapshot(office.store)

    words = ["--shared", str(office.team.group_id), "--trust", "nobody-is-called-so"]
    output = office.root.pepip("store", "init", *words, folder=office.root.home, check=False)

    assert output.returncode == 2
    assert "there is no user nobody-is-called-so" in output.stderr
    assert changes(before, snapshot(office.store)) == []


def test_the_choice_of_another_stores_owner_counts_there_alone(
    ground: Path, wheelhouse: Path, interpreter: Path
) -> None:
    """The attacker makes a hard link to that store's `trust.json` in a store without one. It does not count there."""
    office = Office(ground / "office", wheelhouse, interpreter, trust="members")
    office.install(office.attacker)
    other = office.store.parent / "other"
    office.root.pepip(
        "store", "init", "--shared", str(office.team.group_id), "--trust", "members", folder=office.root.home,
        variables={"PEPIP_HOME": str(other)},
    )  # fmt: skip
    office.found()
    (office.store / "trust.json").unlink()
    os.link(other / "trust.json", office.store / "trust.json")

    assert "1 from local files" in office.install(office.victim)


def test_an_environment_loses_the_entries_of_a_user_who_is_not_trusted_any_more(
    ground: Path, wheelhouse: Path, interpreter: Path
) -> None:
    """At the next change, the environment's own user stores its distributions anew.

    The origin that the entry names is not believed.
    """
    office = Office(ground / "office", wheelhouse, interpreter, trust="members")
    office.install(office.attacker)
    office.install(office.victim)
    assert owner_of(office.sound(office.victim)) == office.attacker.user_id
    office.found()

    said = office.install(office.victim, "horn")

    assert "drum" in said
    assert "fetching it again" in said
    assert owner_of(office.sound(office.victim)) == office.victim.user_id


# Caches


def test_a_file_in_a_folder_that_others_can_write_is_not_believed(tmp_path: Path) -> None:
    """Even a file of the user's own is not believed, since it may be a hard link.

    The next write closes the folder.
    """
    folder = str(tmp_path / "answers-0")
    user_cache.write(folder, "one", b"an answer")
    assert user_cache.read(folder, "one", most_bytes=100) == b"an answer"
    os.chmod(folder, 0o770)

    with pytest.raises(OSError, match="others may write"):
        user_cache.read(folder, "one", most_bytes=100)
    user_cache.write(folder, "two", b"another")

    assert mode_of(Path(folder)) == 0o700
    assert user_cache.read(folder, "one", most_bytes=100) == b"an answer"


@pytest.mark.usefixtures("umask_of_teams")
def test_no_program_that_members_may_write_is_kept_in_a_shared_store(office: Office) -> None:
    """If the umask makes new folders writable for the group, an environment in the store would be too."""
    folder = office.root.home
    office.root.pepip("store", "add", "drum", *office.source[:3], folder=folder)

    assert not (office.store / "global-venv").exists()
    programs = [path for path in office.store.rglob("python*") if path.is_file()]
    assert programs == []


@pytest.fixture
def umask_of_teams() -> Iterator[None]:
    """Set a umask that lets the group write all new files."""
    before = os.umask(0o002)
    yield
    os.umask(before)


# Modes that others need


def test_a_mode_taken_in_one_project_is_found_and_corrected(office: Office) -> None:
    """`chmod -R` reaches an entry through hard links: modules outside packages, and metadata."""
    office.install(office.root, "horn")
    site_packages = next((office.root.home / "app").glob(".venv/lib/python*/site-packages"))
    assert (site_packages / "horn.py").stat().st_ino == (office.entry(0, "horn") / "horn.py").stat().st_ino
    office.root.run(["chmod", "-R", "go=", office.root.home / "app" / ".venv"], folder=office.root.home)

    verdict = office.root.pepip("store", "verify", folder=office.root.home, check=False)
    office.root.pepip("store", "repair", folder=office.root.home)

    assert verdict.returncode == 1
    for name in ("horn.py", ".pepip/INSTALLER"):
        assert name in verdict.stdout + verdict.stderr
        assert mode_of(office.entry(0, "horn") / name) & 0o044 == 0o044
    assert office.root.pepip("store", "verify", folder=office.root.home).returncode == 0

"""Files that pepip did not make, or that two owners claim: none of them is lost, and no owner is confused."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.support.environments import Twins
from tests.support.parity import Level
from tests.support.snapshots import changes, snapshot
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

pytestmark = pytest.mark.every(2)


WHEELS = [
    *(
        Wheel(f"member-{name}", "1.0", files={f"shared/{name}.py": "", "LICENSE.txt": f"of {name}\n"})
        for name in ("one", "two")
    ),
    Wheel("bystander", "1.0", files={"bystander.py": ""}),
]


def test_an_environment_without_its_configuration_is_left_alone(workbench: Workbench) -> None:
    """A folder that looks like an unfinished environment may hold a user's data. It is refused, and never removed."""
    workbench.install("bystander")
    (workbench.environment / "pyvenv.cfg").unlink()
    (workbench.environment / "lib" / "data").write_text("precious")
    before = snapshot(workbench.project)

    for arguments in (["--dry-run"], []):
        output = workbench.attempt("member-one", *arguments)

        assert output.returncode == 1
        assert "no pyvenv.cfg" in output.stderr
        assert changes(before, snapshot(workbench.project)) == []


def test_a_dry_run_makes_no_folder(workbench: Workbench) -> None:
    """A dry run makes neither the store nor the folders above an environment that does not exist yet."""
    output = workbench.attempt("bystander", "--dry-run", "--venv", "a/b/.venv")

    assert output.returncode == 0
    assert "Would link 1 distribution" in output.stderr
    assert list(workbench.project.iterdir()) == []
    assert not workbench.store.exists()


def test_a_file_that_another_tools_distribution_owns_is_replaced_as_uv_would(
    twins: Twins, workbench: Workbench
) -> None:
    """Two distributions may have one LICENSE.txt, whichever tool installed the first one."""
    source = workbench.from_wheelhouse
    twins.install("bystander", *source)
    twins.run("uv", "pip", "install", "member-one", *source)

    twins.install("member-two", *source)

    twins.assert_equal(Level.METADATA)


def test_shape_that_another_tool_changed_is_no_obstacle(workbench: Workbench) -> None:
    """A linked file that two distributions share is not taken for a stranger's after uv removed one of the two."""
    Wheel("whole", "1.0", files={"whole/__init__.py": "", "LICENSE.txt": "of whole\n"}).write(workbench.wheelhouse)
    Wheel("whole-part", "1.0", files={"whole/part.py": ""}).write(workbench.wheelhouse)
    workbench.install("whole", "whole-part")
    workbench.uv("pip", "uninstall", "whole-part")

    workbench.install("member-one")

    workbench.python("-c", "import whole, shared.one")


@pytest.mark.parametrize("is_linked_elsewhere", [False, True], ids=["a link of the user", "another store"])
def test_a_foreign_link_to_a_folder_is_refused(workbench: Workbench, is_linked_elsewhere: bool) -> None:
    """If a namespace folder is a link of somebody else, pepip neither removes it nor writes through it."""
    workbench.install("bystander")
    place = workbench.site_packages / "shared"
    own = workbench.project / "src"
    own.mkdir()
    (own / "mine.py").write_text("MINE = True\n")
    if is_linked_elsewhere:
        own = own.rename(workbench.project / "packages")
    place.symlink_to(own)

    output = workbench.attempt("member-one")

    assert output.returncode == 1
    assert f"{place} is in the way" in output.stderr
    assert place.readlink() == own
    assert [path.name for path in own.iterdir()] == ["mine.py"]


def test_a_file_in_place_of_a_folder_is_refused(workbench: Workbench) -> None:
    """If a file without an owner lies where a namespace needs its folder, nothing is changed."""
    workbench.install("bystander")
    place = workbench.site_packages / "shared"
    place.write_text("a note\n")

    output = workbench.attempt("member-one")

    assert output.returncode == 1
    assert f"{place} is in the way" in output.stderr
    assert place.read_text() == "a note\n"
    assert "member-one" not in workbench.pepip("freeze").stdout


def test_a_file_in_a_folder_that_one_may_not_list_is_refused(workbench: Workbench, tmp_path: Path) -> None:
    """A file that is in the way is found and kept, even if its folder can't be listed."""
    user = workbench.machine.as_plain_user(tmp_path / "plain-home")
    plain = workbench.of(user)
    plain.install("bystander")
    folder = user.make_folder(plain.site_packages / "shared")
    place = folder / "one.py"
    place.write_text("a note\n")
    user.give(place)
    folder.chmod(0o300)

    output = plain.attempt("member-one")

    folder.chmod(0o700)
    assert output.returncode == 1
    assert f"{place} is in the way" in output.stderr
    assert place.read_text() == "a note\n"


def test_a_lost_distribution_comes_from_its_first_source(workbench: Workbench, tmp_path: Path) -> None:
    """A distribution from a file is fetched from that file again, never from an index that has the same name."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    mine = Wheel("lamp", "1.0", files={"lamp.py": "WHOSE = 'mine'\n"}).write(elsewhere)
    Wheel("lamp", "1.0", files={"lamp.py": "WHOSE = 'the index'\n"}).write(workbench.wheelhouse)
    workbench.install(mine)
    shutil.rmtree(workbench.store / "packages")

    workbench.install("bystander")

    assert workbench.python("-c", "import lamp; print(lamp.WHOSE)") == "mine"
    origin = workbench.site_packages / "lamp-1.0.dist-info" / "direct_url.json"
    assert json.loads(origin.read_text())["url"] == mine.as_uri()


def test_a_distribution_that_is_lost_for_good_does_not_hold_up_the_rest(workbench: Workbench, tmp_path: Path) -> None:
    """The lost distribution is named and removed, so that uv sees that it is missing. The others are linked again."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    gone = Wheel("gone", "1.0", files={"gone.py": ""}).write(elsewhere)
    workbench.install(gone, "member-one")
    shutil.rmtree(workbench.store / "packages")
    gone.unlink()

    output = workbench.attempt("bystander")

    assert output.returncode == 0
    assert "gone could not be fetched again" in output.stderr
    listed = workbench.uv("pip", "list", "--format", "json").stdout
    assert [item["name"] for item in json.loads(listed)] == ["bystander", "member-one"]
    workbench.python("-c", "import bystander, shared.one")


def test_a_record_without_hashes_keeps_its_rows(workbench: Workbench) -> None:
    """Unfolding replaces only the rows of links, even if no row of the wheel has a hash."""
    bare = Wheel("bare", "1.0", files={"bare/__init__.py": "", "bare/a.py": ""}).write(workbench.wheelhouse)
    _drop_hashes(bare)
    Wheel("bare-part", "1.0", files={"bare/b.py": ""}).write(workbench.wheelhouse)
    workbench.install("bare")

    workbench.install("bare-part")
    workbench.uv("pip", "uninstall", "bare")

    assert [path.name for path in (workbench.site_packages / "bare").iterdir()] == ["b.py"]


def test_builds_with_settings_are_not_shared(workbench: Workbench) -> None:
    """A build with config settings belongs to the project alone. A build without any is linked."""
    Wheel("built", "1.0", files={"built.py": ""}).write_sdist(workbench.wheelhouse)
    plain, told = workbench.at("plain"), workbench.at("told")
    plain.install("built")
    told.install("built", "-C", "flavour=two")

    metadata = [project.site_packages / "built-1.0.dist-info" / "METADATA" for project in (plain, told)]
    assert [path.is_symlink() for path in metadata] == [True, False]


@pytest.mark.parametrize("option", ["--reinstall", "--force-reinstall"])
def test_a_local_project_that_is_installed_again_leaves_its_dependencies_linked(
    workbench: Workbench, option: str
) -> None:
    """Only the local folder is installed by uv. Shared dependencies stay shared."""
    local = Wheel("local", "1.0", files={"local.py": ""}, dependencies=("bystander",))
    folder = local.write_source(workbench.project / "local")
    workbench.install(folder)

    workbench.install(option, folder)

    assert (workbench.site_packages / "bystander-1.0.dist-info" / "METADATA").is_symlink()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_a_permissive_umask_opens_no_shared_entry(workbench: Workbench) -> None:
    """In a store that a group may write, no file of an entry is writable for the group."""
    workbench.store.mkdir()
    workbench.store.chmod(0o2775)
    before = os.umask(0o002)
    try:
        workbench.install("bystander")
    finally:
        os.umask(before)

    files = [path for path in (workbench.store / "packages").rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)] == []


def _drop_hashes(wheel: Path) -> None:
    """Empty the hash and size of every RECORD row of a wheel."""
    import zipfile

    with zipfile.ZipFile(wheel) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    record = next(name for name in members if name.endswith("/RECORD"))
    rows = [line.split(",")[0] + ",," for line in members[record].decode().splitlines() if line]
    members[record] = ("\n".join(rows) + "\n").encode()
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)

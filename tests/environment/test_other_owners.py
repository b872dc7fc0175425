"""Files that pepip did not make, or that two owners claim: none of them is lost, and no owner is confused."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.support.environments import Twins
from tests.support.machines import Machine
from tests.support.parity import Level
from tests.support.snapshots import changes, snapshot
from tests.support.wheels import Wheel

pytestmark = pytest.mark.every(2)


@pytest.fixture
def source(wheelhouse: Path, interpreter: Path) -> tuple[str | Path, ...]:
    """Return the arguments that take wheels only from the wheelhouse."""
    for name in ("one", "two"):
        files = {f"shared/{name}.py": "", "LICENSE.txt": f"of {name}\n"}
        Wheel(f"member-{name}", "1.0", files=files).write(wheelhouse)
    Wheel("bystander", "1.0", files={"bystander.py": ""}).write(wheelhouse)
    return ("--no-index", "--find-links", wheelhouse, "--python", interpreter)


def site_packages_of(environment: Path) -> Path:
    """Return the `site-packages` folder of an environment."""
    return next(environment.glob("lib/python*/site-packages"))


def test_an_environment_without_its_configuration_is_left_alone(
    machine: Machine, project: Path, source: tuple[str | Path, ...]
) -> None:
    """A folder that looks like an unfinished environment may hold a user's data. It is refused, and never removed."""
    machine.pepip("install", "bystander", *source, folder=project)
    (project / ".venv" / "pyvenv.cfg").unlink()
    (project / ".venv" / "lib" / "data").write_text("precious")
    before = snapshot(project)

    for arguments in (["--dry-run"], []):
        output = machine.pepip("install", "member-one", *arguments, *source, folder=project, check=False)

        assert output.returncode == 1
        assert "no pyvenv.cfg" in output.stderr
        assert changes(before, snapshot(project)) == []


def test_a_dry_run_makes_no_folder(machine: Machine, project: Path, source: tuple[str | Path, ...]) -> None:
    """A dry run makes neither the store nor the folders above an environment that does not exist yet."""
    output = machine.pepip("install", "bystander", "--dry-run", "--venv", "a/b/.venv", *source, folder=project)

    assert "Would link 1 distribution" in output.stderr
    assert list(project.iterdir()) == []
    assert not machine.store.exists()


def test_a_file_that_another_tools_distribution_owns_is_replaced_as_uv_would(
    twins: Twins, source: tuple[str | Path, ...]
) -> None:
    """Two distributions may have one LICENSE.txt, whichever tool installed the first one."""
    twins.install("bystander", *source[:3])
    twins.run("uv", "pip", "install", "member-one", *source[:3])

    twins.install("member-two", *source[:3])

    twins.assert_equal(Level.METADATA)


def test_shape_that_another_tool_changed_is_no_obstacle(
    machine: Machine, project: Path, wheelhouse: Path, source: tuple[str | Path, ...]
) -> None:
    """A linked file that two distributions share is not taken for a stranger's after uv removed one of the two."""
    Wheel("whole", "1.0", files={"whole/__init__.py": "", "LICENSE.txt": "of whole\n"}).write(wheelhouse)
    Wheel("whole-part", "1.0", files={"whole/part.py": ""}).write(wheelhouse)
    machine.pepip("install", "whole", "whole-part", *source, folder=project)
    machine.uv("pip", "uninstall", "whole-part", folder=project)

    machine.pepip("install", "member-one", *source, folder=project)

    machine.python(project / ".venv", "-c", "import whole, shared.one")


@pytest.mark.parametrize("is_linked_elsewhere", [False, True], ids=["a link of the user", "another store"])
def test_a_foreign_link_to_a_folder_is_refused(
    machine: Machine, project: Path, source: tuple[str | Path, ...], is_linked_elsewhere: bool
) -> None:
    """If a namespace folder is a link of somebody else, pepip neither removes it nor writes through it."""
    machine.pepip("install", "bystander", *source, folder=project)
    place = site_packages_of(project / ".venv") / "shared"
    own = project / "src"
    own.mkdir()
    (own / "mine.py").write_text("MINE = True\n")
    if is_linked_elsewhere:
        own = own.rename(project / "packages")
    place.symlink_to(own)

    output = machine.pepip("install", "member-one", *source, folder=project, check=False)

    assert output.returncode == 1
    assert f"{place} is in the way" in output.stderr
    assert place.readlink() == own
    assert [path.name for path in own.iterdir()] == ["mine.py"]


def test_a_file_in_place_of_a_folder_is_refused(
    machine: Machine, project: Path, source: tuple[str | Path, ...]
) -> None:
    """If a file without an owner lies where a namespace needs its folder, nothing is changed."""
    machine.pepip("install", "bystander", *source, folder=project)
    place = site_packages_of(project / ".venv") / "shared"
    place.write_text("a note\n")

    output = machine.pepip("install", "member-one", *source, folder=project, check=False)

    assert output.returncode == 1
    assert f"{place} is in the way" in output.stderr
    assert place.read_text() == "a note\n"
    assert "member-one" not in machine.pepip("freeze", folder=project).stdout


def test_a_file_in_a_folder_that_one_may_not_list_is_refused(
    machine: Machine, tmp_path: Path, source: tuple[str | Path, ...]
) -> None:
    """A file that is in the way is found and kept, even if its folder can't be listed."""
    user = machine.as_plain_user(tmp_path / "plain-home")
    project = user.make_folder(tmp_path / "plain-home" / "project")
    user.pepip("install", "bystander", *source, folder=project)
    folder = user.make_folder(site_packages_of(project / ".venv") / "shared")
    place = folder / "one.py"
    place.write_text("a note\n")
    user.give(place)
    folder.chmod(0o300)

    output = user.pepip("install", "member-one", *source, folder=project, check=False)

    folder.chmod(0o700)
    assert output.returncode == 1
    assert f"{place} is in the way" in output.stderr
    assert place.read_text() == "a note\n"


def test_a_lost_distribution_comes_from_its_first_source(
    machine: Machine, project: Path, tmp_path: Path, wheelhouse: Path, source: tuple[str | Path, ...]
) -> None:
    """A distribution from a file is fetched from that file again, never from an index that has the same name."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    mine = Wheel("lamp", "1.0", files={"lamp.py": "WHOSE = 'mine'\n"}).write(elsewhere)
    Wheel("lamp", "1.0", files={"lamp.py": "WHOSE = 'the index'\n"}).write(wheelhouse)
    machine.pepip("install", mine, *source, folder=project)
    shutil.rmtree(machine.store / "packages")

    machine.pepip("install", "bystander", *source, folder=project)

    assert machine.python(project / ".venv", "-c", "import lamp; print(lamp.WHOSE)").stdout == "mine\n"
    origin = site_packages_of(project / ".venv") / "lamp-1.0.dist-info" / "direct_url.json"
    assert json.loads(origin.read_text())["url"] == mine.as_uri()


def test_a_distribution_that_is_lost_for_good_does_not_hold_up_the_rest(
    machine: Machine, project: Path, tmp_path: Path, source: tuple[str | Path, ...]
) -> None:
    """The lost distribution is named and removed, so that uv sees that it is missing. The others are linked again."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    gone = Wheel("gone", "1.0", files={"gone.py": ""}).write(elsewhere)
    machine.pepip("install", gone, "member-one", *source, folder=project)
    shutil.rmtree(machine.store / "packages")
    gone.unlink()

    output = machine.pepip("install", "bystander", *source, folder=project)

    assert "gone could not be fetched again" in output.stderr
    listed = machine.uv("pip", "list", "--format", "json", folder=project).stdout
    assert [item["name"] for item in json.loads(listed)] == ["bystander", "member-one"]
    machine.python(project / ".venv", "-c", "import bystander, shared.one")


def test_a_record_without_hashes_keeps_its_rows(
    machine: Machine, project: Path, wheelhouse: Path, source: tuple[str | Path, ...]
) -> None:
    """Unfolding replaces only the rows of links, even if no row of the wheel has a hash."""
    bare = Wheel("bare", "1.0", files={"bare/__init__.py": "", "bare/a.py": ""}).write(wheelhouse)
    _drop_hashes(bare)
    Wheel("bare-part", "1.0", files={"bare/b.py": ""}).write(wheelhouse)
    machine.pepip("install", "bare", *source, folder=project)

    machine.pepip("install", "bare-part", *source, folder=project)
    machine.uv("pip", "uninstall", "bare", folder=project)

    assert [path.name for path in (site_packages_of(project / ".venv") / "bare").iterdir()] == ["b.py"]


def test_builds_with_settings_are_not_shared(
    machine: Machine, tmp_path: Path, wheelhouse: Path, source: tuple[str | Path, ...]
) -> None:
    """A build with config settings belongs to the project alone. A build without any is linked."""
    Wheel("built", "1.0", files={"built.py": ""}).write_sdist(wheelhouse)
    plain, told = tmp_path / "plain", tmp_path / "told"
    for folder, arguments in ((plain, []), (told, ["-C", "flavour=two"])):
        folder.mkdir()
        machine.pepip("install", "built", *arguments, *source, folder=folder)

    metadata = [site_packages_of(folder / ".venv") / "built-1.0.dist-info" / "METADATA" for folder in (plain, told)]
    assert [path.is_symlink() for path in metadata] == [True, False]


@pytest.mark.parametrize("option", ["--reinstall", "--force-reinstall"])
def test_a_local_project_that_is_installed_again_leaves_its_dependencies_linked(
    machine: Machine, project: Path, wheelhouse: Path, source: tuple[str | Path, ...], option: str
) -> None:
    """Only the local folder is installed by uv. Shared dependencies stay shared."""
    del wheelhouse
    folder = Wheel("local", "1.0", files={"local.py": ""}, dependencies=("bystander",)).write_source(
        project / "local"
    )
    machine.pepip("install", folder, *source, folder=project)

    machine.pepip("install", option, folder, *source, folder=project)

    assert (site_packages_of(project / ".venv") / "bystander-1.0.dist-info" / "METADATA").is_symlink()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_a_permissive_umask_opens_no_shared_entry(
    machine: Machine, project: Path, source: tuple[str | Path, ...]
) -> None:
    """In a store that a group may write, no file of an entry is writable for the group."""
    machine.store.mkdir()
    machine.store.chmod(0o2775)
    before = os.umask(0o002)
    try:
        machine.pepip("install", "bystander", *source, folder=project)
    finally:
        os.umask(before)

    files = [path for path in (machine.store / "packages").rglob("*") if path.is_file()]
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

"""`pepip eject` gives an environment its own files. The environment then needs neither the store nor pepip."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.operations.adoption.test_adopt import NAMES, Attic, attic
from tests.support.filesystems import layered
from tests.support.kills import changes_seen, killed_before
from tests.support.machines import interpreter_of, site_packages_of
from tests.support.parity import Level, differences, observe
from tests.support.refusals import assert_refused
from tests.support.snapshots import changes, snapshot
from tests.support.stores import problems_of

__all__ = ["attic"]


def links_into(folder: Path, store: Path) -> list[str]:
    """Return the paths below a folder that lead into a store, by a symbolic link or a shared inode."""
    inodes = {
        (status.st_dev, status.st_ino)
        for path in store.rglob("*")
        if not path.is_dir() and (status := path.lstat()).st_nlink > 1
    }
    found = []
    for path in folder.rglob("*"):
        status = path.lstat()
        is_link = path.is_symlink() and os.readlink(path).startswith(str(store))
        if is_link or (not path.is_dir() and (status.st_dev, status.st_ino) in inodes):
            found.append(str(path))
    return found


@pytest.mark.every(3)
@pytest.mark.parametrize("tool", ["uv copy", "uv hardlink", "pip"])
def test_ejected_environment_is_as_before_it_was_adopted(attic: Attic, tool: str) -> None:
    """Each file, also RECORD, has its bytes, mode and kind from before. The environment is no longer registered."""
    environment, other = attic.make("one", tool), attic.make("two", "pip")
    odd = site_packages_of(environment) / "camera" / "lenses" / "glass.txt"
    odd.chmod(0o640)
    before = snapshot(environment)
    attic.adopt()
    assert attic.linked(environment) == set(NAMES)

    attic.machine.pepip("eject", environment, folder=attic.folder)

    by_nature = ("__pycache__", "added: .lock")
    assert [
        line for line in changes(before, snapshot(environment)) if not any(map(line.__contains__, by_nature))
    ] == []
    assert links_into(environment, attic.machine.store) == []
    assert problems_of(attic.machine.store) == []
    shown = attic.machine.pepip("projects", folder=attic.folder).stdout
    assert str(environment) not in shown
    assert str(other) in shown


def test_ejected_folders_have_their_modes(attic: Attic) -> None:
    """A folder that was linked whole gets its mode from before, as uv gives it to wheels that it built."""
    environment = attic.make("one", "uv copy", "camera")
    package = site_packages_of(environment) / "camera"
    (package / "lenses").chmod(0o777)
    before = snapshot(package)
    attic.adopt()
    assert package.is_symlink()

    attic.machine.pepip("eject", environment, folder=attic.folder)

    assert [line for line in changes(before, snapshot(package)) if "__pycache__" not in line] == []


def test_ejected_environment_needs_no_store(attic: Attic) -> None:
    """Without the store, all modules can be imported, and pip and uv can still change the environment."""
    environment = attic.machine.make_folder(attic.folder / "project") / ".venv"
    attic.machine.pepip("install", "--python", attic.interpreter, *attic.source, *NAMES, folder=environment.parent)
    before = observe(environment, attic.machine, level=Level.BEHAVIOUR)

    attic.machine.pepip("detach", "--all", folder=environment.parent)
    shutil.rmtree(attic.machine.store)

    after = observe(environment, attic.machine, level=Level.BEHAVIOUR)
    assert [line for line in differences(before, after) if not line.startswith("RECORD of")] == []
    assert [item for item in after.distributions.values() if item.missing_files] == []
    attic.install_by_pip(environment, "--force-reinstall", "--no-deps", "camera")
    attic.machine.uv("pip", "uninstall", "--python", environment, *NAMES, folder=environment.parent)
    assert not (site_packages_of(environment) / "camera").exists()


def test_eject_names_the_ejected_distributions(attic: Attic) -> None:
    """`--json` names the ejected distributions. A second eject says that there is nothing to do."""
    environment = attic.make("one", "uv copy", "single")
    attic.adopt()

    first = attic.machine.pepip("eject", "--json", environment, folder=attic.folder)
    second = attic.machine.pepip("eject", environment, folder=attic.folder)

    assert json.loads(first.stdout)["environments"] == [
        {"environment": str(environment), "distributions": [{"name": "single", "version": "1.0"}], "lost": []}
    ]
    assert second.stderr == f"Nothing to do: {environment} links nothing\n"


def test_eject_refuses_a_missing_folder(attic: Attic) -> None:
    """A missing folder is refused with an error, and is not made."""
    output = attic.machine.pepip("eject", attic.folder / "nowhere", folder=attic.folder, check=False)

    assert output.returncode == 1
    assert output.stderr.startswith("error: ")
    assert "Traceback" not in output.stderr
    assert not (attic.folder / "nowhere").exists()


@pytest.mark.parametrize("others", [["single"], []], ids=["others", "alone"])
def test_eject_names_what_a_lost_entry_took_along(attic: Attic, others: list[str]) -> None:
    """A lost entry that can't be restored is an error, and the other distributions get real files."""
    environment = attic.make("one", "uv copy", *others, "camera")
    attic.adopt()
    (entry,) = attic.machine.store.glob("packages/*/camera-1.0")
    attic.machine.run(["chmod", "-R", "u+w", entry], folder=attic.folder)
    shutil.rmtree(entry)

    output = attic.machine.pepip("eject", environment, folder=attic.folder, check=False)

    assert output.returncode == 1
    assert (
        f"error: camera left {environment}: the store has lost the files, and they can't be fetched" in output.stderr
    )
    assert "Nothing to do" not in output.stderr
    assert (f"{environment} has real files now: 1 package" in output.stderr) == bool(others)
    for name in others:
        assert not (site_packages_of(environment) / name).is_symlink()
        attic.machine.python(environment, "-c", f"import {name}")


def test_eject_without_the_store_stores_all_entries_again(attic: Attic) -> None:
    """If the whole store is gone, its entries are fetched, and the environment gets real files of them."""
    environment = attic.make("one", "uv copy", "single", "camera")
    attic.adopt()
    attic.machine.run(["chmod", "-R", "u+w", attic.machine.store], folder=attic.folder)
    shutil.rmtree(attic.machine.store)

    attic.pepip("eject", environment, variables={"UV_FIND_LINKS": str(attic.wheelhouse), "UV_NO_INDEX": "1"})

    assert links_into(environment, attic.machine.store) == []
    attic.machine.python(environment, "-c", "import single, camera")
    assert problems_of(attic.machine.store) == []


def test_links_without_a_package_are_named_with_two_ways_out(attic: Attic) -> None:
    """No metadata leads to the lost entry. If it is stored again, as the hint says, the links become real files."""
    environment = attic.make("one", "uv copy", "single", "camera")
    attic.adopt()
    shutil.rmtree(site_packages_of(environment) / "camera-1.0.dist-info")
    (entry,) = attic.machine.store.glob("packages/*/camera-1.0")
    attic.machine.run(["chmod", "-R", "u+w", entry], folder=attic.folder)
    shutil.rmtree(entry)

    output = attic.pepip("eject", environment, check=False)

    assert_refused(output, "the store has lost camera-1.0", "remove them", "`pepip store add camera==1.0`")
    assert (site_packages_of(environment) / "camera").is_symlink()
    attic.pepip("store", "add", "camera==1.0", *attic.source, "--python", attic.interpreter)
    attic.pepip("eject", environment)
    assert links_into(environment, attic.machine.store) == []
    attic.machine.python(environment, "-c", "import single, camera")


def test_running_process_goes_on_while_its_environment_is_ejected(attic: Attic) -> None:
    """A process that keeps importing modules during the eject never misses a file."""
    environment = attic.make("one", "uv copy")
    attic.adopt()
    script = (
        "import importlib, os, sys\n"
        "print('ready', flush=True)\n"
        "while not os.path.exists('stop'):\n"
        "    for name in ('camera', 'camera.lenses', 'camera.contrib', 'single', 'old.one', 'cloud.core'):\n"
        "        sys.modules.pop(name, None)\n"
        "        importlib.invalidate_caches()\n"
        "        importlib.import_module(name)\n"
    )
    process = attic.machine.start([interpreter_of(environment), "-c", script], folder=environment.parent)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    attic.machine.pepip("eject", environment, folder=attic.folder)
    (environment.parent / "stop").touch()
    _, error = process.communicate(timeout=60)

    assert process.returncode == 0, error


KILLS = 12


@pytest.mark.every(15)
@pytest.mark.parametrize("part", range(KILLS))
def test_after_a_kill_the_environment_is_whole_and_eject_goes_on(attic: Attic, part: int) -> None:
    """After a kill before any change, each distribution is linked or the environment's own.

    The next eject completes the work.
    """
    environment = attic.make("one", "uv copy")
    before = observe(environment, attic.machine, level=Level.METADATA)
    attic.adopt()
    probe = replace(
        attic, folder=attic.folder / "probe", machine=replace(attic.machine, store=attic.folder / "probe-s")
    )
    twin = probe.make("one", "uv copy")
    probe.adopt()
    killed_before(probe.machine, 0, ("eject", twin), folder=attic.folder, within=attic.folder)
    count = len(changes_seen(attic.folder))

    point = 1 + part * (count - 1) // (KILLS - 1)
    output = killed_before(attic.machine, point, ("eject", environment), folder=attic.folder, within=attic.folder)

    assert output.returncode == -9, output.stderr
    attic.machine.python(environment, "-c", "import camera.contrib, old.two, cloud.core, single")
    attic.machine.pepip("eject", environment, folder=attic.folder)
    assert links_into(environment, attic.machine.store) == []
    assert differences(before, observe(environment, attic.machine, level=Level.METADATA)) == []
    assert problems_of(attic.machine.store) == []


def test_eject_works_in_a_lower_layer_also_after_a_kill(attic: Attic) -> None:
    """In a container, folders of its image can't be renamed. The ejected environments have their files from before.

    The kills are before, while and after the contents of a folder are moved one by one.
    """
    probe, *others = (attic.make(str(number), "uv copy", "camera", "cloud-core") for number in range(4))
    before = [snapshot(environment) for environment in others]
    attic.adopt()
    with layered(attic.code):
        killed_before(attic.machine, 0, ("eject", probe), folder=attic.folder, within=attic.folder)
        moves = [number for number, line in enumerate(changes_seen(attic.folder), 1) if ".left" in line]
        assert len(moves) > len(others)

        for number, (environment, files) in enumerate(zip(others, before, strict=True)):
            point = moves[number * (len(moves) - 1) // (len(others) - 1)]
            words = ("eject", environment)
            output = killed_before(attic.machine, point, words, folder=attic.folder, within=attic.folder)
            assert output.returncode == -9, output.stderr
            attic.machine.python(environment, "-c", "import camera, cloud.core")
            attic.machine.pepip(*words, folder=attic.folder)

            found = changes(files, snapshot(environment))
            assert [line for line in found if "__pycache__" not in line and "added: .lock" not in line] == []
            assert links_into(environment, attic.machine.store) == []


def test_eject_takes_the_folder_of_a_project(attic: Attic) -> None:
    """As `adopt` does. If there is no environment, the hint is about ejecting."""
    environment = attic.make("one", "uv copy", "single")
    attic.adopt()

    none = attic.machine.pepip("eject", "none", folder=attic.code, check=False)
    output = attic.machine.pepip("eject", "one", folder=attic.code)

    assert none.returncode == 1
    message = f"error: there is no environment at {attic.code}/none\n"
    assert none.stderr == f"{message}hint: name its folder, or the folder of its project\n"
    assert output.stderr == f"{environment} has real files now: 1 package\n"
    assert attic.linked(environment) == set()


def test_eject_gives_hard_links_of_the_store_files_of_their_own(attic: Attic) -> None:
    """An environment with the link mode `hardlink` shares inodes with the store, but not after the eject."""
    environment = attic.machine.make_folder(attic.folder / "project") / ".venv"
    words = ("--link-mode", "hardlink", "--python", attic.interpreter, *attic.source, "camera")
    attic.machine.pepip("install", *words, folder=environment.parent)
    module = site_packages_of(environment) / "camera" / "__init__.py"
    assert module.stat().st_nlink > 1

    attic.machine.pepip("eject", environment, folder=attic.folder)

    assert module.stat().st_nlink == 1
    assert [path.name for path in environment.iterdir() if path.name.startswith(".pepip")] == []
    assert attic.machine.pepip("projects", "--json", folder=attic.folder).stdout.strip() == "[]"

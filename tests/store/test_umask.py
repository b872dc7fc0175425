"""Modes in a store follow from the store and its users. No umask lets anybody change what others import."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.keeping import WHEELS as MUSIC
from tests.support.stores import problems_of
from tests.support.teams import Team
from tests.support.workbench import Workbench

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")

WHEELS = MUSIC
UMASKS = pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077], ids="{:03o}".format, indirect=True)


@pytest.fixture
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Set the umask of the test, and of the commands that it runs."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def writable(folder: Path, bits: int) -> list[str]:
    """Return the files and folders that have one of these permissions to write."""
    modes = {path: path.lstat().st_mode for path in (folder, *folder.rglob("*"))}
    return [f"{mode:o} {path}" for path, mode in modes.items() if not stat.S_ISLNK(mode) and mode & bits]


def linked_to_cache(workbench: Workbench) -> set[bool]:
    """Tell of the modules of all entries whether they share an inode with uv's cache."""
    return {path.stat().st_nlink > 1 for path in workbench.store.glob("packages/*/*/*/__init__.py")}


def mode_of(path: Path) -> int:
    """Return the permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


@UMASKS
def test_nobody_else_can_write_a_store_of_one_user(workbench: Workbench, umask: int) -> None:
    """Files, folders, bytecode and locks. The user's group may write hard links of uv's cache, if the umask says so.

    With a copy in place of each such link, the bytes would be stored twice.
    """
    workbench.install("drum==1.0", "wind-one", "--compile-bytecode")
    workbench.pepip("uninstall", "wind-one")
    workbench.pepip("prune", "--yes", "--trash")
    workbench.pepip("store", "add", "horn", *workbench.source)

    assert writable(workbench.store, stat.S_IWOTH) == []
    of_group = [line for line in writable(workbench.store, stat.S_IWGRP) if "/packages/" not in line]
    assert [line for line in of_group if "/trash/" not in line] == []
    assert mode_of(workbench.store / ".lock") == (0o600 if umask == 0o077 else 0o644)
    assert linked_to_cache(workbench) == {umask != 0}
    assert workbench.problems() == []


@pytest.mark.parametrize("umask", [0o000], indirect=True)
@pytest.mark.usefixtures("umask")
def test_a_repair_takes_the_permission_that_an_older_pepip_left(workbench: Workbench) -> None:
    """`store verify` names each file that all users can write, and `store repair` needs no download.

    The next command that links corrects the lock.
    """
    workbench.install("drum==1.0")
    module, lock = workbench.entry("drum-1.0") / "drum" / "__init__.py", workbench.store / ".lock"
    for path in (module, lock):
        path.chmod(0o666)

    verdict = workbench.pepip("store", "verify", check=False)
    workbench.pepip("store", "repair", "--offline")
    workbench.install("drum==1.0", "horn")

    assert "mode changed     drum/__init__.py" in verdict.stdout
    assert mode_of(module) == mode_of(lock) == 0o644
    assert workbench.problems() == []
    assert workbench.python("-c", "import drum; print(drum.VERSION)") == "1.0"


@pytest.mark.parametrize("umask", ["000", "002", "022", "077"])
def test_no_member_of_a_team_can_write_files_of_another(workbench: Workbench, tmp_path: Path, umask: str) -> None:
    """Of the store's folders, only those that members add to are writable, with the sticky bit."""
    team = Team.assemble(tmp_path / "team", umask=umask)
    workbench.supply(WHEELS)
    first, second = (workbench.of(user) for user in team.users)
    first.install("drum==1.0", "--compile-bytecode")
    second.install("drum==1.0", "horn")
    second.pepip("uninstall", "horn")
    second.pepip("prune", "--yes", "--trash")

    everything = [path for path in team.store.rglob("*") if not path.is_symlink()]
    assert [path for path in everything if path.stat().st_mode & stat.S_IWOTH] == []
    of_group = [path for path in everything if path.stat().st_mode & stat.S_IWGRP]
    assert {path.name for path in of_group if path.is_file()} == {".lock"}
    assert all(path.stat().st_mode & stat.S_ISVTX for path in of_group if path.is_dir())
    assert mode_of(team.store / ".lock") == 0o664
    assert problems_of(team.store) == []


@pytest.mark.parametrize("umask", [0o000, 0o002], ids="{:03o}".format, indirect=True)
@pytest.mark.usefixtures("umask")
def test_no_group_can_write_a_layer(workbench: Workbench, tmp_path: Path) -> None:
    """Neither entries that were published, nor those that its owner stored there, before or after it was a layer."""
    published, made = tmp_path / "published", tmp_path / "made"
    published.mkdir(mode=0o755)
    published.chmod(0o755)
    workbench.install("drum==1.0", "--compile-bytecode")
    owner = replace(workbench, machine=replace(workbench.machine, store=made))
    owner.pepip("store", "add", "drum==1.0", *owner.source)

    workbench.pepip("store", "publish", "drum", "--to", published)
    owner.pepip("store", "init", "--layer")
    owner.pepip("store", "add", "horn", *owner.source)

    for layer in (published, made):
        assert (layer / "layer.json").exists()
        assert writable(layer, stat.S_IWGRP | stat.S_IWOTH) == []
        assert problems_of(layer) == []
    assert list(published.glob("packages/*/drum-1.0/drum/__pycache__/*.pyc")) != []


@pytest.mark.parametrize("umask", [0o002, 0o022], ids="{:03o}".format, indirect=True)
def test_a_reader_links_no_file_that_a_group_can_write(workbench: Workbench, tmp_path: Path, umask: int) -> None:
    """Somebody's store is named as a layer, but its owner did not make it one. The package is stored once more."""
    theirs = tmp_path / "theirs"
    owner = replace(workbench, machine=replace(workbench.machine, store=theirs))
    owner.pepip("store", "add", "drum==1.0", *owner.source)

    workbench.pepip("install", "drum==1.0", *workbench.source, variables={"PEPIP_LAYERS": str(theirs)})

    is_open = bool(umask & 0o020) is False
    assert bool(writable(next(theirs.glob("packages/*/drum-1.0")), stat.S_IWGRP)) == is_open
    assert (workbench.entries() == ["drum-1.0"]) == is_open
    assert workbench.python("-c", "import drum; print(drum.VERSION)") == "1.0"


@pytest.mark.parametrize("umask", [0o002], indirect=True)
@pytest.mark.usefixtures("umask")
def test_a_store_that_becomes_a_layer_is_closed_to_the_group(workbench: Workbench) -> None:
    """Bytecode, too. Environments go on."""
    workbench.install("drum==1.0", "--compile-bytecode")
    entry = workbench.entry("drum-1.0")
    before = writable(entry, stat.S_IWGRP)

    workbench.pepip("store", "init", "--layer")

    assert any(line.endswith(".pyc") for line in before)
    assert writable(entry, stat.S_IWGRP | stat.S_IWOTH) == []
    assert workbench.problems() == []
    assert workbench.python("-c", "import drum; print(drum.VERSION)") == "1.0"


@pytest.mark.parametrize("umask", [0o077], indirect=True)
@pytest.mark.usefixtures("umask")
def test_a_layer_that_only_its_owner_can_read_is_named(workbench: Workbench, tmp_path: Path) -> None:
    """The warning says how to open it, and that works."""
    layer = tmp_path / "layer"
    workbench.install("drum==1.0")

    said = workbench.pepip("store", "publish", "drum", "--to", layer).stderr
    assert f"warning: only you can read the layer {layer}: `chmod 755 {layer}`, then" in said
    layer.chmod(0o755)
    owner = replace(workbench, machine=replace(workbench.machine, store=layer))
    owner.pepip("store", "init", "--layer")
    owner.pepip("store", "repair")

    assert "warning" not in workbench.pepip("store", "publish", "drum", "--to", layer).stderr
    assert problems_of(layer) == []
    shared = [layer / name for name in (".lock", "layer.json", "packages")] + list((layer / "packages").rglob("*"))
    assert [path for path in shared if not path.is_symlink() and not path.stat().st_mode & stat.S_IROTH] == []


@pytest.mark.parametrize("umask", [0o000], indirect=True)
@pytest.mark.usefixtures("umask")
def test_nobody_else_can_enter_the_environment_of_the_store(workbench: Workbench) -> None:
    """Its interpreter is started where no project has one. One that all users could write is made anew."""
    environment = workbench.store / "global-venv"
    workbench.machine.make_folder(workbench.project)
    variables = {"UV_PYTHON": str(workbench.interpreter)}
    workbench.pepip("store", "add", "horn", *workbench.from_wheelhouse, variables=variables)
    first = mode_of(environment)
    environment.chmod(0o777)
    (environment / "bin" / "python").unlink()
    (environment / "bin" / "python").symlink_to(workbench.project / "evil")
    (workbench.project / "evil").write_text(f"#!/bin/sh\ntouch '{workbench.project}/started'\n")
    (workbench.project / "evil").chmod(0o755)

    workbench.pepip("store", "add", "drum", *workbench.from_wheelhouse, variables=variables)

    assert first == mode_of(environment) == 0o700
    assert not (workbench.project / "started").exists()
    assert (environment / "bin" / "python").resolve() == workbench.interpreter.resolve()
    assert sorted(workbench.entries()) == ["drum-2.0", "horn-1.0"]

"""Environments that are odd or hostile: adopting neither waits, nor leads out of them, nor stops at one of them."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.operations.adoption.test_adopt import NAMES, Attic, attic
from tests.support.machines import site_packages_of
from tests.support.parity import Level, differences, observe
from tests.support.snapshots import changes, snapshot
from tests.support.stores import leftovers_of, problems_of
from tests.support.wheels import Wheel

__all__ = ["attic"]

OTHERS = set(NAMES) - {"camera"}


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _pipe_at(name: str) -> Callable[[Path], None]:
    return lambda environment: _pipe(site_packages_of(environment) / name)


def _rows(environment: Path, *rows: str) -> None:
    """Put rows at the head of a RECORD."""
    record = site_packages_of(environment) / "camera-1.0.dist-info" / "RECORD"
    record.write_text("".join(f"{row}\n" for row in rows) + record.read_text())


def _name(environment: Path) -> None:
    metadata = site_packages_of(environment) / "camera-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Name: camera", "Name: stranger"))
    record = metadata.with_name("RECORD")
    lines = [line for line in record.read_text().splitlines() if "/METADATA," not in line]
    record.write_text("\n".join([*lines, "camera-1.0.dist-info/METADATA,,"]) + "\n")


def _launcher_outside(environment: Path) -> None:
    points = site_packages_of(environment) / "camera-1.0.dist-info" / "entry_points.txt"
    points.write_text("[console_scripts]\n../../../victim = camera:main\n")
    record = points.with_name("RECORD")
    lines = [line for line in record.read_text().splitlines() if "/entry_points.txt," not in line]
    record.write_text("\n".join([*lines, "camera-1.0.dist-info/entry_points.txt,,"]) + "\n")


def _link_to_folder(environment: Path) -> None:
    package = site_packages_of(environment) / "camera" / "lenses"
    moved = environment.parent / "moved"
    package.rename(moved)
    package.symlink_to(moved)


ODDITIES: dict[str, Callable[[Path], object]] = {
    "pipe for a module": _pipe_at("camera/__init__.py"),
    "RECORD of another tree": lambda environment: _rows(environment, "../../../../../victim/own.txt,,"),
    "RECORD of the root": lambda environment: _rows(environment, f"{environment.parent}/own.txt,,"),
    "RECORD with a NUL": lambda environment: _rows(environment, "camera/\0,,"),
    "RECORD of a huge name": lambda environment: _rows(environment, f"{'a/' * 3000}a.py,sha256=x,1"),
    "another name in METADATA": _name,
    "launcher outside": _launcher_outside,
    "folder that is a link": _link_to_folder,
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("oddity", ODDITIES)
def test_odd_distribution_stays_and_the_others_are_linked(attic: Attic, oddity: str) -> None:
    """Whatever was done to one distribution, nothing outside changes, and the rest of the environment is adopted."""
    environment = attic.make("one", "uv copy")
    victim = attic.folder / "victim"
    victim.mkdir()
    (victim / "own.txt").write_text("mine\n")
    ODDITIES[oddity](environment)
    before, package = snapshot(victim), snapshot(site_packages_of(environment) / "camera")

    preview = attic.machine.pepip("adopt", "--dry-run", "--json", attic.code, folder=attic.folder)
    output = attic.adopt("--json")

    sharing = {"camera-contrib"} if oddity == "folder that is a link" else set()
    assert attic.linked(environment) == OTHERS - sharing
    (found,) = json.loads(preview.stdout)["environments"]
    assert {item["name"] for item in found["packages"] if item["would_link"]} >= OTHERS - sharing
    assert json.loads(output.stdout)["environments"][0]["failure"] == ""
    assert changes(before, snapshot(victim)) == []
    assert changes(package, snapshot(site_packages_of(environment) / "camera")) == []
    assert problems_of(attic.machine.store) == []
    assert leftovers_of(attic.machine.store) == []


@pytest.mark.timeout(120)
def test_pipes_and_sockets_beside_the_files_of_a_package_stay(attic: Attic) -> None:
    """What a program left in its package folder is where it was, and the folder is real."""
    environment = attic.make("one", "uv copy")
    package = site_packages_of(environment) / "camera"
    os.mkfifo(package / "pipe")
    descriptor = os.open(package, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{descriptor}/socket")  # the path of a socket must be short

        attic.adopt()

        assert attic.linked(environment) == set(NAMES)
        assert (package / "pipe").is_fifo()
        assert (package / "socket").is_socket()
        attic.machine.pepip("eject", environment, folder=attic.folder)
        assert (package / "pipe").is_fifo()
    os.close(descriptor)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["RECORD", "METADATA", "entry_points.txt", "direct_url.json"])
def test_pipe_for_metadata_leaves_the_environment_alone(attic: Attic, name: str) -> None:
    """Nobody waits for it. The environment stays as it is, and is named; the next one is adopted."""
    environment, other = attic.make("one", "uv copy"), attic.make("two", "uv copy", "single")
    pipe = site_packages_of(environment) / "camera-1.0.dist-info" / name
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    before = snapshot(environment)

    attic.machine.pepip("adopt", "--dry-run", attic.code, folder=attic.folder)
    output = attic.adopt(check=False)

    assert output.returncode == 1
    assert "error: code/one/.venv was not adopted: " in output.stderr
    assert f"camera-1.0.dist-info/{name} is no file" in output.stderr
    assert "Traceback" not in output.stderr
    assert [line for line in changes(before, snapshot(environment)) if ".lock" not in line] == []
    assert attic.linked(other) == {"single"}


@pytest.mark.timeout(120)
def test_settings_that_are_a_pipe_are_not_waited_for(attic: Attic) -> None:
    """A `pyvenv.cfg` that is no file makes an environment without settings."""
    environment = attic.make("one", "uv copy", "single")
    _pipe(environment / "pyvenv.cfg")

    output = attic.machine.pepip("adopt", "--dry-run", attic.code, folder=attic.folder)
    adopted = attic.adopt(check=False)

    assert "Traceback" not in output.stderr + adopted.stderr
    assert adopted.returncode in (0, 1)


@pytest.mark.parametrize("is_equal", [True, False], ids=["equal bytes", "other bytes"])
def test_file_of_two_distributions_is_seen_as_before(attic: Attic, is_equal: bool) -> None:
    """Both list one path: afterwards it has the bytes that it had, and the store those of each wheel that it has."""
    theirs = "WHOSE = 'one'\n" if is_equal else "WHOSE = 'two'\n"
    Wheel("claim-one", "1.0", files={"common/__init__.py": "WHOSE = 'one'\n", "claim_one.py": ""}).write(
        attic.wheelhouse
    )
    Wheel("claim-two", "1.0", files={"common/__init__.py": theirs, "claim_two.py": ""}).write(attic.wheelhouse)
    environment = attic.make("one", "uv copy", "claim-one", "single")
    attic.machine.uv("pip", "install", "--python", environment, *attic.source, "claim-two", folder=attic.folder)
    before = observe(environment, attic.machine, level=Level.METADATA)
    files = snapshot(environment)

    attic.adopt()

    assert attic.linked(environment) >= {"single", "claim-two"}
    assert differences(before, observe(environment, attic.machine, level=Level.METADATA)) == []
    assert problems_of(attic.machine.store) == []
    attic.machine.pepip("eject", environment, folder=attic.folder)
    found = changes(files, snapshot(environment))
    assert [line for line in found if "__pycache__" not in line and ".lock" not in line] == []


def test_one_distribution_installed_twice_stays(attic: Attic) -> None:
    """Two versions' metadata side by side, as a broken upgrade leaves them: neither is touched."""
    environment = attic.make("one", "uv copy")
    info = site_packages_of(environment) / "single-1.0.dist-info"
    twin = info.with_name("single-0.9.dist-info")
    twin.mkdir()
    for path in info.iterdir():
        (twin / path.name).write_text(path.read_text().replace("1.0", "0.9"))
    before = snapshot(info)

    output = attic.adopt("--json")

    assert attic.kept(output)["single"]["reason"] == "it is installed twice"
    assert changes(before, snapshot(info)) == []
    assert attic.linked(environment) == set(NAMES) - {"single"}

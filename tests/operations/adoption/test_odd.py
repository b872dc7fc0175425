"""Odd environments: the preview names what adopting leaves as it is, and the rest is linked and can be ejected."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.operations.adoption.test_adopt import Attic, attic
from tests.support.filesystems import layered
from tests.support.machines import PLAIN_USER_ID, site_packages_of
from tests.support.parity import Level, differences, observe
from tests.support.snapshots import changes, snapshot
from tests.support.stores import leftovers_of, problems_of

__all__ = ["attic"]

_CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
"""The attribute that `setcap cap_net_bind_service+ep` gives a file."""


def previewed(attic: Attic) -> dict[str, dict[str, Any]]:
    """Return the environments of a dry run, by path."""
    output = attic.machine.pepip("adopt", "--dry-run", "--json", attic.code, folder=attic.folder)
    return {item["environment"]: item for item in json.loads(output.stdout)["environments"]}


def _info(environment: Path, name: str) -> Path:
    return site_packages_of(environment) / f"{name}-1.0.dist-info"


def _copy_metadata(environment: Path) -> None:
    shutil.copytree(_info(environment, "camera"), site_packages_of(environment) / "Camera-1.0.dist-info")


def _left_by_pip(environment: Path) -> None:
    """Leave a folder as pip does if it is stopped while it uninstalls."""
    shutil.copytree(_info(environment, "camera"), site_packages_of(environment) / "~amera-1.0.dist-info")


def _special_mode(environment: Path) -> None:
    (site_packages_of(environment) / "camera" / "shutter").chmod(0o4755)


def _capability(environment: Path) -> None:
    try:
        os.setxattr(site_packages_of(environment) / "camera" / "shutter", "security.capability", _CAPABILITY)
    except OSError as error:
        pytest.skip(f"no file gets a capability here: {error}")


def _inner_link(environment: Path) -> None:
    text = site_packages_of(environment) / "camera" / "lenses" / "glass.txt"
    text.rename(text.with_name("other.txt"))
    text.symlink_to("other.txt")


def _list(environment: Path, *rows: str) -> None:
    with (_info(environment, "camera") / "RECORD").open("a") as file:
        file.writelines(f"{row}\n" for row in rows)


def _settings(environment: Path) -> None:
    _list(environment, "../../../pyvenv.cfg,,")


def _lock(environment: Path) -> None:
    (environment / ".lock").touch()
    _list(environment, "../../../.lock,,")


def _absolute(environment: Path) -> None:
    _list(environment, "/etc/hostname,,")


def _interpreter(environment: Path) -> None:
    _list(environment, "../../../bin/python,,")


def _of_another_user(environment: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    shutil.chown(site_packages_of(environment) / "camera" / "lenses" / "glass.txt", user=PLAIN_USER_ID)


ODDITIES: dict[str, tuple[Callable[[Path], None], str]] = {
    "metadata twice": (_copy_metadata, "it is installed twice"),
    "left by a stopped pip": (_left_by_pip, "its RECORD does not list the metadata of a wheel"),
    "set-user-ID": (_special_mode, "it has a file that gives special rights to whoever runs it"),
    "capability": (_capability, "it has a file that gives special rights to whoever runs it"),
    "link to another file": (_inner_link, "its files are links of another tool"),
    "settings of the environment": (
        _settings,
        "its RECORD lists ../../../pyvenv.cfg, a file of the environment itself",
    ),
    "lock of the environment": (_lock, "its RECORD lists ../../../.lock, a file of the environment itself"),
    "absolute path": (_absolute, "its RECORD lists /etc/hostname, an absolute path"),
    "interpreter": (_interpreter, "its files are links of another tool"),
    "file of another user": (_of_another_user, "it has files of another user"),
}


@pytest.mark.every(2)
@pytest.mark.parametrize("oddity", ODDITIES)
def test_preview_and_adoption_agree_on_an_odd_distribution(attic: Attic, oddity: str) -> None:
    """The preview has the reason with which adopting leaves a distribution alone, and all that it links."""
    environment = attic.make("one", "uv copy")
    change, reason = ODDITIES[oddity]
    change(environment)
    before = snapshot(environment)

    shown = previewed(attic)[str(environment)]["packages"]
    output = attic.adopt("--json")

    stays = {item["name"]: item["reason"] for item in shown if item["reason"]}
    assert set(stays.values()) == {reason}
    assert {name: item["reason"] for name, item in attic.kept(output).items()} == stays
    assert attic.linked(environment) == {item["name"] for item in shown if item["would_link"]}
    attic.machine.pepip("eject", environment, folder=attic.folder)
    found = changes(before, snapshot(environment))
    assert [line for line in found if "__pycache__" not in line and "added: .lock" not in line] == []


def _folder_outside(environment: Path) -> None:
    moved = environment.parent / "moved"
    (environment / "lib").rename(moved)
    (environment / "lib").symlink_to(moved)


def _site_packages_of_another(environment: Path) -> None:
    other = environment.parent / "other"
    site_packages_of(environment).rename(other)
    (next(environment.glob("lib/python3.*")) / "site-packages").symlink_to(other)


def _old_python(environment: Path) -> None:
    settings = environment / "pyvenv.cfg"
    settings.write_text(re.sub(r"version_info = .*", "version_info = 2.7.18", settings.read_text()))


def _name_in_other_bytes(environment: Path) -> None:
    os.rename(environment, os.fsencode(environment.parent) + b"/caf\xe9")


def _folder_inside(environment: Path) -> None:
    (environment / "lib64").unlink(missing_ok=True)
    (environment / "lib").rename(environment / "lib64")
    (environment / "lib").symlink_to("lib64")


def _site_packages_inside(environment: Path) -> None:
    site_packages = site_packages_of(environment)
    site_packages.rename(environment / "packages")
    site_packages.symlink_to("../../packages")


WHOLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "lib is a link": (_folder_outside, "/lib is a link that leads out of it"),
    "site-packages is a link": (_site_packages_of_another, "/site-packages is a link that leads out of it"),
    "lib is a link inside": (_folder_inside, "its packages lie behind the link lib"),
    "site-packages is a link inside": (_site_packages_inside, "/site-packages"),
    "Python 2": (_old_python, "pepip does not work with Python 2.7.18"),
    "path in other bytes": (_name_in_other_bytes, "its path is not valid UTF-8"),
}


@pytest.mark.every(2)
@pytest.mark.parametrize("oddity", WHOLE)
def test_preview_names_an_environment_that_can_not_be_adopted(attic: Attic, oddity: str) -> None:
    """It has its reason and frees nothing, nobody tries to link it, and the next one is adopted."""
    environment, other = (attic.make(name, "uv copy", "single") for name in ("one", "two"))
    change, reason = WHOLE[oddity]
    change(environment)
    before = snapshot(attic.code / "one")

    shown = previewed(attic)
    attic.adopt()

    (found,) = (item for path, item in shown.items() if path != str(other))
    assert found["reason"].endswith(reason)
    assert found["freed_bytes"] == 0
    assert shown[str(other)]["reason"] == ""
    assert changes(before, snapshot(attic.code / "one")) == []
    assert attic.linked(other) == {"single"}


def test_environment_with_a_mount_inside_is_left_alone(attic: Attic) -> None:
    """No rename leads from one mount to another, also on one disk. The next environment is adopted."""
    environment, other = (attic.make(name, "uv copy", "camera", "single") for name in ("one", "two"))
    package = site_packages_of(environment) / "camera"
    if subprocess.run(["mount", "--bind", package, package], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        shown = previewed(attic)
        attic.adopt()
    finally:
        subprocess.run(["umount", package], check=True)

    assert shown[str(environment)]["reason"] == f"{package} is a mount of its own"
    assert shown[str(environment)]["freed_bytes"] == 0
    assert attic.linked(environment) == set()
    assert attic.linked(other) == {"camera", "single"}


def test_package_of_a_former_python_stays_in_its_folder(attic: Attic) -> None:
    """Where two folders `lib/pythonX.Y` hold the same packages, those of the environment's Python are linked."""
    environment = attic.make("one", "uv copy", "camera", "single")
    former = environment / "lib" / "python3.1"
    shutil.copytree(site_packages_of(environment).parent, former)
    before, left = snapshot(environment), snapshot(former)

    output = attic.adopt("--json")

    (done,) = json.loads(output.stdout)["environments"]
    assert {item["name"] for item in done["linked"]} == {"camera", "single"}
    assert changes(left, snapshot(former)) == []
    attic.machine.pepip("eject", environment, folder=attic.folder)
    found = changes(before, snapshot(environment))
    assert [line for line in found if "__pycache__" not in line and "added: .lock" not in line] == []


def test_packages_of_a_lower_layer_stay_since_links_free_nothing_there(attic: Attic) -> None:
    """In a container, packages of its image stay, with their reason. A package that was added later is linked."""
    environment = attic.make("one", "uv copy", "camera", "single")
    before = snapshot(environment)
    with layered(attic.code) as code:
        attic.machine.uv(
            "pip", "install", "--python", environment, *attic.source, "--link-mode", "copy", "old-one", folder=code
        )
        words = ("adopt", "--dry-run", "--json", code)
        shown = attic.machine.pepip(*words, folder=attic.folder, variables={"TMPDIR": os.fspath(code)})
        output = attic.adopt("--json")
        linked = attic.linked(environment)

        (found,) = json.loads(shown.stdout)["environments"]
        stays = {item["name"]: item["reason"] for item in found["packages"] if item["reason"]}
        assert {name: item["reason"] for name, item in attic.kept(output).items()} == stays
        assert set(stays) == {"camera", "single"}
        assert all("a container's image" in reason for reason in stays.values())
        assert linked == {"old-one"}
        assert [line for line in changes(before, snapshot(environment)) if "camera" in line or "single" in line] == []
        assert {path.name for path in attic.machine.store.glob("packages/*/*")} == {"old-one-1.0"}


PLACES_OF_PACKAGES: dict[str, tuple[str, str]] = {
    "pip install --target": ("--target", "vendor"),
    "__pypackages__": ("--target", "__pypackages__/3.12/lib"),
    "pip install --user": ("--prefix", ".local"),
}


@pytest.mark.parametrize("place", PLACES_OF_PACKAGES)
def test_packages_outside_of_environments_are_named(attic: Attic, place: str) -> None:
    """A folder of packages that is no environment stays as it is, and both the text and the document name it."""
    environment = attic.make("one", "uv copy", "single")
    option, folder = PLACES_OF_PACKAGES[place]
    into = ("pip", "install", "--python", attic.interpreter, option, attic.code / folder, *attic.source)
    attic.machine.uv(*into, "camera", "single", folder=attic.code)
    (single,) = (attic.code / folder).rglob("single.py")
    before = snapshot(attic.code / folder)

    document = json.loads(attic.machine.pepip("adopt", "--dry-run", "--json", attic.code, folder=attic.folder).stdout)
    output = attic.adopt()

    assert document["other_folders"] == [str(single.parent)]
    assert f"{single.parent} holds packages, but is no virtual environment: left alone.\n" in output.stdout.replace(
        "code/", f"{attic.code}/"
    )
    assert attic.linked(environment) == {"single"}
    assert changes(before, snapshot(attic.code / folder)) == []


def test_links_into_the_cache_of_pdm_are_links_of_another_tool(attic: Attic) -> None:
    """PDM's cache also has a folder `packages`, but no entries. Links into a second store are named as such."""
    environment, other = attic.make("one", "uv copy", "single"), attic.make("two", "uv copy", "single")
    cached = attic.folder / "pdm" / "packages" / "single-1.0-py3-none-any" / "lib"
    cached.mkdir(parents=True)
    for name in ("single.py", "single-1.0.dist-info"):
        (site_packages_of(environment) / name).rename(cached / name)
    (site_packages_of(environment) / "single.py").symlink_to(cached / "single.py")
    info = _info(environment, "single")
    info.mkdir()
    for path in (cached / info.name).iterdir():
        (info / path.name).symlink_to(path)
    second = replace(attic, machine=replace(attic.machine, store=attic.folder / "second"))
    second.machine.pepip("adopt", "--yes", other, folder=attic.folder)

    shown = previewed(attic)

    reasons = [shown[str(path)]["packages"][0]["reason"] for path in (environment, other)]
    assert reasons == ["its files are links of another tool", "it is linked from another store of pepip"]


def test_preview_reads_the_packages_of_the_present_python(attic: Attic) -> None:
    """A folder of packages that an upgrade of Python left behind is not counted, and stays."""
    environment = attic.make("one", "uv copy", "single", "old-one")
    left = environment / "lib" / "python3.1" / "site-packages"
    shutil.copytree(_info(environment, "single"), left / "single-1.0.dist-info")
    before = snapshot(left)

    shown = previewed(attic)[str(environment)]["packages"]
    attic.adopt()

    assert {item["name"] for item in shown if item["would_link"]} == {"single", "old-one"}
    assert changes(before, snapshot(left)) == []


def test_egg_is_named(attic: Attic) -> None:
    """What `setup.py install` and `easy_install` made has no RECORD: it is listed, and stays."""
    environment = attic.make("one", "uv copy", "single")
    folder = site_packages_of(environment) / "Old_Egg-2.0-py3.12.egg"
    (folder / "EGG-INFO").mkdir(parents=True)
    (folder / "EGG-INFO" / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: Old-Egg\nVersion: 2.0\n")

    (egg,) = (item for item in previewed(attic)[str(environment)]["packages"] if not item["would_link"])

    assert (egg["name"], egg["version"]) == ("old-egg", "2.0")
    assert egg["reason"] == "it has an egg's metadata, and no RECORD"


def test_what_setup_py_develop_made_is_editable(attic: Attic) -> None:
    """The name of a link to a source folder may have dashes. Metadata of `setup.py install` names a Python, too."""
    environment = attic.make("one", "uv copy", "single")
    site = site_packages_of(environment)
    (site / "my-old-project.egg-link").write_text(f"{attic.folder}\n.")
    (site / "older_one-1.2-py3.12.egg-info").write_text("Metadata-Version: 1.0\nName: older-one\nVersion: 1.2\n")

    stays = [item for item in previewed(attic)[str(environment)]["packages"] if not item["would_link"]]
    kept = attic.kept(attic.adopt("--json"))

    assert [(item["name"], item["version"], item["reason"]) for item in stays] == [
        ("my-old-project", "", "it is editable"),
        ("older-one", "1.2", "it has an egg's metadata, and no RECORD"),
    ]
    assert {name: item["reason"] for name, item in kept.items()} == {item["name"]: item["reason"] for item in stays}


def test_script_with_the_row_of_its_wheel_is_no_edited_file(attic: Attic) -> None:
    """An older pip changes a script's first line, and leaves its row in RECORD: the distribution is linked.

    If the script was edited, too, the distribution stays.
    """
    one, two, twin = (attic.make(name, "uv copy", "camera") for name in ("one", "two", "three"))
    archive = next(attic.wheelhouse.glob("camera-1.0-*.whl"))
    attic.machine.run(["unzip", "-q", archive, "-d", attic.folder / "unzipped"], folder=attic.folder)
    rows = (attic.folder / "unzipped" / "camera-1.0.dist-info" / "RECORD").read_text().splitlines()
    (row,) = (line for line in rows if "camera-python" in line)
    for environment in (one, two):
        record = _info(environment, "camera") / "RECORD"
        lines = [line for line in record.read_text().splitlines() if "camera-python" not in line]
        record.write_text("\n".join([*lines, f"../../../bin/camera-python,{row.partition(',')[2]}"]) + "\n")
    script = two / "bin" / "camera-python"
    script.write_text(script.read_text() + "print('mine')\n")
    before = observe(one, attic.machine, level=Level.METADATA)

    shown = previewed(attic)
    output = attic.adopt("--json")

    assert [item["would_link"] for item in shown[str(one)]["packages"]] == [True]
    assert [item["would_link"] for item in shown[str(two)]["packages"]] == [False]
    assert attic.kept(output)["camera"]["changed"] == ["../../../bin/camera-python"]
    assert attic.linked(one) == attic.linked(twin) == {"camera"}
    assert attic.linked(two) == set()
    assert differences(before, observe(one, attic.machine, level=Level.METADATA)) == []
    assert len(list(attic.machine.store.glob("packages/*/camera-1.0*"))) == 1


def test_file_that_may_not_be_replaced_keeps_its_distribution_alone(attic: Attic) -> None:
    """An immutable file: its distribution is as before and is named, and all others are linked."""
    environment = attic.make("one", "uv copy", "camera", "single")
    other = attic.make("another", "uv copy", "camera", "single")  # its files become the entry
    fixed = site_packages_of(environment) / "camera_module.py"
    if subprocess.run(["chattr", "+i", fixed], capture_output=True, check=False).returncode:
        pytest.skip("no file can be made immutable here")
    try:
        package = snapshot(site_packages_of(environment) / "camera")
        output = attic.adopt("--json")

        (kept,) = attic.kept(output).values()
        assert (kept["name"], kept["reason"]) == ("camera", "its files can't be replaced")
        assert kept["changed"][0].endswith("site-packages/camera_module.py")
        assert attic.linked(environment) == {"single"}
        assert attic.linked(other) == {"camera", "single"}
        assert changes(package, snapshot(site_packages_of(environment) / "camera")) == []
        assert not (environment / ".pepip.adopting").exists()
        assert problems_of(attic.machine.store) == []
        assert leftovers_of(attic.machine.store) == []
    finally:
        subprocess.run(["chattr", "-i", fixed], check=True)


def test_metadata_of_another_user_stays(attic: Attic) -> None:
    """Root adopts. A folder that replaced the other user's would be root's."""
    environment = attic.make("one", "uv copy", "camera", "single")
    metadata = site_packages_of(environment) / "single-1.0.dist-info"
    shutil.chown(metadata, user=PLAIN_USER_ID)

    output = attic.adopt("--json")

    assert [item["name"] for item in attic.kept(output).values()] == ["single"]
    assert attic.linked(environment) == {"camera"}
    assert metadata.stat().st_uid == PLAIN_USER_ID


def test_package_that_stays_shares_no_file_with_the_store(attic: Attic) -> None:
    """Its files were to become the entry. The user edits one in place, and no other environment sees that."""
    environment, other = (attic.make(name, "uv copy", "camera", "single") for name in ("one", "two"))
    fixed = site_packages_of(environment) / "camera" / "lenses"
    if subprocess.run(["chattr", "+i", fixed.parent], capture_output=True, check=False).returncode:
        pytest.skip("no folder can be made immutable here")
    try:
        output = attic.adopt("--json")

        assert {item["reason"] for item in attic.kept(output).values()} == {"its files can't be replaced"}
        assert attic.linked(environment) == {"single"}
        assert attic.linked(other) == {"camera", "single"}
        assert (fixed / "glass.txt").stat().st_nlink == 1
        single = [site_packages_of(item) / "camera_module.py" for item in (environment, other)]
        assert single[1].samefile(attic.entry("camera-1.0") / "camera_module.py")
        assert not single[0].samefile(single[1])
        with (fixed / "glass.txt").open("a") as file:
            file.write("edited\n")
    finally:
        subprocess.run(["chattr", "-i", fixed.parent], check=True)

    assert (site_packages_of(other) / "camera" / "lenses" / "glass.txt").read_text() == "clear\n"
    assert problems_of(attic.machine.store) == []
    attic.machine.pepip("store", "verify", folder=attic.folder)


@pytest.mark.parametrize("may_read", [True, False], ids=["may read the store", "may not read the store"])
def test_environment_in_which_another_user_runs_a_program(attic: Attic, may_read: bool) -> None:
    """A user who may not read the store would lose the packages below a running program: the environment stays."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root starts programs of another user")
    environment = attic.make("one", "uv copy", "single")
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o755 if may_read else 0o700)
        near = replace(attic, machine=replace(attic.machine, store=Path(home) / "store"))
        user = (
            "setpriv",
            f"--reuid={PLAIN_USER_ID}",
            f"--regid={PLAIN_USER_ID}",
            "--clear-groups",
            "--inh-caps=-all",
        )
        process = attic.machine.start([*user, "sh", "-c", "echo ready; read line"], folder=environment)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"

            shown = previewed(near)[str(environment)]
            near.adopt()
        finally:
            process.communicate("\n", timeout=60)

        assert attic.linked(environment) == ({"single"} if may_read else set())
        if may_read:
            assert shown["reason"] == ""
        else:
            assert re.fullmatch(r"\S+( \d+)? runs sh in it, and may not read the store", shown["reason"])


def test_ejecting_without_a_store_has_nothing_to_do(attic: Attic) -> None:
    """Where nothing was ever stored, an environment links nothing, and no store is made."""
    environment = attic.make("one", "uv copy", "single")

    output = attic.machine.pepip("eject", environment, folder=attic.folder)

    assert output.stderr == f"Nothing to do: {environment} links nothing\n"
    assert not (attic.machine.store / "packages").exists()


def _spelled_otherwise(path: str) -> str:
    first, _, rest = path.partition("/")
    return {"c": f"./{path}", "s": path.replace("/", "//", 1)}.get(path[0], f"{first}/x/../{rest}" if rest else path)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_record_that_spells_its_paths_otherwise_names_the_same_files(attic: Attic, mark: str) -> None:
    """Such as `./a`, `a//b` and `a/x/../b`, or with a byte order mark: uv and pip read them alike."""
    environment = attic.make("one", "uv copy")
    expected = {item["name"] for item in previewed(attic)[str(environment)]["packages"] if item["would_link"]}
    for place in site_packages_of(environment).glob("*.dist-info/RECORD"):
        rows = [row.partition(",") for row in place.read_text().splitlines()]
        lines = [f"{_spelled_otherwise(path)}{comma}{rest}\n" for path, comma, rest in rows]
        place.write_text(mark + "".join(lines))

    attic.adopt()

    assert attic.linked(environment) == expected != set()

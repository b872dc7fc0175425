"""Bad input: senseless requests, folders that are no environments, damaged stores, hostile wheels.

pepip refuses each with one `error:` line and exit code 1 or 2, or repairs it. The store, the environment and the
user's own files stay as before.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.machines import interpreter_of
from tests.support.refusals import assert_refused
from tests.support.shelf import with_script
from tests.support.snapshots import Snapshot, changes, sha256_of, snapshot
from tests.support.stores import leftovers_of
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

pytestmark = pytest.mark.every(2)


def lamp(version: str) -> Wheel:
    """Return a wheel with a package, a module and a script."""
    files = {"lamp/bulbs/__init__.py": "", "lamp_module.py": f"VERSION = {version!r}\n"}
    return with_script("lamp", version, files)


SHADE = Wheel("shade", "1.0", files={"shade/__init__.py": ""}, dependencies=["lamp<2"])


WHEELS = [lamp("1.0"), lamp("2.0"), SHADE]


def assert_works(workbench: Workbench, version: str = "1.0") -> None:
    """Assert that this version of lamp and its script work, that uv agrees, and that the store is sound."""
    modules = f"import lamp, lamp.bulbs, lamp_module; assert lamp.VERSION == lamp_module.VERSION == {version!r}"
    workbench.python("-c", modules)
    assert workbench.script("lamp") == version
    workbench.uv("pip", "check")
    assert workbench.problems() == []


@dataclass(frozen=True)
class Remains:
    """A project's files and a store's entries before a refusal."""

    workbench: Workbench
    project: Snapshot
    store: Snapshot

    def assert_untouched(self) -> None:
        """Assert that both are as before, and that no temporary file is left."""
        store = self.workbench.store

        assert changes(self.project, snapshot(self.workbench.project)) == []
        assert changes(self.store, _entries(store)) == []
        assert leftovers_of(store) == []


def remains_of(workbench: Workbench) -> Remains:
    """Return the project's files and the store's entries as they are now."""
    return Remains(workbench, snapshot(workbench.project), _entries(workbench.store))


def _entries(store: Path) -> Snapshot:
    """Return the contents of the store's buckets.

    Leave out the folder of the buckets, which a refused install may create.
    """
    return {path: node for path, node in snapshot(store / "packages").items() if path != "."}


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "no such package": (("no-such-package",), "no-such-package"),
    "no such version": (("lamp==9.9",), "lamp==9.9"),
    "no solution": (("lamp==2.0", "shade"), "shade"),
    "malformed requirement": (("lamp==",), "lamp=="),
    "malformed name": (("!!!",), "!!!"),
    "missing requirements file": (("-r", "missing.txt"), "missing.txt"),
    "missing constraints file": (("lamp", "-c", "missing.txt"), "missing.txt"),
    "missing editable": (("-e", "./missing"), "missing"),
    "missing folder": (("./missing",), "missing"),
    "missing wheel": (("./lamp-1.0-py3-none-any.whl",), "lamp-1.0-py3-none-any.whl"),
    "wheel that is no zip": (("./broken-1.0-py3-none-any.whl",), "broken-1.0-py3-none-any.whl"),
    "malformed pyproject": (("-r", "malformed/pyproject.toml"), "pyproject.toml"),
    "malformed lock": (("-r", "malformed/pylock.toml"), "pylock.toml"),
    "nested file missing": (("-r", "nested.txt"), "missing.txt"),
    "malformed line in a file": (("-r", "malformed.txt"), "malformed.txt"),
    "binary requirements file": (("-r", "binary.txt"), "binary.txt"),
    "a folder as requirements file": (("-r", "malformed"), "malformed"),
    "empty requirement": (("",), ""),
    "no requirement": ((), "no packages given"),
    "unknown option": (("lamp", "--no-such-option"), "--no-such-option"),
    "option without its value": (("lamp", "--index-url"), "--index-url"),
    "bad resolution": (("lamp", "--resolution", "sideways"), "sideways"),
    "bad exclude-newer": (("lamp", "--exclude-newer", "yesterdayish"), "yesterdayish"),
    "unreachable url": (
        ("lamp @ file:///no/such/lamp-1.0-py3-none-any.whl",),
        "/no/such/lamp-1.0-py3-none-any.whl",
    ),
    "not a repository": (("lamp @ git+file:///no/such/repository",), "/no/such/repository"),
}


def lay_out_bad_files(project: Path) -> None:
    """Write the files that the refused requests name."""
    (project / "broken-1.0-py3-none-any.whl").write_bytes(b"no zip at all")
    (project / "malformed").mkdir()
    (project / "malformed" / "pyproject.toml").write_text("[project\nname=")
    (project / "malformed" / "pylock.toml").write_text("lock-version = [")
    (project / "nested.txt").write_text("lamp\n-r missing.txt\n")
    (project / "malformed.txt").write_text("lamp\nthis is no requirement\n")
    (project / "binary.txt").write_bytes(bytes(range(256)))


@pytest.mark.every(4)
@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("is_made", [False, True], ids=["new environment", "existing environment"])
def test_a_bad_request_is_refused_and_changes_nothing(workbench: Workbench, case: str, is_made: bool) -> None:
    """The message names the mistake. No new environment is left, and an existing one stays as before."""
    arguments, words = REFUSED[case]
    lay_out_bad_files(workbench.project)
    if is_made:
        workbench.install("lamp==1.0")
    before = remains_of(workbench)

    if case == "option without its value":
        output = workbench.pepip("install", *arguments, check=False)
    else:
        output = workbench.attempt(*arguments)

    assert_refused(output, words)
    before.assert_untouched()


@pytest.mark.parametrize("arguments", [("install", "lamp", "--json", "no-such-package"), ("no-such-command",), ()])
def test_nothing_goes_to_stdout_where_nothing_was_done(workbench: Workbench, arguments: tuple[str, ...]) -> None:
    """A refusal is one line on stderr and an exit code, also with `--json`."""
    source = workbench.source if arguments[:1] == ("install",) else ()
    output = workbench.pepip(*arguments, *source, check=False)

    if arguments:
        assert_refused(output)
    else:
        assert output.returncode == 2


def test_a_wrong_hash_in_a_requirements_file_is_refused(workbench: Workbench) -> None:
    """If the index has other bytes than `--hash` says, nothing is installed, as under uv.

    In a new project, no environment is made.
    """
    (workbench.project / "requirements.txt").write_text(f"lamp==1.0 --hash=sha256:{'0' * 64}\n")
    before = remains_of(workbench)

    output = workbench.attempt("-r", "requirements.txt")

    assert_refused(output, "lamp")
    before.assert_untouched()


def test_a_wrong_hash_is_refused_where_the_store_has_the_wheel(workbench: Workbench) -> None:
    """A wheel that the store already has is also checked against the user's `--hash`."""
    workbench.at("other").install("lamp==1.0")
    (workbench.project / "requirements.txt").write_text(f"lamp==1.0 --hash=sha256:{'0' * 64}\n")
    before = remains_of(workbench)

    output = workbench.attempt("-r", "requirements.txt")

    assert_refused(output, "lamp")
    before.assert_untouched()


def test_a_right_hash_in_a_requirements_file_is_accepted(workbench: Workbench) -> None:
    """A right hash is accepted, so the refusals above are about the hash alone."""
    digest = sha256_of(workbench.wheelhouse / lamp("1.0").filename)
    (workbench.project / "requirements.txt").write_text(f"lamp==1.0 --hash=sha256:{digest}\n")

    workbench.install("-r", "requirements.txt")

    assert_works(workbench)


def as_file(environment: Path) -> None:
    """Put a file where the environment should be."""
    environment.write_text("mine\n")


def as_folder(environment: Path) -> None:
    """Put a folder with the user's files where the environment should be."""
    environment.mkdir()
    (environment / "notes.txt").write_text("mine\n")


def as_link_to_nothing(environment: Path) -> None:
    """Put a dangling link where the environment should be."""
    environment.symlink_to("nowhere")


@pytest.mark.parametrize("lay", [as_file, as_folder], ids=lambda lay: lay.__name__)
@pytest.mark.parametrize("is_named", [False, True], ids=["by default", "by --venv"])
def test_a_place_that_is_no_environment_is_refused(
    workbench: Workbench, lay: Callable[[Path], None], is_named: bool
) -> None:
    """A file or folder of the user in the environment's place is refused, and stays as before."""
    place = workbench.project / ("here" if is_named else ".venv")
    lay(place)
    before = remains_of(workbench)

    output = workbench.attempt("lamp", *(["--venv", "here"] if is_named else []))

    assert_refused(output, str(place))
    before.assert_untouched()


def test_an_environment_below_a_file_is_refused(workbench: Workbench) -> None:
    """No folder can be made below a file. The message names the path."""
    (workbench.project / "notes.txt").write_text("mine\n")
    before = remains_of(workbench)

    output = workbench.attempt("lamp", "--venv", "notes.txt/.venv")

    assert_refused(output, "notes.txt")
    before.assert_untouched()


def test_a_dangling_link_as_environment_is_refused_or_followed(workbench: Workbench) -> None:
    """A dangling link of the user stays. It is refused or followed, without a traceback."""
    as_link_to_nothing(workbench.environment)

    output = workbench.attempt("lamp==1.0")

    assert workbench.environment.is_symlink()
    if output.returncode:
        assert_refused(output, str(workbench.environment))
    else:
        assert_works(workbench)


@pytest.mark.parametrize("kind", ["dangling", "not executable", "fails"])
def test_a_dead_interpreter_is_named(workbench: Workbench, kind: str) -> None:
    """If the environment's Python can't run, the message names the environment, which stays as before."""
    workbench.install("lamp==1.0")
    python = interpreter_of(workbench.environment)
    python.unlink()
    if kind == "dangling":
        python.symlink_to(workbench.project / "python-that-is-gone")
    else:
        python.write_text("#!/bin/sh\nexit 3\n")
        python.chmod(0o644 if kind == "not executable" else 0o755)
    before = remains_of(workbench)

    output = workbench.attempt("lamp==2.0")

    assert_refused(output, str(workbench.environment))
    before.assert_untouched()


def test_a_file_in_the_way_of_a_link_is_kept(workbench: Workbench) -> None:
    """If a module of the user is in a link's place, the install is refused before any change."""
    workbench.install("shade", "--no-deps")
    mine = workbench.site_packages / "lamp_module.py"
    mine.write_text("MINE = True\n")
    before = snapshot(workbench.environment)

    output = workbench.attempt("lamp==1.0")

    assert_refused(output, str(mine))
    assert changes(before, snapshot(workbench.environment)) == []
    assert mine.read_text() == "MINE = True\n"


def test_a_folder_in_the_way_of_a_link_is_kept_where_files_collide(workbench: Workbench) -> None:
    """If a package of the user has a file of the same name, the install is refused and every byte stays."""
    workbench.install("shade", "--no-deps")
    mine = workbench.site_packages / "lamp"
    mine.mkdir()
    (mine / "__init__.py").write_text("MINE = True\n")
    before = snapshot(workbench.environment)

    output = workbench.attempt("lamp==1.0")

    assert_refused(output, str(mine / "__init__.py"))
    assert changes(before, snapshot(workbench.environment)) == []


def test_a_folder_in_the_way_of_a_link_merges_where_no_file_collides(workbench: Workbench) -> None:
    """A user's folder, such as one of settings, is merged with the package, as under uv.

    The user's file survives an upgrade and an uninstall.
    """
    workbench.install("shade", "--no-deps")
    mine = workbench.site_packages / "lamp" / "settings" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine\n")

    workbench.install("lamp==1.0")
    assert_works(workbench)
    assert mine.read_text() == "mine\n"

    workbench.install("lamp==2.0", "--reinstall")
    assert mine.read_text() == "mine\n"
    workbench.uv("pip", "uninstall", "lamp")

    assert mine.read_text() == "mine\n"
    assert workbench.problems() == []


def test_a_file_where_a_folder_must_go_is_kept(workbench: Workbench) -> None:
    """If a file of the user has the name of the package, the install is refused and the file stays."""
    workbench.install("shade", "--no-deps")
    mine = workbench.site_packages / "lamp"
    mine.write_text("mine\n")
    before = snapshot(workbench.environment)

    output = workbench.attempt("lamp==1.0")

    assert_refused(output, str(mine))
    assert changes(before, snapshot(workbench.environment)) == []


def test_a_script_of_the_users_is_not_overwritten_silently(workbench: Workbench) -> None:
    """If a file in `bin` has a console script's name and belongs to no distribution, it stays."""
    workbench.install("shade", "--no-deps")
    mine = workbench.environment / "bin" / "lamp"
    mine.write_text("#!/bin/sh\necho mine\n")
    mine.chmod(0o755)
    before = snapshot(workbench.environment)

    output = workbench.attempt("lamp==1.0")

    assert_refused(output, str(mine))
    assert changes(before, snapshot(workbench.environment)) == []


def test_a_link_of_the_users_is_not_written_through(workbench: Workbench, tmp_path: Path) -> None:
    """If a link in site-packages leads to the user's own folder, that folder stays as before."""
    workbench.install("shade", "--no-deps")
    own = tmp_path / "own" / "lamp"
    own.mkdir(parents=True)
    (own / "__init__.py").write_text("MINE = True\n")
    (workbench.site_packages / "lamp").symlink_to(own)
    before = snapshot(own)

    output = workbench.attempt("lamp==1.0")

    assert changes(before, snapshot(own)) == []
    if output.returncode:
        assert_refused(output, "lamp")
        assert (workbench.site_packages / "lamp").samefile(own)


def test_users_files_in_an_unfolded_package_survive_an_upgrade(workbench: Workbench) -> None:
    """An upgrade keeps the files that a user put beside linked files."""
    Wheel("lamp-extra", "1.0", files={"lamp/extra.py": ""}).write(workbench.wheelhouse)
    workbench.install("lamp==1.0", "lamp-extra")
    mine = workbench.site_packages / "lamp" / "mine.txt"
    mine.write_text("mine\n")

    workbench.install("lamp==2.0")

    assert mine.read_text() == "mine\n"
    assert_works(workbench, "2.0")


def test_link_mode_symlink_does_not_reach_the_store(workbench: Workbench, tmp_path: Path) -> None:
    """With `UV_LINK_MODE=symlink` entries still contain real files, which don't need uv's cache."""
    own = replace(workbench, machine=replace(workbench.machine, uv_cache=tmp_path / "own-cache"))
    own.install("lamp==1.0", variables={"UV_LINK_MODE": "symlink"})

    shutil.rmtree(own.machine.uv_cache)

    assert_works(workbench)


def test_link_mode_symlink_as_an_option_does_not_reach_the_store(workbench: Workbench, tmp_path: Path) -> None:
    """With `--link-mode symlink` entries still contain real files, which don't need uv's cache."""
    own = replace(workbench, machine=replace(workbench.machine, uv_cache=tmp_path / "own-cache"))
    own.install("lamp==1.0", "--link-mode", "symlink")

    shutil.rmtree(own.machine.uv_cache)

    assert_works(workbench)


def entry_of(workbench: Workbench) -> Path:
    """Return the entry of lamp 1.0, with writable folders, so that a test can damage it."""
    entry = workbench.entry("lamp-1.0")
    for folder, _, _ in os.walk(entry):
        Path(folder).chmod(0o755)
    return entry


def damage_metadata(entry: Path) -> None:
    """Cut the entry's document short."""
    path = entry / "pepip-entry.json"
    content = path.read_text()
    path.unlink()
    path.write_text(content[: len(content) // 2])


def damage_metadata_types(entry: Path) -> None:
    """Replace the entry's document with JSON of another type."""
    path = entry / "pepip-entry.json"
    path.unlink()
    path.write_text('["not", "a", "document"]')


def lose_metadata(entry: Path) -> None:
    """Remove the entry's document."""
    (entry / "pepip-entry.json").unlink()


def lose_module(entry: Path) -> None:
    """Remove a module that is linked as a file."""
    (entry / "lamp_module.py").unlink()


def lose_package(entry: Path) -> None:
    """Remove a whole package."""
    shutil.rmtree(entry / "lamp")


def lose_inner_file(entry: Path) -> None:
    """Remove a file from a folder that is linked whole."""
    (entry / "lamp" / "__init__.py").unlink()


def lose_record(entry: Path) -> None:
    """Remove the entry's RECORD."""
    (entry / "lamp-1.0.dist-info" / "RECORD").unlink()


DAMAGES = [
    damage_metadata,
    damage_metadata_types,
    lose_metadata,
    lose_module,
    lose_package,
    lose_inner_file,
    lose_record,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_entry_is_never_linked_into_a_new_environment(
    workbench: Workbench, damage: Callable[[Path], None]
) -> None:
    """A second project gets whole files, stored again, or an error that names the entry."""
    workbench.install("lamp==1.0")
    damage(entry_of(workbench))
    second = workbench.at("second")

    output = second.attempt("lamp==1.0")

    if output.returncode:
        assert_refused(output, "lamp-1.0")
        assert not second.environment.exists()
    else:
        second.python("-c", "import lamp, lamp.bulbs, lamp_module; assert lamp.VERSION == '1.0'")
        second.uv("pip", "check")
        second.script("lamp")


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_an_environment_on_a_damaged_entry_is_repaired_or_refused(
    workbench: Workbench, damage: Callable[[Path], None]
) -> None:
    """The next install restores the entry's files or names the entry. It never ignores the damage."""
    workbench.install("lamp==1.0")
    damage(entry_of(workbench))

    output = workbench.attempt("lamp==1.0", "shade")

    if output.returncode:
        assert_refused(output, "lamp-1.0")
    else:
        workbench.python("-c", "import lamp, lamp.bulbs, lamp_module, shade")
        workbench.script("lamp")
        workbench.uv("pip", "check")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', "\x00"], ids=repr)
def test_a_damaged_registry_file_is_written_anew(workbench: Workbench, content: str) -> None:
    """A damaged registration causes no failure, and names the environment again after the next install."""
    workbench.install("lamp==1.0")
    (registered,) = workbench.store.glob("projects/*.json")
    registered.chmod(0o644)
    registered.write_text(content)

    workbench.install("lamp==2.0")

    assert_works(workbench, "2.0")
    assert json.loads(registered.read_text())["environment"] == str(workbench.environment)


def test_a_damaged_interpreter_cache_is_written_anew(workbench: Workbench) -> None:
    """A damaged cache file about an interpreter causes no failure."""
    workbench.install("lamp==1.0")
    for path in [path for path in workbench.store.glob("cache/interpreters-*/*") if path.is_file()]:
        document = json.loads(path.read_text())
        path.write_text(json.dumps({"key": document["key"]}))

    workbench.install("lamp==2.0")

    assert_works(workbench, "2.0")


@pytest.mark.parametrize("is_made", [False, True])
def test_a_folder_can_not_be_the_store_and_the_environment(workbench: Workbench, *, is_made: bool) -> None:
    """One folder as store and environment is refused: both lock the same file, and a run would wait for itself."""
    if is_made:
        workbench.install("lamp==1.0")
    before = snapshot(workbench.project)
    home = {"PEPIP_HOME": str(workbench.environment)}

    output = workbench.pepip("install", "lamp==2.0", *workbench.source, variables=home, check=False)

    assert_refused(output, "is the store, and can't be an environment too")
    assert changes(before, snapshot(workbench.project)) == []


def test_a_store_that_is_a_file_is_refused(workbench: Workbench) -> None:
    """The message names the file, the file stays, and no environment is made."""
    workbench.store.write_text("mine\n")

    output = workbench.attempt("lamp==1.0")

    assert_refused(output, str(workbench.store))
    assert not workbench.environment.exists()
    assert workbench.store.read_text() == "mine\n"


def test_a_store_deleted_under_an_environment_is_filled_again(workbench: Workbench) -> None:
    """The next install restores the lost entries and adds the requested distribution."""
    workbench.install("lamp==1.0")
    for folder, _, _ in os.walk(workbench.store):
        Path(folder).chmod(0o755)
    shutil.rmtree(workbench.store)

    workbench.install("shade")

    assert_works(workbench)
    assert workbench.entries() == ["lamp-1.0", "shade-1.0"]
    workbench.python("-c", "import shade")


def test_a_store_deleted_and_not_to_be_filled_again_is_an_error(workbench: Workbench) -> None:
    """If no index has the wheel of a lost entry any more, the message names the distribution."""
    workbench.install("lamp==1.0")
    for folder, _, _ in os.walk(workbench.store):
        Path(folder).chmod(0o755)
    shutil.rmtree(workbench.store)
    (workbench.wheelhouse / lamp("1.0").filename).unlink()
    (workbench.wheelhouse / lamp("2.0").filename).unlink()

    output = workbench.attempt("shade")

    assert_refused(output, "lamp")


HOSTILE = {
    "absolute row": Wheel(
        "hostile", "1.0", files={"hostile.py": ""}, record_rows=[("{outside}/precious.txt", "", "")]
    ),
    "row above": Wheel(
        "hostile", "1.0", files={"hostile.py": ""}, record_rows=[("../../../../../../precious.txt", "", "")]
    ),
    "row above with a hash": Wheel(
        "hostile", "1.0", files={"hostile.py": ""},
        record_rows=[("../../../../precious.txt", "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", "0")],
    ),
    "row for the folder above": Wheel(
        "hostile", "1.0", files={"hostile/__init__.py": ""}, record_rows=[("hostile/..", "", "")]
    ),
    "row with another row in its hash": Wheel(
        "hostile", "1.0", files={"hostile.py": ""},
        record_rows=[("hostile.py", "odd=x\nlamp_module.py,,\n../../../../../precious.txt", "1")],
    ),
    "row into another distribution": Wheel(
        "hostile", "1.0", files={"hostile.py": ""}, record_rows=[("lamp_module.py", "", ""), ("lamp", "", "")]
    ),
    "script name with slashes": Wheel(
        "hostile", "1.0", files={"hostile.py": "def main(): pass\n"},
        entry_points={"console_scripts": {"../../../precious.txt": "hostile:main"}},
    ),
    "absolute script name": Wheel(
        "hostile", "1.0", files={"hostile.py": "def main(): pass\n"},
        entry_points={"console_scripts": {"{outside}/precious.txt": "hostile:main"}},
    ),
    "member above": Wheel("hostile", "1.0", files={"hostile.py": "", "../../../../precious.txt": "evil"}),
    "absolute member": Wheel("hostile", "1.0", files={"hostile.py": "", "{outside}/precious.txt": "evil"}),
    "data above": Wheel(
        "hostile", "1.0", files={"hostile.py": ""}, data={"data/../../../../precious.txt": "evil"}
    ),
    "data in place of a journal": Wheel(
        "hostile", "1.0", files={"hostile.py": ""},
        data={"data/.pepip/journal.json": '{"remove": ["lamp-1.0.dist-info"]}'},
    ),
    "data in place of copies": Wheel(
        "hostile", "1.0", files={"hostile.py": ""},
        data={"data/.pepip.copies/ready.json": '["lamp", "lamp-1.0.dist-info", ["../precious.txt"], []]'},
    ),
    "data in place of the lock": Wheel("hostile", "1.0", files={"hostile.py": ""}, data={"data/.lock": "evil"}),
    "data in place of the number": Wheel("hostile", "1.0", files={"hostile.py": ""}, data={"data/.pepip-id": "evil"}),
    "data in place of the note of link modes": Wheel(
        "hostile", "1.0", files={"hostile.py": ""}, data={"data/.pepip-linked.json": "{}"}
    ),
    "data in place of an exchange": Wheel(
        "hostile", "1.0", files={"hostile.py": ""}, data={"data/.pepip.adopting/swap.json": "[]"}
    ),
    "data in place of pyvenv.cfg": Wheel(
        "hostile", "1.0", files={"hostile.py": ""}, data={"data/pyvenv.cfg": "evil"}
    ),
    "a file of the store's": Wheel("hostile", "1.0", files={"hostile.py": "", "pepip-entry.json": "{}"}),
    "a folder of the store's": Wheel(
        "hostile", "1.0", files={"hostile.py": "", ".pepip/RECORD": "lamp_module.py,,\n", ".pepip/%lamp": ""}
    ),
    "names with line ends": Wheel(
        "hostile", "1.0", files={"hostile/a\nb.py": "", "hostile/c\r.py": "", "x\n,,": ""}
    ),
    "names that differ by case": Wheel(
        "hostile", "1.0", files={"hostile/A.py": "a", "hostile/a.py": "b", "Lamp.py": ""}
    ),
    "names of copies": Wheel(
        "hostile", "1.0", files={"hostile.py": "", "hostile.py.0~": "evil", "hostile.py.copy": ""}
    ),
    "link to an outer file": Wheel(
        "hostile", "1.0", files={"hostile.py": ""}, links={"hostile_link.txt": "{outside}/precious.txt"}
    ),
    "link to an outer folder": Wheel(
        "hostile", "1.0", files={"hostile.py": ""}, links={"hostile_folder": "{outside}"}
    ),
    "missing file in RECORD": Wheel(
        "hostile", "1.0", files={"hostile.py": ""},
        record_rows=[("hostile_missing.py", "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", "0")],
    ),
}  # fmt: skip


def _placed(wheel: Wheel, outside: Path) -> Wheel:
    """Return a hostile wheel with `{outside}` replaced by a real folder."""

    def at(text: str) -> str:
        return text.replace("{outside}", str(outside))

    return replace(
        wheel,
        files={at(path): contents for path, contents in wheel.files.items()},
        links={path: at(target) for path, target in wheel.links.items()},
        record_rows=[(at(path), hashed, size) for path, hashed, size in wheel.record_rows],
        entry_points={
            group: {at(name): reference for name, reference in names.items()}
            for group, names in wheel.entry_points.items()
        },
    )


@pytest.mark.every(4)
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_wheel_reaches_nothing_outside(workbench: Workbench, tmp_path: Path, case: str) -> None:
    """A hostile wheel changes nothing outside of itself, neither when it is installed nor when it is refused.

    Files outside of the environment, other entries and earlier installs stay as before, also after its upgrade and
    its removal.
    """
    outside = tmp_path / "outside"
    outside.mkdir()
    precious = [outside / "precious.txt", tmp_path / "precious.txt", workbench.project / "precious.txt"]
    for path in precious:
        path.write_text("precious\n")
    _placed(HOSTILE[case], outside).write(workbench.wheelhouse)
    Wheel("hostile", "2.0", files={"hostile.py": ""}).write(workbench.wheelhouse)
    workbench.install("lamp==1.0")
    before = snapshot(workbench.project)

    output = workbench.attempt("hostile==1.0")
    if output.returncode:
        assert_refused(output, "hostile")
        assert changes(before, snapshot(workbench.project)) == []
    workbench.install("hostile==2.0")
    workbench.uv("pip", "uninstall", "hostile")

    assert [path.read_text() for path in precious] == ["precious\n"] * 3
    assert [path for path in tmp_path.rglob("precious.txt*") if path not in precious] == []
    assert workbench.leftovers() == []
    assert_works(workbench)


@pytest.mark.parametrize("case", ["script name with slashes", "absolute script name"])
def test_a_wheel_that_lies_is_refused_and_not_kept(workbench: Workbench, tmp_path: Path, case: str) -> None:
    """The message names the wheel. No entry, no environment and no staging folder is left."""
    _placed(HOSTILE[case], tmp_path / "outside").write(workbench.wheelhouse)

    output = workbench.attempt("hostile==1.0")

    assert_refused(output, "hostile")
    assert workbench.entries() == []
    assert workbench.leftovers() == []
    assert not workbench.environment.exists()


def test_a_refused_wheel_does_not_keep_others_out_of_the_store(workbench: Workbench, tmp_path: Path) -> None:
    """Wheels that were staged together with a refused wheel can be installed without it at once."""
    _placed(HOSTILE["absolute script name"], tmp_path / "outside").write(workbench.wheelhouse)

    assert_refused(workbench.attempt("hostile==1.0", "lamp==1.0"), "hostile")
    workbench.install("lamp==1.0")

    assert_works(workbench)


def test_a_wheel_whose_record_is_wrong_is_installed_with_one_warning(workbench: Workbench) -> None:
    """A wheel with a wrong RECORD is installed as by uv and pip, since the hash of the wheel itself is right.

    `store verify` compares the entry with the files as they were stored.
    """
    Wheel("sloppy", "1.0", files={"sloppy.py": "x = 1\n"}, wrong_hashes=["sloppy.py"]).write(workbench.wheelhouse)

    output = workbench.attempt("sloppy==1.0")

    assert output.returncode == 0
    assert output.stderr.count("sloppy.py differs from the RECORD of the wheel") == 1
    workbench.python("-c", "import sloppy")
    workbench.pepip("store", "verify")


@pytest.mark.parametrize("leaving", ["torch-light", "lamp"])
def test_a_script_that_two_claim_stays_with_the_one_that_stays(workbench: Workbench, leaving: str) -> None:
    """If two distributions have one script and an upgrade removes it from one, the other's script works."""
    files = {"torch_light.py": "def main():\n    print('torch')\n"}
    scripts = {"console_scripts": {"lamp": "torch_light:main"}}
    Wheel("torch-light", "1.0", files=files, entry_points=scripts).write(workbench.wheelhouse)
    Wheel("torch-light", "2.0", files=files).write(workbench.wheelhouse)
    Wheel("lamp", "3.0", files=lamp("3.0").files).write(workbench.wheelhouse)
    workbench.install("lamp==1.0", "torch-light==1.0")
    script = workbench.environment / "bin" / "lamp"
    assert script.exists()

    workbench.install("torch-light==2.0" if leaving == "torch-light" else "lamp==3.0")

    expected = "1.0" if leaving == "torch-light" else "torch"
    assert workbench.script("lamp") == expected
    assert workbench.problems() == []


def test_two_distributions_that_hold_one_file_can_both_be_installed_and_upgraded(workbench: Workbench) -> None:
    """Two distributions with the same file can both be installed, and both entries stay whole.

    An upgrade that removes the file from one of them leaves the other's file.
    """
    for name, version, content in (("one", "1.0", "ONE = 1\n"), ("two", "1.0", "TWO = 2\n")):
        Wheel(name, version, files={"claimed.py": content, f"{name}_own.py": ""}).write(workbench.wheelhouse)
    Wheel("two", "2.0", files={"two_own.py": ""}).write(workbench.wheelhouse)

    workbench.install("one", "two==1.0")
    workbench.python("-c", "import claimed, one_own, two_own")
    assert workbench.problems() == []
    workbench.install("two==2.0")

    workbench.python("-c", "import claimed, one_own, two_own; assert claimed.ONE")
    assert workbench.problems() == []


def test_json_is_one_document_and_nothing_else(workbench: Workbench) -> None:
    """The document has the names and versions of distributions, and the environment. Nothing is on stderr."""
    output = workbench.pepip("install", "shade", "--json", *workbench.source)

    document = json.loads(output.stdout)
    assert document["environment"] == str(workbench.environment)
    assert {(item["name"], item["version"]) for item in document["linked"]} == {
        ("lamp", "1.0"),
        ("shade", "1.0"),
    }
    assert sorted(document["local"]) == ["lamp", "shade"]
    assert document["reused"] == []
    assert document["dry_run"] is False
    assert output.stderr == ""


def test_json_tells_reused_from_new(workbench: Workbench) -> None:
    """A second project reuses entries. `avoided_bytes` is the size that it did not store."""
    workbench.install("lamp==1.0")

    output = workbench.at("second").attempt("shade", "--json")

    document = json.loads(output.stdout)
    assert (document["reused"], document["local"], document["downloaded"]) == (["lamp"], ["shade"], [])
    assert document["avoided_bytes"] > 0


@pytest.mark.parametrize("is_made", [False, True], ids=["new environment", "existing environment"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_dry_run_changes_nothing_on_disk(workbench: Workbench, is_made: bool, form: str) -> None:
    """A dry run says what it would do. It changes and creates nothing, in the project and in the store."""
    if is_made:
        workbench.install("lamp==1.0")
    project, store = snapshot(workbench.project), snapshot(workbench.store)

    output = workbench.attempt("lamp==2.0", "--dry-run", *(["--json"] if form == "json" else []))

    assert output.returncode == 0
    assert changes(project, snapshot(workbench.project)) == []
    assert changes(store, snapshot(workbench.store)) == []
    if form == "json":
        document = json.loads(output.stdout)
        assert document["dry_run"] is True
        assert [(item["name"], item["version"]) for item in document["linked"]] == [("lamp", "2.0")]
    else:
        assert output.stdout == ""
        assert "lamp==2.0" in output.stderr


def test_a_dry_run_of_a_bad_request_is_refused(workbench: Workbench) -> None:
    """A dry run of a bad request is refused like the run itself, and leaves nothing behind."""
    output = workbench.attempt("no-such-package", "--dry-run")

    assert_refused(output, "no-such-package")
    assert list(workbench.project.iterdir()) == []


def test_version_and_help_are_on_stdout(workbench: Workbench) -> None:
    """`--version` names the program. `--help` shows examples, for the program and for the command."""
    version = workbench.pepip("--version")
    program = workbench.pepip("--help")
    command = workbench.pepip("install", "--help")

    assert version.stdout.startswith("pepip ")
    assert version.stdout.split()[1][0].isdigit()
    for output in (program, command):
        assert "pepip install" in output.stdout
        assert "examples:" in output.stdout
    assert version.stderr + program.stderr + command.stderr == ""
    assert "--venv" in command.stdout


def test_quiet_says_nothing_and_success_is_zero(workbench: Workbench) -> None:
    """With `-q`, a successful run is silent, and a failed run still prints its error."""
    done = workbench.attempt("lamp==1.0", "-q")
    failed = workbench.attempt("no-such-package", "-q")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert_refused(failed, "no-such-package")

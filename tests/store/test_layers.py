"""Layers: further stores that a user links from, never writes, and may lose."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pepip import digests
from pepip.store import leases
from tests.support.gluster import stopped, two_mounts
from tests.support.indexes import served
from tests.support.keeping import WHEELS, close, stranger_prefix
from tests.support.machines import PLAIN_USER_ID, Machine, Output, plain_user_prefix, site_packages_of
from tests.support.projects import write_simple_index
from tests.support.refusals import assert_refused
from tests.support.snapshots import changes, snapshot, stamps
from tests.support.stores import entries_of, leftovers_of, problems_of
from tests.support.watching import watched
from tests.support.wheels import Wheel

pytestmark = pytest.mark.every(2)


@dataclass(frozen=True)
class Site:
    """The owner of a layer, and a reader with a store of their own who names that layer."""

    owner: Machine
    reader: Machine
    wheelhouse: Path
    interpreter: Path
    index: str = ""

    @property
    def layer(self) -> Path:
        """Return the layer's folder."""
        return self.owner.store

    @property
    def layers(self) -> Mapping[str, str]:
        """Return the variables of the reader's commands."""
        return {"PEPIP_LAYERS": str(self.layer)}

    @property
    def source(self) -> tuple[str | Path, ...]:
        """Return the arguments that make uv and pepip take wheels from the index, else from the wheelhouse alone."""
        if self.index:
            return ("--index-url", self.index)
        return ("--no-index", "--find-links", self.wheelhouse)

    @property
    def app(self) -> Path:
        """Return the folder of the reader's project."""
        return self.reader.make_folder(self.reader.home / "app")

    @property
    def packages(self) -> Path:
        """Return site-packages of the reader's environment."""
        return site_packages_of(self.app / ".venv")

    def fill(self, *requirements: str) -> None:
        """Store packages in the layer, as its owner."""
        self.owner.pepip(
            "store", "add", *requirements, *self.source, "--python", self.interpreter, folder=self.owner.home
        )

    def install(self, *words: str | Path, check: bool = True, variables: Mapping[str, str] | None = None) -> Output:
        """Install into the reader's project."""
        return self.reader.pepip(
            *("install", *words, *self.source, "--python", self.interpreter),
            folder=self.app,
            check=check,
            variables=self.layers if variables is None else variables,
        )

    def read(self, *words: str | Path, check: bool = True, variables: Mapping[str, str] | None = None) -> Output:
        """Run a command of the reader."""
        return self.reader.pepip(
            *words, folder=self.app, check=check, variables=self.layers if variables is None else variables
        )

    def documents(self, *words: str | Path, check: bool = True) -> Any:
        """Return the JSON document that a command of the reader prints."""
        return json.loads(self.read(*words, "--json", check=check).stdout)

    def plays(self) -> str:
        """Return the version of the drum that the reader's environment imports."""
        return self.reader.python(self.app / ".venv", "-c", "import drum; print(drum.VERSION)").stdout.strip()

    def entry(self, name: str) -> Path:
        """Return the folder of an entry of the layer."""
        (found,) = self.layer.glob(f"packages/*/{name}")
        return found


@pytest.fixture(params=["same user", "plain user"])
def site(
    request: pytest.FixtureRequest, machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path
) -> Site:
    """Return a layer's owner and a reader: the same user, then a user who may only read the layer."""
    for wheel in WHEELS:
        wheel.write(wheelhouse)
    owner = replace(machine, store=tmp_path / "layer")
    reader = machine
    if request.param == "plain user":
        if os.geteuid() != 0:
            pytest.skip("the tests do not run as root")
        reader = machine.as_plain_user(tmp_path / "reader")
    return Site(owner, reader, wheelhouse, interpreter)


def test_a_layer_gives_its_entries_and_the_own_store_gets_the_rest(site: Site) -> None:
    """The layer is not changed in any way, not even a time."""
    site.fill("drum==1.0")
    before, times = snapshot(site.layer), stamps(site.layer)

    said = site.install("drum==1.0", "horn").stderr

    assert changes(before, snapshot(site.layer)) == []
    assert stamps(site.layer) == times
    assert "warning" not in said
    assert (site.packages / "drum").resolve().is_relative_to(site.layer)
    assert (site.packages / "horn").resolve().is_relative_to(site.reader.store)
    assert entries_of(site.reader.store) == ["horn-1.0"]
    assert site.plays() == "1.0"
    assert "Nothing to do" in site.install("drum==1.0", "horn").stderr


def test_the_own_store_comes_first_and_layers_follow_in_order(site: Site, tmp_path: Path) -> None:
    """What one's own store has is linked from there, else from the first layer that has it."""
    second = replace(site.owner, store=tmp_path / "second")
    site.fill("drum==1.0")
    replace(site, owner=second).fill("drum==1.0", "horn", "band")
    site.install("band", variables={})
    both = {"PEPIP_LAYERS": os.pathsep.join(map(str, (site.layer, second.store)))}

    site.install("drum==1.0", "horn", "band", variables=both)

    assert (site.packages / "drum").resolve().is_relative_to(site.layer)
    assert (site.packages / "horn").resolve().is_relative_to(second.store)
    assert (site.packages / "band").resolve().is_relative_to(site.reader.store)
    assert entries_of(site.reader.store) == ["band-1.0"]


def test_an_environment_from_a_layer_equals_uvs(site: Site) -> None:
    """The same files with the same bytes, and the same answers of `uv pip list` and `check`."""
    names = ["drum==1.0", "band", "band-guests", "wind-one", "wind-two"]
    site.fill(*names[:3])
    site.install(*names)
    twin = site.reader.make_folder(site.reader.home / "twin")
    site.reader.uv("venv", "--python", site.interpreter, folder=twin)
    site.reader.uv("pip", "install", *names, *site.source, folder=twin)

    assert contents_of(site.packages) == contents_of(site_packages_of(twin / ".venv"))
    for words in (("list",), ("freeze",), ("check",)):
        ours, theirs = (site.reader.uv("pip", *words, folder=folder).stdout for folder in (site.app, twin))
        assert ours == theirs
    site.reader.uv("pip", "uninstall", "drum", "band", folder=site.app)
    assert problems_of(site.layer) == []


def contents_of(site_packages: Path) -> dict[str, bytes]:
    """Return the bytes of all files seen from site-packages, without those that name the installer or the paths."""
    found = {}
    for folder, folders, names in os.walk(site_packages, followlinks=True):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            path = Path(folder, name)
            if name not in {"RECORD", "_virtualenv.py", "uv_cache.json", "direct_url.json"} and path.suffix != ".pth":
                found[path.relative_to(site_packages).as_posix()] = path.read_bytes()
    return found


def test_commands_say_which_store_an_entry_is_in(site: Site) -> None:
    """`store list`, `store show`, `uses`, `savings` and `doctor` name the layer; JSON has the field `store`."""
    site.fill("drum==1.0")
    site.fill("drum==2.0")
    site.install("drum==1.0", "horn")

    listed = {(row["name"], row["version"]): row for row in site.documents("store", "list")}
    assert {key: (row["store"], row["state"]) for key, row in listed.items()} == {
        ("drum", "1.0"): (str(site.layer), "linked"),
        ("drum", "2.0"): (str(site.layer), "layer"),
        ("horn", "1.0"): (str(site.reader.store), "linked"),
    }
    assert str(site.layer) in site.read("store", "list").stdout
    assert f"the layer {site.layer}" in site.read("store", "show", "drum==1.0").stdout
    (use,) = site.documents("uses", "drum")
    assert (use["store"], use["entry"]) == (str(site.layer), str(site.entry("drum-1.0")))
    savings = site.documents("savings")
    assert savings["layer_entries"] == 1
    assert savings["layer_bytes"] > 0
    assert savings["entries"] == 1
    assert f"1 entry of {site.layer}" in site.read("savings").stdout
    (check,) = (row for row in site.documents("doctor") if row["topic"] == "layer")
    assert check["state"] == "ok"
    assert f"{site.layer}: 2 entries, linked by 1 environment" in check["sentence"]
    assert site.documents("store", "list", "--orphans") == []


def test_prune_neither_counts_nor_touches_a_layer(site: Site) -> None:
    """Neither by age nor by size; an entry of a layer can't be removed, and a prune of everything leaves it."""
    site.fill("drum==1.0", "horn")
    site.install("wind-one", "drum==1.0")
    before = snapshot(site.layer)

    preview = site.documents("prune", "--dry-run", "--max-size", "0GB")
    assert preview["orphans"] == []
    site.read("uninstall", "wind-one")
    done = site.documents("prune", "--yes", "--max-size", "0GB")
    assert [orphan["name"] for orphan in done["orphans"]] == ["wind-one"]
    refused = site.read("store", "remove", "horn", check=False)
    assert_refused(refused, "the store has no entry horn", str(site.layer))

    assert changes(before, snapshot(site.layer)) == []
    assert site.plays() == "1.0"


def test_a_layer_that_is_away_is_named_and_repair_replaces_its_entries(site: Site) -> None:
    """Nothing is taken from the environment meanwhile. When the layer is there again, all is as before."""
    site.fill("drum==1.0")
    site.install("drum==1.0")
    site.layer.rename(site.layer.with_name("away"))
    before = snapshot(site.app)

    refused = site.install("horn", check=False)
    assert_refused(refused, f"from the layer {site.layer}, which is not there", "links drum", "pepip store repair")
    assert changes(before, snapshot(site.app)) == []
    again = site.install("drum==1.0", check=False)
    assert_refused(again, f"from the layer {site.layer}, which is not there")
    checks = {row["topic"]: row for row in site.documents("doctor", check=False)}
    assert checks["layer"]["state"] == checks["environment"]["state"] == "error"
    assert f"from the layer {site.layer}, which is not there" in checks["environment"]["sentence"]

    site.layer.with_name("away").rename(site.layer)
    site.install("drum==1.0")
    assert site.plays() == "1.0"
    assert entries_of(site.reader.store) == []
    site.layer.rename(site.layer.with_name("away"))
    site.read("projects")
    before = snapshot(site.app)
    assert_refused(
        site.read("store", "repair", "--no-index", check=False),
        f"drum could not be fetched again, and the layer {site.layer} is not there",
    )
    assert changes(before, snapshot(site.app)) == []
    healed = site.documents("store", "repair", *site.source)
    assert healed["healed"] == [str(site.app / ".venv")]
    assert site.plays() == "1.0"
    assert (site.packages / "drum").resolve().is_relative_to(site.reader.store)
    site.layer.with_name("away").rename(site.layer)
    assert site.documents("store", "repair", *site.source)["healed"] == []
    sizes = {row["store"]: row["size_bytes"] for row in site.documents("store", "list")}
    assert sizes[str(site.layer)] > 50_000  # not what was seen of it while it was away


@pytest.mark.parametrize("site", ["same user"], indirect=True)
def test_a_layer_that_may_not_be_read_is_as_one_that_is_away(site: Site) -> None:
    """So is one whose file server wants a new ticket. Closed files of a layer are damage; a closed list is none."""
    site.fill("drum==1.0", "horn")
    site.install("drum==1.0")
    site = replace(site, reader=replace(site.reader, prefix=stranger_prefix()))
    packages, sound = site.layer / "packages", site.entry("horn-1.0") / "horn" / "sound.bin"

    def layer_row() -> tuple[str, str]:
        (row,) = (row for row in site.documents("doctor", check=False) if row["topic"] == "layer")
        return row["state"], row["sentence"].partition(";")[0].partition(", linked")[0]

    close(packages)
    assert_refused(site.install("horn", check=False), f"drum from the layer {site.layer}, which can't be read")
    assert layer_row() == ("error", f"{site.layer} can't be read")
    packages.chmod(0o711)
    assert layer_row() == ("ok", f"{site.layer}: its entries can't be listed")
    site.install("horn")
    packages.chmod(0o755)
    assert entries_of(site.reader.store) == []
    close(sound)
    verdict = site.read("store", "verify", check=False)

    assert "error: 2 entries checked, 1 damaged\nhint: " in verdict.stderr
    assert "only the owner of a layer can repair it" in verdict.stderr
    assert f"{site.entry('horn-1.0')}\n" in verdict.stdout
    assert verdict.stdout.count("horn/sound.bin") == 2


def test_a_new_install_says_that_a_layer_is_away(site: Site) -> None:
    """What the layer would have had is stored in the own store, with a warning."""
    said = site.install("drum==1.0").stderr

    assert f"warning: the layer {site.layer} is not there" in said
    assert site.plays() == "1.0"
    assert entries_of(site.reader.store) == ["drum-1.0"]


def test_an_entry_that_a_layer_lost_is_stored_anew(site: Site) -> None:
    """The next command on the environment repairs it, and says which layer lost it."""
    site.fill("drum==1.0", "horn")
    site.install("drum==1.0", "horn")
    site.owner.pepip("store", "remove", "drum", "--force", folder=site.owner.home)

    said = site.install("horn").stderr

    assert f"the layer {site.layer} no longer has drum" in said
    assert site.plays() == "1.0"
    assert (site.packages / "drum").resolve().is_relative_to(site.reader.store)
    assert (site.packages / "horn").resolve().is_relative_to(site.layer)


def test_a_layer_that_is_no_longer_named_is_no_longer_used(site: Site) -> None:
    """Its entries are stored in the own store, also if the layer is gone by then."""
    site.fill("drum==1.0")
    site.install("drum==1.0")

    (broken,) = json.loads(site.read("projects", "--json", variables={}).stdout)
    assert broken["state"] == "broken"
    assert f"{site.layer} is no longer a layer" in broken["reason"]
    shutil.rmtree(site.layer)
    said = site.install("horn", variables={}).stderr

    assert f"{site.layer} is no longer a layer" in said
    assert site.plays() == "1.0"
    assert entries_of(site.reader.store) == ["drum-1.0", "horn-1.0"]


_VANISH_MEANWHILE = """
import os, sys
place, layer = sys.argv[1:3]
del sys.argv[1:3]
def vanish(event, words):
    if event in ("os.mkdir", "os.link", "os.rename") and str(words[event != "os.mkdir"]).endswith(place):
        if os.path.lexists(layer):
            os.rename(layer, layer + ".away")
            if "KILLED" in os.environ:
                os.kill(os.getpid(), 9)
sys.addaudithook(vanish)
from pepip.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("site", ["same user"], indirect=True)
@pytest.mark.parametrize("place", [".pepip/drum-1.0.dist-info", "site-packages/band", "band/guests.py"])
def test_a_layer_that_vanishes_during_a_change_leaves_the_environment_as_it_was(site: Site, place: str) -> None:
    """Also the links and files of packages go that were there already, and the error names the layer."""
    words = ("drum==1.0", "band", "band-guests")
    site.fill(*words)
    site.install("horn", variables={})
    before = snapshot(site.app / ".venv")
    command = [sys.executable, "-c", _VANISH_MEANWHILE, place, site.layer, "install", *words, *site.source]

    output = site.reader.run(command, folder=site.app, variables=site.layers, check=False)

    assert output.returncode == 1
    assert "Traceback" not in output.stderr
    assert f"No such file or directory: {site.layer}" in output.stderr
    assert f"hint: it lies in the layer {site.layer}" in output.stderr
    site.layer.with_name(f"{site.layer.name}.away").rename(site.layer)
    assert changes(before, snapshot(site.app / ".venv")) == []
    site.install(*words)
    assert site.plays() == "1.0"


@pytest.mark.parametrize("site", ["same user"], indirect=True)
@pytest.mark.parametrize("place", ["band/guests.py", "site-packages/drum-1.0.dist-info"])
def test_a_killed_change_is_taken_back_if_the_layer_of_its_entries_has_vanished(site: Site, place: str) -> None:
    """The next command does that, and says so. When the layer is back, the packages can be installed."""
    words = ("drum==1.0", "band", "band-guests")
    site.fill(*words)
    site.install("horn", variables={})
    before = snapshot(site.app / ".venv")
    command = [sys.executable, "-c", _VANISH_MEANWHILE, place, site.layer, "install", *words, *site.source]
    killed = site.reader.run(command, folder=site.app, variables={**site.layers, "KILLED": "1"}, check=False)
    assert killed.returncode == -9

    said = site.install("horn").stderr

    assert f"was interrupted, and is taken back: {site.layer} no longer has" in said
    site.layer.with_name(f"{site.layer.name}.away").rename(site.layer)
    assert [line for line in changes(before, snapshot(site.app / ".venv")) if ".lock" not in line] == []
    site.install(*words)
    assert site.plays() == "1.0"


@pytest.mark.parametrize("site", ["same user"], indirect=True)
def test_a_change_waits_for_the_layer_of_the_former_entries(site: Site) -> None:
    """Without them it can't be taken back. The next command with the layer completes it."""
    site.fill("drum==1.0")
    site.fill("drum==2.0")
    site.install("drum==1.0")
    place = "share/drum/manual.txt"
    command = [sys.executable, "-c", _VANISH_MEANWHILE, place, site.layer, "install", "drum==2.0", *site.source]
    failed = site.reader.run(command, folder=site.app, variables=site.layers, check=False)
    assert failed.returncode == 1

    refused = site.install("horn", check=False)

    assert_refused(refused, "can be neither completed nor taken back", f"the layer {site.layer} is not there")
    site.layer.with_name(f"{site.layer.name}.away").rename(site.layer)
    site.install("horn")
    assert site.plays() == "2.0"
    assert (site.app / ".venv" / place).read_text() == "2.0"


@pytest.mark.parametrize(
    "words", [("install", "horn"), ("eject",), ("image", "build", "-o", "env.sqfs")], ids=" ".join
)
def test_links_into_a_layer_that_is_no_longer_named_stay_if_nothing_replaces_them(
    site: Site, words: tuple[str, ...]
) -> None:
    """Somebody forgot the variable, and the package can't be fetched: the environment works on."""
    site = replace(site, reader=replace(site.reader, uv_cache=site.reader.home / "own-cache"))
    site.fill("drum==1.0", "horn")
    site.install("drum==1.0")
    shutil.rmtree(site.reader.uv_cache)

    said = site.read(*words, variables={"UV_OFFLINE": "1", "UV_NO_INDEX": "1"}, check=False)

    assert said.returncode == 1
    assert f"error: drum could not be fetched again, and {site.layer} is no longer a layer" in said.stderr
    assert "hint: name the layer again" in said.stderr
    assert site.plays() == "1.0"
    assert (site.packages / "drum").resolve().is_relative_to(site.layer)


def test_each_layer_is_named_with_the_packages_that_it_alone_has(site: Site, tmp_path: Path) -> None:
    """Two layers are no longer named, and neither package can be fetched."""
    site = replace(site, reader=replace(site.reader, uv_cache=site.reader.home / "own-cache"))
    other = replace(site, owner=replace(site.owner, store=tmp_path / "second"))
    site.fill("drum==1.0")
    other.fill("horn")
    site.install("drum==1.0", "horn", variables={"PEPIP_LAYERS": f"{site.layer}:{other.layer}"})
    shutil.rmtree(site.reader.uv_cache)

    said = site.read("install", "horn", variables={"UV_OFFLINE": "1", "UV_NO_INDEX": "1"}, check=False).stderr

    assert f"drum could not be fetched again, and {site.layer} is no longer a layer" in said
    assert f"horn could not be fetched again, and {other.layer} is no longer a layer" in said
    assert site.plays() == "1.0"


def test_verify_checks_layers_and_repair_links_away_from_damage(site: Site) -> None:
    """The damaged entry stays for its owner; environments link a sound one of the own store."""
    site.fill("drum==1.0")
    site.install("drum==1.0")
    module = site.entry("drum-1.0") / "drum" / "skins" / "__init__.py"
    module.write_text("evil = 1\n")

    verdict = site.documents("store", "verify", check=False)
    assert [row["entry"] for row in verdict["damaged"]] == [str(site.entry("drum-1.0"))]
    healed = site.documents("store", "repair", *site.source)

    assert healed["layered"] == [str(site.entry("drum-1.0"))]
    assert healed["healed"] == [str(site.app / ".venv")]
    assert module.read_text() == "evil = 1\n"
    assert (site.packages / "drum" / "skins" / "__init__.py").read_text() == ""
    site.install("drum==1.0")
    assert (site.packages / "drum").resolve().is_relative_to(site.reader.store)


def test_a_repair_names_the_unproven_entries_of_a_layer(site: Site, tmp_path: Path) -> None:
    """Only the layer's owner can settle them. So the repair fails, and the entry stays as it is."""
    files = {"clock/__init__.py": "", "clock/face.txt": "twelve\n"}
    Wheel("clock", "1.0", files=files, wrong_hashes=["clock/face.txt"]).write(site.wheelhouse)
    with served(tmp_path / "pages") as url:
        write_simple_index(tmp_path / "pages" / "simple", site.wheelhouse, hashes=True)
        site = replace(site, index=f"{url}simple")
        site.fill("clock")
        site.install("clock")
    before = snapshot(site.layer)
    entry = str(site.entry("clock-1.0"))
    assert [row["entry"] for row in site.documents("store", "verify", check=False)["unproven"]] == [entry]

    for patterns in ((), ("clock",)):
        output = site.read("store", "repair", *site.source, *patterns, "--json", check=False)

        assert output.returncode == 1
        assert json.loads(output.stdout)["unproven"] == [entry]
    assert changes(before, snapshot(site.layer)) == []


def test_modes_of_a_layer_are_its_owners(site: Site) -> None:
    """A copy or an image of a layer may have others: its entries are sound, and go on being linked."""
    site.fill("drum==1.0")
    site.install("drum==1.0")
    for path in site.layer.rglob("drum-1.0/drum/skins"):
        path.chmod(0o755)
        (path / "__init__.py").chmod(0o755)

    assert site.documents("store", "verify")["damaged"] == []
    assert site.documents("store", "repair", *site.source)["healed"] == []
    assert (site.packages / "drum").resolve().is_relative_to(site.layer)


def test_publish_copies_entries_whole_and_once(site: Site) -> None:
    """The copy shares no inode with the store, is verified by the layer's owner, and readers link it."""
    owner = replace(site.owner, store=site.owner.home / "own")
    owner.pepip("store", "add", "drum==1.0", "band", *site.source, "-p", site.interpreter, folder=owner.home)

    first = json.loads(
        owner.pepip("store", "publish", "drum", "b*", "--to", site.layer, "--json", folder=owner.home).stdout
    )
    second = owner.pepip("store", "publish", "drum", "--to", site.layer, folder=owner.home)

    assert sorted(Path(entry).name for entry in first["published"]) == ["band-1.0", "drum-1.0"]
    assert f"Published nothing to {site.layer}: 1 already there" in second.stderr
    assert problems_of(site.layer) == []
    assert leftovers_of(site.layer) == []
    assert all(path.stat().st_nlink == 1 for path in site.entry("drum-1.0").rglob("drum/*.py"))
    assert "2 entries checked, all intact" in site.owner.pepip("store", "verify", folder=site.owner.home).stderr
    site.install("drum==1.0", "band")
    assert entries_of(site.reader.store) == []
    assert site.plays() == "1.0"


def test_publish_takes_bytecode_along(site: Site) -> None:
    """Readers can't write any into a layer, so the compiled modules of the owner's store go with it."""
    owner = replace(site.owner, store=site.owner.home / "own")
    project = owner.make_folder(owner.home / "work")
    owner.pepip(
        *("install", "drum==1.0", "--compile-bytecode", *site.source, "--python", site.interpreter), folder=project
    )
    owner.pepip("store", "publish", "drum", "--to", site.layer, folder=owner.home)
    site.install("drum==1.0")

    (compiled,) = site.entry("drum-1.0").glob("drum/__pycache__/__init__.*.pyc")
    before = compiled.stat().st_mtime_ns
    said = site.reader.python(site.app / ".venv", "-v", "-c", "import drum").stderr

    assert "drum/__pycache__" in said.replace(str(site.layer), "")
    assert "matches" in said
    assert compiled.stat().st_mtime_ns == before
    assert problems_of(site.layer) == []


def test_publish_refuses_before_it_writes(site: Site, tmp_path: Path) -> None:
    """A name that the store lacks, a damaged entry, a relative path, one's own store, a folder of other things."""
    site.install("drum==1.0", variables={})
    (entry,) = site.reader.store.glob("packages/*/drum-1.0")
    other = site.reader.make_folder(tmp_path / "other")
    (other / "letter.txt").write_text("dear")

    for words, said in (
        (("tuba", "--to", site.layer), "the store has no entry tuba"),
        (("drum", "--to", "layer"), "not an absolute path"),
        (("drum", "--to", site.reader.store), "is your own store"),
        (("drum", "--to", site.reader.store / "packages" / "layer"), "lies in your own store"),
        (("drum", "--to", other / "letter.txt"), "cannot make the store"),
        (("drum", "--to", other), "is not a store"),
    ):
        assert_refused(site.read("store", "publish", *words, check=False), said)
    os.chmod(entry / "drum" / "__init__.py", 0o644)
    (entry / "drum" / "__init__.py").unlink()
    assert_refused(site.read("store", "publish", "drum", "--to", site.layer, check=False), "damaged")

    assert not site.layer.exists()
    assert sorted(path.name for path in other.iterdir()) == ["letter.txt"]


@pytest.mark.parametrize("site", ["same user"], indirect=True)
def test_a_publish_removes_the_rest_of_a_killed_one(site: Site) -> None:
    """Nobody else may ever store something in that layer."""
    site.install("drum==1.0", "horn", variables={})
    site.read("store", "publish", "horn", "--to", site.layer)
    left = site.layer / "staging" / "1-1"
    (left / "0").mkdir(parents=True)
    left.with_name("1-1.lock").touch()

    site.read("store", "publish", "drum", "--to", site.layer)

    assert list((site.layer / "staging").iterdir()) == []
    assert entries_of(site.layer) == ["drum-1.0", "horn-1.0"]


@pytest.mark.parametrize("site", ["same user"], indirect=True)
def test_a_store_is_not_published_around_itself(site: Site, tmp_path: Path) -> None:
    """The layer would count the store as an entry."""
    outer = tmp_path / "outer"
    site = replace(site, reader=replace(site.reader, store=outer / "packages" / "mine"))
    site.install("drum==1.0", variables={})

    refused = site.read("store", "publish", "drum", "--to", outer, check=False)

    assert_refused(refused, f"your own store, {site.reader.store}, lies among the entries of {outer}", "PEPIP_HOME")
    assert [path.name for path in outer.iterdir()] == ["packages"]


def test_a_reader_may_not_publish_to_a_layer_of_another(site: Site) -> None:
    """The system refuses, and the message names the layer."""
    if not site.reader.prefix:
        pytest.skip("the reader owns the layer")
    site.fill("horn")
    site.install("drum==1.0", variables={})
    before = snapshot(site.layer)

    assert_refused(
        site.read("store", "publish", "drum", "--to", site.layer, check=False), f"may not write {site.layer}"
    )

    assert changes(before, snapshot(site.layer)) == []


def test_a_layer_without_leases_is_pruned_by_age_alone(site: Site) -> None:
    """Its registry does not know its readers: without an age nothing goes."""
    site.fill("drum==1.0", "horn")
    site.owner.pepip("store", "init", "--layer", folder=site.owner.home)
    site.install("drum==1.0")

    refused = site.owner.pepip("prune", "--yes", folder=site.owner.home, check=False)
    assert_refused(refused, "takes no leases", "--older-than")
    assert_refused(
        site.owner.pepip("store", "remove", "horn", folder=site.owner.home, check=False), "takes no leases"
    )
    site.owner.pepip("prune", "--yes", "--older-than", "1d", folder=site.owner.home)
    assert entries_of(site.layer) == ["drum-1.0", "horn-1.0"]
    long_ago = time.time() - 3 * 86_400
    document = site.entry("horn-1.0") / "pepip-entry.json"
    content = json.loads(document.read_text())
    document.chmod(0o644)
    document.write_text(json.dumps({**content, "stored_at": int(long_ago)}))
    os.utime(document, (long_ago, long_ago))
    site.owner.pepip("prune", "--yes", "--older-than", "1d", folder=site.owner.home)

    assert entries_of(site.layer) == ["drum-1.0"]


def test_leases_of_readers_keep_their_entries(site: Site) -> None:
    """A lease says what an environment links; one that was not renewed in time no longer counts."""
    site.fill("drum==1.0", "horn")
    site.owner.pepip("store", "init", "--layer", "--lease-days", "30", folder=site.owner.home)
    site.install("drum==1.0")
    (lease,) = (site.layer / "leases").iterdir()
    assert lease.stat().st_uid == os.stat(site.reader.home).st_uid
    assert json.loads(lease.read_text())["environment"] == str(site.app / ".venv")

    kept = json.loads(site.owner.pepip("prune", "--yes", "--json", folder=site.owner.home).stdout)
    assert [orphan["name"] for orphan in kept["orphans"]] == ["horn"]
    assert [Path(entry).name for entry in kept["leased"]] == ["drum-1.0"]
    refused = site.owner.pepip("store", "remove", "drum", folder=site.owner.home, check=False)
    assert_refused(refused, "leased by", str(site.app / ".venv"))

    long_ago = time.time() - 31 * 86_400
    os.utime(lease, (long_ago, long_ago))
    gone = json.loads(site.owner.pepip("prune", "--yes", "--json", folder=site.owner.home).stdout)
    assert [orphan["name"] for orphan in gone["orphans"]] == ["drum"]


def test_the_lease_of_an_ejected_environment_is_removed(site: Site) -> None:
    """Its owner need not keep the entries until the lease is too old."""
    site.fill("drum==1.0")
    site.owner.pepip("store", "init", "--layer", "--lease-days", "30", folder=site.owner.home)
    site.install("drum==1.0")

    site.read("eject")

    assert list((site.layer / "leases").iterdir()) == []
    assert site.plays() == "1.0"


@pytest.mark.parametrize("days", ["1e400", "-5", "0", "1" + "0" * 400])
def test_a_damaged_number_of_days_removes_nothing(tmp_path: Path, days: str) -> None:
    """A layer whose leases can't be judged takes none, and is pruned by age alone."""
    (tmp_path / "layer.json").write_text(f'{{"leases": true, "lease_days": {days}}}')

    assert leases.policy_of(str(tmp_path)) == leases.Policy(takes_leases=False, days=leases.DAYS)


def test_a_lease_is_renewed_by_commands_that_find_nothing_to_do(site: Site, tmp_path: Path) -> None:
    """Once a day is enough. After an uninstall it goes with the next command that registers."""
    with served(tmp_path / "pages") as url:
        write_simple_index(tmp_path / "pages" / "simple", site.wheelhouse, hashes=True)
        site = replace(site, index=f"{url}simple")
        site.fill("drum==1.0")
        site.owner.pepip("store", "init", "--layer", "--lease-days", "30", folder=site.owner.home)
        site.install("drum==1.0")
        (lease,) = (site.layer / "leases").iterdir()
        notes = list(site.reader.store.glob("cache/answers-*/settled-*"))
        until = next(line for line in notes[0].read_text().splitlines() if "until:" in line)
        assert 3600 < float(until.partition("until:")[2]) - time.time() <= 86_401
        days_ago = time.time() - 5 * 86_400
        os.utime(lease, (days_ago, days_ago))
        site.install("drum==1.0")
        assert time.time() - lease.stat().st_mtime > 86_400
        for note in notes:  # a day later
            rest = note.read_text().partition("\n")[2].replace(until, f"early\tuntil:{time.time() - 1:.0f}")
            note.write_text(f"{note.name} {digests.hexadecimal(rest.encode())}\n{rest}")

        site.install("drum==1.0")
        assert time.time() - lease.stat().st_mtime < 3600

        site.read("uninstall", "drum")
        site.install("horn")
        assert list((site.layer / "leases").iterdir()) == []


def test_leases_of_the_hostile_hurt_nobody(site: Site) -> None:
    """Pipes, links, huge and wrong files in the folder of leases neither block nor end a prune."""
    site.fill("drum==1.0", "horn")
    site.owner.pepip("store", "init", "--layer", "--lease-days", "30", folder=site.owner.home)
    site.install("drum==1.0")
    folder = site.layer / "leases"
    os.mkfifo(folder / "1-pipe.json")
    (folder / "1-link.json").symlink_to("/etc/passwd")
    (folder / "1-wrong.json").write_text('{"entries": ["../../x", 3, {"a": 1}], "environment": 1}')
    (folder / "1-list.json").write_text("[]")
    (folder / "1-long.json").write_text("[" * 100_000)
    (folder / "1-folder.json").mkdir()

    done = json.loads(site.owner.pepip("prune", "--yes", "--json", folder=site.owner.home).stdout)

    assert [orphan["name"] for orphan in done["orphans"]] == ["horn"]
    assert site.plays() == "1.0"


def test_a_file_in_the_store_names_layers_and_the_variable_comes_first(site: Site) -> None:
    """One path a line, comments left out. A file that others may write is not believed."""
    site.fill("drum==1.0")
    site.install("wind-one", variables={})
    listed = site.reader.store / "layers"
    listed.write_text(f"# our site\n\n{site.layer}\n")

    site.install("drum==1.0", variables={"PEPIP_LAYERS": ""})
    assert entries_of(site.reader.store) == ["drum-1.0", "wind-one-1.0"]
    site.read("uninstall", "drum", variables={})
    site.read("prune", "--yes", variables={})
    site.install("drum==1.0", variables={})
    assert (site.packages / "drum").resolve().is_relative_to(site.layer)

    listed.chmod(0o666)
    doctor = json.loads(site.read("doctor", "--json", variables={}, check=False).stdout)
    assert not [row for row in doctor if row["topic"] == "layer"]


@pytest.mark.parametrize("value", ["layer", "./layer", "layer:/x"])
def test_a_relative_layer_is_refused(site: Site, value: str) -> None:
    """The current folder, which may be a checkout of somebody else, chooses no layer."""
    refused = site.install("drum==1.0", check=False, variables={"PEPIP_LAYERS": value})

    assert_refused(refused, "PEPIP_LAYERS names", "no absolute path")
    assert not (site.app / ".venv").exists()


def test_the_own_store_among_the_layers_is_left_out(site: Site) -> None:
    """The owner of a layer may have the same variable as its readers."""
    site.fill("drum==1.0")
    folder = site.owner.make_folder(site.owner.home / "work")

    site.owner.pepip(
        *("install", "drum==1.0", "horn", *site.source, "--python", site.interpreter),
        folder=folder,
        variables=site.layers,
    )

    assert entries_of(site.layer) == ["drum-1.0", "horn-1.0"]
    (known,) = json.loads(site.owner.pepip("projects", "--json", folder=folder, variables=site.layers).stdout)
    assert known["state"] == "ok"


def test_two_entries_of_one_name_in_store_and_layer_are_told_apart(site: Site, tmp_path: Path) -> None:
    """The same bucket and folder name, other bytes: pruning one's own never goes by the other's links."""
    site.fill("horn")
    others = tmp_path / "others"
    others.mkdir()
    Wheel("horn", "1.0", files={"horn/__init__.py": "OTHER = 1\n"}).write(others)
    twin = site.reader.make_folder(site.reader.home / "twin")
    arguments = ("--no-index", "--find-links", others, "--python", site.interpreter)
    site.reader.pepip("install", "horn", *arguments, folder=twin, variables=site.layers)
    site.install("horn")
    assert (site.packages / "horn").resolve().is_relative_to(site.layer)
    assert entries_of(site.reader.store) == ["horn-1.0"]

    site.reader.pepip("uninstall", "horn", folder=twin, variables=site.layers)
    done = site.documents("prune", "--yes")

    assert [orphan["name"] for orphan in done["orphans"]] == ["horn"]
    site.reader.python(site.app / ".venv", "-c", "import horn; assert not hasattr(horn, 'OTHER')")


@pytest.mark.parametrize("mode", ["hardlink", "copy"])
def test_link_modes_and_ways_out_work_from_a_layer(site: Site, mode: str) -> None:
    """`UV_LINK_MODE` gives files of the environment's own; detach, attach and eject work, too."""
    site.fill("drum==1.0", "horn")
    site.install("drum==1.0", variables={**site.layers, "UV_LINK_MODE": mode})
    assert not (site.packages / "drum").is_symlink()
    (known,) = site.documents("projects")
    (package,) = known["packages"]
    assert package["entry"] == str(site.entry("drum-1.0"))
    site.install("horn")
    before = snapshot(site.layer)
    site.read("detach", "horn")
    (site.packages / "horn" / "__init__.py").write_text("PATCHED = 1\n")
    site.read("attach", "horn", "--force")
    assert (site.packages / "horn").resolve().is_relative_to(site.layer)
    site.read("eject")
    site.layer.rename(site.layer.with_name("away"))

    assert site.plays() == "1.0"
    site.layer.with_name("away").rename(site.layer)
    assert changes(before, snapshot(site.layer)) == []


def test_an_interrupted_change_with_a_layer_is_completed(site: Site) -> None:
    """The journal names entries of a layer by their path, and only those of a named layer are linked."""
    site.fill("drum==1.0")
    site.install("horn")
    scratch = site.app / ".venv" / ".pepip"
    site.reader.make_folder(scratch)
    journal = {"link": [[str(site.entry("drum-1.0")), None, "", "", ""]], "remove": [], "private": []}
    (scratch / "journal.json").write_text(json.dumps(journal))
    site.reader.give(scratch / "journal.json")

    site.install("horn")
    assert site.plays() == "1.0"

    site.read("uninstall", "drum")
    site.reader.make_folder(scratch)
    (scratch / "journal.json").write_text(json.dumps(journal))
    site.reader.give(scratch / "journal.json")
    site.install("horn", variables={})
    assert not (site.packages / "drum").exists()


def test_a_layers_owner_waits_for_readers_that_link(site: Site) -> None:
    """A prune of the layer holds its lock alone; a reader's link waits for it, and takes it without a write."""
    site.fill("drum==1.0")
    lock = site.layer / ".lock"
    holding = site.owner.start(["flock", lock, "sh", "-c", "echo held; read _"], folder=site.owner.home)
    assert holding.stdout is not None
    assert holding.stdin is not None
    try:
        assert holding.stdout.readline() == "held\n"
        with ThreadPoolExecutor(1) as pool:
            linked = pool.submit(site.install, "drum==1.0")
            time.sleep(2)
            assert not linked.done()
            holding.stdin.write("\n")
            holding.stdin.flush()
            linked.result()
    finally:
        holding.communicate()

    assert site.plays() == "1.0"


def test_a_layer_may_vanish_while_a_command_waits_for_its_lock(site: Site) -> None:
    """The command then stores the packages in the reader's store, and its environment is whole."""
    site.fill("drum==1.0", "horn")
    lock = site.layer / ".lock"
    holding = site.owner.start(["flock", lock, "sh", "-c", "echo held; read _"], folder=site.owner.home)
    assert holding.stdout is not None
    assert holding.stdout.readline() == "held\n"
    with ThreadPoolExecutor(1) as pool:
        linked = pool.submit(site.install, "drum==1.0", "horn")
        time.sleep(2)
        assert not linked.done()
        site.layer.rename(site.layer.with_name("away"))
        holding.communicate("\n")
        said = linked.result().stderr

    assert f"warning: the layer {site.layer} is not there: its packages are stored in {site.reader.store}" in said
    assert site.plays() == "1.0"
    assert entries_of(site.reader.store) == ["drum-1.0", "horn-1.0"]
    assert problems_of(site.reader.store) == []


@pytest.mark.parametrize("count", [4, pytest.param(20, marks=pytest.mark.real_world)])
def test_many_users_at_once_on_one_read_only_layer(
    count: int, machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path
) -> None:
    """Each with a number, a home, a store and a cache of their own. The kernel tells of no write in the layer."""
    site = Site(replace(machine, store=tmp_path / "layer"), machine, wheelhouse, interpreter)
    fill_for_many(site)
    assert_many_users_write_nothing(count, site, tmp_path)


@pytest.mark.real_world
def test_many_users_at_once_on_one_layer_of_a_network_file_system(
    machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path
) -> None:
    """Its owner fills it on one node, and all others read it on another."""
    with two_mounts(tmp_path / "volume") as mounts:
        folder = tmp_path / "layers"
        folder.mkdir()
        site = Site(replace(machine, store=folder / "layer"), machine, wheelhouse, interpreter)
        subprocess.run(["mount", "--bind", mounts[0], folder], check=True)
        try:
            fill_for_many(site)
        finally:
            subprocess.run(["umount", folder], check=True)
        subprocess.run(["mount", "--bind", mounts[1], folder], check=True)
        try:
            assert_many_users_write_nothing(20, site, tmp_path)
        finally:
            subprocess.run(["umount", folder], check=True)


@pytest.mark.real_world
def test_a_layer_whose_network_file_system_fails_is_named_and_repair_replaces_its_entries(
    machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path
) -> None:
    """The mount point stays, and each call on it fails."""
    with two_mounts(tmp_path / "volume") as mounts:
        for wheel in WHEELS:
            wheel.write(wheelhouse)
        site = Site(replace(machine, store=mounts[0] / "layer"), machine, wheelhouse, interpreter)
        site.fill("drum==1.0")
        site.install("drum==1.0")
        with stopped():
            refused = site.install("horn", check=False)
            assert_refused(refused, f"from the layer {site.layer}, which is not there", "pepip store repair")
            checks = {row["topic"]: row for row in site.documents("doctor", check=False)}
            assert checks["layer"]["state"] == "error"
            healed = site.documents("store", "repair", *site.source)
            assert healed["healed"] == [str(site.app / ".venv")]
            assert site.plays() == "1.0"


NAMES_FOR_MANY = ("drum==1.0", "horn", "big-bell", "wind-one", "wind-two", "band", "band-guests")


def fill_for_many(site: Site) -> None:
    """Store all packages in the layer. Skips the test without root, who can become many users."""
    if os.geteuid() != 0:
        pytest.skip("the tests do not run as root")
    for wheel in WHEELS:
        wheel.write(site.wheelhouse)
    site.fill(*NAMES_FOR_MANY)


def assert_many_users_write_nothing(count: int, site: Site, folder: Path) -> None:
    """Let `count` users install from the layer, and assert that each environment is uv's and no write came.

    Their homes are made in `folder`.
    """
    owner, machine, interpreter, names = site.owner, site.reader, site.interpreter, NAMES_FOR_MANY
    twin = machine.make_folder(folder / "twin")
    machine.uv("venv", "--python", interpreter, folder=twin)
    machine.uv("pip", "install", *names, *site.source, folder=twin)
    prefix = plain_user_prefix()
    readers = []
    for number in range(count):
        home = folder / f"home-{number}"
        home.mkdir()
        os.chown(home, 64200 + number, 64200 + number)
        words = tuple(word.replace(str(PLAIN_USER_ID), str(64200 + number)) for word in prefix)
        readers.append(Reader(home, home / "store", home / "cache", words, 64200 + number))

    def work(reader: Reader) -> str:
        own = replace(site, reader=reader)
        own.install(*names)
        own.read("uninstall", "band-guests")
        own.install(*names)
        own.read("prune", "--yes")
        return own.plays()

    with watched(owner.store) as watch, ThreadPoolExecutor(count) as pool:
        assert list(pool.map(work, readers)) == ["1.0"] * count
        assert watch.writes() == []

    wanted = contents_of(site_packages_of(twin / ".venv"))
    for reader in readers:
        assert entries_of(reader.store) == []
        assert contents_of(site_packages_of(reader.home / "app" / ".venv")) == wanted
        assert reader.run([reader.home / "app" / ".venv/bin/drum"], folder=reader.home).stdout == "1.0\n"


@dataclass(frozen=True)
class Reader(Machine):
    """A user of a machine with a number of their own."""

    number: int = 0

    def give(self, path: Path) -> None:
        """Make this user the owner of `path`."""
        os.chown(path, self.number, self.number)


def test_a_watch_tells_of_writes(tmp_path: Path) -> None:
    """Else the test of many users could not fail."""
    (tmp_path / "inner").mkdir()
    with watched(tmp_path) as watch:
        assert watch.writes() == []
        (tmp_path / "inner" / "file").write_text("")
        assert f"{tmp_path}/inner/file" in watch.writes()
        (tmp_path / "inner" / "file").chmod(0o600)
        assert watch.writes() == [f"{tmp_path}/inner/file"]

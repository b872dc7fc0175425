"""uv and pip change a linked environment as one of uv's own, and never touch the store or another project.

Each test runs the same commands in twin environments. Afterwards both are equal, the store is the same byte for byte,
and a second project with the same packages works as before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.environments import Twins
from tests.support.machines import Machine
from tests.support.parity import Level, Observation, differences, observe
from tests.support.shelf import with_script
from tests.support.snapshots import Snapshot, changes, snapshot
from tests.support.wheels import PKG_RESOURCES_NAMESPACE, PKGUTIL_NAMESPACE, Wheel


def alpha(version: str) -> Wheel:
    """Return a distribution with a package, a script, data, and files that only this version has."""
    return with_script(
        "alpha",
        version,
        {
            f"alpha/only_in_{version[0]}.py": "",
            "alpha/inner/__init__.py": "",
            "alpha/inner/table.txt": f"table of {version}\n",
            "alpha_module.py": f"VERSION = {version!r}\n",
        },
        data={"data/share/alpha/manual.txt": f"manual of {version}\n", "scripts/alpha-script": "#!python\n"},
    )


BETA = Wheel("beta", "1.0", files={"beta/__init__.py": "import alpha\n"}, dependencies=["alpha"])
CAMERA_FILES = {"camera/__init__.py": "LENS = 50\n", "camera/body.py": "", "camera/data/curve.txt": "curve\n"}
CAMERA = Wheel("camera", "1.0", files={**CAMERA_FILES, "camera/plain.py": ""})
CAMERA_CONTRIB = Wheel("camera-contrib", "1.0", files={**CAMERA_FILES, "camera/contrib.py": ""})
NATIVE = [
    Wheel("native-one", "1.0", files={"native/one/__init__.py": ""}),
    Wheel("native-two", "1.0", files={"native/two/__init__.py": ""}),
]
CLOTH = [Wheel(name, "1.0", files={"native/cloth.txt": "linen\n"}) for name in ("cloth", "cloth-two")]
PKGUTIL = [
    Wheel(
        f"pkgutil-{name}",
        "1.0",
        files={"joint/__init__.py": PKGUTIL_NAMESPACE, f"joint/{name}/__init__.py": ""},
    )
    for name in ("one", "two")
]
PKG_RESOURCES = [
    Wheel(
        f"declared-{name}",
        "1.0",
        files={"declared/__init__.py": PKG_RESOURCES_NAMESPACE, f"declared/{name}/__init__.py": ""},
    )
    for name in ("one", "two")
]
SHARING_DATA = [
    Wheel(f"kernel-{name}", "1.0", data={f"data/share/kernels/{name}.json": "{}\n"}) for name in ("one", "two")
]
EVERY_WHEEL = [
    alpha("1.0"),
    alpha("2.0"),
    BETA,
    CAMERA,
    CAMERA_CONTRIB,
    *NATIVE,
    *CLOTH,
    *PKGUTIL,
    *PKG_RESOURCES,
    *SHARING_DATA,
]


@dataclass(frozen=True)
class Scene:
    """Twin environments of one user, a second project on the same store, and the state before a tool runs."""

    twins: Twins
    wheelhouse: Path
    pip: Path
    installed: tuple[str, ...]
    store_before: Snapshot
    second_before: Observation

    @property
    def source(self) -> tuple[str | Path, ...]:
        """Return the arguments that make uv and pepip take wheels only from the wheelhouse."""
        return ("--no-index", "--find-links", self.wheelhouse)

    def run_pip(self, *arguments: str | Path) -> None:
        """Run a pip that lies outside both environments, for each of them."""
        self.twins.run("python", self.pip / "pip" / "__pip-runner__.py", *arguments)

    def assert_nothing_else_changed(self) -> None:
        """Assert that the twins are equal, and that the store and the second project are unchanged."""
        assert changes(self.store_before, self._store()) == []
        self._assert_environments_are_right()

    def assert_others_kept(self, *, but: str = "nothing") -> None:
        """Assert that the second project and the store are unchanged, except for files whose path contains `but`."""
        assert [line for line in changes(self.store_before, self._store()) if but not in line] == []
        assert differences(self.second_before, self._second()) == []

    def assert_store_kept(self) -> None:
        """Assert that the twins are equal, and that the second project and old entries are unchanged.

        pepip may have added entries to the store.
        """
        lines = changes(self.store_before, self._store())

        assert [line for line in lines if not line.startswith("added:")] == []
        self._assert_environments_are_right()

    def _store(self) -> Snapshot:
        return snapshot(self.twins.machine.store / "packages")

    def _assert_environments_are_right(self) -> None:
        self.twins.assert_equal(Level.METADATA, pip=self.pip)
        assert differences(self.second_before, self._second()) == []

    def _second(self) -> Observation:
        return observe(self.second_before.environment, self.twins.machine, level=Level.METADATA)


class Stage:
    """Sets scenes for one user."""

    def __init__(self, user: Machine, folder: Path, interpreter: Path, pip: Path) -> None:
        self._twins = Twins(user, folder, interpreter)
        self._wheelhouse = folder / "wheelhouse"
        self._pip = pip
        for wheel in EVERY_WHEEL:
            wheel.write(self._wheelhouse)

    def set(self, *requirements: str) -> Scene:
        """Install the requirements into the twins and into a second project."""
        user = self._twins.machine
        source = ("--no-index", "--find-links", self._wheelhouse)
        self._twins.install(*requirements, *source)
        second = user.make_folder(self._twins.folder / "second" / "app")
        user.pepip("install", "--python", self._twins.interpreter, *requirements, *source, folder=second)
        return Scene(
            self._twins,
            self._wheelhouse,
            self._pip,
            requirements,
            snapshot(user.store / "packages"),
            observe(second / ".venv", user, level=Level.METADATA),
        )


@pytest.fixture
def stage(user: Machine, tmp_path: Path, interpreter: Path, pip: Path) -> Stage:
    """Return a stage that sets scenes: once for root, once for a plain user."""
    return Stage(user, user.make_folder(tmp_path / "stage"), interpreter, pip)


@pytest.mark.every(3)
def test_uv_pip_uninstall_removes_links_only(stage: Stage) -> None:
    """A linked distribution is removed from its environment and stays whole in the store."""
    scene = stage.set("alpha==1.0", "beta")

    scene.twins.run("uv", "pip", "uninstall", "alpha")

    scene.assert_nothing_else_changed()


@pytest.mark.every(3)
def test_uv_pip_install_of_another_version_replaces_links(stage: Stage) -> None:
    """Real files replace the links, and are not written through them."""
    scene = stage.set("alpha==1.0", "beta")

    scene.twins.run("uv", "pip", "install", "alpha==2.0", *scene.source)

    scene.assert_nothing_else_changed()


@pytest.mark.every(3)
def test_uv_pip_install_reinstall_replaces_links(stage: Stage) -> None:
    """The same version is installed as real files."""
    scene = stage.set("alpha==1.0", "beta")

    scene.twins.run("uv", "pip", "install", "--reinstall", "alpha==1.0", *scene.source)

    scene.assert_nothing_else_changed()


@pytest.mark.real_world
@pytest.mark.every(3)
def test_uv_pip_install_reinstall_of_everything_replaces_links(stage: Stage) -> None:
    """All distributions of an environment are replaced at once, and so are shared folders."""
    requirements = ("alpha==1.0", "beta", "camera", "camera-contrib", "native-one", "native-two")
    scene = stage.set(*requirements)

    scene.twins.run("uv", "pip", "install", "--reinstall", *requirements, *scene.source)

    scene.assert_nothing_else_changed()


@pytest.mark.every(3)
def test_uv_pip_sync_removes_and_replaces(stage: Stage) -> None:
    """After `uv pip sync`, the environment has exactly the distributions that the file lists."""
    scene = stage.set("alpha==1.0", "beta", "camera", "native-one")
    requirements = scene.wheelhouse / "requirements.txt"
    requirements.write_text("alpha==2.0\nnative-one==1.0\n")

    scene.twins.run("uv", "pip", "sync", requirements, *scene.source)

    scene.assert_nothing_else_changed()


@pytest.mark.every(3)
def test_uv_sync_removes_and_replaces(stage: Stage) -> None:
    """After `uv sync`, the environment has what the project declares."""
    scene = stage.set("alpha==1.0", "beta", "camera")
    for project in (scene.twins.uv_project, scene.twins.pepip_project):
        declaration = project / "pyproject.toml"
        declaration.write_text(
            '[project]\nname = "app"\nversion = "0"\nrequires-python = ">=3.8"\n'
            'dependencies = ["alpha==2.0", "native-one"]\n[tool.uv]\npackage = false\n'
        )

    scene.twins.run("uv", "sync", *scene.source)

    scene.assert_nothing_else_changed()


@pytest.mark.every(3)
def test_pip_uninstall_removes_links_only(stage: Stage) -> None:
    """The paths in RECORD are removed, and nothing behind the links."""
    scene = stage.set("alpha==1.0", "beta")

    scene.run_pip("uninstall", "--yes", "alpha")

    scene.assert_nothing_else_changed()


@pytest.mark.every(3)
def test_pip_install_upgrade_replaces_links(stage: Stage) -> None:
    """Real files replace the links."""
    scene = stage.set("alpha==1.0", "beta")

    scene.run_pip("install", "--upgrade", "alpha", *scene.source)

    scene.assert_nothing_else_changed()


@pytest.mark.real_world
@pytest.mark.every(3)
def test_pip_install_force_reinstall_replaces_links(stage: Stage) -> None:
    """The same version is installed as real files."""
    scene = stage.set("alpha==1.0", "beta")

    scene.run_pip("install", "--force-reinstall", "alpha==1.0", *scene.source)

    scene.assert_nothing_else_changed()


@pytest.mark.every(6)
@pytest.mark.parametrize("members", [NATIVE, PKGUTIL, PKG_RESOURCES, SHARING_DATA], ids=lambda pair: pair[0].name)
def test_uv_adds_the_second_member_beside_the_link(stage: Stage, members: list[Wheel]) -> None:
    """A namespace is a real folder, so files that uv adds to it stay in this environment."""
    scene = stage.set(members[0].name)

    scene.twins.run("uv", "pip", "install", members[1].name, *scene.source)

    scene.assert_nothing_else_changed()


@pytest.mark.every(3)
@pytest.mark.parametrize(
    "members",
    [NATIVE, PKGUTIL, *(pytest.param(pair, marks=pytest.mark.real_world) for pair in (PKG_RESOURCES, SHARING_DATA))],
    ids=lambda pair: pair[0].name,
)
def test_pip_adds_the_second_member_beside_the_link(stage: Stage, members: list[Wheel]) -> None:
    """Files that pip adds to a namespace stay in this environment too."""
    scene = stage.set(members[0].name)

    scene.run_pip("install", members[1].name, *scene.source)

    scene.assert_nothing_else_changed()


@pytest.mark.every(6)
@pytest.mark.parametrize("leaving", [["camera"], ["camera-contrib"], ["camera", "camera-contrib"]])
def test_uv_removes_one_of_two_that_share_a_folder(stage: Stage, leaving: list[str]) -> None:
    """Files that both claim go with the first distribution that is removed, as under uv. The rest stays."""
    scene = stage.set("camera", "camera-contrib")

    scene.twins.run("uv", "pip", "uninstall", *leaving)

    scene.assert_nothing_else_changed()


@pytest.mark.every(3)
@pytest.mark.parametrize("leaving", [["camera-contrib"], pytest.param(["camera"], marks=pytest.mark.real_world)])
def test_pip_removes_one_of_two_that_share_a_folder(stage: Stage, leaving: list[str]) -> None:
    """After a removal by pip, the environment equals uv's too."""
    scene = stage.set("camera", "camera-contrib")

    scene.run_pip("uninstall", "--yes", *leaving)

    scene.assert_nothing_else_changed()


@pytest.mark.every(6)
@pytest.mark.parametrize("leaving", ["native-one", "pkgutil-one", "kernel-one"])
def test_uv_removes_one_member_of_a_shared_folder(stage: Stage, leaving: str) -> None:
    """The other member stays importable, and no empty folder is left."""
    scene = stage.set("native-one", "native-two", "pkgutil-one", "pkgutil-two", "kernel-one", "kernel-two")

    scene.twins.run("uv", "pip", "uninstall", leaving)

    scene.assert_nothing_else_changed()


@pytest.mark.every(6)
@pytest.mark.parametrize("leaving", ["native-one", "pkgutil-one", "kernel-one"])
def test_pip_removes_one_member_of_a_shared_folder(stage: Stage, leaving: str) -> None:
    """The other member stays importable, although pip removes folders in which it finds no file of others."""
    scene = stage.set("native-one", "native-two", "pkgutil-one", "pkgutil-two", "kernel-one", "kernel-two")

    scene.run_pip("uninstall", "--yes", leaving)

    scene.assert_nothing_else_changed()


def test_a_write_of_uv_through_a_linked_package_is_refused_or_repaired(stage: Stage) -> None:
    """If uv adds a second owner to a regular package, its files are kept out of the store, or found and removed.

    The permissions in the store refuse a plain user, but not root. Then the next command in any project notices the
    files, and repairs the entry.
    """
    scene = stage.set("camera")
    machine = scene.twins.machine

    ended = machine.uv(
        "pip", "install", "camera-contrib", *scene.source, folder=scene.twins.pepip_project, check=False
    )
    if ended.returncode == 0:
        assert changes(scene.store_before, snapshot(machine.store / "packages")) != []
        second = scene.second_before.environment.parent
        said = machine.pepip("install", "camera", *scene.source, folder=second).stderr
        assert "another tool wrote into camera-1.0" in said
        assert "repaired" in said
    else:
        assert "Permission denied" in ended.stderr

    scene.assert_others_kept(but="pepip-entry.json")  # the document says when the entry was stored


@pytest.mark.every(2)
def test_pepip_brings_back_packages_that_uv_removed(stage: Stage) -> None:
    """After changes by another tool, the next `pepip install` gives the same environment as uv."""
    scene = stage.set("alpha==1.0", "beta", "camera")
    scene.twins.run("uv", "pip", "uninstall", "alpha", "camera")

    scene.twins.install("alpha==1.0", "camera", "camera-contrib", *scene.source)

    scene.assert_store_kept()


@pytest.mark.every(2)
def test_pepip_brings_back_files_that_uv_removed_with_another_distribution(stage: Stage) -> None:
    """A reinstalled distribution gets all of its files, however many were missing."""
    scene = stage.set("native-one", "cloth", "cloth-two")
    scene.twins.run("uv", "pip", "uninstall", "cloth-two")

    scene.twins.install("--reinstall", "cloth", *scene.source)

    scene.assert_store_kept()


@pytest.mark.every(3)
def test_pepip_takes_over_packages_that_uv_installed(stage: Stage) -> None:
    """Real files of uv stay where they satisfy the request. Otherwise they are replaced as by uv."""
    scene = stage.set("alpha==1.0", "beta")
    scene.twins.run("uv", "pip", "install", "alpha==2.0", "native-one", *scene.source)

    scene.twins.install("alpha==1.0", "native-two", *scene.source)

    scene.assert_store_kept()


@pytest.mark.real_world
@pytest.mark.parametrize("old", ["23.3.2", "24.2"])
def test_pip_replaces_and_removes_itself(twins: Twins, old: str) -> None:
    """A linked pip upgrades itself, then uninstalls itself. The store keeps the old pip whole."""
    twins.install(f"pip=={old}")
    before = snapshot(twins.machine.store / "packages")

    twins.run("python", "-m", "pip", "install", "--upgrade", "pip==24.3.1")
    twins.assert_equal(Level.METADATA)
    twins.run("python", "-m", "pip", "uninstall", "--yes", "pip")

    twins.assert_equal(Level.METADATA)
    assert changes(before, snapshot(twins.machine.store / "packages")) == []

"""Fixtures for all tests: a store and a project for each test, the session's uv cache, and interpreters."""

from __future__ import annotations

import gc
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from pepip.store import trash
from tests.support import filesystems, forking
from tests.support.environments import PIP_FOR_ALL_VERSIONS, Twins
from tests.support.keeping import Keeper
from tests.support.machines import Machine, any_interpreter
from tests.support.offices import Office
from tests.support.workbench import SettledWorkbench, Workbench

# No database of examples is kept, and a slow run on a busy machine is no failure.
_CALM = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("few", _CALM, derandomize=True, max_examples=50)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that only this project has."""
    parser.addoption("--update-snapshots", action="store_true", help="write the pictures in snapshots/ anew")
    parser.addoption("--start-anew", action="store_true", help="start an interpreter for each run of pepip")


def pytest_configure(config: pytest.Config) -> None:
    """Restore the usual handling of SIGINT and SIGHUP, and choose how pepip is started.

    `nohup` and background jobs of shells start programs with these signals ignored. Then the tests' programs could
    not be interrupted. The long list starts an interpreter for each run of pepip; the default run forks.

    Hypothesis tries a few fixed examples, or as many random ones as `PEPIP_TEST_EXAMPLES` says. A failing one is
    printed; add it to the test as an explicit `@example`.
    """
    examples = os.environ.get("PEPIP_TEST_EXAMPLES")
    if examples:
        settings.register_profile("many", _CALM, derandomize=False, max_examples=int(examples), print_blob=True)
    settings.load_profile("many" if examples else "few")
    if config.option.start_anew or config.option.markexpr == "real_world":
        forking.is_wanted = False
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m unit`, skip files without such tests: to read all files takes longer than the unit tests."""
    if config.option.markexpr == "unit" and collection_path.match("test_*.py"):
        return None if "pytest.mark.unit" in collection_path.read_text() else True
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark variants of tests with `every(n)` as `real_world`, the long list, except for every n-th variant."""
    counts: Counter[str] = Counter()
    for item in items:
        marker = item.get_closest_marker("every")
        if marker:
            name = item.nodeid.partition("[")[0]
            if counts[name] % marker.args[0]:
                item.add_marker("real_world")
            counts[name] += 1


def pytest_collection_finish() -> None:
    """Spare the collected tests each garbage collection: they are most objects of this process, and they stay."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the app's list of activities out of the home of the person who runs the tests."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def uv_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the real uv cache that all tests of this session share: `UV_CACHE_DIR`, or a temporary folder."""
    given = os.environ.get("UV_CACHE_DIR")
    if given:
        return Path(given)
    session = tmp_path_factory.getbasetemp()
    return (session.parent if "PYTEST_XDIST_WORKER" in os.environ else session) / "uv-cache"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return the path of this test's store, which does not exist yet."""
    return tmp_path / "store"


@pytest.fixture
def machine(tmp_path: Path, store: Path, uv_cache: Path) -> Machine:
    """Return the user that runs the tests, with an empty home and a store that does not exist yet."""
    home = tmp_path / "home"
    home.mkdir()
    return Machine(home, store, uv_cache)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the folder of an empty project."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    """Return an empty folder for wheels, for `--find-links`."""
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    return folder


@pytest.fixture
def workbench(
    request: pytest.FixtureRequest, machine: Machine, project: Path, wheelhouse: Path, interpreter: Path
) -> Workbench:
    """Return a user with an empty project. The wheelhouse has the wheels that the test's module calls `WHEELS`."""
    found = Workbench(machine, project.parent, wheelhouse, interpreter)
    found.supply(getattr(request.module, "WHEELS", ()))
    return found


@pytest.fixture
def keeper(machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path) -> Keeper:
    """Return a user who maintains a store. Nothing is installed."""
    return Keeper.settle(machine, tmp_path, wheelhouse, interpreter)


@pytest.fixture
def app_user(machine: Machine, wheelhouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return the user of the app, which runs in this process. Their uv takes wheels from `wheelhouse` alone.

    This process has the user's variables, and so has each command that it starts. The disk of the tests, which may be
    nearly full, has room for the trash.
    """
    monkeypatch.setattr(trash, "has_room", lambda _: True)
    settings = tmp_path / "settings" / "uv" / "uv.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"no-index = true\nfind-links = [{json.dumps(str(wheelhouse))}]\n")
    for name in set(os.environ) - machine.variables().keys():
        monkeypatch.delenv(name)
    for name, value in machine.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(settings.parent.parent))
    return machine


@pytest.fixture
def app_bench(
    request: pytest.FixtureRequest, app_user: Machine, wheelhouse: Path, tmp_path: Path, interpreter: Path
) -> SettledWorkbench:
    """Return the workbench of the app's user. The projects are in the folder `code`."""
    bench = SettledWorkbench(app_user, app_user.make_folder(tmp_path / "code"), wheelhouse, interpreter, name=".")
    bench.supply(getattr(request.module, "WHEELS", ()))
    return bench


@pytest.fixture(scope="session")
def interpreter() -> Path:
    """Return an interpreter for tests that accept any version of Python."""
    return any_interpreter()


@pytest.fixture
def twins(machine: Machine, tmp_path: Path, interpreter: Path) -> Twins:
    """Return two empty projects, one for uv and one for pepip."""
    return Twins(machine, tmp_path, interpreter)


@pytest.fixture(scope="session")
def pip(uv_cache: Path, interpreter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the package pip, for inspecting environments that have no pip."""
    folder = tmp_path_factory.mktemp("pip")
    machine = Machine(folder / "home", folder / "store", uv_cache)
    target = folder / "site"
    machine.uv("pip", "install", "--target", target, "--python", interpreter, PIP_FOR_ALL_VERSIONS, folder=folder)
    return target


@pytest.fixture(
    params=[
        "here",
        *(pytest.param(kind, marks=pytest.mark.real_world) for kind in ("ext4", "xfs", "btrfs", "overlay")),
    ]
)
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Yield a folder for a team: first on the file system of the other tests, then on mounted ones."""
    folder = tmp_path / "ground"
    if request.param == "here":
        yield folder
    elif request.param == "overlay":
        folder.mkdir()
        with filesystems.layered(folder):
            yield folder
    else:
        with filesystems.mounted(request.param, folder, mebibytes=400):
            yield folder


@pytest.fixture
def office(ground: Path, wheelhouse: Path, interpreter: Path) -> Office:
    """Return a team whose members trust only the store's owner."""
    return Office(ground / "office", wheelhouse, interpreter, trust="owner")


@pytest.fixture(params=["root", "plain user"])
def user(request: pytest.FixtureRequest, machine: Machine, tmp_path: Path) -> Machine:
    """Return root, then a plain user, each with a home, a store and a cache of their own."""
    if request.param == "plain user":
        return machine.as_plain_user(tmp_path / "plain")
    if os.geteuid() != 0:
        pytest.skip("the tests do not run as root")
    return machine

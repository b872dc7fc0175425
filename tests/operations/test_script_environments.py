"""Scripts with inline metadata (PEP 723): their environments are uv's, in uv's cache, and linked from the store."""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.environments import Twins
from tests.support.indexes import Index, counting_server
from tests.support.machines import Machine, find_interpreter, site_packages_of, uv_executable
from tests.support.parity import Level, differences, observe
from tests.support.refusals import assert_refused, assert_refused_alike
from tests.support.snapshots import changes, snapshot, stamps
from tests.support.stores import leftovers_of, problems_of
from tests.support.wheels import Wheel

pytestmark = pytest.mark.every(2)

BODY = "import iniconfig, sys; print(sorted(sys.argv[1:]), sys.prefix != sys.base_prefix)\n"
NIB = Wheel("nib", "2.0", files={"nib/__init__.py": "", "nib/tip.txt": "gold\n"})


def script(*dependencies: str, body: str = BODY, python: str = ">=3.9", settings: str = "") -> str:
    """Return the text of a script with these dependencies."""
    listed = ", ".join(f'"{dependency}"' for dependency in dependencies)
    more = "".join(f"# {line}\n" for line in settings.splitlines())
    return f'# /// script\n# requires-python = "{python}"\n# dependencies = [{listed}]\n{more}# ///\n{body}'


@pytest.fixture
def machine(machine: Machine, tmp_path: Path) -> Machine:
    """Return a user with a cache of uv's own: other tests build wheels of the packages that scripts need here."""
    return replace(machine, uv_cache=tmp_path / "uv-cache")


def environment_of(machine: Machine, folder: Path, name: str) -> Path:
    """Return the environment that uv has for a script."""
    words = ("sync", "--script", name, "--dry-run", "--output-format", "json")
    return Path(json.loads(machine.uv(*words, folder=folder).stdout)["sync"]["environment"]["path"])


def assert_same(twins: Twins, name: str, level: Level = Level.METADATA) -> Path:
    """Assert that uv's and pepip's environment of a script, and all other files, are equal. Returns pepip's."""
    of_uv, of_pepip = (environment_of(twins.machine, at, name) for at in (twins.uv_project, twins.pepip_project))
    found = [observe(root, twins.machine, level=level) for root in (of_uv, of_pepip)]
    assert differences(*found) == []
    assert twins.file_differences() == []
    assert problems_of(twins.machine.store) == []
    assert leftovers_of(twins.machine.store) == []
    return of_pepip


def is_linked(machine: Machine, environment: Path, package: str) -> bool:
    """Say whether an environment links a package from the store."""
    path = site_packages_of(environment) / package
    return path.is_symlink() and path.resolve().is_relative_to(machine.store.resolve())


def only_environment_of(machine: Machine) -> Path:
    """Return the only environment that is registered."""
    (shown,) = json.loads(machine.pepip("projects", "--json", folder=machine.store).stdout)
    return Path(shown["environment"])


def test_run_links_a_script_and_leaves_uv_nothing_to_do(twins: Twins) -> None:
    """The environment is where uv has it, equal to uv's, and linked. uv installs nothing and changes nothing."""
    twins.write("plot.py", script("iniconfig", "click"))

    by_uv, by_pepip = twins.both("run", "plot.py", "b", "a")

    assert by_pepip.stdout == by_uv.stdout == "['a', 'b'] True\n"
    environment = assert_same(twins, "plot.py")
    assert is_linked(twins.machine, environment, "iniconfig")
    assert is_linked(twins.machine, environment, "click")
    before = stamps(environment)
    again = twins.machine.uv("run", "plot.py", folder=twins.pepip_project, variables={"UV_PYTHON": ""})
    assert "Installed" not in by_pepip.stderr + again.stderr
    assert stamps(environment) == before


def test_a_second_run_asks_uv_nothing(twins: Twins) -> None:
    """The same script again starts uv once, to run it. A changed script is looked at anew."""
    twins.write("plot.py", script("iniconfig"))
    machine, folder = twins.machine, twins.pepip_project
    machine.pepip("run", "plot.py", folder=folder)
    time.sleep(0.1)  # a file system's clock lags, so what has just changed is looked at once more
    machine.pepip("run", "plot.py", folder=folder)

    again = machine.run(
        ["strace", "-f", "-qq", "-e", "trace=execve", sys.executable, "-m", "pepip", "run", "plot.py"], folder=folder
    )

    started = [line for line in again.stderr.splitlines() if f'"{uv_executable()}"' in line and "= 0" in line]
    assert len(started) == 1, "\n".join(started)
    twins.write("plot.py", script("iniconfig", "click"))
    machine.pepip("run", "plot.py", folder=folder)
    assert is_linked(machine, environment_of(machine, folder, "plot.py"), "click")


@pytest.mark.every(4)
@pytest.mark.parametrize(
    "words",
    [
        ("sync", "--script", "plot.py"),
        ("sync", "--script", "plot.py", "--dry-run"),
        ("sync", "--script", "plot.py", "--output-format", "json"),
        ("sync", "--script", "missing.py"),
        ("sync", "--script", "plain.py"),
        ("sync", "--script", "plot.py", "--locked"),
        ("sync", "--script", "plot.py", "--frozen"),
        ("sync", "--script", "plot.py", "--extra", "more"),
        ("sync", "--script", "plot.py", "--no-dev"),
        ("run", "--locked", "plot.py"),
        ("run", "--no-sync", "plot.py"),
        ("run", "--no-project", "plot.py"),
        ("run", "--isolated", "plot.py"),
        ("run", "--extra", "more", "plot.py"),
        ("run", "--with", "click", "plot.py"),
        ("run", "--script", "plot.py", "x"),
        ("run", "-q", "plot.py"),
        ("lock", "--script", "plot.py"),
        ("add", "--script", "plot.py", "click"),
        ("remove", "--script", "plot.py", "iniconfig"),
        ("run", "broken.py"),
        ("run", "nowhere.py"),
    ],
    ids=" ".join,
)
def test_commands_on_scripts_end_as_uvs(twins: Twins, words: tuple[str, ...]) -> None:
    """Exit code, output, the script, its lock and its environment are uv's."""
    twins.write("plot.py", script("iniconfig"))
    twins.write("plain.py", "print('plain')\n")
    twins.write("broken.py", "# /// script\n# dependencies = [\n# ///\n")
    twins.write("nowhere.py", script("pepip-tests-there-is-no-such-package"))

    by_uv, by_pepip = twins.both(*words, check=False)

    assert by_pepip.returncode == by_uv.returncode, by_pepip.stderr
    here, there = str(twins.uv_project), str(twins.pepip_project)
    names = [str(environment_of(twins.machine, at, "plot.py")) for at in (twins.uv_project, twins.pepip_project)]
    shown = by_uv.stdout.replace(names[0], names[1]).replace(here, there)
    if "json" in words:
        assert json.loads(by_pepip.stdout) == json.loads(shown)
    else:
        assert by_pepip.stdout == shown
    if by_uv.returncode == 0:
        assert [Path(name).exists() for name in names].count(True) in {0, 2}
    if by_uv.returncode == 0 and Path(names[0]).exists():
        assert_same(twins, "plot.py")


def test_a_locked_script_gets_the_locked_versions(twins: Twins) -> None:
    """A lock beside the script counts, and one that is out of date is brought up to date or refused, as by uv."""
    twins.write("plot.py", script("iniconfig<2.1"))
    twins.both("lock", "--script", "plot.py")
    twins.write("plot.py", script("iniconfig"))

    for words in (("run", "--frozen", "plot.py"), ("run", "--locked", "plot.py"), ("run", "plot.py")):
        by_uv, by_pepip = twins.both(*words, check=False)
        assert by_pepip.returncode == by_uv.returncode, by_pepip.stderr
        assert by_pepip.stdout == by_uv.stdout

    assert is_linked(twins.machine, assert_same(twins, "plot.py"), "iniconfig")


def test_a_script_that_wants_another_python_gets_a_new_environment(twins: Twins) -> None:
    """An environment whose Python does not fit any more is replaced, linked again."""
    other = next(filter(None, map(find_interpreter, ("3.13", "3.11", "3.10", "3.9"))))
    twins.write("plot.py", script("iniconfig", body="import sys, iniconfig; print(sys.version_info[:2])\n"))
    twins.both("run", "plot.py")

    by_uv, by_pepip = twins.both("run", "plot.py", variables={"UV_PYTHON": str(other)})

    assert by_pepip.stdout == by_uv.stdout
    environment = environment_of(twins.machine, twins.pepip_project, "plot.py")
    assert is_linked(twins.machine, environment, "iniconfig")


def test_a_package_that_a_script_no_longer_needs_stays_for_run_and_goes_with_sync(twins: Twins) -> None:
    """`run` keeps what is there, `run --exact` and `sync` remove it, as uv does."""
    twins.write("plot.py", script("iniconfig", "click"))
    twins.both("run", "plot.py")
    twins.write("plot.py", script("iniconfig"))

    for words in (("run", "plot.py"), ("run", "--exact", "plot.py"), ("sync", "--script", "plot.py")):
        twins.both(*words)
        assert_same(twins, "plot.py")

    assert not (site_packages_of(environment_of(twins.machine, twins.pepip_project, "plot.py")) / "click").exists()


def test_local_sources_of_a_script_are_private(twins: Twins) -> None:
    """A folder that the script's own settings name is uv's to install. The rest is linked."""
    NIB.write_source(twins.folder / "elsewhere" / "nib")
    settings = '[tool.uv.sources]\nnib = { path = "../../elsewhere/nib" }\n'
    twins.write("plot.py", script("iniconfig", "nib", settings=settings, body=f"import nib\n{BODY}"))

    by_uv, by_pepip = twins.both("run", "plot.py")

    assert by_pepip.stdout == by_uv.stdout
    environment = assert_same(twins, "plot.py", Level.FILES)
    assert is_linked(twins.machine, environment, "iniconfig")
    assert not is_linked(twins.machine, environment, "nib")


def test_settings_in_a_script_reach_builds(twins: Twins) -> None:
    """A wheel is not linked for a script whose own settings ask for a build from source."""
    twins.write("plot.py", script("iniconfig", settings="[tool.uv]\nno-binary-package = ['iniconfig']\n"))

    twins.both("run", "plot.py")

    environment = assert_same(twins, "plot.py", Level.FILES)
    assert not is_linked(twins.machine, environment, "iniconfig")


def test_a_link_mode_in_a_script_gives_real_files(twins: Twins) -> None:
    """The mode counts as it does in a settings file, although only the script names it."""
    twins.write("plot.py", script("iniconfig", settings="[tool.uv]\nlink-mode = 'copy'\n"))

    twins.both("run", "plot.py")

    environment = assert_same(twins, "plot.py")
    module = site_packages_of(environment) / "iniconfig" / "__init__.py"
    assert not is_linked(twins.machine, environment, "iniconfig")
    assert module.stat().st_nlink == 1


@pytest.mark.every(3)
@pytest.mark.parametrize("words", [("run", "plot.py"), ("sync", "--script", "plot.py")], ids=" ".join)
@pytest.mark.parametrize("lacking", ["python", "dependency"])
def test_a_script_without_a_lock_for_all_pythons_is_linked(
    twins: Twins, wheelhouse: Path, words: tuple[str, ...], lacking: str
) -> None:
    """A resolution for this machine alone is possible, so uv runs it. pepip ends as uv, and links the packages."""
    wheel = replace(NIB, name="pepip-tests-nib", requires_python=">=3.9" if lacking == "python" else "")
    wheel.write(wheelhouse)
    needs = ["pepip-tests-nib", "pepip-tests-no-such-package; python_version < '3.9'"][
        : 1 if lacking == "python" else 2
    ]
    twins.write("plot.py", script(*needs, python=">=3.8", body="import nib; print('ran')\n"))

    by_uv, by_pepip = twins.both(*words, variables={"UV_FIND_LINKS": str(wheelhouse)})

    assert by_pepip.stdout == by_uv.stdout
    assert is_linked(twins.machine, assert_same(twins, "plot.py"), "nib")
    assert "nib" in twins.machine.pepip("projects", "plot.py", folder=twins.pepip_project).stdout


@pytest.mark.parametrize("is_locked", [False, True], ids=["plain", "locked"])
@pytest.mark.parametrize("login", ["", "joe:secret@"], ids=["in variables", "in the script"])
def test_an_index_that_only_the_script_names_may_need_a_password(
    twins: Twins, tmp_path: Path, login: str, is_locked: bool
) -> None:
    """The script's packages come from that index, with uv's login, and are linked. The store holds no password."""
    with counting_server() as server:
        server.add("own", Index([NIB], credentials="joe:secret"), tmp_path / "own")
        url = server.simple("own").replace("://", f"://{login}")
        settings = f"[[tool.uv.index]]\nname = 'own'\nurl = '{url}'\nexplicit = true\n"
        settings += "[tool.uv.sources]\nnib = { index = 'own' }\n"
        twins.write("plot.py", script("nib", settings=settings, body="import nib; print('ran')\n"))
        variables = {} if login else {"UV_INDEX_OWN_USERNAME": "joe", "UV_INDEX_OWN_PASSWORD": "secret"}
        if is_locked:
            twins.both("lock", "--script", "plot.py", variables=variables)

        by_uv, by_pepip = twins.both("run", "plot.py", variables=variables)

        assert by_pepip.stdout == by_uv.stdout == "ran\n"
        assert is_linked(twins.machine, only_environment_of(twins.machine), "nib")
    texts = [path.read_bytes() for path in twins.machine.store.rglob("*") if path.is_file()]
    assert not any(b"secret" in text for text in texts)


def test_copies_of_a_script_share_one_entry(twins: Twins) -> None:
    """Five scripts have five environments and one entry. None has a file of the package by itself."""
    machine, folder = twins.machine, twins.pepip_project
    for number in range(5):
        twins.write(f"copy{number}.py", script("iniconfig"))
        machine.pepip("sync", "-q", "--script", f"copy{number}.py", folder=folder)

    shown = json.loads(machine.pepip("projects", "--json", "--kind", "script", folder=folder).stdout)
    assert [item["name"] for item in shown] == sorted(str(folder / f"copy{number}.py") for number in range(5))
    assert {package["entry"] for item in shown for package in item["packages"]} == {shown[0]["packages"][0]["entry"]}


def test_scripts_are_shown_by_their_names(twins: Twins) -> None:
    """`projects`, `uses` and `savings` name the script, not uv's cache. The kind can be chosen."""
    machine, folder = twins.machine, twins.pepip_project
    twins.write("plot.py", script("iniconfig"))
    machine.pepip("run", "plot.py", folder=folder)
    machine.pepip("install", "iniconfig", folder=folder)

    everything = machine.pepip("projects", folder=folder).stdout
    scripts = machine.pepip("projects", "--kind", "script", folder=folder).stdout
    one = machine.pepip("projects", "plot.py", folder=folder).stdout
    uses = machine.pepip("uses", "iniconfig", folder=folder).stdout
    savings = machine.pepip("savings", folder=folder).stdout

    name, cache = str(folder / "plot.py"), str(machine.uv_cache)
    assert name in everything
    assert str(folder / ".venv") in everything
    assert name in scripts
    assert str(folder / ".venv") not in scripts
    assert name in uses
    assert cache not in everything + scripts + uses
    assert one.startswith(name)
    assert "iniconfig" in one
    assert "2 environments (1 script)" in savings


def test_a_prune_spares_an_environment_that_uv_has_made_anew(twins: Twins) -> None:
    """The registered environment of a script is gone, and uv has made another at its path. It is no leftover."""
    machine, folder = twins.machine, twins.pepip_project
    twins.write("plot.py", script("iniconfig"))
    machine.pepip("run", "plot.py", folder=folder)
    environment = environment_of(machine, folder, "plot.py")
    shutil.rmtree(environment)
    machine.uv("run", "plot.py", folder=folder)
    before = snapshot(environment)

    machine.pepip("prune", "--yes", folder=folder)

    assert changes(before, snapshot(environment)) == []
    machine.uv("run", "--offline", "plot.py", folder=folder)


def test_a_deleted_script_keeps_no_entries(twins: Twins) -> None:
    """Prune takes the environment of a deleted script, and then its entries. The script can come back."""
    machine, folder = twins.machine, twins.pepip_project
    text = script("iniconfig")
    twins.write("plot.py", text)
    machine.pepip("run", "plot.py", folder=folder)
    environment = environment_of(machine, folder, "plot.py")
    machine.pepip("prune", "--yes", folder=folder)
    assert is_linked(machine, environment, "iniconfig")

    (folder / "plot.py").unlink()
    shown = machine.pepip("projects", "plot.py", "--json", folder=folder).stdout
    assert [(item["state"], item["reason"]) for item in json.loads(shown)] == [("missing", "its script was deleted")]
    machine.pepip("prune", "--yes", folder=folder)

    assert not environment.exists()
    assert json.loads(machine.pepip("store", "list", "--json", folder=folder).stdout) == []
    assert machine.pepip("projects", "plot.py", folder=folder, check=False).returncode == 1
    twins.write("plot.py", text)
    assert machine.uv("run", "plot.py", folder=folder).stdout == machine.pepip("run", "plot.py", folder=folder).stdout


def test_a_script_that_runs_is_not_pruned(twins: Twins) -> None:
    """A script that was deleted while it runs keeps its environment until it ends."""
    machine, folder = twins.machine, twins.pepip_project
    twins.write(
        "plot.py", script("iniconfig", "click", body="import iniconfig\ninput()\nimport click; print('done')\n")
    )
    machine.pepip("sync", "--script", "plot.py", folder=folder)
    environment = environment_of(machine, folder, "plot.py")
    process = machine.start([sys.executable, "-m", "pepip", "run", "plot.py"], folder=folder)
    deadline = time.monotonic() + 60
    while not any((site_packages_of(environment) / "iniconfig").resolve().glob("__pycache__/__init__*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    (folder / "plot.py").unlink()
    machine.pepip("prune", "--yes", folder=folder)

    assert is_linked(machine, environment, "click")
    stdout, _ = process.communicate("go on\n", timeout=60)
    assert stdout == "done\n"
    machine.pepip("prune", "--yes", folder=folder)
    assert not environment.exists()


@pytest.mark.parametrize("command", ["clean", "prune"])
def test_uvs_cache_can_be_emptied(twins: Twins, tmp_path: Path, command: str) -> None:
    """The environment goes, and nothing behind its links. Its entries become orphans, and the script runs again."""
    machine, folder = twins.machine, twins.pepip_project
    own = {"UV_CACHE_DIR": str(tmp_path / "own-cache")}
    twins.write("plot.py", script("iniconfig"))
    machine.pepip("run", "plot.py", folder=folder, variables=own)

    machine.uv("cache", command, folder=folder, variables=own)

    assert problems_of(machine.store) == []
    assert "missing" in machine.pepip("projects", folder=folder, variables=own).stdout
    machine.pepip("run", "plot.py", folder=folder, variables=own)
    assert "ok" in machine.pepip("projects", "--kind", "script", folder=folder, variables=own).stdout


def test_a_refused_sync_leaves_nothing(twins: Twins) -> None:
    """What can't be resolved ends with uv's words, and no environment, entry or registration is left."""
    twins.write("plot.py", script("pepip-tests-there-is-no-such-package"))

    by_uv, by_pepip = twins.both("sync", "--script", "plot.py", check=False)

    assert_refused_alike(by_uv, by_pepip)
    assert not twins.machine.store.exists()


def test_the_environment_of_a_script_is_removed_and_made_anew(twins: Twins) -> None:
    """`pepip prune --environment` removes it, and what only it linked. The script stays."""
    machine, folder = twins.machine, twins.pepip_project
    twins.write("plot.py", script("iniconfig"))
    machine.pepip("run", "plot.py", folder=folder)
    environment = environment_of(machine, folder, "plot.py")

    said = machine.pepip("prune", "--environment", "plot.py", "--yes", "--json", folder=folder).stdout

    assert [orphan["name"] for orphan in json.loads(said)["orphans"]] == ["iniconfig"]
    assert not environment.exists()
    assert json.loads(machine.pepip("projects", "--json", folder=folder).stdout) == []
    assert machine.pepip("run", "plot.py", folder=folder).stdout == "[] True\n"
    assert is_linked(machine, environment, "iniconfig")
    assert leftovers_of(machine.store) == problems_of(machine.store) == []


def test_the_environment_of_a_running_script_is_not_removed(twins: Twins) -> None:
    """The error names the program."""
    machine, folder = twins.machine, twins.pepip_project
    twins.write("wait.py", script("iniconfig", body="import iniconfig; print('ready', flush=True); input()\n"))
    process = machine.start([sys.executable, "-m", "pepip", "run", "wait.py"], folder=folder)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    output = machine.pepip("prune", "--environment", "wait.py", "--yes", folder=folder, check=False)

    process.communicate("\n", timeout=60)
    assert process.returncode == 0
    assert_refused(output, "runs from", "leave this environment out")
    assert is_linked(machine, environment_of(machine, folder, "wait.py"), "iniconfig")


def test_an_environment_that_nobody_registered_is_not_removed(twins: Twins) -> None:
    """A script that has none is named."""
    machine, folder = twins.machine, twins.machine.make_folder(twins.pepip_project)
    machine.pepip("install", "iniconfig", folder=folder)

    unknown = machine.pepip("prune", "--environment", "plot.py", "--yes", folder=folder, check=False)

    assert_refused(unknown, "plot.py can't be removed: it is not registered")
    assert (folder / ".venv").is_dir()


@pytest.mark.parametrize("is_local", [False, True], ids=["from an index", "local"])
def test_the_dry_run_of_a_script_that_uv_syncs_agrees_with_the_run(
    twins: Twins, wheelhouse: Path, is_local: bool
) -> None:
    """Both say which packages are linked, and which are real files."""
    machine, folder = twins.machine, twins.pepip_project
    replace(NIB, name="pepip-tests-nib").write(wheelhouse)
    sources = ""
    if is_local:
        twins.write("pot/pyproject.toml", '[project]\nname = "pot"\nversion = "1.0"\n')
        twins.write("pot/pot.py", "")
        sources = "[tool.uv.sources]\npot = { path = 'pot' }\n"
    needs = ["pepip-tests-nib", "pepip-tests-no-such-package; python_version < '3.9'", *(["pot"] if is_local else [])]
    twins.write("plot.py", script(*needs, python=">=3.8", settings=sources))
    words = ("sync", "--script", "plot.py")
    variables = {"UV_FIND_LINKS": str(wheelhouse), "UV_PYTHON": str(twins.interpreter)}

    rehearsed, real = (
        machine.pepip(*words, *more, folder=folder, variables=variables).stderr for more in (("--dry-run",), ())
    )

    assert "pepip-tests-nib==2.0\n" in rehearsed
    real = real.replace("pot==1.0", "pot")  # its version is known only when it is built
    changes = [[line for line in text.splitlines() if line.startswith(" + ")] for text in (rehearsed, real)]
    assert changes[0] == changes[1]
    assert rehearsed.splitlines()[-1].startswith("Would link 1 distribution in "), rehearsed
    assert real.splitlines()[-1].startswith("Linked 1 distribution in "), real
    more = ": 1 more as real files" if is_local else ""
    assert rehearsed.endswith(f"s{more}\n")
    assert is_linked(machine, environment_of(machine, folder, "plot.py"), "nib")

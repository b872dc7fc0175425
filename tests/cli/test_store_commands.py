"""Outputs of `pepip store list`, `show`, `add`, `remove`, `path`, `pepip uses` and `pepip doctor`.

They go to people on a terminal and in a pipe, and to programs with `--json`. Names on disk may be hostile.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.filesystems import mounted
from tests.support.keeping import close, stranger_prefix
from tests.support.machines import Machine, Output, find_interpreter, interpreter_of, site_packages_of
from tests.support.refusals import assert_refused
from tests.support.shelf import with_script
from tests.support.snapshots import changes, link_shape, sha256_of, snapshot
from tests.support.stores import entries_of, leftovers_of, problems_of
from tests.support.teams import Team
from tests.support.terminals import run_on_terminal
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

pytestmark = pytest.mark.every(2)


def drum(version: str) -> Wheel:
    """Return a distribution with dependencies, an extra, scripts, and a package of one version."""
    return with_script(
        "drum",
        version,
        {"drum/skin.bin": "x" * 9000},
        data={"scripts/drum-roll": "#!python\nprint('rrr')\n"},
        dependencies=["Stick_Pair>=1", "horn<2"],
        extras={"loud": ["amplifier"]},
        variant="It goes [bold]boom[/bold]",
    )


DRUM_PART = Wheel("drum-part", "1.0", files={"drum/part.py": ""})
WHEELS = [
    drum("1.0"),
    drum("2.0"),
    DRUM_PART,
    Wheel("stick-pair", "1.0", files={"stick_pair/__init__.py": ""}),
    Wheel("horn", "1.0", files={"horn/__init__.py": ""}),
    Wheel("wind-one", "1.0", files={"wind/one/__init__.py": ""}),
    Wheel("wind-two", "1.0", files={"wind/two/__init__.py": ""}),
]


@pytest.fixture
def workbench(workbench: Workbench) -> Workbench:
    """Return a user whose commands run in the folder of the projects."""
    return workbench.at(".")


def on_terminal(workbench: Workbench, *arguments: str | Path, columns: int = 200) -> Output:
    """Run pepip in the folder of the projects, on a terminal."""
    command = [sys.executable, "-m", "pepip", *arguments]
    variables = {"COLUMNS": str(columns)}
    return run_on_terminal(workbench.machine, command, folder=workbench.folder, variables=variables)


def read(workbench: Workbench, *arguments: str | Path, exit_code: int = 0) -> Any:
    """Run pepip with `--json` and return its document. Fail the test if there is other output."""
    output = workbench.pepip(*arguments, "--json", check=False)
    assert (output.returncode, output.stderr) == (exit_code, ""), output.stderr
    return json.loads(output.stdout)


def add(workbench: Workbench, *requirements: str | Path, check: bool = True) -> Output:
    """Fill the store without a project."""
    return workbench.pepip("store", "add", *requirements, *workbench.from_wheelhouse, check=check)


@pytest.fixture(scope="module")
def filled(uv_cache: Path, interpreter: Path, tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """Return a store with two projects and an orphan, for tests that only read."""
    found = Workbench.for_module(tmp_path_factory.mktemp("filled"), uv_cache, interpreter, WHEELS, name=".")
    found.at("one").install("drum==1.0", "drum-part", "wind-one")
    found.at("two").install("drum==2.0", "horn")
    add(found, "wind-two")
    return found


def test_the_path_is_said_and_nothing_is_made(workbench: Workbench) -> None:
    """The path is one line: `PEPIP_HOME`, relative to the current folder, or `~/.pepip`."""
    assert workbench.pepip("store", "path", check=False).stdout == f"{workbench.store}\n"
    assert read(workbench, "store", "path") == {"path": str(workbench.store)}
    for setting, expected in (("", workbench.machine.home / ".pepip"), ("here", workbench.folder / "here")):
        output = workbench.pepip("store", "path", variables={"PEPIP_HOME": setting})
        assert output.stdout == f"{expected}\n"

    assert not workbench.store.exists()
    assert not (workbench.machine.home / ".pepip").exists()


LOOKING: dict[tuple[str, ...], tuple[int, Any]] = {
    ("store", "list"): (0, []),
    ("store", "verify"): (0, {"checked": 0, "damaged": []}),
    ("store", "repair"): (0, {"repaired": [], "failed": [], "healed": [], "left": [], "layered": [], "unproven": []}),
    ("projects",): (0, []),
    ("uses", "drum"): (1, []),
}


@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
def test_looking_at_no_store_makes_none(workbench: Workbench, command: tuple[str, ...]) -> None:
    """Before the first install, the answers are empty in every form."""
    code, document = LOOKING[command]

    assert read(workbench, *command, exit_code=code) == document
    for output in (workbench.pepip(*command, check=False), on_terminal(workbench, *command)):
        assert output.returncode == code
        assert "Traceback" not in output.stdout + output.stderr
        assert "error" not in output.stdout + output.stderr
    assert not workbench.store.exists()


def test_the_list_names_every_entry(filled: Workbench) -> None:
    """The list has name, version, bucket, size, projects, state, days of storing and of the last use, and a sum."""
    output = filled.pepip("store", "list", check=False)

    header, *rows = [line.split() for line in output.stdout.splitlines()]
    assert header == ["name", "version", "bucket", "size", "projects", "state", "stored", "last", "used"]
    assert [(row[0], row[1], row[2], row[5], row[6]) for row in rows] == [
        ("drum", "1.0", "py3-none-any", "1", "linked"),
        ("drum", "2.0", "py3-none-any", "1", "linked"),
        ("drum-part", "1.0", "py3-none-any", "1", "linked"),
        ("horn", "1.0", "py3-none-any", "2", "linked"),
        ("stick-pair", "1.0", "py3-none-any", "2", "linked"),
        ("wind-one", "1.0", "py3-none-any", "1", "linked"),
        ("wind-two", "1.0", "py3-none-any", "0", "orphan"),
    ]
    assert len({line.index("linked") for line in output.stdout.splitlines()[1:7]}) == 1
    assert output.stderr.startswith("7 entries, ")
    assert str(filled.store) in output.stderr
    assert "\x1b" not in output.stdout + output.stderr


def test_the_list_on_a_terminal_is_a_table(filled: Workbench) -> None:
    """The table has all columns of the plain text, even if the window is too narrow for a row."""
    wide = on_terminal(filled, "store", "list")
    narrow = on_terminal(filled, "store", "list", columns=40)

    assert wide.returncode == narrow.returncode == 0
    assert "─" in wide.stdout
    for name in ("drum-part", "stick-pair", "wind-two", "orphan", "py3-none-any"):
        assert name in wide.stdout
    assert max(len(_unpainted(line)) for line in narrow.stdout.splitlines()[:-1]) <= 40
    assert "Traceback" not in narrow.stdout


def _unpainted(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_the_list_is_a_document_for_machines(filled: Workbench) -> None:
    """Each entry has its name, version, bucket, state, projects, origin, size and times."""
    by_entry = {item["entry"]: item for item in read(filled, "store", "list")}

    assert len(by_entry) == 7
    found = by_entry["py3-none-any/drum-1.0"]
    assert found["projects"] == [str(filled.folder / "one" / ".venv")]
    assert (found["name"], found["version"], found["bucket"], found["state"]) == (
        "drum",
        "1.0",
        "py3-none-any",
        "linked",
    )
    assert found["origin"] == drum("1.0").filename
    assert found["size_bytes"] >= 9000
    assert found["files"] >= 5
    assert found["last_linked_at"] >= found["stored_at"] > 1_700_000_000
    assert by_entry["py3-none-any/wind-two-1.0"]["projects"] == []
    assert by_entry["py3-none-any/wind-two-1.0"]["state"] == "orphan"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("drum*",), ["drum-1.0", "drum-2.0", "drum-part-1.0"]),
        (("drum==2*",), ["drum-2.0"]),
        (("--orphans",), ["wind-two-1.0"]),
        (("--orphans", "drum"), []),
        (("no-such-thing",), []),
        (("Stick_Pair",), ["stick-pair-1.0"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_the_list_takes_patterns(filled: Workbench, arguments: tuple[str, ...], expected: list[str]) -> None:
    """Patterns are shell patterns of names and versions, in any spelling. `--orphans` lists only orphans."""
    found = [item["entry"].partition("/")[2] for item in read(filled, "store", "list", *arguments)]

    assert found == expected


@pytest.mark.parametrize("order", ["size", "name", "projects", "stored"])
def test_the_list_is_sorted(filled: Workbench, order: str) -> None:
    """The largest, the most linked or the newest comes first. Names go from a to z."""
    found = read(filled, "store", "list", "--sort", order)

    key = {"size": "size_bytes", "stored": "stored_at", "name": "name", "projects": "projects"}[order]
    values = [len(item[key]) if order == "projects" else item[key] for item in found]
    assert values == sorted(values, reverse=order != "name")
    assert len(found) == 7


def test_show_says_everything_of_an_entry(filled: Workbench) -> None:
    """`show` lists who links the entry, both directions of dependencies, origin, scripts, and how it is linked."""
    said = filled.pepip("store", "show", "drum==1.0", check=False).stdout
    horn = filled.pepip("store", "show", "horn", check=False).stdout
    part = filled.pepip("store", "show", "drum-part", check=False).stdout

    wheel = filled.wheelhouse / drum("1.0").filename
    assert said.splitlines()[0] == "drum 1.0  It goes [bold]boom[/bold]"
    for words in (
        "py3-none-any/drum-1.0",
        f"sha256:{sha256_of(wheel)}",
        wheel.name,
        "linked by   1 environment",
        str(filled.folder / "one" / ".venv"),
        "Stick_Pair>=1, horn<2",
        "drum, drum-roll",
        "drum is a real folder there: drum-part has files in it, too",
    ):
        assert words in said, words
    assert "amplifier" not in said
    assert "two" not in said.replace(str(filled.folder), "")
    assert "needed by   py3-none-any/drum-1.0, py3-none-any/drum-2.0" in horn
    assert "linked by   2 environments" in horn
    assert "drum is a real folder there" in part or "opened      drum: a namespace" in part


def test_show_says_why_a_folder_is_unfolded(filled: Workbench) -> None:
    """A namespace is a real folder, since others may add to it, and so is one package in it."""
    said = filled.pepip("store", "show", "wind-one", check=False).stdout
    (document,) = read(filled, "store", "show", "wind-one")

    assert "opened      wind: a namespace, to which other distributions may add files" in said
    assert "opened      wind/one: in a namespace, where pip must find a file of this distribution" in said
    assert document["namespaces"] == ["wind"]
    assert document["linked_whole"] == []
    assert document["unfolded"] == {}


def test_show_is_a_document_for_machines(filled: Workbench) -> None:
    """The document has all versions, or one. It names the unfolded folders of each environment."""
    both = read(filled, "store", "show", "DRUM")
    (one,) = read(filled, "store", "show", "drum==1.0")

    environment = str(filled.folder / "one" / ".venv")
    assert [item["version"] for item in both] == ["1.0", "2.0"]
    assert one in both
    assert one["unfolded"] == {environment: ["drum"]}
    assert one["shared_with"] == {environment: {"drum": ["drum-part"]}}
    assert one["dependencies"] == ["Stick_Pair>=1", "horn<2"]
    assert one["scripts"] == ["drum", "drum-roll"]
    assert one["identity"] == f"sha256:{sha256_of(filled.wheelhouse / drum('1.0').filename)}"
    assert one["path"] == str(filled.entry("drum-1.0"))
    assert both[1]["unfolded"] == {}
    assert both[1]["projects"] == [str(filled.folder / "two" / ".venv")]


def test_environments_that_are_hidden_or_unknown_count(workbench: Workbench) -> None:
    """An unreadable environment counts with the entries it linked last, and so does one moved beside a known one."""
    hidden = workbench.at("one").install("horn")
    moved = workbench.at("two").install("horn").parent.rename(workbench.folder / "moved") / ".venv"
    stranger = replace(workbench, machine=replace(workbench.machine, prefix=stranger_prefix()))
    close(hidden.parent)
    try:
        (shown,) = read(stranger, "store", "show", "horn")
        used = read(stranger, "uses", "horn")
    finally:
        hidden.parent.chmod(0o700)

    assert shown["projects"] == [str(moved), str(hidden)]
    assert {item["environment"]: item["state"] for item in used} == {str(hidden): "unreachable", str(moved): "ok"}


@pytest.mark.parametrize("specifier", ["drum", "drum>=1", "drum<2", "drum==2.*", "DRUM~=1.0", "drum!=1.0"])
def test_uses_names_who_has_a_version(filled: Workbench, specifier: str) -> None:
    """`uses` lists the environments whose version satisfies the specifier, as for a security notice."""
    expected = {
        "drum": ["one", "two"],
        "drum>=1": ["one", "two"],
        "drum<2": ["one"],
        "drum==2.*": ["two"],
        "DRUM~=1.0": ["one"],
        "drum!=1.0": ["two"],
    }[specifier]

    found = read(filled, "uses", specifier)
    said = filled.pepip("uses", specifier, check=False)
    screen = on_terminal(filled, "uses", specifier)

    environments = [str(filled.folder / project / ".venv") for project in expected]
    assert [item["environment"] for item in found] == environments
    assert all(item["entry"] == f"py3-none-any/drum-{item['version']}" for item in found)
    for environment in environments:
        assert environment in said.stdout
        assert environment in screen.stdout
    assert len(said.stdout.splitlines()) == 1 + len(environments)
    assert said.returncode == screen.returncode == 0


def test_uses_of_a_package_that_nobody_has(filled: Workbench) -> None:
    """The exit code is 1, as grep's. Nobody uses an orphan."""
    for requirement in ("drum>3", "no-such-package", "wind-two"):
        output = filled.pepip("uses", requirement, check=False)
        assert (output.returncode, output.stdout) == (1, "")
        assert output.stderr == f"no environment has {requirement}\n"


def test_uses_counts_copies_too(workbench: Workbench) -> None:
    """A security notice also concerns detached distributions, and those that uv installed beside the links."""
    environment = workbench.at("app").install("drum==1.0")
    workbench.machine.pepip("detach", "drum", folder=environment.parent)
    workbench.machine.uv("pip", "install", "wind-one", *workbench.from_wheelhouse, folder=environment.parent)

    for name in ("drum<2", "wind-one"):
        (found,) = read(workbench, "uses", name)
        assert (found["environment"], found["entry"], found["state"]) == (str(environment), None, "ok")
        assert "private copy" in workbench.pepip("uses", name, check=False).stdout


MISUSES: dict[tuple[str, ...], tuple[int, str]] = {
    ("store",): (2, "no command of `store` given"),
    ("store", "no-such-command"): (2, "no-such-command"),
    ("store", "list", "--sort", "colour"): (2, "colour"),
    ("store", "list", "--no-such-option"): (2, "--no-such-option"),
    ("store", "show"): (2, "NAME"),
    ("store", "show", "no-such-package"): (1, "the store has no no-such-package"),
    ("store", "show", "drum==9"): (1, "the store has no drum==9"),
    ("store", "show", "../../etc"): (1, "../../etc"),
    ("store", "add"): (2, "no packages given"),
    ("store", "add", "--python", "9.99", "horn"): (2, "9.99"),
    ("store", "remove"): (2, "ENTRY"),
    ("store", "remove", "no-such-package==1"): (1, "the store has no entry no-such-package==1"),
    ("store", "remove", "drum"): (1, "drum"),
    ("store", "remove", "../projects"): (1, "../projects"),
    ("uses",): (2, "NAME"),
    ("uses", "drum<"): (2, "'drum<' is not a requirement"),
    ("uses", "[red]"): (2, "[red]"),
    ("uses", "\x1b[31m"): (2, "is not a requirement"),
}


@pytest.mark.every(4)
@pytest.mark.parametrize("arguments", MISUSES, ids=lambda words: repr(" ".join(words)))
def test_a_misuse_is_refused(filled: Workbench, arguments: tuple[str, ...]) -> None:
    """One line says what is wrong, with and without `--json`, and the store stays unchanged."""
    code, words = MISUSES[arguments]
    before = snapshot(filled.store / "packages")

    for more in ((), ("--json",)):
        output = filled.pepip(*arguments, *more, check=False)
        assert_refused(output, words, exit_codes=(1, 2))
        assert "\x1b" not in output.stderr
        if "9.99" not in arguments:  # the code is uv's
            assert output.returncode == code
    assert changes(before, snapshot(filled.store / "packages")) == []


@pytest.mark.parametrize("command", ["list", "show", "add", "remove", "verify", "repair", "path", ""])
def test_each_command_has_its_help(filled: Workbench, command: str) -> None:
    """`--help` after a command and `pepip help` before it print the same, and end with 0."""
    behind = filled.pepip("store", *([command] if command else []), "--help", check=False)
    before = filled.pepip("help", "store", *([command] if command else []), check=False)

    assert (behind.returncode, behind.stderr) == (0, "")
    assert f"store {command}".strip() in behind.stdout
    assert before.stdout == behind.stdout


@pytest.mark.parametrize(
    "command", [("store", "list"), ("store", "show", "drum"), ("uses", "drum"), ("store", "path")]
)
def test_a_reader_that_leaves_is_no_error(filled: Workbench, command: tuple[str, ...]) -> None:
    """In `pepip store list | head -1`, the early end of the reader gives no error message."""
    process = filled.machine.start([sys.executable, "-m", "pepip", *command], folder=filled.folder)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdin is not None
    process.stdin.close()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()

    assert process.wait(60) in {0, 141, -13}
    assert "Broken" not in said
    assert "Traceback" not in said


def test_add_reads_requests_that_only_uv_can_check(workbench: Workbench) -> None:
    """`add` takes a lock. With `--require-hashes`, uv refuses a requirement without a hash, and nothing is stored."""
    refused = add(workbench, "drum==1.0", "--require-hashes", check=False)

    assert refused.returncode == 2
    assert "--require-hashes" in refused.stderr
    assert not list(workbench.store.glob("packages/*/*"))

    lock = ["pip", "compile", "-q", "--format", "pylock.toml", "-o", "pylock.toml", "requirements.in"]
    (workbench.folder / "requirements.in").write_text("drum==1.0\n")
    workbench.uv(*lock, *workbench.from_wheelhouse)
    add(workbench, "-r", "pylock.toml")

    assert {path.name for path in workbench.store.glob("packages/*/*")} == {"drum-1.0", "horn-1.0", "stick-pair-1.0"}


def test_add_fills_the_store_without_a_project(workbench: Workbench) -> None:
    """A distribution and its dependencies are stored once. A project links them later and downloads nothing."""
    first = add(workbench, "drum==1.0")
    stored = snapshot(workbench.store / "packages")
    second = read(workbench, "store", "add", "drum==1.0", *workbench.from_wheelhouse)

    assert [line.strip() for line in first.stderr.splitlines() if line.startswith(" + ")] == [
        "+ drum==1.0",
        "+ horn==1.0",
        "+ stick-pair==1.0",
    ]
    assert "Stored 3 entries\n" in first.stderr
    assert second["stored"] == []
    assert [item["entry"] for item in second["reused"]] == [
        "py3-none-any/drum-1.0",
        "py3-none-any/horn-1.0",
        "py3-none-any/stick-pair-1.0",
    ]
    assert changes(stored, snapshot(workbench.store / "packages")) == []
    assert workbench.problems() == []
    assert workbench.leftovers() == []
    assert interpreter_of(workbench.store / "global-venv").exists()
    assert list((workbench.store / "projects").iterdir()) == []
    assert list(site_packages_of(workbench.store / "global-venv").glob("*.dist-info")) == []
    assert not (workbench.folder / ".venv").exists()
    project = workbench.machine.make_folder(workbench.folder / "app")
    arguments = ("install", "--json", "drum==1.0", *workbench.from_wheelhouse, "--python", workbench.interpreter)
    linked = json.loads(workbench.machine.pepip(*arguments, folder=project).stdout)
    assert sorted(linked["reused"]) == ["drum", "horn", "stick-pair"]
    assert linked["downloaded"] == []


def test_add_takes_requirements_files_and_builds(workbench: Workbench) -> None:
    """`add` takes files with hashes, and sdists. A distribution that can't be shared is named and not stored."""
    Wheel("built", "1.0", files={"built.py": ""}).write_sdist(workbench.wheelhouse)
    local = Wheel("local", "1.0", files={"local.py": ""}).write_source(workbench.folder / "local")
    digest = sha256_of(workbench.wheelhouse / "horn-1.0-py3-none-any.whl")
    (workbench.folder / "requirements.txt").write_text(f"horn==1.0 --hash=sha256:{digest}\n")

    hashed = add(workbench, "-r", "requirements.txt")
    output = add(workbench, "built", local)

    assert "+ horn==1.0" in hashed.stderr
    assert "local was not stored: it can't be shared" in output.stderr
    assert workbench.entries() == ["built-1.0", "horn-1.0"]


def test_add_for_another_python(workbench: Workbench, interpreter: Path) -> None:
    """Only the wheel for that version is stored, and no environment stays in the store."""
    found = {version: find_interpreter(version) for version in ("3.8", "3.9", "3.10", "3.11", "3.13")}
    other, path = next(((key, path) for key, path in found.items() if path not in {None, interpreter}), ("", None))
    if path is None:
        pytest.skip("there is but one Python")
    tag = f"cp{other.replace('.', '')}"
    for name in (tag, "cp312" if tag != "cp312" else "cp311"):
        files = {"native/__init__.py": f"FOR = {name!r}\n"}
        Wheel("native", "1.0", files=files, tag=f"{name}-{name}-linux_x86_64").write(workbench.wheelhouse)

    add(workbench, "native", "--python", path)

    (entry,) = workbench.store.glob("packages/*/native-1.0")
    assert entry.parent.name == f"cpython-{tag.removeprefix('cp')}-linux-x86_64"
    assert (entry / "native" / "__init__.py").read_text() == f"FOR = {tag!r}\n"
    assert not (workbench.store / "global-venv").exists()


@pytest.mark.parametrize("requirement", ["no-such-package", "drum==9", "drum==", "./missing"])
def test_add_of_a_package_that_does_not_exist(workbench: Workbench, requirement: str) -> None:
    """It is refused in uv's words, and leaves neither an entry nor a part of one."""
    output = add(workbench, requirement, check=False)

    assert_refused(output, requirement.removeprefix("./"))
    assert workbench.entries() == []
    assert workbench.leftovers() == []


def test_a_reader_adds_nothing(workbench: Workbench, tmp_path: Path) -> None:
    """An entry that exists is reported. A new one is refused for lack of permission."""
    add(workbench, "horn")
    reader = replace(
        workbench, machine=replace(workbench.machine.as_plain_user(tmp_path / "plain"), store=workbench.store)
    )
    before = snapshot(workbench.store)
    arguments = ("--python", workbench.interpreter)

    had = add(reader, "horn", *arguments)
    refused = add(reader, "wind-one", *arguments, check=False)

    assert "Stored nothing: 1 already there" in had.stderr
    assert_refused(refused, str(workbench.store), "wind-one 1.0", "you have no permission to add to it")
    assert changes(before, snapshot(workbench.store)) == []


@pytest.mark.parametrize("what", ["its interpreter", "everything"])
def test_add_makes_its_environment_anew(workbench: Workbench, what: str) -> None:
    """The store's own environment can be lost, for example if its Python is removed."""
    add(workbench, "horn")
    own = workbench.store / "global-venv"
    interpreter_of(own).unlink()
    if what == "everything":
        shutil.rmtree(own)
        (own / "rest").mkdir(parents=True)

    workbench.pepip("store", "add", "wind-one", *workbench.from_wheelhouse)

    assert workbench.entries() == ["horn-1.0", "wind-one-1.0"]
    assert interpreter_of(own).exists()


@pytest.mark.parametrize("named", ["horn", "HORN==1.0", "py3-none-any/horn-1.0"])
def test_remove_takes_one_orphan_out(workbench: Workbench, named: str) -> None:
    """The orphan is named by entry, or by its name if there is one version.

    Nothing else goes, and the trash is empty.
    """
    add(workbench, "horn", "wind-one")
    before = snapshot(workbench.entry("wind-one-1.0"))

    output = workbench.pepip("store", "remove", named, check=False)

    assert (output.returncode, output.stdout) == (0, "")
    assert "Removed py3-none-any/horn-1.0" in output.stderr
    assert workbench.entries() == ["wind-one-1.0"]
    assert changes(before, snapshot(workbench.entry("wind-one-1.0"))) == []
    assert workbench.leftovers() == []


def test_remove_refuses_to_use_a_trash_that_is_off(workbench: Workbench) -> None:
    """The entry would be gone for good, though the user wants to keep it for an undo."""
    add(workbench, "horn")
    off = replace(workbench, variables={"PEPIP_TRASH_TIME": "0"})

    refused = off.pepip("store", "remove", "horn", "--trash", check=False)

    assert_refused(refused, "the trash is off", "PEPIP_TRASH_TIME=1d")
    assert workbench.entries() == ["horn-1.0"]


def test_remove_refuses_a_linked_entry(workbench: Workbench) -> None:
    """The refusal names the environments, and nothing changes.

    With `--force` the entry goes, and broken ones are named.
    """
    environments = [workbench.at(project).install("horn", "wind-one") for project in ("one", "two")]
    before = snapshot(workbench.store / "packages")

    refused = workbench.pepip("store", "remove", "horn==1.0", check=False)
    assert_refused(refused, "py3-none-any/horn-1.0 is linked by", *map(str, environments), "--force")
    assert changes(before, snapshot(workbench.store / "packages")) == []
    document = read(workbench, "store", "remove", "--force", "horn==1.0")

    assert document["removed"] == "py3-none-any/horn-1.0"
    assert sorted(document["broken"]) == sorted(map(str, environments))
    assert workbench.entries() == ["wind-one-1.0"]
    doctor = workbench.pepip("doctor", check=False)
    assert doctor.returncode == 1
    for environment in environments:
        assert f"{environment}: it links horn-1.0, which the store has lost" in doctor.stdout
    workbench.pepip("store", "repair", *workbench.from_wheelhouse)
    assert workbench.pepip("doctor", check=False).returncode == 0
    for environment in environments:
        workbench.machine.python(environment, "-c", "import horn, wind.one")


def test_a_forced_removal_warns_people(workbench: Workbench) -> None:
    """Each environment that is now broken gets one warning."""
    environment = workbench.at("one").install("horn")

    output = workbench.pepip("store", "remove", "--force", "horn==1.0", check=False)

    assert f"warning: {environment} linked this entry, and is broken now" in output.stderr
    assert "Removed py3-none-any/horn-1.0" in output.stderr


def test_remove_does_not_guess_between_two(workbench: Workbench, tmp_path: Path) -> None:
    """If two wheels have one name and version, both are named. The name of the entry chooses one."""
    add(workbench, "horn")
    other = Wheel("horn", "1.0", files={"horn/__init__.py": "OTHER = True\n"}).write(tmp_path / "other")
    add(workbench, other)
    first, second = (f"py3-none-any/{name}" for name in workbench.entries())

    for named in ("horn==1.0", "horn"):
        assert_refused(workbench.pepip("store", "remove", named, check=False), first, second)
    assert len(workbench.entries()) == 2
    workbench.pepip("store", "remove", second)

    assert [f"py3-none-any/{name}" for name in workbench.entries()] == [first]


def test_remove_counts_links_that_nobody_registered(workbench: Workbench) -> None:
    """An environment that was moved beside a known one still links its entries."""
    workbench.at("one").install("wind-one")
    environment = workbench.at("two").install("horn")
    environment.parent.rename(workbench.folder / "moved")

    output = workbench.pepip("store", "remove", "horn==1.0", check=False)

    assert_refused(output, "is linked by", str(workbench.folder / "moved" / ".venv"))
    assert "horn-1.0" in workbench.entries()


def test_another_users_entry_stays(workbench: Workbench, tmp_path: Path) -> None:
    """The removal of another user's entry is refused. The user's own entry is removed."""
    team = Team.assemble(tmp_path / "team", umask="022")
    members = [workbench.of(user) for user in team.users]
    add(members[0], "horn")
    add(members[1], "wind-one", "--python", workbench.interpreter)
    before = snapshot(members[0].entry("horn-1.0"))

    for more in ((), ("--force",)):
        assert_refused(
            members[1].pepip("store", "remove", "horn==1.0", *more, check=False), "horn-1.0 is another user's"
        )
        assert changes(before, snapshot(members[0].entry("horn-1.0"))) == []
    members[1].pepip("store", "remove", "wind-one==1.0")

    assert entries_of(team.store) == ["horn-1.0"]
    assert leftovers_of(team.store) == []
    assert problems_of(team.store) == []
    for each in members:
        assert each.pepip("doctor", check=False).returncode == 0


def test_the_doctor_finds_nothing_wrong(workbench: Workbench) -> None:
    """The doctor prints one line for each topic, and no hint if none is needed."""
    workbench.at("one").install("drum==1.0")

    output = workbench.pepip("doctor", check=False)

    assert (output.returncode, output.stderr) == (0, "")
    lines = output.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["ok"] * len(lines)
    for topic in ("uv", "store", "permissions", "links", "uv's cache", "room", "registry", "environments", "trash"):
        assert len([line for line in lines if line[8:].startswith(f" {topic} ")]) == 1, topic
    document = read(workbench, "doctor")
    assert [item["topic"] for item in document] == [line[9:21].strip() for line in lines]
    assert "3 entries, 1 environment" in output.stdout
    assert workbench.leftovers() == []


def test_the_doctor_before_there_is_a_store(workbench: Workbench) -> None:
    """The doctor says that there is no store yet, and makes none."""
    output = workbench.pepip("doctor", check=False)

    assert output.returncode == 0
    assert f"{workbench.store} does not exist yet" in output.stdout
    for words in (("store", "remove", "horn"), ("store", "clean", "--yes"), ("prune", "--yes"), ("reclaim",)):
        output = workbench.pepip(*words, check=False)
        assert_refused(output, f"there is no store at {workbench.store}")
        assert "hint: an install makes it" in output.stderr
    assert not workbench.store.exists()


def test_the_doctor_where_no_store_can_be_made(workbench: Workbench, tmp_path: Path) -> None:
    """The doctor gives the reason and the hint that an install would give."""
    (tmp_path / "file").write_text("")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    below_file, below_closed = tmp_path / "file" / "store", closed / "folder" / "store"

    of_file = workbench.pepip("doctor", variables={"PEPIP_HOME": str(below_file)}, check=False)
    user = replace(workbench, machine=workbench.machine.as_plain_user(tmp_path / "plain"))
    of_closed = user.pepip("doctor", variables={"PEPIP_HOME": str(below_closed)}, check=False)

    assert of_file.returncode == of_closed.returncode == 1
    assert f"{below_file} does not exist, and can't be made: no folder is at {tmp_path / 'file'}" in of_file.stdout
    assert f"{below_closed} does not exist, and can't be made: no permission to write {closed}" in of_closed.stdout
    assert of_file.stdout.count("set PEPIP_HOME to a folder that you may write") == 1


def test_the_doctor_of_a_store_that_is_empty(workbench: Workbench) -> None:
    """An empty store, such as a team makes before its first install, is sound. A file of its name is an error."""
    workbench.store.mkdir()
    empty = workbench.pepip("doctor", check=False)
    left = list(workbench.store.iterdir())
    workbench.store.rmdir()
    workbench.store.write_text("")
    file = workbench.pepip("doctor", check=False)

    assert (empty.returncode, empty.stderr, left) == (0, "", [])
    assert "0 entries, 0 environments" in empty.stdout
    assert file.returncode == 1
    assert f"{workbench.store} is not a folder" in file.stdout


def lose_the_interpreter(workbench: Workbench) -> tuple[str, str, str]:
    """Remove an environment's interpreter."""
    (workbench.folder / "one" / ".venv" / "bin" / "python").unlink()
    return "error", "its interpreter is gone", "pepip sync"


def lose_an_entry(workbench: Workbench) -> tuple[str, str, str]:
    """Move an entry away."""
    entry = workbench.entry("horn-1.0")
    entry.chmod(0o755)
    entry.rename(workbench.folder / "horn")
    return "error", "it links horn-1.0, which the store has lost", "pepip store repair"


def leave_a_journal(workbench: Workbench) -> tuple[str, str, str]:
    """Leave the journal of an interrupted change."""
    (workbench.folder / "one" / ".venv" / ".pepip").mkdir()
    (workbench.folder / "one" / ".venv" / ".pepip" / "journal.json").write_text('{"link": [], "remove": []}')
    return "error", "a change to it was interrupted", "pepip sync"


def leave_copies(workbench: Workbench) -> tuple[str, str, str]:
    """Leave the folder of an interrupted detaching."""
    (workbench.folder / "one" / ".venv" / ".pepip.copies").mkdir()
    return "error", "a change to it was interrupted", "pepip sync"


def delete_the_project(workbench: Workbench) -> tuple[str, str, str]:
    """Delete a project."""
    shutil.rmtree(workbench.folder / "one")
    return "warning", "it was deleted or moved", "pepip prune"


def garble_the_registry(workbench: Workbench) -> tuple[str, str, str]:
    """Write invalid JSON into a file of the registry."""
    next((workbench.store / "projects").glob("one-*.json")).write_text("{")
    return "error", "can't be read, so nothing is pruned", "pepip projects scan"


def damage_an_entry(workbench: Workbench) -> tuple[str, str, str]:
    """Remove an entry's own metadata."""
    workbench.entry("horn-1.0").chmod(0o755)
    (workbench.entry("horn-1.0") / "pepip-entry.json").unlink()
    return "error", "py3-none-any/horn-1.0 can't be read", "pepip store repair"


def leave_something_in_the_trash(workbench: Workbench) -> tuple[str, str, str]:
    """Leave the trash of a killed prune."""
    (workbench.store / "trash" / "horn-1.0.1-2").mkdir()
    return "warning", "removed entries still occupy", "pepip prune"


def forbid_a_folder(workbench: Workbench) -> tuple[str, str, str]:
    """Make the registry read-only."""
    (workbench.store / "projects").chmod(0o555)
    return "error", f"{workbench.store / 'projects'} may not be written", "correct its mode"


AILMENTS = [
    lose_the_interpreter,
    lose_an_entry,
    leave_a_journal,
    leave_copies,
    delete_the_project,
    garble_the_registry,
    damage_an_entry,
    leave_something_in_the_trash,
    forbid_a_folder,
]


@pytest.mark.every(2)
@pytest.mark.parametrize("ail", AILMENTS, ids=lambda ail: ail.__name__.replace("_", " "))
def test_the_doctor_finds_the_fault(machine: Machine, tmp_path: Path, workbench: Workbench, ail: Any) -> None:
    """The doctor names the fault with a hint and changes nothing. The exit code is 1 only for an error."""
    if ail is forbid_a_folder:
        workbench = replace(workbench, machine=machine.as_plain_user(tmp_path / "plain"), folder=tmp_path / "plain")
    workbench.at("one").install("horn")
    workbench.at("two").install("wind-one")
    state, sentence, hint = ail(workbench)
    before = snapshot(workbench.store)

    output = workbench.pepip("doctor", check=False)

    assert "Traceback" not in output.stderr
    assert output.returncode == (1 if state == "error" else 0)
    lines = output.stdout.splitlines()
    (number,) = (number for number, line in enumerate(lines) if line.startswith(state) and sentence in line)
    assert "hint:" in lines[number + 1]
    assert hint in lines[number + 1]
    assert changes(before, snapshot(workbench.store)) == []
    found = [item for item in read(workbench, "doctor", exit_code=output.returncode) if sentence in item["sentence"]]
    assert [item["state"] for item in found] == [state]
    assert sentence in on_terminal(workbench, "doctor").stdout.replace("\n", "")


def test_the_doctor_sees_a_cache_on_another_disk(workbench: Workbench, tmp_path: Path) -> None:
    """The store then copies files from uv's cache. The hint says how to avoid copies."""
    add(workbench, "horn")
    with mounted("tmpfs", tmp_path / "disk", mebibytes=4) as disk:
        far = replace(workbench, machine=replace(workbench.machine, uv_cache=disk / "cache"))

        output = far.pepip("doctor", check=False)

        assert output.returncode == 0
        assert f"{disk / 'cache'}, on another file system" in output.stdout
        assert "UV_CACHE_DIR" in output.stdout


def test_the_doctor_sees_that_there_is_little_room(workbench: Workbench, tmp_path: Path) -> None:
    """Below a gigabyte the doctor warns, and names a command that frees space."""
    with mounted("tmpfs", tmp_path / "disk", mebibytes=16) as disk:
        tight = replace(workbench, machine=replace(workbench.machine, store=disk / "store"))
        add(tight, "horn")

        (room,) = (item for item in read(tight, "doctor") if item["topic"] == "room")

        assert (room["state"], room["hint"]) == ("warning", "`pepip prune`")


def test_a_readers_doctor(workbench: Workbench, tmp_path: Path) -> None:
    """For a user who may only read the store, the doctor reports this, and it is no error."""
    workbench.at("one").install("horn")
    reader = replace(
        workbench, machine=replace(workbench.machine.as_plain_user(tmp_path / "plain"), store=workbench.store)
    )
    before = snapshot(workbench.store)

    output = reader.pepip("doctor", check=False)

    assert output.returncode == 0, output.stdout
    assert "read-only" in output.stdout
    assert changes(before, snapshot(workbench.store)) == []


HOSTILE = [
    "[red]",
    "[",
    "clear\x1b[2J-1.0",
    "bell\x07-1.0",
    "two\nlines-1.0",
    "tab\there-1.0",
    "\udcff-1.0",
    "right\u202eleft-1.0",
    "-1.0",
]
"""Names of folders below `packages/`, as an attacker, a bug or another tool may leave them."""

ALL_COMMANDS = [
    ("store", "list"),
    ("store", "list", "--sort", "size"),
    ("store", "show", "horn"),
    ("store", "verify"),
    ("store", "remove", "nothing==1"),
    ("store", "remove", "py3-none-any/horn-1.0"),
    ("uses", "horn"),
    ("projects",),
    ("savings",),
    ("prune", "--dry-run"),
    ("doctor",),
]


def lay_out_hostile_names(found: Workbench) -> None:
    """Make folders, files and links with hostile names in a store, and a project with such a name that links it."""
    found.at("[bold]pro\x1b[31mject").install("horn")
    for name in HOSTILE:
        (found.store / "packages" / "py3-none-any" / name).mkdir()
        (found.store / "packages" / f"bucket {name}" / name).mkdir(parents=True)
    (found.store / "packages" / "py3-none-any" / "file-1.0").write_text("")
    (found.store / "packages" / "file").write_text("")
    (found.store / "packages" / "py3-none-any" / "dangling-1.0").symlink_to("nowhere")
    (found.store / "packages" / "py3-none-any" / "loop-1.0").symlink_to("loop-1.0")


@pytest.fixture(scope="module")
def hostile(uv_cache: Path, interpreter: Path, tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """Return a store with hostile names, for tests that only read."""
    found = Workbench.for_module(tmp_path_factory.mktemp("hostile"), uv_cache, interpreter, WHEELS, name=".")
    lay_out_hostile_names(found)
    return found


@pytest.mark.every(4)
@pytest.mark.parametrize("command", ALL_COMMANDS, ids=" ".join)
def test_hostile_names_break_no_output(hostile: Workbench, command: tuple[str, ...]) -> None:
    """There is no traceback, no control character and no lost markup, in a pipe, on a terminal, and as JSON."""
    output = hostile.pepip(*command, check=False)
    document = hostile.pepip(*command, "--json", check=False)
    screen = on_terminal(hostile, *command, columns=300)

    said = output.stdout + output.stderr
    assert "Traceback" not in said + document.stderr + screen.stdout
    assert output.returncode in {0, 1}
    assert document.returncode == output.returncode
    if document.stdout:
        json.loads(document.stdout)
    for character in "\x1b\x07\t\u202e":
        assert character not in said, f"{character!r}: {said!r}"
    for sequence in ("\x1b[2J", "\x07", "\u202e", "pro\x1b[31mject"):
        assert sequence not in screen.stdout, f"{sequence!r}: {screen.stdout!r}"


def test_hostile_names_are_listed_as_damaged(hostile: Workbench) -> None:
    """Each folder is listed, escaped in text and exact in JSON. Files and dangling links are no entries."""
    found = {item["entry"]: item["state"] for item in read(hostile, "store", "list")}
    said = hostile.pepip("store", "list", check=False).stdout

    damaged = {entry for entry, state in found.items() if state == "damaged"}
    assert damaged == {f"{bucket}/{name}" for name in HOSTILE for bucket in ("py3-none-any", f"bucket {name}")}
    assert found.keys() - damaged == {"py3-none-any/horn-1.0"}
    assert len(said.splitlines()) == 1 + len(found)
    assert "[red]" in said


def test_a_repair_takes_hostile_names_away(workbench: Workbench) -> None:
    """Entries of unknown origin go to the trash, and whole entries stay."""
    lay_out_hostile_names(workbench)
    before = snapshot(workbench.entry("horn-1.0"))

    output = workbench.pepip("store", "repair", *workbench.from_wheelhouse, check=False)

    said = output.stdout + output.stderr
    assert "Traceback" not in said
    assert [character for character in "\x1b\x07\t\u202e" if character in said] == []
    assert changes(before, snapshot(workbench.entry("horn-1.0"))) == []
    assert [item["entry"] for item in read(workbench, "store", "list")] == ["py3-none-any/horn-1.0"]


def test_an_entry_can_lie_about_itself(workbench: Workbench) -> None:
    """Control characters and markup in an entry's document are plain text. Values of a wrong type are damage."""
    add(workbench, "horn", "wind-one", "wind-two")
    for name, changed in (
        ("horn-1.0", {"name": "[red]\x1b[2J", "version": "\n1", "origin": "\x07[/]"}),
        ("wind-one-1.0", {"name": 5, "version": None, "stored_at": "yesterday"}),
        ("wind-two-1.0", {"stored_at": 10**30, "file_count": "many"}),
    ):
        path = workbench.entry(name) / "pepip-entry.json"
        path.chmod(0o644)
        path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))

    for command in (("store", "list"), ("store", "verify"), ("savings",), ("prune", "--dry-run"), ("doctor",)):
        for output in (
            workbench.pepip(*command, check=False),
            workbench.pepip(*command, "--json", check=False),
            on_terminal(workbench, *command),
        ):
            said = output.stdout + output.stderr
            assert "Traceback" not in said, f"{command}: {said}"
            assert "\x1b[2J" not in said
            assert "\x07" not in said


def test_nothing_that_only_looks_changes_anything(workbench: Workbench) -> None:
    """Lists, shows, verifications and the doctor change nothing in the store and in environments, not even links."""
    environment = workbench.at("one").install("drum==1.0", "wind-one")
    before = snapshot(workbench.store / "packages"), snapshot(workbench.store / "projects"), snapshot(environment)
    shape = link_shape(environment)
    times = {path: os.lstat(path).st_mtime_ns for path in (workbench.store / "packages").rglob("*")}

    for command in ALL_COMMANDS:
        workbench.pepip(*command, check=False)

    assert changes(before[0], snapshot(workbench.store / "packages")) == []
    assert changes(before[1], snapshot(workbench.store / "projects")) == []
    assert changes(before[2], snapshot(environment)) == []
    assert link_shape(environment) == shape
    assert {path: os.lstat(path).st_mtime_ns for path in times} == times

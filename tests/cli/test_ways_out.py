"""Habits and ways out: misspelled commands, `alias pip='pepip pip'`, and `store clean`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.keeping import Keeper
from tests.support.machines import Machine, Output
from tests.support.snapshots import changes, snapshot

pytestmark = pytest.mark.every(2)


# Misspelled commands


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("verify", "pepip store verify"),
        ("repair", "pepip store repair"),
        ("gc", "pepip prune"),
        ("clean", "pepip store clean"),
        ("ls", "pepip list"),
        ("why", "pepip uses"),
        ("instal", "pepip install"),
        ("unistall", "pepip uninstall"),
        ("prunes", "pepip prune"),
        ("verfy", "pepip store verify"),
        ("synch", "pepip sync"),
    ],
)
def test_a_command_that_is_none_is_answered_by_the_one_that_is_meant(
    machine: Machine, project: Path, typed: str, meant: str
) -> None:
    """The error suggests the intended command."""
    output = machine.pepip(typed, folder=project, check=False)

    assert output.returncode == 2
    assert output.stderr.splitlines()[0] == f"error: there is no command `{typed}`"
    assert f"did you mean `{meant}`" in output.stderr


@pytest.mark.parametrize("typed", ["frobnicate", "lock", "tree"])
def test_a_word_like_no_command_of_pepip_is_left_to_uv(machine: Machine, project: Path, typed: str) -> None:
    """The message and the exit code are uv's."""
    ours = machine.pepip(typed, folder=project, check=False)
    uvs = machine.uv(typed, folder=project, check=False)

    assert (ours.returncode, ours.stderr) == (uvs.returncode, uvs.stderr)


# `alias pip='pepip pip'`


def pip(keeper: Keeper, *words: str) -> Output:
    """Run a command of pip in the project `app`."""
    return keeper.machine.pepip("pip", *words, folder=keeper.folder / "app", check=False)


@pytest.mark.parametrize(
    "words",
    [
        ["install", "--no-input", "horn"],
        ["--no-input", "install", "horn"],
        ["install", "--root-user-action", "ignore", "horn"],
        ["install", "--root-user-action=ignore", "horn"],
        ["--disable-pip-version-check", "install", "horn"],
        ["install", "-q", "-q", "horn"],
        ["install", "--no-warn-script-location", "--progress-bar", "off", "horn"],
        ["install", "--use-pep517", "--no-cache-dir", "horn"],
        ["install", "--timeout", "30", "--retries=2", "horn"],
        ["--require-virtualenv", "install", "horn"],
        ["install", "-I", "horn"],
        ["--timeout", "30", "install", "-I", "horn"],
    ],
)
def test_options_of_pip_that_mean_nothing_here_change_nothing(keeper: Keeper, words: list[str]) -> None:
    """The distribution is linked, and no warning says that pepip does not know the option."""
    keeper.at("app").install("drum==1.0")

    output = pip(keeper, *words, "--no-index", "--find-links", str(keeper.wheelhouse))

    assert output.returncode == 0
    assert "warning: pepip does not know" not in output.stderr
    assert keeper.entries() == ["drum-1.0", "horn-1.0"]


def test_an_option_stays_where_it_is_a_value(keeper: Keeper) -> None:
    """`uninstall` takes pip's option `--root-user-action`, and `freeze` takes `-l`."""
    keeper.at("app").install("drum==1.0")

    output = pip(keeper, "uninstall", "-y", "--root-user-action=ignore", "drum")

    assert output.returncode == 0
    assert pip(keeper, "freeze", "-l").stdout == ""


def test_the_version_names_the_program_that_answers(keeper: Keeper) -> None:
    """The version names pepip and uv, and does not claim to be pip's."""
    keeper.at("app").install("drum==1.0")

    for option in ("--version", "-V"):
        output = pip(keeper, option)
        assert output.returncode == 0
        assert output.stdout.startswith("pepip ")
        assert "uv" in output.stdout


@pytest.mark.parametrize("words", [["help"], ["help", "install"], ["help", "list"], ["cache", "dir"], ["list", "-o"]])
def test_words_of_pip_that_uv_lacks_are_answered(keeper: Keeper, words: list[str]) -> None:
    """Pip's `help`, `cache dir` and short options are understood."""
    keeper.at("app").install("drum==1.0")

    assert pip(keeper, *words).returncode == 0


def test_a_cache_of_pip_is_not_there(keeper: Keeper) -> None:
    """The hint names the commands that list and empty the store."""
    keeper.at("app").install("drum==1.0")

    output = pip(keeper, "cache", "list")

    assert output.returncode == 2
    assert "pepip store list" in output.stderr


def test_a_command_that_only_pip_has_is_run_by_pip(keeper: Keeper) -> None:
    """For `download`, pip itself runs for the environment, and fetches a wheel for its Python."""
    keeper.at("app").install("drum==1.0")

    output = pip(keeper, "download", "horn", "--no-index", "--find-links", str(keeper.wheelhouse), "-d", "wheels")

    assert output.returncode == 0, output.stderr
    assert [path.name for path in (keeper.folder / "app" / "wheels").iterdir()] == ["horn-1.0-py3-none-any.whl"]


# Removing the store


def test_a_store_is_removed_whole_and_those_who_break_are_named(keeper: Keeper) -> None:
    """The environments stay, with dangling links. A reinstall repairs them."""
    environment = keeper.at("app").install("drum==1.0")

    output = keeper.pepip("store", "clean", "--yes")

    assert f"{environment} links this store, and will be broken" in output.stderr
    assert "1 entry" in output.stderr
    assert not keeper.store.exists()
    keeper.machine.pepip("install", "--reinstall", "drum==1.0", *keeper.source, folder=environment.parent)
    assert keeper.run_drum(environment) == "1.0"


def test_a_dry_run_and_a_refusal_remove_nothing(keeper: Keeper) -> None:
    """Without a terminal and without `--yes`, the removal is refused."""
    keeper.at("app").install("drum==1.0")
    before = snapshot(keeper.store)

    dry = json.loads(keeper.pepip("store", "clean", "--dry-run", "--json").stdout)
    refused = keeper.pepip("store", "clean", check=False)

    assert dry["entries"] == 1
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert changes(before, snapshot(keeper.store)) == []


def test_a_foreign_file_in_the_store_stays(keeper: Keeper) -> None:
    """A foreign file is named, and stays in the store's folder."""
    keeper.at("app").install("drum==1.0")
    (keeper.store / "notes.txt").write_text("mine\n")

    output = keeper.pepip("store", "clean", "--yes")

    assert "notes.txt is not part of the store, and stays" in output.stderr
    assert [path.name for path in keeper.store.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("content", ["nothing", "a project"])
def test_a_folder_that_is_no_store_is_refused(keeper: Keeper, content: str) -> None:
    """A wrong PEPIP_HOME costs the user no file."""
    folder = keeper.folder / "home"
    folder.mkdir(exist_ok=True)
    if content == "a project":
        (folder / "projects").mkdir()
        (folder / "projects" / "thesis.tex").write_text("mine\n")
    before = snapshot(folder)

    output = keeper.pepip("store", "clean", "--yes", variables={"PEPIP_HOME": str(folder)}, check=False)

    assert output.returncode == 1
    assert "is not a store" in output.stderr
    assert changes(before, snapshot(folder)) == []

"""`pepip store list` and `pepip projects` as files, `pepip settings`, and `pepip savings --growth`."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

from tests.support.refusals import assert_refused
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [
    Wheel(name, "1.0", files={f"{name}/__init__.py": "x = 1\n" * lines})
    for name, lines in (("drum", 10_000), ("horn", 40_000), ("flute", 1))
]
"""Packages of different sizes."""


@pytest.fixture
def workbench(workbench: Workbench) -> Workbench:
    """Return a user in the folder of two projects, with an orphan, and with settings of their own."""
    code = workbench.folder / "code"
    workbench = replace(workbench, folder=code, name=".", variables={"XDG_CONFIG_HOME": str(code / "settings")})
    workbench.at("one").install("drum", "horn")
    workbench.at("two").install("drum")
    workbench.pepip("store", "add", "flute", *workbench.from_wheelhouse)
    return workbench


def names_in(workbench: Workbench, *words: str) -> list[str]:
    """Return the names in a list of the store."""
    return [row["name"] for row in workbench.ask("store", "list", *words)]


def test_a_list_is_filtered_and_sorted_as_in_the_app(workbench: Workbench) -> None:
    """The filter has the words and facets of the app, and the names that the settings give to filters."""
    workbench.pepip("settings", "filter.large=>200kB")

    assert names_in(workbench, "--filter", "orphan:") == ["flute"]
    assert names_in(workbench, "--filter", "project:two") == ["drum"]
    assert names_in(workbench, "--filter", "@large") == ["horn"]
    assert names_in(workbench, "--filter", "", "--sort", "size") == ["horn", "drum", "flute"]
    assert names_in(workbench, "--sort", "size", "--reverse") == ["flute", "drum", "horn"]
    assert names_in(workbench, "drum", "flute") == ["drum", "flute"]


@pytest.mark.real_world
def test_a_list_is_a_file_of_each_format(workbench: Workbench) -> None:
    """The end of its name says which. A list on stdout is the same text."""
    for end, form in (("csv", "csv"), ("md", "markdown"), ("json", "json")):
        workbench.pepip("store", "list", "--output", f"list.{end}")

        text = (workbench.folder / f"list.{end}").read_bytes().decode()
        shown = workbench.pepip("store", "list", "--format", form).stdout
        assert shown.splitlines() == text.splitlines() or json.loads(shown) == json.loads(text)
    with (workbench.folder / "list.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["drum", "flute", "horn"]
    assert rows[0]["projects"] == f"{workbench.folder}/one/.venv; {workbench.folder}/two/.venv"
    workbench.pepip("projects", "--sort", "packages", "--output", "projects.csv")
    with (workbench.folder / "projects.csv").open(newline="") as file:
        assert [row["distributions"] for row in csv.DictReader(file)] == ["2", "1"]


@pytest.mark.real_world
def test_a_file_is_neither_overwritten_nor_half_written(workbench: Workbench) -> None:
    """Each refusal is one error with a hint."""
    (workbench.folder / "there.csv").write_text("mine")

    for words, message in (
        (("--output", "there.csv"), "there.csv is there already"),
        (("--output", "list.xls"), "the format of list.xls is not known"),
        (("--output", "list.md", "--format", "csv"), "list.md would be markdown, not csv"),
        (("--output", "absent/list.md"), "cannot write absent/list.md: No such file"),
    ):
        output = workbench.pepip("store", "list", *words, check=False)
        assert output.returncode != 0
        assert output.stderr.startswith(f"error: {message}")
    assert (workbench.folder / "there.csv").read_text() == "mine"
    assert sorted(path.name for path in workbench.folder.iterdir()) == ["one", "there.csv", "two"]


@pytest.mark.real_world
def test_settings_are_set_shown_and_taken_away(workbench: Workbench) -> None:
    """What is unknown is refused, and changes nothing."""
    workbench.pepip("settings", "theme=nord", "hidden=python,state", "filter.old=orphan:")
    before = (workbench.folder / "settings" / "pepip" / "settings.toml").read_text()

    for words in (("theme=none",), ("hidden=name",), ("colour=red",), ("theme",), ("filter.a b=x",)):
        output = workbench.pepip("settings", *words, check=False)
        assert output.returncode == 2
        assert output.stderr.startswith("error: ")
        assert "hint:" in output.stderr
    assert (workbench.folder / "settings" / "pepip" / "settings.toml").read_text() == before
    document = workbench.ask("settings", "theme=", "filter.old=")
    assert document == {
        "file": str(workbench.folder / "settings" / "pepip" / "settings.toml"),
        "theme": "",
        "hidden": ["python", "state"],
        "filters": {},
    }


def test_growth_has_todays_sample_and_the_prunes(workbench: Workbench) -> None:
    """Today has the savings of now, and a prune of today is a part of its day."""
    workbench.pepip("savings")
    workbench.pepip("prune", "--yes")
    sums = workbench.ask("savings")

    (day,) = workbench.ask("savings", "--growth")

    assert day["on_disk_bytes"] == sums["on_disk_bytes"]
    assert day["entries"] == 2
    assert [prune["entries"] for prune in day["prunes"]] == [1]
    assert len(workbench.pepip("savings", "--growth").stdout.splitlines()) == 2
    assert workbench.pepip("savings", "--days", "3", check=False).returncode == 2


@pytest.mark.parametrize("command", [("store", "list"), ("projects",)])
def test_two_formats_contradict_each_other(workbench: Workbench, command: tuple[str, ...]) -> None:
    """`--json` means one of them."""
    refused = workbench.pepip(*command, "--json", "--format", "csv", check=False)

    assert_refused(refused, "--json contradicts --format csv", "leave out one of them")

"""`pepip store list` and `pepip projects` as files, `pepip settings`, and `pepip savings --growth`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.machines import Machine
from tests.support.wheels import Wheel


class Desk:
    """A user with two projects and an orphan."""

    def __init__(self, machine: Machine, code: Path) -> None:
        self.machine, self.code = machine, code

    def pepip(self, *words: str, check: bool = True) -> Any:
        """Run pepip in the folder of the projects, with settings of its own."""
        return self.machine.pepip(
            *words, folder=self.code, check=check, variables={"XDG_CONFIG_HOME": str(self.code / "settings")}
        )

    def names(self, *words: str) -> list[str]:
        """Return the names in a list of the store."""
        return [row["name"] for row in json.loads(self.pepip("store", "list", "--json", *words).stdout)]


@pytest.fixture
def desk(machine: Machine, tmp_path: Path, wheelhouse: Path) -> Desk:
    """Return a user whose store has three entries of different sizes."""
    for name, lines in (("drum", 10_000), ("horn", 40_000), ("flute", 1)):
        Wheel(name, "1.0", files={f"{name}/__init__.py": "x = 1\n" * lines}).write(wheelhouse)
    code = machine.make_folder(tmp_path / "code")
    source = ("--no-index", "--find-links", wheelhouse)
    machine.pepip("install", "drum", "horn", *source, folder=machine.make_folder(code / "one"))
    machine.pepip("install", "drum", *source, folder=machine.make_folder(code / "two"))
    machine.pepip("store", "add", "flute", *source, folder=code)
    return Desk(machine, code)


def test_a_list_is_filtered_and_sorted_as_in_the_app(desk: Desk) -> None:
    """The filter has the words and facets of the app, and the names that the settings give to filters."""
    desk.pepip("settings", "filter.large=>200kB")

    assert desk.names("--filter", "orphan:") == ["flute"]
    assert desk.names("--filter", "project:two") == ["drum"]
    assert desk.names("--filter", "@large") == ["horn"]
    assert desk.names("--filter", "", "--sort", "size") == ["horn", "drum", "flute"]
    assert desk.names("--sort", "size", "--reverse") == ["flute", "drum", "horn"]
    assert desk.names("drum", "flute") == ["drum", "flute"]


@pytest.mark.real_world
def test_a_list_is_a_file_of_each_format(desk: Desk) -> None:
    """The end of its name says which. A list on stdout is the same text."""
    for end, form in (("csv", "csv"), ("md", "markdown"), ("json", "json")):
        desk.pepip("store", "list", "--output", f"list.{end}")

        text = (desk.code / f"list.{end}").read_bytes().decode()
        shown = desk.pepip("store", "list", "--format", form).stdout
        assert shown.splitlines() == text.splitlines() or json.loads(shown) == json.loads(text)
    with (desk.code / "list.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["drum", "flute", "horn"]
    assert rows[0]["projects"] == f"{desk.code}/one/.venv; {desk.code}/two/.venv"
    desk.pepip("projects", "--sort", "packages", "--output", "projects.csv")
    with (desk.code / "projects.csv").open(newline="") as file:
        assert [row["distributions"] for row in csv.DictReader(file)] == ["2", "1"]


@pytest.mark.real_world
def test_a_file_is_neither_overwritten_nor_half_written(desk: Desk) -> None:
    """Each refusal is one error with a hint."""
    (desk.code / "there.csv").write_text("mine")

    for words, message in (
        (("--output", "there.csv"), "there.csv is there already"),
        (("--output", "list.xls"), "the format of list.xls is not known"),
        (("--output", "list.md", "--format", "csv"), "list.md would be markdown, not csv"),
        (("--output", "absent/list.md"), "cannot write absent/list.md: No such file"),
    ):
        output = desk.pepip("store", "list", *words, check=False)
        assert output.returncode != 0
        assert output.stderr.startswith(f"error: {message}")
    assert (desk.code / "there.csv").read_text() == "mine"
    assert sorted(path.name for path in desk.code.iterdir()) == ["one", "there.csv", "two"]


@pytest.mark.real_world
def test_settings_are_set_shown_and_taken_away(desk: Desk) -> None:
    """What is unknown is refused, and changes nothing."""
    desk.pepip("settings", "theme=nord", "hidden=python,state", "filter.old=orphan:")
    before = (desk.code / "settings" / "pepip" / "settings.toml").read_text()

    for words in (("theme=none",), ("hidden=name",), ("colour=red",), ("theme",), ("filter.a b=x",)):
        output = desk.pepip("settings", *words, check=False)
        assert output.returncode == 2
        assert output.stderr.startswith("error: ")
        assert "hint:" in output.stderr
    assert (desk.code / "settings" / "pepip" / "settings.toml").read_text() == before
    document = json.loads(desk.pepip("settings", "theme=", "filter.old=", "--json").stdout)
    assert document == {
        "file": str(desk.code / "settings" / "pepip" / "settings.toml"),
        "theme": "",
        "hidden": ["python", "state"],
        "filters": {},
    }


def test_growth_has_todays_sample_and_the_prunes(desk: Desk) -> None:
    """Today has the savings of now, and a prune of today is a part of its day."""
    desk.pepip("savings")
    desk.pepip("prune", "--yes")
    sums = json.loads(desk.pepip("savings", "--json").stdout)

    (day,) = json.loads(desk.pepip("savings", "--growth", "--json").stdout)

    assert day["on_disk_bytes"] == sums["on_disk_bytes"]
    assert day["entries"] == 2
    assert [prune["entries"] for prune in day["prunes"]] == [1]
    assert len(desk.pepip("savings", "--growth").stdout.splitlines()) == 2
    assert desk.pepip("savings", "--days", "3", check=False).returncode == 2

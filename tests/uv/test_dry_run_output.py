"""Reading uv's dry runs, with output of uv 0.13.0 and 0.13.9: if JSON and text differ, the output is refused."""

from __future__ import annotations

import json

import pytest

from pepip.errors import UnreadableAnswerError
from pepip.uv import dry_run_output
from pepip.uv.dry_run_output import Change

pytestmark = pytest.mark.unit

UPGRADE = (
    [
        {"name": "six", "version": "1.15.0", "action": "uninstalled"},
        {"name": "six", "version": "1.17.0", "action": "installed"},
    ],
    """\
Using Python 3.11.7 environment at: v
Resolved 2 packages in 98ms
Would download 1 package
Would uninstall 1 package
Would install 1 package
 - six==1.15.0
 + six==1.17.0
""",
)
NOTHING: tuple[list[dict[str, str]], str] = (
    [],
    "Using Python 3.11.7 environment at: v\nChecked 1 package in 0.38ms\nWould make no changes\n",
)
FOLDER = (
    [{"name": "mypk", "version": "0.1", "action": "uninstalled"}, {"name": "mypk", "action": "installed"}],
    """\
Resolved 1 package in 0.92ms
Would download 1 package
Would uninstall 1 package
Would install 1 package
 - mypk==0.1 (from file:///srv/pkg)
 + mypk @ file:///srv/pkg
""",
)
WHEEL = (
    [
        {"name": "six", "version": "1.15.0", "action": "uninstalled"},
        {"name": "six", "version": "1.16.0", "action": "installed"},
    ],
    """\
Would uninstall 1 package
Would install 1 package
 - six==1.15.0
 + six @ file:///srv/six-1.16.0-py2.py3-none-any.whl
""",
)
REINSTALL = (
    [{"name": "mypk", "version": "0.1", "action": "reinstalled"}],
    "Uninstalled 1 package in 0.58ms\nInstalled 1 package in 1ms\n ~ mypk==0.1 (from file:///srv/pkg)\n",
)
EMPTY: tuple[list[dict[str, str]], str] = (
    [],
    "warning: Requirements file `e.txt` does not contain any dependencies\n"
    "No requirements found (hint: use `--allow-empty-requirements` to clear the environment)\n",
)


def test_an_upgrade_removes_one_version_and_adds_another() -> None:
    """Names and versions are read from the JSON."""
    found = dry_run_output.read(*UPGRADE)

    assert found.removed == (Change("six", "1.15.0", ""),)
    assert found.added == (Change("six", "1.17.0", ""),)
    assert found.warnings == ()


def test_where_there_is_nothing_to_do_there_are_no_changes() -> None:
    """The JSON has an empty list, and the text has no line for a change."""
    found = dry_run_output.read(*NOTHING)

    assert (found.removed, found.added, found.warnings) == ((), (), ())


def test_a_url_is_read_from_the_text() -> None:
    """The JSON has no URL. Without the text, a wheel from a URL would look like a wheel from an index."""
    assert dry_run_output.read(*WHEEL).added == (
        Change("six", "1.16.0", "file:///srv/six-1.16.0-py2.py3-none-any.whl"),
    )
    assert dry_run_output.read(*FOLDER).added == (Change("mypk", "", "file:///srv/pkg"),)
    assert dry_run_output.read(*FOLDER).removed == (Change("mypk", "0.1", "file:///srv/pkg"),)


def test_a_reinstallation_removes_and_adds() -> None:
    """The text marks it with `~`."""
    found = dry_run_output.read(*REINSTALL)

    assert found.removed == found.added == (Change("mypk", "0.1", "file:///srv/pkg"),)


def test_warnings_are_kept() -> None:
    """One warning of uv does not have the word `warning`. It is kept, too."""
    assert dry_run_output.read(*EMPTY).warnings == (
        "Requirements file `e.txt` does not contain any dependencies",
        "No requirements found (hint: use `--allow-empty-requirements` to clear the environment)",
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (UPGRADE[0], ""),
        ([], UPGRADE[1]),
        (UPGRADE[0], UPGRADE[1].replace("1.17.0", "1.18.0")),
        (UPGRADE[0], UPGRADE[1].replace(" + six", " * six")),
        (UPGRADE[0], UPGRADE[1].replace(" + six", " + seven")),
        (json.loads(json.dumps(UPGRADE[0]).replace('"installed"', '"replaced"')), UPGRADE[1]),
        (json.loads(json.dumps(UPGRADE[0]).replace('"name"', '"package"')), UPGRADE[1]),
        ([{"name": "six", "action": "installed"}], " + six\n"),
        ({"six": "installed"}, " + six==1.17.0\n"),
        (None, UPGRADE[1]),
    ],
    ids=[
        *("no text", "no JSON", "another version", "another sign", "another name", "a new action", "a new key"),
        *("no version", "another shape", "null"),
    ],
)
def test_json_and_text_that_differ_are_refused(changes: list[dict[str, str]], text: str) -> None:
    """If a newer uv uses other words, its answer must not look as if there was nothing to do."""
    with pytest.raises(UnreadableAnswerError, match="answers in a way that this pepip can't read"):
        dry_run_output.read(changes, text)


def test_removals_are_read_from_the_text_alone() -> None:
    """`uv pip uninstall` has no JSON."""
    text = "Using Python 3.11.7 environment at: v\nWould uninstall 2 packages\n - idna==3.4\n - mypk==0.1 (from file:///p)\n"

    assert dry_run_output.read_removals(text) == (Change("idna", "3.4", ""), Change("mypk", "0.1", "file:///p"))
    assert dry_run_output.read_removals("Using Python 3.11.7 environment at: v\nWould make no changes\n") == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Would uninstall 2 packages\n - idna==3.4\n",
        "Would uninstall 1 package\n - idna 3.4\n",
        "Going to remove 1 package\n - idna==3.4\n",
        "Would uninstall 1 package\n + idna==3.4\n",
    ],
)
def test_removals_whose_count_is_not_that_of_the_lines_are_refused(text: str) -> None:
    """The count is the only check that the text offers."""
    with pytest.raises(UnreadableAnswerError, match="answers in a way that this pepip can't read"):
        dry_run_output.read_removals(text)

"""`pepip eject` of several environments: named, or found below a folder, one after the other or at the same time."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.operations.adoption.test_adopt import NAMES, Attic, attic
from tests.operations.adoption.test_eject import links_into
from tests.support.machines import interpreter_of
from tests.support.snapshots import changes, snapshot
from tests.support.stores import leftovers_of, problems_of
from tests.support.terminals import run_on_terminal

__all__ = ["attic"]


def _restored(before: dict[str, object], environment: Path) -> list[str]:
    """Return the changes of an environment, without bytecode and locks."""
    found = changes(before, snapshot(environment))
    return [line for line in found if "__pycache__" not in line and "added: .lock" not in line]


def test_several_named_environments_are_ejected_without_a_question(attic: Attic) -> None:
    """Each has its files from before. An environment that was not named stays linked."""
    one, two, three = (attic.make(name, "uv copy", "camera", "single") for name in ("one", "two", "three"))
    before = [snapshot(item) for item in (one, two)]
    attic.adopt()

    output = attic.machine.pepip("eject", "one", two, folder=attic.code)

    assert output.stderr == "".join(f"{item} has real files now: 2 packages\n" for item in (one, two))
    assert [_restored(files, item) for files, item in zip(before, (one, two), strict=True)] == [[], []]
    assert attic.linked(three) == {"camera", "single"}
    assert problems_of(attic.machine.store) == []


@pytest.mark.parametrize("answer", ["y", "n"])
def test_environments_below_a_folder_are_ejected_after_a_question(attic: Attic, answer: str) -> None:
    """The preview has each environment that links the store, its packages, and the space. The others are no news."""
    environments = [attic.make(name, "uv copy", "camera", "single") for name in ("deep/one", "two")]
    before = [snapshot(item) for item in environments]
    attic.adopt()
    attic.make("three", "uv copy", "single")

    output = run_on_terminal(
        attic.machine,
        [sys.executable, "-m", "pepip", "eject", attic.code],
        folder=attic.folder,
        answers=[("Eject them?", f"{answer}\n")],
    )

    assert "2 environments link 4 packages. Real files would take up to " in output.stdout
    assert "three" not in output.stdout
    if answer == "y":
        assert [_restored(files, item) for files, item in zip(before, environments, strict=True)] == [[], []]
        assert links_into(attic.code, attic.machine.store) == []
    else:
        assert [attic.linked(item) for item in environments] == [{"camera", "single"}] * 2


def test_without_a_terminal_a_found_environment_wants_yes(attic: Attic) -> None:
    """Neither a dry run nor an eject without `--yes` changes anything. `--yes` ejects."""
    environment = attic.make("one", "uv copy", "single")
    attic.adopt()
    shown = snapshot(environment)

    document = attic.machine.pepip("eject", "--dry-run", "--json", attic.code, folder=attic.folder)
    refused = attic.machine.pepip("eject", attic.code, folder=attic.folder, check=False)
    untouched = changes(shown, snapshot(environment))
    done = attic.machine.pepip("eject", "--yes", "--json", attic.code, folder=attic.folder)

    (row,) = json.loads(document.stdout)["environments"]
    assert (row["environment"], row["packages"]) == (str(environment), 1)
    assert row["size_bytes"] > 0
    assert refused.returncode == 2
    assert "error: eject asks before it changes environments that it found, and it can't ask here" in refused.stderr
    assert "hint: `--yes` ejects without asking" in refused.stderr
    assert untouched == []
    (item,) = json.loads(done.stdout)["environments"]
    assert item["distributions"] == [{"name": "single", "version": "1.0"}]
    assert attic.linked(environment) == set()


def test_a_folder_without_linked_environments_is_named(attic: Attic) -> None:
    """The environments there are as before."""
    environment = attic.make("one", "uv copy", "single")
    before = snapshot(environment)

    output = attic.machine.pepip("eject", "--yes", attic.code, folder=attic.folder, check=False)

    assert output.returncode == 1
    assert output.stderr == f"error: no environment below {attic.code} links the store\n"
    assert changes(before, snapshot(environment)) == []


def test_one_failure_leaves_the_other_environments_ejected(attic: Attic) -> None:
    """The failed environment keeps its links, its reason is printed, and the exit code is 1."""
    one, two, three = (attic.make(name, "uv copy", "single") for name in ("one", "two", "three"))
    attic.adopt()
    interpreter_of(two).unlink()

    output = attic.machine.pepip("eject", "--yes", attic.code, folder=attic.folder, check=False)

    assert output.returncode == 1
    assert f"error: {two} has no interpreter\n" in output.stderr
    assert f"{three} has real files now: 1 package\n" in output.stderr
    assert attic.linked(two) == {"single"}
    assert attic.linked(one) == attic.linked(three) == set()


def test_several_ejects_of_one_environment_at_once_all_succeed(attic: Attic) -> None:
    """One of them ejects, and the others have nothing to do. The files are those from before."""
    environment = attic.make("one", "uv copy")
    before = snapshot(environment)
    attic.adopt()
    command = [sys.executable, "-m", "pepip", "eject", environment]

    runs = [attic.machine.start(command, folder=attic.folder) for _ in range(3)]
    said = []
    for run in runs:
        _, error = run.communicate(timeout=120)
        assert run.returncode == 0, error
        said.append(error)

    nothing = f"Nothing to do: {environment} links nothing\n"
    assert sorted(said) == sorted([nothing, nothing, f"{environment} has real files now: {len(NAMES)} packages\n"])
    assert _restored(before, environment) == []
    assert links_into(environment, attic.machine.store) == []
    assert problems_of(attic.machine.store) == []


def test_eject_and_adopt_at_the_same_time(attic: Attic) -> None:
    """Each distribution is either linked or the environment's own, and the last eject gives all files back."""
    environments = [attic.make(name, "uv copy") for name in ("one", "two")]
    before = [snapshot(item) for item in environments]
    attic.adopt()
    python = [sys.executable, "-m", "pepip"]

    for _ in range(2):
        runs = [
            attic.machine.start([*python, *words, "--yes", attic.code], folder=attic.folder)
            for words in (("adopt",), ("eject",), ("adopt",))
        ]
        for run in runs:
            _, error = run.communicate(timeout=120)
            assert "Traceback" not in error
            assert run.returncode == 0 or "no environment below" in error, error
        for item in environments:
            attic.machine.python(item, "-c", "import camera.contrib, old.two, cloud.core, single")
            assert attic.linked(item) in (set(), set(NAMES))

    attic.adopt()
    attic.machine.pepip("eject", "--yes", attic.code, folder=attic.folder)
    assert [_restored(files, item) for files, item in zip(before, environments, strict=True)] == [[], []]
    assert links_into(attic.code, attic.machine.store) == []
    assert leftovers_of(attic.machine.store) == []
    assert problems_of(attic.machine.store) == []
    assert not [path for item in environments for path in item.iterdir() if path.name.startswith(".pepip")]
    assert os.listdir(attic.machine.store / "projects") == []

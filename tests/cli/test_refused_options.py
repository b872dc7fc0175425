"""A command refuses an option that would have no effect: to accept it would look as if it had worked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.machines import Machine
from tests.support.refusals import assert_refused


@pytest.mark.parametrize(
    "words",
    [
        ("store", "repair", "--upgrade"),
        ("store", "repair", "--extra", "x"),
        ("ui", "--json", "--screenshot", "x.svg"),
    ],
    ids=" ".join,
)
def test_an_option_without_effect_is_refused(machine: Machine, project: Path, words: tuple[str, ...]) -> None:
    """Nothing is made."""
    refused = machine.pepip(*words, folder=project, check=False)

    assert_refused(refused, f"unrecognized arguments: {next(word for word in words if word.startswith('--'))}")
    assert list(project.iterdir()) == []
    assert not machine.store.exists()


def test_uv_refuses_an_option_that_an_uninstall_can_not_use(machine: Machine, project: Path) -> None:
    """The answer is uv's alone, with its own exit code."""
    refused = machine.pepip("uninstall", "--upgrade", "drum", folder=project, check=False)

    assert refused.returncode == 2
    assert "unexpected argument '--upgrade'" in refused.stderr
    assert not machine.store.exists()

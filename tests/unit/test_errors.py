"""The tree of errors is the one that its module draws, and each error says what and which path."""

from __future__ import annotations

import inspect

import pytest

from pepip import errors
from pepip.errors import PepipError

EXAMPLES = [
    PepipError("it", hint="do that"),
    errors.UsageError("it"),
    errors.UvError("it", output="no\n", exit_code=3, hint="do that"),
    errors.UnreadableAnswerError("it", hint="do that"),
    errors.StoreError("it"),
    errors.InvalidWheelError("it"),
    errors.CorruptEntryError("/store/lamp", "it is empty"),
    errors.VenvError("it"),
    errors.ObstructedError("lamp", "/environment/lamp"),
    errors.ClashError("lib/lamp", "moth", "lamp"),
]


def kinds() -> list[type[PepipError]]:
    """Return all kinds of errors, in the order of their definition."""
    found = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, PepipError)]
    return sorted(found, key=lambda kind: inspect.getsourcelines(kind)[1])


def test_the_drawn_tree_is_the_tree() -> None:
    """Each kind stands there, below its base."""
    drawn: dict[int, str] = {}
    found = {}
    for line in (errors.__doc__ or "").splitlines():
        name = next((word for word in line.split() if word.endswith("Error")), "")
        if name:
            depth = line.index(name) // 4
            drawn[depth] = name
            found[name] = drawn[depth - 1] if depth else "Exception"

    assert found == {kind.__name__: kind.__base__.__name__ for kind in kinds() if kind.__base__}


def test_each_kind_has_an_example() -> None:
    """So that a new one is looked at here."""
    assert {type(error) for error in EXAMPLES} == set(kinds())


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_is_one_line_with_a_code(error: PepipError) -> None:
    """Which `error:` is put before, and a hint behind; zero would be success."""
    assert str(error) == error.message
    assert error.message
    assert "\n" not in error.message
    assert not error.message.endswith(".")
    assert error.hint is None or (error.hint and "\n" not in error.hint)
    assert error.exit_code > 0


def test_an_error_names_the_path_that_it_is_about() -> None:
    """So that a person finds it."""
    assert "/store/lamp" in str(errors.CorruptEntryError("/store/lamp", "it is empty"))
    assert "/environment/lamp" in str(errors.ObstructedError("lamp", "/environment/lamp"))


def test_uvs_own_exit_code_is_kept() -> None:
    """Of one error alone: others have that of their kind."""
    assert errors.UvError("it", exit_code=3).exit_code == 3
    assert errors.UvError("it").exit_code == errors.PepipError("it").exit_code == 1
    assert errors.UsageError("it").exit_code == 2

"""The tree of errors is the one drawn in its module's docstring, and each error names its cause and its path."""

from __future__ import annotations

import inspect

import pytest

from pepip import errors
from pepip.errors import PepipError

pytestmark = pytest.mark.unit

EXAMPLES = [
    PepipError("it", hint="do that"),
    errors.UsageError("it"),
    errors.UvError("it", output="no\n", exit_code=3, hint="do that"),
    errors.UnreadableAnswerError("it", hint="do that"),
    errors.StoreError("it"),
    errors.NoStoreError("/store"),
    errors.InvalidWheelError("it"),
    errors.CorruptEntryError("/store/lamp", "it is empty"),
    errors.ImageError("it"),
    errors.VenvError("it"),
    errors.ObstructedError("lamp", "/environment/lamp"),
    errors.ClashError("lib/lamp", "moth", "lamp"),
]


def kinds() -> list[type[PepipError]]:
    """Return all classes of errors, in the order of their definition."""
    found = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, PepipError)]
    return sorted(found, key=lambda kind: inspect.getsourcelines(kind)[1])


def test_the_drawn_tree_is_the_tree() -> None:
    """Each class is drawn below its base class."""
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
    """So these tests check each new class, too."""
    assert {type(error) for error in EXAMPLES} == set(kinds())


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_is_one_line_with_a_code(error: PepipError) -> None:
    """The command line puts `error:` before it and the hint after it. Exit code 0 would mean success."""
    assert str(error) == error.message
    assert error.message
    assert "\n" not in error.message
    assert not error.message.endswith(".")
    assert error.hint is None or (error.hint and "\n" not in error.hint)
    assert error.exit_code > 0


def test_an_error_names_the_path_that_it_is_about() -> None:
    """So a person can find the file or folder."""
    assert "/store/lamp" in str(errors.CorruptEntryError("/store/lamp", "it is empty"))
    assert "/environment/lamp" in str(errors.ObstructedError("lamp", "/environment/lamp"))


def test_uvs_own_exit_code_is_kept() -> None:
    """Only UvError does so. All other errors have the exit code of their class."""
    assert errors.UvError("it", exit_code=3).exit_code == 3
    assert errors.UvError("it").exit_code == errors.PepipError("it").exit_code == 1
    assert errors.UsageError("it").exit_code == 2

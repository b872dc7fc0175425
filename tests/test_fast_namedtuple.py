"""The fast `NamedTuple` behaves like the one of `typing`, with which the tests compare it."""

from __future__ import annotations

import copy
import keyword
import pickle
import string
import types
import typing
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pepip import fast_namedtuple, model

pytestmark = pytest.mark.unit

FIELD_NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=6).filter(lambda name: not keyword.iskeyword(name))
HARD_NAMES = st.sampled_from(["cls", "self", "values", "named", "changes", "fields", "items", "index", "count"])
VALUES = st.one_of(st.none(), st.integers(), st.text(max_size=3), st.lists(st.integers(), max_size=2))


class Shape(typing.NamedTuple):
    """The fields and defaults of a class. The defaults belong to the last fields, as `typing` requires."""

    fields: list[str]
    defaults: list[Any]


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Draw the fields of a class, and defaults for some of them."""
    fields = draw(st.lists(st.one_of(FIELD_NAMES, HARD_NAMES), unique=True, max_size=5))
    return Shape(fields, draw(st.lists(VALUES, max_size=len(fields))))


def twins(shape: Shape) -> list[Any]:
    """Return the same class twice: made by pepip and by `typing`."""
    namespace: dict[str, Any] = {"__annotations__": dict.fromkeys(shape.fields, "object"), "__module__": __name__}
    if shape.defaults:
        namespace.update(zip(shape.fields[-len(shape.defaults) :], shape.defaults, strict=True))
    bases = (fast_namedtuple.NamedTuple, typing.NamedTuple)
    return [
        types.new_class("Made", (base,), {}, lambda made: made.update(copy.deepcopy(namespace))) for base in bases
    ]


def outcome(call: Callable[[], Any]) -> Any:
    """Return the result of a call, or `refused` if it raises TypeError or ValueError.

    Versions of Python differ in which of the two they raise.
    """
    try:
        return call()
    except (TypeError, ValueError):
        return "refused"


def seen(value: Any) -> Any:
    """Return all visible properties of an instance."""
    if value == "refused":
        return value
    return tuple(value), value._asdict(), repr(value), value._fields, hash(repr(value))


@given(shapes())
def test_fields_and_defaults_are_those_of_typing(shape: Shape) -> None:
    """The test compares names, order, defaults, and the names for pattern matching."""
    ours, theirs = twins(shape)

    for name in ("_fields", "_field_defaults", "__match_args__", "__annotations__", "__slots__", "__name__"):
        assert list(getattr(ours, name)) == list(getattr(theirs, name)), name
    assert ours._field_defaults == theirs._field_defaults
    assert issubclass(ours, tuple)


@given(shapes(), st.lists(VALUES, max_size=6), st.data())
@example(Shape(["cls"], []), [], None).via("a field of the name that the constructor gave its class")
@example(Shape(["cls", "self"], [1]), [2], None)
def test_an_instance_is_made_as_by_typing(shape: Shape, values: list[Any], data: Any) -> None:
    """Values are given by position, by name, or both. Too many, too few, unknown and repeated values are refused."""
    ours, theirs = twins(shape)
    names = shape.fields[len(values) :]
    if data is not None:
        names = data.draw(st.lists(st.sampled_from([*shape.fields, "unknown"]), unique=True))
    named = {name: f"value of {name}" for name in names}

    assert seen(outcome(lambda: ours(*values, **named))) == seen(outcome(lambda: theirs(*values, **named)))


@given(shapes(), st.data())
def test_instances_are_compared_copied_and_unpacked_as_tuples(shape: Shape, data: Any) -> None:
    """The test covers equality, order of fields, and attributes, which can't be assigned."""
    ours, theirs = twins(shape)
    values = data.draw(st.lists(VALUES, min_size=len(shape.fields), max_size=len(shape.fields)))
    made, their = ours(*values), theirs(*values)

    assert made == their == tuple(values)
    assert made == ours(*values)
    assert [getattr(made, name) for name in shape.fields] == values
    assert copy.copy(made) == copy.deepcopy(made) == made
    assert type(copy.copy(made)) is type(copy.deepcopy(made)) is ours
    for name in [*shape.fields, "unknown"]:
        with pytest.raises(AttributeError):
            setattr(made, name, 1)
    assert seen(ours._make(iter(values))) == seen(theirs._make(iter(values)))
    assert seen(outcome(lambda: ours._make([*values, 1]))) == seen(outcome(lambda: theirs._make([*values, 1])))


@given(shapes(), st.data())
def test_a_changed_copy_is_that_of_typing(shape: Shape, data: Any) -> None:
    """Some fields get other values. A name that is no field is refused."""
    ours, theirs = twins(shape)
    changes = dict.fromkeys(data.draw(st.lists(st.sampled_from([*shape.fields, "unknown"]), unique=True)), "changed")
    values = range(len(shape.fields))

    assert seen(outcome(lambda: ours(*values)._replace(**changes))) == seen(
        outcome(lambda: theirs(*values)._replace(**changes))
    )


class Ours(fast_namedtuple.NamedTuple):
    """A class with a method and a property."""

    first: int
    second: str = "default"

    @property
    def both(self) -> str:
        """Both fields as one text."""
        return f"{self.first}{self.second}"

    def doubled(self) -> Ours:
        """Return a copy with twice the first."""
        return self._replace(first=2 * self.first)


class OursBelow(Ours):
    """A subclass that adds a constant, and no field."""

    limit: int = 7

    @property
    def both(self) -> str:
        """The text of the base class in angle brackets."""
        return f"<{super().both}>"


class OursWithAnotherConstructor(Ours):
    """A subclass whose constructor takes other values than its fields."""

    def __new__(cls, text: str) -> OursWithAnotherConstructor:
        """Make an instance from a text that contains the values of both fields."""
        return super().__new__(cls, int(text[0]), text[1:])


class Theirs(typing.NamedTuple):
    """The same as `Ours`, by `typing`."""

    first: int
    second: str = "default"


class TheirsBelow(Theirs):
    """The same as `OursBelow`, by `typing`."""

    limit: int = 7


def test_methods_and_properties_see_the_fields() -> None:
    """A method may also return a changed copy."""
    assert Ours(1).both == "1default"
    assert Ours(1, "x").doubled() == Ours(2, "x")
    assert type(Ours(1).doubled()) is Ours


def test_a_subclass_keeps_the_fields_of_its_base() -> None:
    """Its own annotations are no fields. So it is in `typing`, and type checkers expect it."""
    made, their = OursBelow(1), TheirsBelow(1)

    assert OursBelow._fields == TheirsBelow._fields == ("first", "second")
    assert repr(made).removeprefix("Ours") == repr(their).removeprefix("Theirs")
    assert made == their == (1, "default")
    assert made.limit == their.limit == 7
    assert made.both == "<1default>"
    assert type(made._replace(first=2)) is OursBelow
    assert OursBelow(second="x", first=3) == (3, "x")


def test_a_changed_copy_does_not_call_the_constructor_of_a_subclass() -> None:
    """Such a constructor may take other values than the fields."""
    made = OursWithAnotherConstructor("5x")

    assert made == (5, "x")
    assert made._replace(first=6) == (6, "x")
    assert type(made._replace(first=6)) is OursWithAnotherConstructor


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_instances_can_be_pickled(protocol: int) -> None:
    """This holds for a class and for its subclass, with every protocol of pickle."""
    for made in (Ours(1, "x"), OursBelow(2)):
        loaded = pickle.loads(pickle.dumps(made, protocol))

        assert loaded == made
        assert type(loaded) is type(made)


def test_further_bases_are_refused() -> None:
    """`typing` refuses them, too, because their attributes would be lost silently."""
    with pytest.raises(TypeError, match="Multiple inheritance"):
        type(fast_namedtuple.NamedTuple)("Both", (fast_namedtuple.NamedTuple, Shape), {})


def test_a_pattern_matches_by_position_and_by_name() -> None:
    """The order is the order of the fields in the class."""
    match Ours(3, "x"):
        case Ours(first, second=name):
            assert (first, name) == (3, "x")
        case _:
            pytest.fail("nothing matched")


def test_each_type_of_the_model_has_the_fields_that_are_written() -> None:
    """Versions of Python keep annotations in different ways. No field is lost in any of them."""
    types = [kind for kind in vars(model).values() if isinstance(kind, type) and kind.__module__ == model.__name__]

    assert model.Link._fields == ("path", "target", "is_directory", "owner", "mode")
    assert all(kind._fields == tuple(kind.__annotations__) for kind in types if issubclass(kind, tuple))

"""A replacement for `typing.NamedTuple` that makes classes in a tenth of the time.

`typing` compiles every annotation and every constructor when it makes a class. For the types of this package, this
takes as long at each start as linking a small environment. Type checkers see the `NamedTuple` of `typing`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    try:
        from _collections import _tuplegetter as _getter
    except ImportError:  # another implementation of Python
        from operator import itemgetter

        def _getter(position, doc):
            return property(itemgetter(position), doc=doc)

    class _Fields(type):
        """Makes a class of annotated fields a subclass of tuple, with a getter for each."""

        def __new__(cls, name, bases, namespace):
            if not bases:
                return super().__new__(cls, name, (tuple,), {**namespace, "__slots__": ()})
            if NamedTuple not in bases:  # a subclass of a class with fields: it adds none
                return super().__new__(cls, name, bases, namespace)
            if len(bases) > 1:
                raise TypeError("Multiple inheritance with NamedTuple is not supported")
            fields = tuple(namespace.get("__annotations__", ()))
            defaults = {field: namespace.pop(field) for field in fields if field in namespace}
            getters = {field: _getter(position, None) for position, field in enumerate(fields)}
            special = {"__slots__": (), "_fields": fields, "_field_defaults": defaults, "__match_args__": fields}
            special["_default_values"] = tuple(defaults.values())  # those of the last fields, in order
            return super().__new__(cls, name, bases, {**namespace, **getters, **special})

    class NamedTuple(metaclass=_Fields):
        """The base of all: an immutable tuple whose items have names."""

        _fields = _field_defaults = _default_values = ()

        def __new__(cls, /, *values, **named):
            """Return an instance of these items, given in order or by name. Absent items have their defaults."""
            fields = cls._fields
            if named and not values and len(named) == len(fields) and fields == tuple(named):
                return tuple.__new__(cls, named.values())  # all fields by name, in their order
            absent = len(fields) - len(values)
            if not named and 0 < absent <= len(cls._default_values):
                return tuple.__new__(cls, values + cls._default_values[-absent:])
            if named or absent:
                items = dict(zip(fields, values, strict=False))
                if len(values) > len(fields) or not items.keys().isdisjoint(named) or named.keys() - set(fields):
                    raise TypeError(f"{cls.__name__} takes {', '.join(fields)}")
                items = {**cls._field_defaults, **items, **named}
                if len(items) < len(fields):
                    raise TypeError(f"{cls.__name__} lacks {', '.join(name for name in fields if name not in items)}")
                values = [items[field] for field in fields]
            return tuple.__new__(cls, values)

        @classmethod
        def _make(cls, values):
            """Return an instance of these items, one for each field."""
            made = tuple.__new__(cls, values)
            if len(made) != len(cls._fields):
                raise TypeError(f"{cls.__name__} takes {', '.join(cls._fields)}")
            return made

        def _replace(self, /, **changes):
            """Return a copy with other values for some fields."""
            made = self._make(changes.pop(field, value) for field, value in zip(self._fields, self, strict=True))
            if changes:
                raise ValueError(f"{type(self).__name__} has no {', '.join(changes)}")
            return made

        def _asdict(self):
            """Return the values by the names of their fields."""
            return dict(zip(self._fields, self, strict=True))

        def __getnewargs__(self):
            """Return the values from which `copy` and `pickle` make this instance again."""
            return tuple(self)

        def __repr__(self):
            """Return the expression that makes this instance."""
            shown = ", ".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({shown})"

"""Evaluating the markers of a lock for the interpreter of an environment (PEP 508, PEP 751)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pepip.model import Environment


_SELECTED = ("extra", "dependency_groups")


def evaluator(environment: Environment) -> Callable[[str], bool]:
    """Return a function that tells whether a marker holds in an environment.

    A marker that can't be read holds. A marker on extras or dependency groups holds, too, because uv has selected
    these. If the markers of two package tables with one name hold, uv must choose between them.
    """
    facts: dict[str, str] = {}

    def applies(marker: str) -> bool:
        from packaging import markers

        if any(name in marker for name in _SELECTED):
            return True
        if not facts:
            facts.update({key: str(value) for key, value in markers.default_environment().items()})
            facts.update(_of_interpreter(environment))
        try:
            return markers.Marker(marker).evaluate(facts, context="lock_file")
        except (markers.InvalidMarker, markers.UndefinedComparison, markers.UndefinedEnvironmentName):
            return True

    return applies


def _of_interpreter(environment: Environment) -> dict[str, str]:
    version, name = environment.interpreter.version, environment.interpreter.implementation
    titles = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalVM"}
    return {
        "python_version": ".".join(version.split(".")[:2]),
        "python_full_version": version,
        "implementation_name": name,
        "implementation_version": version,
        "platform_python_implementation": titles.get(name, name),
    }

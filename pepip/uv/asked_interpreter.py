"""The interpreter that pepip names to uv: the base of an environment, wherever uv then answers the same.

uv starts each interpreter that it meets for the first time, and asks for its facts. This takes longer than most
answers. Every new environment has an interpreter of its own, but that is a link to its base, which uv knows already.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.host import files
from pepip.uv import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.model import Environment
    from pepip.uv.request import Request


def for_facts(request: Request, environment: Environment) -> str:
    """Return the interpreter for a call of uv that needs its version and its tags, but no environment."""
    is_needed = builds_in_environment(request) or _may_change_facts(environment)
    return environment.executable if is_needed else _base(environment)


def options_of_environment(request: Request, environment: Environment) -> list[str]:
    """Return the options by which uv reads the distributions of an environment, and locks it.

    If uv removes all distributions that a request does not name, it spares pip and its like, except in an environment
    that uv itself made without them. So such a request needs the environment's own interpreter.
    """
    is_exact = request.is_whole or "--exact" in request.installer_options
    base = environment.executable if is_exact else for_facts(request, environment)
    is_of_environment = base == environment.executable
    return ["--python", base] if is_of_environment else ["--python", base, "--prefix", environment.root]


def builds_in_environment(request: Request) -> bool:
    """Tell whether a build may run without isolation: with the distributions of the environment."""
    return (
        any(word.startswith("--no-build-isolation") for word in request.common_options)
        or any("NO_BUILD_ISOLATION" in name and value for name, value in os.environ.items())
        or settings.may_mention("build-isolation")
    )


_MODULES_OF_FACTS = ("_manylinux", "sitecustomize")
"""Modules that are imported while uv asks an interpreter for its facts. Source: PEP 600; the module `site`."""

_HARMLESS = ("__editable__", "_virtualenv.pth", "distutils-precedence.pth", "a1_coverage.pth")
"""The beginnings of the names of `.pth` files whose code changes no fact. Well-known tools write them."""

_MOST_BYTES = 1 << 20


def _may_change_facts(environment: Environment) -> bool:
    """Tell whether code in the environment may give its interpreter other facts than its base has."""
    folder = environment.site_packages
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return any(
        name.partition(".")[0] in _MODULES_OF_FACTS
        or (name.endswith(".pth") and not name.startswith(_HARMLESS) and _path_file_may_change_facts(folder, name))
        for name in names
    )


def _path_file_may_change_facts(folder: str, name: str) -> bool:
    """Tell whether a `.pth` file has code, or names a folder with a module of facts. Source: the module `site`."""
    try:
        content = files.read_regular(f"{folder}/{name}", most_bytes=_MOST_BYTES, follows=True)
    except (OSError, ValueError):
        return True
    for line in content.decode("utf-8", "surrogateescape").splitlines():
        if line.startswith(("import ", "import\t")):
            return True
        place = os.path.join(folder, line.strip())
        modules = (f"{place}/{module}{suffix}" for module in _MODULES_OF_FACTS for suffix in ("", ".py"))
        if line.strip() and "\0" not in line and not line.startswith("#") and any(map(os.path.lexists, modules)):
            return True
    return False


def _base(environment: Environment) -> str:
    """Return the interpreter to which the environment's interpreter is a link, or else that interpreter itself.

    A link counts only for CPython with the usual folder of distributions: uv must find the same folder below the
    environment's root.
    """
    facts = environment.interpreter
    version = ".".join(facts.version.split(".")[:2])
    is_usual = facts.implementation == "cpython" and facts.site_packages == f"lib/python{version}/site-packages"
    base = paths.real(facts.executable) if is_usual else facts.executable
    is_outside = not base.startswith(f"{paths.real(environment.root)}/")
    return base if is_outside else facts.executable

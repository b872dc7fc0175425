"""The sets of packages that are compared, and the modules of a wheel that a user would import."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging import tags
from packaging.utils import canonicalize_name, parse_wheel_filename

EXTRA = "tabulate"
"""The package that is added to a finished environment and upgraded in it: a small pure wheel that no set needs."""

EXTRA_OLD, EXTRA_NEW = f"{EXTRA}==0.8.10", f"{EXTRA}==0.9.0"


@dataclass(frozen=True)
class Selection:
    """Packages to install, and modules to import. If no modules are named, they are found in the wheels.

    `only_offered` are installed only if a folder of wheels offers them: the index has them for other hardware.
    """

    packages: tuple[str, ...]
    only_offered: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()

    def offered_by(self, wheels: Sequence[Path], version: tuple[int, int]) -> tuple[Selection, list[str]]:
        """Return this with pins of the packages that `wheels` offer for Python `version`, and the other names."""
        pins = offered(self.only_offered, wheels, version)
        lacking = [name for name in self.only_offered if not any(pin.startswith(f"{name}==") for pin in pins)]
        return replace(self, packages=(*pins, *self.packages)), lacking


SETS = {
    "seed": Selection(("tomli", "packaging", "requests", "numpy", "pandas")),
    "web": Selection(("fastapi", "uvicorn", "httpx", "sqlalchemy", "alembic", "jinja2", "celery", "redis", "pytest")),
    "data": Selection(
        ("numpy", "pandas", "polars", "pyarrow", "duckdb", "scipy", "matplotlib", "seaborn", "ipython")
    ),
    "ml": Selection(
        ("transformers", "datasets", "accelerate", "scikit-learn", "matplotlib", "jupyterlab"),
        only_offered=("torch",),
        modules=("torch", "transformers", "sklearn", "matplotlib", "datasets", "accelerate"),
    ),
}


def offered(names: Iterable[str], wheels: Iterable[Path], version: tuple[int, int]) -> list[str]:
    """Return a pin for each of `names` that has a wheel in `wheels` for Python `version` on this machine."""
    supported = {*tags.cpython_tags(version), *tags.compatible_tags(version, f"cp{version[0]}{version[1]}")}
    pins = []
    for wheel in wheels:
        name, release, _, wheel_tags = parse_wheel_filename(wheel.name)
        if name in names and not supported.isdisjoint(wheel_tags):
            pins.append(f"{name}=={release}")
    return pins


def modules_of(packages: Sequence[str], wheels: Iterable[Path]) -> list[str]:
    """Return the modules that users of `packages` import: the one of the same name, else all public ones."""
    by_name = {parse_wheel_filename(wheel.name)[0]: wheel for wheel in wheels}
    modules = []
    for package in packages:
        name = canonicalize_name(package)
        own = name.replace("-", "_")
        public = _top_level(by_name[name])
        modules += [own] if own in public else public
    return modules


def _top_level(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    packages = {name.split("/")[0] for name in names if name.count("/") == 1 and name.endswith("/__init__.py")}
    single = {name.removesuffix(".py") for name in names if "/" not in name and name.endswith(".py")}
    return sorted(name for name in packages | single if not name.startswith("_"))

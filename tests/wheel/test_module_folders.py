"""The folders of a distribution that are read-only in the store: folders into which installers put modules."""

from __future__ import annotations

import pytest
from hypothesis import given

from pepip.paths import PYCACHE, ancestors
from pepip.wheel import footprint, module_folders
from tests.support.distributions import Distribution, distributions, files_of, folders_of

pytestmark = pytest.mark.unit

SHAPES: dict[str, tuple[list[str], set[str]]] = {
    "packages, and packages in them": (
        ["a/__init__.py", "a/m.py", "a/b/__init__.py", "a/b/n.py"],
        {"a", "a/b"},
    ),
    "a topmost package in any case": (["a/__init__.py", "a/data.txt", "a/manage.py"], {"a"}),
    "packages in a namespace": (["ns/a/__init__.py", "ns/a/data.txt", "ns/m.py"], {"ns/a"}),
    "compiled packages and stubs": (["a/__init__.abi3.so", "a-stubs/__init__.pyi"], {"a", "a-stubs"}),
    "packages whose code is all in their `__init__`": (["a/__init__.py", "a/b/__init__.py"], {"a", "a/b"}),
    "libraries beside a package": (["a/__init__.py", "a.libs/libx-1.so.3", "b.files/x.txt"], {"a", "a.libs"}),
    "no folder of data": (["a/__init__.py", "a/templates/page.html", "a/lib/x.so", "a/tests/d/t.py"], {"a"}),
    "no project to be copied that has modules": (
        ["a/__init__.py", "a/t/manage.py", "a/t/site/__init__.py", "a/t/site/urls.py"],
        {"a"},
    ),
    "no name that is none of a module": (
        ["a/__init__.py", "a/{{x}}/__init__.py", "a/.t/__init__.py", "a/{{x}}/b/__init__.py"],
        {"a"},
    ),
    "no package that holds nothing but data, nor what is in it": (
        ["a/__init__.py", "a/t/__init__.py", "a/t/d/x.sql", "a/t/e/__init__.py", "a/t/e/x.sql"],
        {"a"},
    ),
    "packages with data and modules": (
        ["a/__init__.py", "a/b/__init__.py", "a/b/x.sql", "a/b/c/__init__.py", "a/b/c/m.py"],
        {"a", "a/b", "a/b/c"},
    ),
    "no package that a project's file marks": (
        ["a/__init__.py", "a/b/__init__.py", "a/b/m.py", "a/b/pyproject.toml"],
        {"a"},
    ),
    "no package that is called a template and holds what is no code": (
        ["a/__init__.py", "a/my_template/__init__.py", "a/my_template/m.py", "a/my_template/x.cfg"],
        {"a"},
    ),
    "a package of code that is called a template": (
        ["a/__init__.py", "a/template/__init__.py", "a/template/m.py"],
        {"a", "a/template"},
    ),
    "no bytecode, metadata or data": (
        [f"a/{PYCACHE}/__init__.cpython-312.pyc", "a-1.0.dist-info/licenses/L", "a-1.0.data/data/x/__init__.py"],
        set(),
    ),
    "no empty folder": (["a/__init__.py", "a/b/"], {"a"}),
}


@pytest.mark.parametrize("name", SHAPES)
def test_folders_of_modules(name: str) -> None:
    """They are found by the paths of files alone."""
    files, expected = SHAPES[name]

    assert module_folders.find(footprint.tree_of(files)) == expected


@given(distributions("a"))
def test_a_folder_of_modules_is_a_folder_and_all_above_it_can_be_imported(distribution: Distribution) -> None:
    """None is below a regular package that is no folder of modules."""
    found = module_folders.find(footprint.tree_of(files_of(distribution.tree)))

    assert found <= set(folders_of(distribution.tree))
    for path in found:
        above = [folder for folder in ancestors(path) if folder not in found]
        regular = [folder for folder in above if f"{folder}/__init__.py" in files_of(distribution.tree)]
        assert regular == []

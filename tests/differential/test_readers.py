"""Readers of RECORD (issue 13, J): paths of `importlib.metadata.files()` can be opened, as in uv's environment."""

from __future__ import annotations

from tests.differential.harness import INK, LETTER, PAPER, Bench, Row, parameters
from tests.support.indexes import Index
from tests.support.wheels import Wheel

LOOK = """import importlib.metadata, sys
for distribution in sorted(importlib.metadata.distributions(), key=lambda found: found.metadata["Name"]):
    for path in sorted(distribution.files or [], key=str):
        try:
            path.read_binary()
            print(distribution.metadata["Name"], path)
        except OSError as error:
            print(distribution.metadata["Name"], path, type(error).__name__)
"""
COPY = """import importlib.metadata, pathlib, sys
target = pathlib.Path(sys.argv[1])
for path in importlib.metadata.files(sys.argv[2]):
    if ".." not in path.parts and "__pycache__" not in path.parts:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(path.read_binary())
print(sorted(str(found.relative_to(target)) for found in target.rglob("*") if found.is_file()))
"""
PLUG = Wheel("plug", "1.0", files={"plug/__init__.py": "", "plug/inner/x.txt": "x\n", "plug_single.py": ""},
             data={"scripts/plug": "#!python\n", "data/share/plug/x.txt": "x\n", "headers/plug.h": ""})  # fmt: skip
ONE, TWO = (
    Wheel(name, "1.0", files={f"cloud/{name}/__init__.py": "", f"cloud/{name}/x.txt": ""}) for name in ("one", "two")
)
FILES = {"look.py": LOOK, "copy_all.py": COPY}


def of(name: str, *steps: str, wheels: tuple[Wheel, ...] = (INK, PAPER, LETTER, PLUG, ONE, TWO)) -> Row:
    """Return a row whose programs read the installed files."""
    return Row(name, steps, {"main": Index(wheels)}, FILES)


ROWS = [
    of("files-of-packages", "pip install letter", "$ python look.py"),
    of("files-of-data-and-scripts", "pip install plug", "$ python look.py"),
    of("files-of-a-namespace", "pip install one two", "$ python look.py"),
    of("files-copied-out", "pip install plug", "$ python copy_all.py copied plug"),
    of("removed-by-uv", "pip install letter plug one two", "uv pip uninstall letter plug one"),
    of("reinstalled-by-uv", "pip install letter plug", "uv pip install --reinstall letter plug"),
    of("removed-by-pepip", "pip install letter plug one two", "pip uninstall letter plug one"),
]

KNOWN_TO_FAIL: set[str] = {
    "files-copied-out",
    "files-of-a-namespace",
    "files-of-data-and-scripts",
    "files-of-packages",
}
"""RECORD lists the links to folders first, so that uv and pip remove the links and not the files behind them.

So `files()` also returns folders.
"""


@parameters(ROWS, KNOWN_TO_FAIL)
def test_files_can_be_opened(bench: Bench, row: Row) -> None:
    """All paths in `files()` are files, and a removal does not change the store."""
    bench.assert_same(row)

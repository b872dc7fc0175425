"""The Python that an image takes along: its files, the libraries that it needs, and Pythons that can't be moved."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pepip.environment import base_interpreter
from pepip.errors import ImageError
from pepip.host.tar_stream import LINK
from pepip.model import BaseInterpreter
from pepip.wheel import libraries

pytestmark = pytest.mark.unit

MODULES = "lib/python3.99"


def cc(*words: str | Path) -> None:
    """Run the C compiler. Skips the test without one."""
    if shutil.which("cc") is None:
        pytest.skip("cc is missing")
    subprocess.run(["cc", *words, "-Wl,--enable-new-dtags"], check=True)


def library(path: Path, *needed: Path) -> Path:
    """Build a library that needs other libraries beside it, and return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.with_suffix(".c")
    source.write_text("int sound(void) { return 42; }\n")
    options = (f"-Wl,-soname,{path.name}", "-Wl,-rpath,$ORIGIN", "-Wl,--no-as-needed")
    cc("-shared", "-o", path, source, *options, *needed)
    source.unlink()
    return path


def python_in(prefix: Path, needed: Path, *run_paths: str) -> BaseInterpreter:
    """Make a small Python whose program needs one library, and return its facts."""
    for name in ("os.py", "test/regrtest.py", "config/libpython3.99.a", "site-packages/drum.py"):
        (prefix / MODULES / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / MODULES / name).write_text("")
    (prefix / MODULES / "__pycache__").mkdir()
    for tag in ("cpython-398", "cpython-399"):
        (prefix / MODULES / "__pycache__" / f"os.{tag}.pyc").write_text("")
    (prefix / "include" / "python3.99").mkdir(parents=True)
    (prefix / "include" / "python3.99" / "Python.h").write_text("")
    (prefix / "include" / "other.h").write_text("")
    (prefix / "bin").mkdir()
    program, source = prefix / "bin" / "python3.99", prefix / "main.c"
    source.write_text("int sound(void);\nint main(void) { return sound(); }\n")
    cc("-o", program, source, needed, *(f"-Wl,-rpath,{path}" for path in run_paths))
    return BaseInterpreter(str(prefix), str(program), (MODULES,), "3.99", b"", "cpython-399")


def files_in(moved: base_interpreter.Moved) -> set[str]:
    """Return the paths of files of an image, below the folder of the Python."""
    return {
        os.path.relpath(path, base_interpreter.FOLDER_NAME)
        for path, member in moved.members.items()
        if member.source or member.content
    }


@pytest.mark.parametrize("with_packages", [False, True])
def test_an_image_holds_the_files_that_a_python_needs(tmp_path: Path, *, with_packages: bool) -> None:
    """Tests, archives of objects and bytecode of another Python are left out. site-packages is there on request."""
    own = library(tmp_path / "lib" / "libpython3.99.so")
    base = python_in(tmp_path, own, str(tmp_path / "lib"))

    moved = base_interpreter.members(base, with_packages=with_packages)

    assert files_in(moved) == {
        "bin/python3.99",
        "include/python3.99/Python.h",
        "lib/libpython3.99.so",
        f"{MODULES}/os.py",
        f"{MODULES}/__pycache__/os.cpython-399.pyc",
        *([f"{MODULES}/site-packages/drum.py"] if with_packages else []),
    }
    links = {path: member.target for path, member in moved.members.items() if member.kind == LINK}
    assert links == {f".python/bin/{name}": "python3.99" for name in ("python", "python3")}
    assert moved.module_folders == (f".python/{MODULES}",)
    assert moved.needed == ()


def test_the_program_of_an_image_finds_its_library_from_its_own_place(tmp_path: Path) -> None:
    """The absolute run path below the prefix becomes relative."""
    own = library(tmp_path / "prefix" / "lib" / "libpython3.99.so")
    base = python_in(tmp_path / "prefix", own, str(own.parent))

    program = base_interpreter.members(base, with_packages=False).members[".python/bin/python3.99"]
    copy = tmp_path / "python3.99"
    copy.write_bytes(program.content)

    assert libraries.run_paths(str(copy)) == ["$ORIGIN/../lib"]


def test_libraries_of_a_library_come_along(tmp_path: Path) -> None:
    """Each is searched for further ones, and nothing is left to the machine."""
    bow = library(tmp_path / "lib" / "libbow.so")
    violin = library(tmp_path / "lib" / "libviolin.so", bow)
    base = python_in(tmp_path, library(tmp_path / "lib" / "libband.so", violin), "$ORIGIN/../lib")

    moved = base_interpreter.members(base, with_packages=False)

    assert {"lib/libband.so", "lib/libviolin.so", "lib/libbow.so"} <= files_in(moved)
    assert moved.needed == ()


def test_libraries_of_the_machine_are_named(tmp_path: Path) -> None:
    """The C library is on each machine, and is not named."""
    base = python_in(tmp_path / "prefix", library(tmp_path / "libhorn.so"))

    assert base_interpreter.members(base, with_packages=False).needed == ("libhorn.so",)


def test_a_python_that_cannot_be_moved_is_refused_with_the_reason(tmp_path: Path) -> None:
    """The reasons: settings of the machine, a missing library, a script as program, conda, and the system."""
    own = library(tmp_path / "prefix" / "lib" / "libpython3.99.so")
    base = python_in(tmp_path / "prefix", own, "/opt/elsewhere")

    def refusal(python: BaseInterpreter) -> str:
        with pytest.raises(ImageError) as found:
            base_interpreter.members(python, with_packages=False)
        return str(found.value)

    assert "finds libpython3.99.so only by settings of this machine" in refusal(base)
    own.unlink()
    assert f"libpython3.99.so is not in {base.prefix}/lib" in refusal(base)
    Path(base.program).write_text("#!/bin/sh\n")
    assert f"cannot move {base.program}: it is a script" in refusal(base)
    (tmp_path / "prefix" / "conda-meta").mkdir()
    assert "belongs to a conda environment" in refusal(base)
    assert "the Python in /usr belongs to the system" in refusal(base._replace(prefix="/usr"))

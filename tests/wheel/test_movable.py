"""ELF files of a folder that is moved: run paths below the folder become relative, if there is room."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pepip.errors import ImageError
from pepip.wheel import libraries, movable

pytestmark = pytest.mark.unit


def built(folder: Path, *run_paths: str) -> Path:
    """Build a library with run paths in the folder `lib` below `folder`. Skips the test without a compiler."""
    if shutil.which("cc") is None:
        pytest.skip("cc is missing")
    (folder / "lib").mkdir(parents=True)
    source, library = folder / "empty.c", folder / "lib" / "libempty.so"
    source.write_text('int puts(const char *);\nint answer(void) { return puts("42"); }\n')
    subprocess.run(
        ["cc", "-shared", "-o", library, source, f"-Wl,-rpath,{':'.join(run_paths)}", "-Wl,--enable-new-dtags"],
        check=True,
    )
    return library


def test_run_paths_below_the_folder_become_relative(tmp_path: Path) -> None:
    """Other run paths stay, and the changed file is a library with the new ones."""
    prefix = tmp_path / "prefix"
    library = built(prefix, str(prefix / "lib"), "/opt/other", f"{prefix}/share/lib")

    moved = movable.moved(str(library), library.read_bytes(), str(prefix))
    library.write_bytes(moved.content)

    assert moved.run_paths == ("$ORIGIN", "/opt/other", "$ORIGIN/../share/lib")
    assert libraries.run_paths(str(library)) == list(moved.run_paths)
    assert any(name.startswith("libc.") for name in moved.needed)


def test_a_library_with_relative_run_paths_is_not_changed(tmp_path: Path) -> None:
    """Its content is left as it is."""
    library = built(tmp_path / "prefix", "$ORIGIN", "/usr/lib")

    assert movable.moved(str(library), library.read_bytes(), str(tmp_path / "prefix")).content == b""


def test_a_run_path_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """The path of a folder near the root is shorter than a relative one."""
    library = built(tmp_path / "prefix", "/x/lib")

    with pytest.raises(ImageError, match="has no room"):
        movable.moved("/x/lib/deep/er/libempty.so", library.read_bytes(), "/x")


def test_a_file_that_is_no_elf_file_is_refused_by_its_name() -> None:
    """Broken headers are an error that names the file."""
    with pytest.raises(ImageError, match="cannot read /x/broken"):
        movable.moved("/x/broken", b"\x7fELF broken", "/x")

"""Checks of an entry while other processes change it."""

from __future__ import annotations

import os
import shutil

import pytest

from pepip.store import check
from tests.support.meanwhile import after_listing
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [Wheel("drum", "1.0", files={"drum/__init__.py": "", "drum/kit/__init__.py": "", "drum/kit/snare.py": ""})]


def test_what_another_process_removes_during_a_check_is_missing(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of the entry, a file that was added, and a folder are gone after they were listed."""
    workbench.install("drum")
    drum = workbench.entry("drum-1.0") / "drum"
    (drum / "kits.py").write_text("")

    def remove() -> None:
        for name in ("kits.py", "__init__.py"):
            (drum / name).unlink(missing_ok=True)
        shutil.rmtree(drum / "kit", ignore_errors=True)

    drum.chmod(0o755)
    (drum / "kit").chmod(0o755)
    after_listing(monkeypatch, drum, remove)
    found = check.inspect(os.fspath(drum.parent))

    missing = [("missing", f"drum/{path}") for path in ("__init__.py", "kit/__init__.py", "kit/snare.py")]
    assert [tuple(flaw) for flaw in found if flaw.path not in {"drum", "drum/kit"}] == missing


def test_an_entry_that_is_replaced_during_a_check_has_the_flaws_of_its_successor(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repair puts a whole entry in the place of a damaged one. The check begins anew, and finds it whole."""
    workbench.install("drum")
    entry = workbench.entry("drum-1.0")
    whole, damaged = workbench.folder / "whole", workbench.folder / "damaged"
    for place in (whole, damaged):
        shutil.copytree(entry, place, symlinks=True)
    for path in (whole, *(path for path in whole.rglob("*") if path.is_dir() and path.name != "__pycache__")):
        os.utime(path, ns=(check.SEALED_AT_NS, check.SEALED_AT_NS))
    (damaged / "drum" / "kit" / "snare.py").unlink()
    entry.chmod(0o755)
    shutil.rmtree(entry)
    damaged.rename(entry)

    def replace() -> None:
        if whole.exists():
            entry.rename(damaged)
            whole.rename(entry)

    after_listing(monkeypatch, entry / "drum" / "kit", replace)
    found = check.inspect(os.fspath(entry))

    assert found == []

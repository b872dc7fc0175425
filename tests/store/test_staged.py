"""Staged prefixes: where the distributions are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pepip.store import staged
from tests.support.other_systems import loaded_on

pytestmark = pytest.mark.unit


def prefix_in(folder: Path, library: str) -> str:
    """Return a prefix with one distribution, whose METADATA is a link to an unpacked wheel."""
    wheel = folder / "archive" / "ink-1.0.dist-info"
    wheel.mkdir(parents=True)
    (wheel / "METADATA").write_text("Metadata-Version: 2.1\nName: ink\nVersion: 1.0\n\n")
    info = folder / "prefix" / library / "site-packages" / "ink-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").symlink_to(wheel / "METADATA")
    return os.fspath(folder / "prefix")


def test_a_wheel_is_found_once_where_names_ignore_case(tmp_path: Path) -> None:
    """On macOS `lib` and `Lib` are one folder. Here a link stands for the second spelling."""
    prefix = prefix_in(tmp_path, "lib/python3.12")
    (tmp_path / "prefix" / "Lib").symlink_to("lib")

    assert [item.name for item in staged.discover(prefix)] == ["ink"]


def test_a_wheel_is_found_in_the_folder_that_windows_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There `lib` may be another spelling of `Lib`."""
    prefix = prefix_in(tmp_path, "Lib")
    (tmp_path / "prefix" / "lib").symlink_to("Lib")

    assert [item.name for item in loaded_on("win32", staged, monkeypatch).discover(prefix)] == ["ink"]

"""The settings in uv's settings files, in all places where a real uv reads them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepip.uv import settings
from tests.support.machines import Machine

pytestmark = pytest.mark.unit

PLACES = [
    *(
        "a/b/uv.toml",
        "a/b/pyproject.toml",
        "a/uv.toml",
        "uv.toml",
        "home/uv/uv.toml",
        "one/uv/uv.toml",
        "two/uv/uv.toml",
    ),
    *("named.toml", "a/b/c/uv.toml", "home/uv.toml", "other.toml"),
]


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Change to an empty folder, without any uv setting in effect, and yield the variables for that."""
    for name in os.environ:
        if name.startswith("UV_"):
            monkeypatch.delenv(name)
    found = {"XDG_CONFIG_HOME": f"{tmp_path}/home", "XDG_CONFIG_DIRS": f"{tmp_path}/one:{tmp_path}/two"}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "a/b/c").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a/b")
    yield found
    settings._read.clear()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("named", [False, True])
def test_settings_are_found_wherever_uv_reads_them(
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    place: str,
    *,
    named: bool,
) -> None:
    """A real uv warns about an unknown setting in such a file."""
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text("[tool.uv]\nodd-setting = 1\n" if "pyproject" in place else "odd-setting = 1\n")
    if named:
        (tmp_path / "named.toml").touch()
        variables["UV_CONFIG_FILE"] = str(tmp_path / "named.toml")
        monkeypatch.setenv("UV_CONFIG_FILE", variables["UV_CONFIG_FILE"])

    said = machine.uv("pip", "list", folder=tmp_path / "a/b", check=False, variables=variables).stderr

    if "odd-setting" in said:
        assert settings.may_mention("odd-setting")
        assert list(settings.values("odd-setting")) == [1]
        assert any("odd-setting" in text for text in settings.texts())


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("uv.toml", "offline = true", [True]),
        ("uv.toml", "[pip]\noffline = true", [True]),
        ("uv.toml", "offline = true\n[pip]\noffline = false", [True, False]),
        ("pyproject.toml", "[tool.uv]\noffline = 1", [1]),
        ("pyproject.toml", "[tool.uv.pip]\noffline = 1", [1]),
        ("pyproject.toml", "[tool.other]\noffline = 1", []),
        ("uv.toml", "# offline", []),
        ("uv.toml", "offline =", [None]),
        ("uv.toml", "pip = 'offline'", [None]),
        ("uv.toml", "pip = 1 # offline", [None]),
        ("pyproject.toml", "tool = 'offline' # uv", [None]),
        ("pyproject.toml", "tool = 'offline'", []),
        ("pyproject.toml", '[project]\ndependencies = ["uvloop"]\n[tool.other]\noffline = ', []),
        ("pyproject.toml", '[tool."uv"]\n"offline" = 1', [1]),
        ("pyproject.toml", '["tool"."\\u0075v"]\noffline = 1', [1]),
        ("pyproject.toml", "tool.uv.offline=1", [1]),
        ("pyproject.toml", "tool={uv={offline=1}}", [1]),
        ("pyproject.toml", "[tool.uv]\nis-offline = 1\noffline_ = 1", []),
        ("pyproject.toml", "[tool]\nuv = ['offline']", [None]),
        ("uv.toml", "offline = " + "[" * 5000, [None]),
        ("uv.toml", b"\xff offline", [None]),
    ],
)
def test_values_are_those_of_the_files(name: str, text: str | bytes, found: list[object]) -> None:
    """A value that can't be read is None. uv then reports the error."""
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())

    assert list(settings.values("offline")) == found


@given(st.binary(max_size=40))
def test_a_file_is_read_again_when_it_has_changed(content: bytes) -> None:
    """A missing file or a folder has empty content."""
    Path("uv.toml").unlink(missing_ok=True)
    assert settings.content("uv.toml") == b""
    Path("uv.toml").write_bytes(content)
    assert settings.content("uv.toml") == content
    assert settings.content("uv.toml") == content
    assert settings.content(".") == b""


@pytest.mark.parametrize(
    ("value", "is_on"),
    [("1", True), ("true", True), ("T", True), ("Yes", True), ("y", True), ("ON", True), ("0", False), ("off", False),
     ("", False), ("2", False)],
)  # fmt: skip
def test_a_variable_says_yes_in_uvs_words(monkeypatch: pytest.MonkeyPatch, value: str, *, is_on: bool) -> None:
    """Upper and lower case are equal."""
    monkeypatch.setenv("UV_OFFLINE", value)

    assert settings.is_on("UV_OFFLINE") == is_on


def test_the_project_is_the_nearest_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search goes upward from the current folder, or from the folder that `UV_PROJECT` names."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "a/b/c/pyproject.toml").touch()

    assert settings.project_folder() == str(tmp_path)
    monkeypatch.setenv("UV_PROJECT", "c")
    assert settings.project_folder() == str(tmp_path / "a/b/c")

"""Plain requests: their answer changes only if the index data in uv's cache changes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepip.uv import cacheable, settings
from pepip.uv.request import Request
from tests.support.machines import Machine

pytestmark = pytest.mark.unit

PLAIN = [
    "lamp", "Lamp_1.x", "lamp==1.0", "lamp>=1,<2", "lamp[x,y]==1.*", "lamp ; python_version > '3'", "lamp (>1)",
    "lamp~=1.0; extra == 'x'", "lamp.whl>1", "lamp!=1!2.0",
]  # fmt: skip
OTHER = [
    "lamp @ https://host/x.whl", "./lamp", "lamp/", "/lamp", ".", "lamp @ file:x", "-e lamp", "lamp --hash=sha256:0",
    "$LAMP", "lamp\\", "lamp # why", "-r x.txt", "git+https://host/x", "file:lamp.whl", "lamp:x", "~/lamp",
    "", " lamp",
    "lamp-1.0-py3-none-any.whl", "lamp-1.0-py3-none-any.whl[x]", "lamp-1.0.tar.gz", "lamp.zip ; python_version > '3'",
    "lamp.tar", "lamp.tgz", "lamp.ZIP",
]  # fmt: skip


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Change to an empty folder, without any uv setting in effect."""
    for name in os.environ:
        if name.startswith("UV_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "system"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield
    settings._read.clear()


@pytest.mark.parametrize("text", PLAIN)
def test_a_requirement_by_name_is_plain(text: str) -> None:
    """It may have extras, versions and a marker."""
    assert cacheable.is_plain(Request(packages=(text,)))


@pytest.mark.parametrize("text", OTHER)
def test_a_requirement_that_may_change_unseen_is_not(text: str) -> None:
    """These are paths and URLs in all spellings, and lines that only requirements files may contain."""
    assert not cacheable.is_plain(Request(packages=("other", text)))


def test_a_word_that_uv_takes_for_a_path_is_not_plain(machine: Machine, tmp_path: Path) -> None:
    """A real uv decides: it looks for a path beside the requirements file, and for a name in an index."""
    suffixes = [
        "whl",
        "zip",
        "tar.gz",
        "tgz",
        "tar",
        "tar.bz2",
        "tbz",
        "tar.xz",
        "txz",
        "tar.zst",
        "tar.lz",
        "egg",
        "7z",
    ]
    names = ["lamp", "lamp:x", *(f"lamp-1.0.{suffix}" for suffix in suffixes)]
    names += [f"{name}[x]" for name in names]
    for name in names:
        command = ("pip", "compile", "--offline", "--no-deps", tmp_path / "in.txt")
        (tmp_path / "in.txt").write_text(f"{name}\n")
        said = machine.uv(*command, folder=tmp_path, check=False).stderr
        if "because the network was disabled" not in said and "there are no versions" not in said:
            assert not cacheable.is_plain(Request(packages=(name,))), said


@given(st.lists(st.sampled_from([*PLAIN, "# lamp @ ./x", "  # more", "", "\t"]), max_size=5), st.sampled_from(OTHER))
def test_a_requirements_file_is_plain_if_each_line_is(lines: list[str], other: str) -> None:
    """Comments and blank lines count as plain."""
    path = Path("requirements.txt")
    path.write_text("\n".join(lines))
    assert cacheable.is_plain(Request(requirement_files=(str(path),)))
    assert cacheable.is_plain(Request(constraint_files=(str(path),)))
    assert cacheable.files(Request(requirement_files=(str(path),))) == [str(path.resolve())]

    if other.strip() and not other.startswith((" ", "#")):
        path.write_text("\n".join([*lines, other]))
        assert not cacheable.is_plain(Request(requirement_files=(str(path),)))


@pytest.mark.parametrize(
    "path", ["-", "https://host/r.txt", "gone.txt", "pyproject.toml", "script.py", "setup.cfg", "."]
)
def test_a_file_of_another_kind_is_not_plain(path: str) -> None:
    """Neither is a missing file, or standard input, which can be read only once."""
    for name in ("pyproject.toml", "script.py", "setup.cfg"):
        Path(name).write_text("")

    assert not cacheable.is_plain(Request(requirement_files=(path,)))


PLAIN_OPTIONS = [
    (), ("--offline",), ("--index-url", "https://host/simple"), ("--index=name=https://host/simple",),
    ("-i", "http://host"), ("--prerelease", "allow"), ("--no-binary=:all:",), ("--default-index", "https://host"),
]  # fmt: skip
OTHER_OPTIONS = [
    ("--index", "folder"), ("--index", "file:///folder"), ("--index=name=file:///folder",), ("--index",), ("-i", ""),
    ("--find-links", "x"), ("--upgrade",), ("--exclude-newer", "2020-01-01"), ("--unknown",), ("lamp",),
    ("--index-url=",),
    ("--extra-index-url", "/folder"), ("--refresh",), ("--default-index", "file://localhost/x"), ("-ihttps://host",),
]  # fmt: skip


@given(st.lists(st.sampled_from(PLAIN_OPTIONS), max_size=4), st.sampled_from(OTHER_OPTIONS))
def test_options_are_plain_if_each_is(known: list[tuple[str, ...]], other: tuple[str, ...]) -> None:
    """An index that is a folder is not plain: uv reads it each time, and its cache does not show a change."""
    words = tuple(word for option in known for word in option)

    assert cacheable.is_plain(Request(common_options=words))
    assert cacheable.is_plain(Request(resolver_options=words))
    assert not cacheable.is_plain(Request(resolver_options=(*words, *other)))
    assert not cacheable.is_plain(Request(common_options=(*other, *words)))


@pytest.mark.parametrize(
    ("variable", "value", "is_plain"),
    [
        ("UV_INDEX", "https://one https://two", True),
        ("UV_INDEX", "name=https://one", True),
        ("UV_INDEX", "https://one file:///two", False),
        ("UV_EXTRA_INDEX_URL", "https://one folder", False),
        ("UV_DEFAULT_INDEX", "file:///folder", False),
        ("UV_INDEX_URL", "", True),
        ("UV_FIND_LINKS", "x", False),
        ("UV_EXCLUDE_NEWER", "2020-01-01", False),
        ("UV_OFFLINE", "1", True),
    ],
)
def test_variables_count_as_options_do(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, *, is_plain: bool
) -> None:
    """One variable may name several indexes."""
    monkeypatch.setenv(variable, value)

    assert cacheable.is_plain(Request(packages=("lamp",))) == is_plain


@pytest.mark.parametrize(
    "request_", [Request(editables=("x",)), Request(installer_options=("--reinstall",)), Request(is_whole=True)]
)
def test_a_request_that_changes_more_than_a_resolution_is_not_plain(request_: Request) -> None:
    """These are editables, reinstallations, and syncs of a whole environment."""
    assert not cacheable.is_plain(request_)


@pytest.mark.parametrize("place", ["here/uv.toml", "uv.toml", "home/uv/uv.toml", "system/uv/uv.toml"])
def test_a_setting_that_may_matter_makes_no_request_plain(tmp_path: Path, place: str) -> None:
    """This holds for all files in which uv reads settings."""
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text('find-links = ["x"]\n')

    assert not cacheable.is_plain(Request(packages=("lamp",)))


@pytest.mark.parametrize(
    ("value", "is_offline"), [("1", True), ("TRUE", True), ("0", False), ("", False), ("no", False)]
)
def test_offline_is_told_by_option_and_variable(
    monkeypatch: pytest.MonkeyPatch, value: str, *, is_offline: bool
) -> None:
    """The variable has the values that uv accepts."""
    assert cacheable.is_offline(Request(common_options=("--offline",)))
    monkeypatch.setenv("UV_OFFLINE", value)
    assert cacheable.is_offline(Request()) == is_offline

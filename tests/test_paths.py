"""Path arithmetic, compared with naive implementations, the standard library and `packaging`."""

from __future__ import annotations

import ntpath
import os
import sys
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from pepip import names, paths, urls
from pepip.uv import pylock

pytestmark = pytest.mark.unit

NAMES = st.text(st.sampled_from("ab%.-_ ü"), min_size=1, max_size=6).filter(lambda name: name not in {".", ".."})
RELATIVE = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@given(st.text(st.one_of(st.sampled_from("aB-_.1"), st.characters(codec="ascii"))))
@example("Zope.Interface")
@example("a-_.b")
def test_names_are_compared_as_packaging_does(name: str) -> None:
    """The rule is that of PEP 503."""
    assert names.normalize_name(name) == canonicalize_name(name)


@given(RELATIVE)
def test_ancestors_are_the_folders_above(path: str) -> None:
    """The outermost folder comes first. The path itself is not among them."""
    assert paths.ancestors(path) == [str(above) for above in PurePosixPath(path).parents][-2::-1]


@given(RELATIVE)
def test_going_upward_ends_at_the_root(path: str) -> None:
    """Each folder on the way is among the results."""
    assert list(paths.upward(f"/{path}")) == [
        f"/{path}",
        *(str(above) for above in PurePosixPath(f"/{path}").parents),
    ]


@given(st.lists(st.sampled_from(["a", "..", ".", "", "...", "..a", "a..", "C:"]), max_size=6).map("/".join))
@example("a/../..")
@example("..\\a")
def test_a_path_inside_stays_inside(path: str) -> None:
    """This holds for a folder at the root, where `..` leads to the root again, and for a folder far below."""
    if paths.is_inside(path):
        for root in ("/x", "/x/y/z"):
            assert f"{os.path.normpath(f'{root}/{path}')}/".startswith(f"{root}/")
    else:
        assert path.startswith("/") or not path or ".." in path or path[1:2] == ":" or "\\" in path


@given(st.one_of(st.text(max_size=4), st.text("./\\:a\0", max_size=4)))
def test_a_name_is_inside_and_has_one_part(text: str) -> None:
    """Whatever characters it has: the answer is the one that the general check of paths gives."""
    has_one_part = paths.is_inside(text) and "/" not in text and text != os.curdir

    assert paths.is_name(text) == (has_one_part and text.isprintable())


@given(st.lists(st.one_of(RELATIVE, NAMES), unique=True, min_size=2, max_size=6))
@example(["a/b", "a%b"]).via("two folders had one ready link")
@example(["a/%b", "a%/b"])
@example(["RECORD", "INSTALLER"])
def test_each_path_of_an_entry_has_a_ready_link_of_its_own(insides: list[str]) -> None:
    """All ready links are in one folder, and each has a name of its own."""
    found = [paths.ready("/entry", inside) for inside in insides]

    assert len(set(found)) == len(found)
    assert {os.path.dirname(path) for path in found} == {f"/entry/{paths.READY}"}
    assert not {os.path.basename(path) for path in found} & {"RECORD", "INSTALLER", "REQUESTED", ".", ".."}


@pytest.mark.parametrize("inside", ["a" * 255, "a/" * 150 + "a", "é/" * 100 + "a", "é" * 127])
def test_a_ready_link_has_a_name_that_file_systems_take(inside: str) -> None:
    """This holds for paths of any depth."""
    assert len(os.fsencode(os.path.basename(paths.ready("/entry", inside)))) <= 255


def test_a_plain_ready_link_keeps_its_name() -> None:
    """Existing stores have links with this name."""
    assert paths.ready("/entry", "a/b") == f"/entry/{paths.READY}/a%b"


USERS = st.sampled_from(["", "user@", "user:secret@", "user:se@cret@", "user:@", ":secret@", "us%40er:secret@"])
PLACES = st.sampled_from(["host", "host:80", "host/a@b", "host/?x=a@b", "host?x=a@b", "host#a@b", "[::1]/x"])


@given(st.sampled_from(["https", "git+https", "ssh"]), USERS, PLACES, st.sampled_from(["", "name @ "]))
@example("https", "user:se@cret@", "host", "").via("half of a password was kept")
@example("ssh", "git@hub:secret@", "host", "")
def test_no_secret_is_left_in_a_url(scheme: str, user: str, place: str, before: str) -> None:
    """User and password are removed, and nothing else."""
    assert urls.without_credentials(f"{before}{scheme}://{user}{place}") == f"{before}{scheme}://{place}"
    assert urlsplit(f"{scheme}://{place}").username is None


@pytest.mark.parametrize("url", ["git+ssh://git@host/x.git@main", "ssh://git@host", "a==1.0", "a @ file:///x@y/z"])
def test_a_part_of_a_url_that_is_no_secret_is_kept(url: str) -> None:
    """The user `git`, which all users share, and revisions are kept."""
    assert urls.without_credentials(url) == url


@given(st.lists(st.sampled_from(["bucket", "name-1.0", "..", ".", "", "a"]), max_size=5).map("/".join))
@example("../..").via("a hostile link named a folder outside of the packages")
def test_an_entry_of_a_link_lies_among_the_packages(inside: str) -> None:
    """This holds even for hostile links in another person's checkout."""
    found = paths.entry_of_link(f"/store/packages/{inside}", ("/elsewhere", "/store"))

    parts = inside.split("/")
    is_entry = len(parts) >= 2 and not {"", ".", ".."} & set(parts[:2])
    assert found == ("/".join(parts[:2]) if is_entry else "")


def test_a_link_to_elsewhere_is_of_no_entry() -> None:
    """This includes folders whose name only begins like the store's."""
    for target in ("/store2/packages/a/b", "/store/packages", "/store/packages2/a/b", "store/packages/a/b", ""):
        assert not paths.entry_of_link(target, ("/store",))


@pytest.mark.parametrize("layer", ["/shared/pepip", "/a", "/packages/x/packages"])
def test_an_id_in_a_layer_is_a_path_that_says_which(layer: str) -> None:
    """The layer and the entry's folder are read from it."""
    entry_id = f"{layer}/packages/py3-none-any/drum-1.0"

    assert paths.is_entry_id(entry_id)
    assert paths.is_layered(entry_id)
    assert paths.layer_of(entry_id) == layer
    assert paths.entry_name(entry_id) == "drum-1.0"
    assert not paths.is_layered("py3-none-any/drum-1.0")
    assert paths.layer_of("py3-none-any/drum-1.0") == ""
    assert paths.entry_name("py3-none-any/drum-1.0") == "drum-1.0"


@pytest.mark.parametrize(
    "text",
    [
        "/shared/packages/../x",
        "/shared/../packages/bucket/name",
        "/shared//x/packages/bucket/name",
        "/shared/./packages/bucket/name",
        "shared/packages/bucket/name",
        "/shared/packages/bucket/..",
        "/shared/packages/bucket",
        "/shared/bucket/name",
        "/sha\0red/packages/bucket/name",
        "/packages/bucket/name",
    ],
)
def test_a_path_that_leads_elsewhere_is_no_id(text: str) -> None:
    """Journals and notes of a hostile checkout can't name it."""
    assert not paths.is_entry_id(text)


def test_the_store_is_where_the_variable_says() -> None:
    """The path becomes absolute. An empty variable has no effect."""
    assert paths.configured_store_root({"PEPIP_HOME": "/x/../y/"}) == "/y"
    assert paths.configured_store_root({"PEPIP_HOME": "z"}) == f"{os.getcwd()}/z"
    assert paths.configured_store_root({"PEPIP_HOME": ""}) == paths.configured_store_root({})


def test_on_windows_paths_have_slashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """All code cuts and compares paths with `/`. On Linux, a backslash is part of a name."""
    assert paths.slashed("a\\b") == "a\\b"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os.path, "abspath", ntpath.normpath)

    assert paths.slashed("C:\\a/b") == "C:/a/b"
    assert paths.configured_store_root({"PEPIP_HOME": "C:\\store"}) == "C:/store"
    assert next(paths.upward("C:\\project")) == "C:/project"


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("C:\\Users\\First Last", "file:///C:/Users/First%20Last"),
        ("\\\\server\\share\\x", "file://server/share/x"),
    ],
)
def test_a_path_of_windows_has_a_url(monkeypatch: pytest.MonkeyPatch, path: str, url: str) -> None:
    """A drive is the first part of the path, and the machine of a share is the host."""
    monkeypatch.setattr(sys, "platform", "win32")

    assert urls.of_path(path) == url
    assert pylock._file_url(path) == url


def test_uvs_folders_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """There the user's settings are in the roaming profile, and no XDG variable counts."""
    monkeypatch.setattr(sys, "platform", "win32")
    variables = {"APPDATA": "C:\\Roaming", "PROGRAMDATA": "C:\\Data", "XDG_CONFIG_HOME": "/x", "XDG_DATA_HOME": "/x"}

    assert list(paths.uv_settings(variables)) == ["C:/Roaming/uv", "C:/Data/uv"]
    assert paths.uv_data(variables) == "C:/Roaming/uv/data"


def test_uvs_folders_on_other_systems() -> None:
    """The XDG variables name them."""
    variables = {"XDG_CONFIG_HOME": "/a", "XDG_CONFIG_DIRS": "/b:/c", "XDG_DATA_HOME": "/d"}

    assert list(paths.uv_settings(variables)) == ["/a/uv", "/b/uv", "/c/uv", "/etc/uv"]
    assert paths.uv_data(variables) == "/d/uv"


def test_uvs_folders_without_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The root folder is no home: nothing in `/uv` belongs to the user."""
    monkeypatch.setattr(paths, "user_home", lambda _: "")

    assert list(paths.uv_settings({})) == ["/etc/xdg/uv", "/etc/uv"]
    assert paths.uv_data({}) == ".uv"

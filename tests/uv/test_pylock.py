"""Locks: reading the ones that uv writes, and writing the part that uv gets again."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pepip.uv import pylock, resolve

pytestmark = pytest.mark.unit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TAGS = ("cp312-cp312-linux_x86_64", "cp312-abi3-linux_x86_64", "py3-none-any")
DIGEST = "a" * 64

# Written by uv 0.13.9, hosts and digests replaced.
LOCK = f"""\
lock-version = "1.0"
created-by = "uv"
requires-python = ">=3.12"

[[packages]]
name = "Black.Ink"
version = "1.0"
index = "https://index.example/simple/"
sdist = {{ url = "https://files.example/black_ink-1.0.tar.gz", upload-time = 2024-04-11T03:34:43Z, size = 9, hashes = {{ sha256 = "{"b" * 64}" }} }}
wheels = [
    {{ url = "https://files.example/black_ink-1.0-py3-none-any.whl", size = 7, hashes = {{ sha256 = "{DIGEST}" }} }},
    {{ url = "https://files.example/black_ink-1.0-cp311-cp311-win_amd64.whl", size = 8, hashes = {{ sha256 = "{"c" * 64}" }} }},
]

[[packages]]
name = "paper"
version = "2.0"
sdist = {{ url = "https://files.example/paper-2.0.tar.gz", hashes = {{ sha256 = "{DIGEST}" }} }}

[[packages]]
name = "letter"
vcs = {{ type = "git", url = "https://user:pass@git.example/letter", requested-revision = "v1", commit-id = "{"d" * 40}", subdirectory = "py" }}

[[packages]]
name = "stamp"
version = "1.0"
archive = {{ path = "files/stamp-1.0-py3-none-any.whl", hashes = {{ sha256 = "{DIGEST}" }} }}

[[packages]]
name = "desk"
directory = {{ path = ".", editable = true }}
"""  # noqa: E501 - as uv writes it


def artifact_of(table: str, **named: Any) -> Any:
    """Return the artifact of a lock with one package, `ink`."""
    lock = f'lock-version = "1.0"\n[[packages]]\nname = "ink"\nversion = "1.0"\n{table}\n'
    (found,) = pylock.artifacts(lock, TAGS, "/here", **named)
    return found


def wheel(digest: str, *, build: str = "", tag: str = "py3-none-any") -> str:
    """Return the inline table of a wheel in a lock."""
    name = f"ink-1.0-{build + '-' if build else ''}{tag}.whl"
    return f'{{ url = "https://files.example/{name}", hashes = {{ sha256 = "{digest}" }} }}'


def test_each_kind_of_source_is_read() -> None:
    """The test covers its identity, the table with which uv stages it, and the facts that the environment records."""
    ink, paper, letter, stamp, desk = pylock.artifacts(LOCK, TAGS, "/here")

    assert (ink.name, ink.identity, ink.wheel) == ("black-ink", f"sha256:{DIGEST}", "black_ink-1.0-py3-none-any.whl")
    assert ink.package["index"] == "https://index.example/simple/"
    assert [file["url"] for file in ink.package["wheels"]] == ["https://files.example/black_ink-1.0-py3-none-any.whl"]
    assert paper.identity == f"sdist-sha256:{DIGEST}@cp312"
    assert letter.identity == f"git#subdirectory=py:{'d' * 40}@cp312"
    assert letter.direct_url == {
        "url": "https://git.example/letter",
        "vcs_info": {"vcs": "git", "commit_id": "d" * 40, "requested_revision": "v1"},
        "subdirectory": "py",
    }
    assert (stamp.local_path, stamp.package["archive"]["path"]) == ("/here/files/stamp-1.0-py3-none-any.whl",) * 2
    assert (desk.is_shared, pylock.requirement_line(desk)) == (False, "-e file:///here")


def test_only_the_hash_that_identifies_is_given_to_uv() -> None:
    """If any hash of the lock matches, uv accepts the file. A right hash would then vouch for a wrong one."""
    hashes = f'{{ sha512 = "{"e" * 128}", sha256 = "{DIGEST}" }}'
    found = artifact_of(f'wheels = [{{ url = "https://x.example/ink-1.0-py3-none-any.whl", hashes = {hashes} }}]')

    assert found.identity == f"sha256:{DIGEST}"
    assert found.package["wheels"][0]["hashes"] == {"sha256": DIGEST}


@pytest.mark.parametrize("hashes", ["{}", f'{{ md5 = "{"1" * 32}" }}'])
def test_a_file_without_a_proof_is_not_shared(hashes: str) -> None:
    """MD5 is no proof."""
    table = f'wheels = [{{ url = "https://x.example/ink-1.0-py3-none-any.whl", hashes = {hashes} }}]'

    assert not artifact_of(table).is_shared


def test_a_hash_that_is_demanded_chooses_the_file() -> None:
    """It may choose a wheel with a worse tag, or the sdist."""
    better, worse, sdist = ("1" * 64, "2" * 64, "3" * 64)
    table = f"""
wheels = [{wheel(better, tag="cp312-abi3-linux_x86_64")}, {wheel(worse)}]
sdist = {{ url = "https://files.example/ink-1.0.tar.gz", hashes = {{ sha256 = "{sdist}" }} }}"""

    assert artifact_of(table).identity == f"sha256:{better}"
    assert artifact_of(table, preferred=lambda _: frozenset([f"sha256:{worse}"])).identity == f"sha256:{worse}"
    demanded = artifact_of(table, preferred=lambda _: frozenset([f"sha256:{sdist}"]))
    assert demanded.identity == f"sdist-sha256:{sdist}@cp312"


def test_uv_chooses_between_builds_where_one_may_be_yanked() -> None:
    """A lock of `uv pip compile` does not name yanked files. The lock of a project leaves them out."""
    table = f"wheels = [{wheel('1' * 64, build='1')}, {wheel('2' * 64, build='10')}]"

    assert artifact_of(table).identity == f"sha256:{'2' * 64}"
    left = artifact_of(table, may_be_yanked=True)
    assert (left.is_shared, left.is_located) == (False, False)


def test_a_file_that_is_listed_twice_is_one_file() -> None:
    """A folder that options and settings name has its files in the lock several times."""
    table = f"wheels = [{wheel('1' * 64)}, {wheel('1' * 64)}]"

    assert artifact_of(table, may_be_yanked=True).identity == f"sha256:{'1' * 64}"


def test_a_package_whose_marker_does_not_hold_is_left_out() -> None:
    """A lock for several systems has such markers."""
    lock = LOCK.replace('name = "paper"', 'marker = "sys_platform == \'win32\'"\nname = "paper"')

    assert "paper" not in [item.name for item in pylock.artifacts(lock, TAGS, "/", applies=lambda _: False)]


@pytest.mark.parametrize("text", ["", "x", 'lock-version = "2.0"\n', 'lock-version = "1.0"\npackages = [{}]\n'])
def test_a_text_that_is_no_lock_is_refused(text: str) -> None:
    """It raises an error that `versions.readable` turns into one sentence."""
    with pytest.raises((ValueError, KeyError)):
        pylock.artifacts(text, TAGS, "/")


TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    TEXTS | st.integers(0, 1 << 40) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["url", "path", "a-b"]), inner, max_size=2)
    ),
    max_leaves=5,
)


@example([{"name": "\x7f"}])
@given(st.lists(st.dictionaries(st.sampled_from(["name", "version", "wheels"]), VALUES, min_size=1), max_size=3))
def test_a_written_lock_is_toml(tmp_path_factory: pytest.TempPathFactory, packages: list[dict[str, Any]]) -> None:
    """This holds for all URLs and names. No other user may read the file, because a URL may hold a password."""
    path = tmp_path_factory.mktemp("lock") / "pylock.toml"
    pylock.write(str(path), packages)

    assert tomllib.loads(path.read_text(encoding="utf-8")).get("packages", []) == packages
    assert path.stat().st_mode & 0o077 == 0


def test_the_indexes_of_a_resolution_are_read() -> None:
    """The output is that of `uv pip compile --emit-index-url --emit-index-annotation`, uv 0.13.9."""
    output = """\
--index-url https://user:pw@private.example/simple/
--extra-index-url https://public.example/simple

black-ink==1.0 \\
    --hash=sha256:12
    # via -r requirements.txt
    # from https://private.example/simple/
paper[glossy]==2.0
    # from https://public.example/simple
stamp @ https://files.example/stamp-1.0-py3-none-any.whl
"""

    found = resolve.read_indexes(output)

    assert found.urls == ("https://user:pw@private.example/simple/", "https://public.example/simple")
    assert found.of == {
        "black-ink": "https://user:pw@private.example/simple/",
        "paper": "https://public.example/simple",
    }


@pytest.mark.parametrize("path", ["/a b/c#d", "/ä/[x]"])
def test_the_url_of_a_file_leads_back_to_it(path: str) -> None:
    """This holds for every version of Python: `pathname2url` of 3.14 adds two slashes."""
    assert pylock._file_url(path).startswith("file:///")
    assert not pylock._file_url(path).startswith("file:////")
    assert pylock._local_path({"url": pylock._file_url(path)}, "/") == path

"""The hashes that a requirements file demands. `tests/differential/test_hashes.py` compares with uv."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepip.model import Artifact
from pepip.uv import required_hashes
from pepip.uv.request import Request

pytestmark = pytest.mark.unit

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
LONG = "sha512:" + "3" * 128


OTHER = "sha256:" + "9" * 64
URL = "https://example.org/ink-1.0-py3-none-any.whl"


def artifact(name: str, version: str, identity: str, url: str = "") -> Artifact:
    """Return an artifact from an index or, with `url`, from a URL."""
    return Artifact(name, version, identity, {"archive": {"url": url}} if url else {}, "", 0, None, "")


def demands_of(folder: Path, text: str, **files: str) -> required_hashes.Demands:
    """Return the demands of a requirements file with this text. `files` are further files beside it, by name."""
    for name, content in {"requirements": text, **files}.items():
        (folder / f"{name}.txt").write_text(content)
    return required_hashes.of(Request(requirement_files=(str(folder / "requirements.txt"),)))


@pytest.mark.parametrize(
    "line",
    [
        f"ink==1.0 --hash={ONE}",
        f"ink==1.0 --hash {ONE}",
        f"ink == 1.0  --hash={ONE}",
        f"Ink[color,extra]==1.0 --hash={ONE} --hash={LONG}",
        f"ink==1.0 ; python_version >= '3.8' --hash={ONE}",
        f"ink==1.0 \\\n    --hash={ONE} \\\n    --hash={TWO}",
        f"ink===1.0 --hash={ONE}  # said by a tool",
    ],
)
def test_a_pin_says_which_hashes_it_takes(tmp_path: Path, line: str) -> None:
    """This holds for each spelling that tools write. If there are several hashes, one must match."""
    demands = demands_of(tmp_path, f"# of a tool\n{line}\n")

    assert not demands.is_unclear
    assert demands.are_met_by(artifact("ink", "1.0", ONE))
    assert not demands.are_met_by(artifact("ink", "1.0", OTHER))
    assert demands.are_met_by(artifact("paper", "1.0", OTHER))


@pytest.mark.parametrize(
    "line",
    [
        f"ink>=1.0 --hash={ONE}",
        f"ink (==1.0) --hash={ONE}",
        f"ink==1.* --hash={ONE}",
        f"ink==1.0,>=0.5 --hash={ONE}",
        f"ink @ https://example.org/ink-${{VERSION}}-py3-none-any.whl --hash={ONE}",
        f"ink @ file:///ink-1.0-py3-none-any.whl --hash={ONE}",
        "ink @ file:///ink-1.0-py3-none-any.whl#sha256=12",
        "https://example.org/ink-1.0-py3-none-any.whl#md5=12",
        "ink==1.0 --hash=sha256:123",
        f"./ink-1.0-py3-none-any.whl --hash={ONE}",
        "ink==1.0 --hash=sha256:${DIGEST}",
        "ink==1.0 --hash=crc32:1234",
        f"--hash={ONE}",
        "-r missing.txt",
        "-r ${NAME}.txt",
        "\ufeff-r other.txt",
        "ink==1.0 \x0c",
    ],
)
def test_a_line_that_is_no_plain_pin_is_left_to_uv(tmp_path: Path, line: str) -> None:
    """An unclear demand never counts as no demand."""
    assert demands_of(tmp_path, line + "\n").is_unclear


@pytest.mark.parametrize(("version", "is_met"), [("1.0", True), ("1.0.0", False), ("2.0", False)])
def test_a_pin_of_another_version_proves_nothing(tmp_path: Path, version: str, is_met: bool) -> None:
    """Its marker may be false."""
    demands = demands_of(tmp_path, f"ink==1.0 ; os_name == 'x' --hash={ONE}\n")

    assert demands.are_met_by(artifact("ink", version, ONE)) is is_met


def test_two_pins_of_one_version_must_both_be_met(tmp_path: Path) -> None:
    """They may be in different files, of which one includes the other, and spell the version differently."""
    demands = demands_of(tmp_path, f"ink==1.0 --hash={ONE}\n-r other.txt\n", other=f"ink==1 --hash={TWO}\n")

    assert not demands.are_met_by(artifact("ink", "1.0", ONE))
    assert demands.allowed("ink") == {ONE, TWO}


@pytest.mark.parametrize("include", ["-r {0}", "-r{0}", "--requirement={0}", "-c {0}", "--constraint {0}"])
def test_included_files_are_read(tmp_path: Path, include: str) -> None:
    """This holds for each spelling of the option. Paths are relative to the including file."""
    demands = demands_of(tmp_path, include.format("other.txt") + "\n", other=f"ink==1.0 --hash={ONE}\n")

    assert demands.are_met_by(artifact("ink", "1.0", ONE))
    assert not demands.are_met_by(artifact("ink", "1.0", TWO))


@pytest.mark.parametrize("comment", ["# why \\", "paper==1.0  # why \\", "paper==1.0\t# why \\"])
def test_a_comment_ends_with_its_line(tmp_path: Path, comment: str) -> None:
    """A backslash in a comment does not join lines. Otherwise the next line would be lost."""
    demands = demands_of(tmp_path, f"{comment}\nink==1.0 --hash={ONE}\n")

    assert demands.allowed("ink") == {ONE}


def test_a_url_without_a_name_must_be_found_again(tmp_path: Path) -> None:
    """If uv spells the URL differently, the artifact of the demand is unknown."""
    demands = demands_of(tmp_path, f"{URL} --hash={ONE}\n")

    assert demands.are_met_by_all([artifact("ink", "1.0", ONE, URL), artifact("paper", "1.0", OTHER)])
    assert not demands.are_met_by_all([artifact("ink", "1.0", OTHER, URL.replace("ink", "%69nk"))])


def test_a_password_in_a_url_is_not_sent(tmp_path: Path) -> None:
    """A proxy would read it as a part of the host. Only uv fetches such a file."""
    assert required_hashes.read("http://user:secret@127.0.0.1:9/requirements.txt") == required_hashes.UNREADABLE


def test_a_file_that_includes_itself_is_read_once(tmp_path: Path) -> None:
    """So does uv."""
    assert demands_of(tmp_path, f"-r requirements.txt\nink==1.0 --hash={ONE}\n").allowed("ink") == {ONE}


@pytest.mark.parametrize("line", [f"ink @ {URL} --hash={ONE}", f"ink[x]@{URL}  --hash={ONE}", f"{URL} --hash={ONE}"])
def test_a_url_says_which_hashes_its_file_takes(tmp_path: Path, line: str) -> None:
    """The URL may have a name or not. For an sdist, the hash of its file counts, not that of the built wheel."""
    demands = demands_of(tmp_path, line + "\n")

    assert not demands.is_unclear
    assert demands.are_met_by(artifact("ink", "1.0", ONE, URL))
    assert demands.are_met_by(artifact("ink", "1.0", f"sdist-{ONE}@cp312", URL))
    assert not demands.are_met_by(artifact("ink", "1.0", OTHER, URL))
    assert demands.are_met_by(artifact("paper", "1.0", OTHER, URL + "2"))

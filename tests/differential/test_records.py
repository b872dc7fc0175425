"""RECORD (issue 13, E): right or wrong rows of a wheel's RECORD make no difference to its installation."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import pytest

from tests.differential.harness import INK, Bench, Row, parameters
from tests.support.indexes import Index
from tests.support.machines import site_packages_of
from tests.support.wheels import Row as RecordRow
from tests.support.wheels import Wheel

FILES = {"tool/__init__.py": "def main():\n    print('tool')\n", "tool/x.txt": "x\n", "tool/inner/y.txt": "y\n"}

Rows = list[RecordRow]


def each(change: Callable[[str, str, str], RecordRow]) -> Callable[[Rows], Rows]:
    """Return a function that changes each row with a hash."""
    return lambda rows: [change(*row) if row[1] else row for row in rows]


def of(name: str, rewrite: Callable[[Rows], Rows], *, is_unproven: bool = False) -> Row:
    """Return a row that installs a wheel with such a RECORD."""
    wheel = Wheel("tool", "1.0", files=FILES, data={"scripts/s": "#!python\nprint(1)\n", "data/share/z.txt": "z\n"},
                  entry_points={"console_scripts": {"tool": "tool:main"}}, rewrite_record=rewrite)  # fmt: skip
    return Row(name, "pip install tool", {"main": Index([wheel])}, is_unproven=is_unproven)


def hexadecimal(path: str, digest: str, size: str) -> RecordRow:
    """Return a row with a hexadecimal digest of a text, as uv_build wrote before 0.8.13."""
    contents = FILES.get(path, "").encode()
    return path, f"sha256={hashlib.sha256(contents).hexdigest()}" if contents else digest, size


def hashed_by(algorithm: str, encoded: Callable[[bytes], str]) -> Callable[[str, str, str], RecordRow]:
    """Return a function that hashes the texts by another algorithm."""

    def changed(path: str, digest: str, size: str) -> RecordRow:
        contents = FILES.get(path, "").encode()
        return path, f"{algorithm}={encoded(hashlib.new(algorithm, contents).digest())}" if contents else digest, size

    return changed


def base64_of(digest: bytes) -> str:
    """Return a digest in RECORD's encoding."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


WRONG = "sha256=" + "A" * 43

ROWS = [
    of("hexadecimal-digests", each(hexadecimal)),
    of("one-wrong-digest", each(lambda path, digest, size: (path, WRONG if path == "tool/x.txt" else digest, size)),
       is_unproven=True),
    of("only-wrong-digests", each(lambda path, _digest, size: (path, WRONG, size)), is_unproven=True),
    of("a-wrong-digest-of-a-script", each(lambda p, d, s: (p, WRONG if "scripts" in p else d, s)), is_unproven=True),
    of("a-wrong-digest-of-metadata", each(lambda p, d, s: (p, WRONG if p.endswith("METADATA") else d, s)),
       is_unproven=True),
    of("missing-rows", lambda rows: [row for row in rows if not row[0].startswith("tool/")]),
    of("a-missing-row-of-metadata", lambda rows: [row for row in rows if not row[0].endswith("METADATA")]),
    of("a-missing-row-of-a-script", lambda rows: [row for row in rows if "scripts" not in row[0]]),
    of("rows-of-files-that-are-not-there", lambda rows: [*rows, ("tool/ghost.py", WRONG, "3"), ("ghost/a.py", "",
           "")]),
    of("rows-of-folders", lambda rows: [*rows, ("tool/", "", ""), ("tool/inner", "", "")]),
    of("md5", each(hashed_by("md5", base64_of))),
    of("md5-in-hexadecimal", each(hashed_by("md5", bytes.hex))),
    of("sha512", each(hashed_by("sha512", base64_of))),
    of("sha384", each(hashed_by("sha384", base64_of))),
    of("sha1", each(hashed_by("sha1", base64_of))),
    of("unknown-algorithm", each(lambda path, digest, size: (path, digest.replace("sha256", "sha999"), size))),
    of("capital-algorithm", each(lambda path, digest, size: (path, digest.replace("sha256", "SHA256"), size))),
    of("padded-digests", each(lambda path, digest, size: (path, f"{digest}=", size))),
    of("no-hashes", each(lambda path, _digest, _size: (path, "", ""))),
    of("no-sizes", each(lambda path, digest, _size: (path, digest, ""))),
    of("wrong-sizes", each(lambda path, digest, _size: (path, digest, "7"))),
    of("sizes-that-are-no-numbers", each(lambda path, digest, _size: (path, digest, "many"))),
    of("no-rows", lambda _rows: []),
    of("only-its-own-row", lambda rows: rows[-1:]),
    of("without-its-own-row", lambda rows: rows[:-1]),
    of("its-own-row-with-a-hash", lambda rows: [*rows[:-1], (rows[-1][0], WRONG, "9")]),
    of("rows-twice", lambda rows: rows + rows),
    of("rows-in-reverse", lambda rows: rows[::-1]),
    of("paths-with-backslashes", lambda rows: [(row[0].replace("tool/inner/", "tool\\inner\\"),
           *row[1:]) for row in rows]),
    of("paths-with-a-dot", lambda rows: [(f"./{row[0]}", *row[1:]) for row in rows]),
    of("paths-that-lead-out", lambda rows: [*rows, ("../../../../own.txt", "", ""), ("/tmp/pepip-nothing", "", "")]),
    of("paths-with-two-slashes", lambda rows: [(row[0].replace("/x", "//x"), *row[1:]) for row in rows]),
    of("signatures-listed", lambda rows: [*rows, ("tool-1.0.dist-info/RECORD.jws", "", "")]),
    of("a-byte-order-mark", lambda rows: [(f"\ufeff{rows[0][0]}", *rows[0][1:]), *rows[1:]]),
    Row("a-wrong-digest-without-a-network",
        ["uv pip install tool", "uv pip uninstall tool", "pip install --offline tool"],
        {"main": Index([Wheel("tool", "1.0", files=FILES, wrong_hashes=["tool/x.txt"])])}),
]  # fmt: skip

ALWAYS = {
    "hexadecimal-digests",
    "one-wrong-digest",
    "missing-rows",
    "rows-of-files-that-are-not-there",
    "md5",
    "no-rows",
    "a-byte-order-mark",
    "a-wrong-digest-without-a-network",
}

KNOWN_TO_FAIL: set[str] = set()


@parameters(ROWS, KNOWN_TO_FAIL, each=16, always=ALWAYS)
def test_a_wheel_is_installed_whatever_its_record_says(bench: Bench, row: Row) -> None:
    """The environment has all files, and the same RECORD as under uv."""
    bench.assert_same(row)


def test_a_file_that_was_edited_in_uvs_cache_is_fetched_anew(bench: Bench) -> None:
    """The store gets the wheel's own bytes, one line reports it, and the command succeeds."""
    place = bench.place(Row("edited", "pip install ink", {"main": Index([INK])}))
    assert place.run("uv pip install ink").returncode == 0
    assert place.run("uv pip uninstall ink").returncode == 0
    (cached,) = place.machine.uv_cache.glob("archive-v*/*/ink/__init__.py")
    cached.write_text("def main():\n    print('edited')\n")

    output = place.run("pip install ink")

    assert output.returncode == 0, output.stderr
    assert "hint:" not in output.stderr
    assert output.stderr.count("differs from the RECORD of the wheel: fetching it again") == 1
    installed = site_packages_of(place.environment) / "ink" / "__init__.py"
    assert installed.read_text() == INK.files["ink/__init__.py"]
    assert place.run("store verify").returncode == 0


CLEANING = """
import shutil

from pepip.store import staged

look = staged.look


def clean(wheel):
    if "uv-cache" in wheel:
        shutil.rmtree(wheel + "/ink")


def look_while_it_is_cleaned(wheel):
    if {is_late}:
        found = look(wheel)
        clean(wheel)
        return found
    clean(wheel)
    return look(wheel)


staged.look = look_while_it_is_cleaned
"""


@pytest.mark.parametrize("is_late", [False, True])
def test_an_entry_is_whole_though_uvs_cache_is_cleaned_meanwhile(bench: Bench, *, is_late: bool) -> None:
    """`uv cache clean` waits for no other program, so files that it removed are fetched again."""
    place = bench.place(Row("cleaned", "pip install ink", {"main": Index([INK])}))
    (place.elsewhere / "sitecustomize.py").write_text(CLEANING.format(is_late=is_late))

    output = place.run(f"PYTHONPATH={place.elsewhere} pip install ink")

    assert output.returncode == 0, output.stderr
    installed = site_packages_of(place.environment) / "ink"
    assert {name: (installed.parent / name).read_text() for name in INK.files} == INK.files
    assert place.run("store verify").returncode == 0

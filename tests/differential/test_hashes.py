"""Demanded hashes (issue 13, A): an artifact with another hash is refused wherever uv refuses it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.differential.harness import INK, LETTER, PAPER, PROJECT, Bench, Place, Row, parameters
from tests.support.indexes import Index
from tests.support.machines import Machine
from tests.support.wheels import Wheel

WHEEL = "ink-1.0-py3-none-any.whl"
SDIST = "ink-1.0.tar.gz"
FROM_FILE = "pip install -r requirements.txt"


@dataclass(frozen=True)
class Demand:
    """A way to demand a hash. `HASH` stands for a digest, and `sha256:HASH` for one of any algorithm."""

    name: str
    line: str = ""
    """The text of requirements.txt."""
    step: str = FROM_FILE
    files: Mapping[str, str] = field(default_factory=dict)
    settings: str = ""
    variables: Mapping[str, str | None] = field(default_factory=dict)
    index: Index = field(default_factory=lambda: Index([INK, PAPER, LETTER]))
    file: str = WHEEL


URL = f"<files main>/{WHEEL}"
LOCK = f"""lock-version = "1.0"
created-by = "tests"
[[packages]]
name = "ink"
version = "1.0"
[[packages.wheels]]
url = "<files main>/{WHEEL}"
hashes = {{ ALGORITHM = "HASH" }}
"""

DEMANDS = [
    Demand("on-a-line", "ink==1.0 --hash=sha256:HASH\n"),
    Demand("after-a-space", "ink==1.0 --hash sha256:HASH\n"),
    Demand("with-an-extra", "ink[colour]==1.0 --hash=sha256:HASH\n"),
    Demand("in-parentheses", "ink (==1.0) --hash=sha256:HASH\n"),
    Demand("with-three-equals-signs", "ink===1.0 --hash=sha256:HASH\n"),
    Demand("of-another-spelling", "INK == 1.0 --hash=sha256:HASH # why\n"),
    Demand("on-the-next-line", "ink==1.0 \\\n    --hash=sha256:HASH\n"),
    Demand("on-the-next-line-of-windows", "ink==1.0 \\\r\n    --hash=sha256:HASH\r\n"),
    Demand("after-a-marker", "ink==1.0 ; python_version >= '3' --hash=sha256:HASH\n"),
    Demand("beside-other-specifiers", "ink==1.0,>=0.5 --hash=sha256:HASH\n"),
    Demand("of-a-version-with-a-star", "ink==1.* --hash=sha256:HASH\n"),
    Demand("without-a-version", "ink --hash=sha256:HASH\n"),
    Demand("from-a-variable", "ink==1.0 --hash=sha256:${DIGEST}\n", variables={"DIGEST": "HASH"}),
    Demand("in-a-nested-file", "-r more.txt\n", files={"more.txt": "ink==1.0 --hash=sha256:HASH\n"}),
    Demand("in-a-nested-file-after-an-equals-sign", "--requirement=a/more.txt\n",
           files={"a/more.txt": "ink==1.0 --hash=sha256:HASH\n"}),
    Demand("in-constraints", "ink\n", f"{FROM_FILE} -c limits.txt",
           files={"limits.txt": "ink==1.0 --hash=sha256:HASH\n"}),
    Demand("in-constraints-of-a-name", step="pip install ink -c limits.txt",
           files={"limits.txt": "ink==1.0 --hash=sha256:HASH\n"}),
    Demand("in-a-nested-constraint", "ink\n-c limits.txt\n", files={"limits.txt": "ink==1.0 --hash=sha256:HASH\n"}),
    Demand("in-constraints-of-a-variable", step="pip install ink", variables={"UV_CONSTRAINT": "limits.txt"},
           files={"limits.txt": "ink==1.0 --hash=sha256:HASH\n"}),
    Demand("of-sha384", "ink==1.0 --hash=sha384:HASH\n"),
    Demand("of-sha512", "ink==1.0 --hash=sha512:HASH\n"),
    Demand("of-sha512-required", "ink==1.0 --hash=sha512:HASH\n", f"{FROM_FILE} --require-hashes"),
    Demand("of-md5", "ink==1.0 --hash=md5:HASH\n"),
    Demand("of-two", "ink==1.0 --hash=sha256:<sha256 wrong> --hash=sha256:HASH\n"),
    Demand("of-sha512-beside-a-wrong-sha256", "ink==1.0 --hash=sha256:<sha256 wrong> --hash=sha512:HASH\n"),
    Demand("of-sha256-beside-a-wrong-sha512", "ink==1.0 --hash=sha512:<sha512 wrong> --hash=sha256:HASH\n"),
    Demand("of-a-url", f"ink @ {URL} --hash=sha256:HASH\n"),
    Demand("of-a-url-by-sha512", f"ink @ {URL} --hash=sha512:HASH\n"),
    Demand("of-a-url-required", f"ink @ {URL} --hash=sha256:HASH\n", f"{FROM_FILE} --require-hashes"),
    Demand("of-an-unnamed-url", f"{URL} --hash=sha256:HASH\n"),
    Demand("of-a-file-url", f"ink @ <uri main>/{WHEEL} --hash=sha256:HASH\n"),
    Demand("of-an-unnamed-file-url", f"<uri main>/{WHEEL} --hash=sha256:HASH\n"),
    Demand("of-a-path", f"<folder main>/{WHEEL} --hash=sha256:HASH\n"),
    Demand("of-a-path-by-sha512", f"<folder main>/{WHEEL} --hash=sha512:HASH\n"),
    Demand("of-a-named-path", f"ink @ <folder main>/{WHEEL} --hash=sha256:HASH\n"),
    Demand("of-a-relative-path", f"../../elsewhere/main/{WHEEL} --hash=sha256:HASH\n"),
    Demand("in-a-fragment", f"ink @ {URL}#sha256=HASH\n"),
    Demand("in-a-fragment-by-sha512", f"ink @ {URL}#sha512=HASH\n"),
    Demand("in-a-fragment-by-md5", f"ink @ {URL}#md5=HASH\n"),
    Demand("in-a-fragment-required", f"ink @ {URL}#sha256=HASH\n", f"{FROM_FILE} --require-hashes"),
    Demand("in-a-fragment-of-a-word", step=f"pip install 'ink @ {URL}#sha256=HASH'"),
    Demand("in-a-fragment-of-an-unnamed-word", step=f"pip install {URL}#sha256=HASH"),
    Demand("in-a-fragment-of-a-file-url", step=f"pip install 'ink @ <uri main>/{WHEEL}#sha256=HASH'"),
    Demand("in-a-fragment-with-an-egg", f"{URL}#egg=ink&sha256=HASH\n"),
    Demand("in-a-fragment-of-a-path", f"<folder main>/{WHEEL}#sha256=HASH\n"),
    Demand("in-a-file-behind-a-url", step="pip install -r <files main>/demands.txt",
           index=Index([INK], extra_files={"demands.txt": "ink==1.0 --hash=sha256:HASH\n"})),
    Demand("in-a-file-by-its-url", step="pip install -r <uri main>/demands.txt",
           index=Index([INK], extra_files={"demands.txt": "ink==1.0 --hash=sha256:HASH\n"})),
    Demand("required-on-the-command-line", "ink==1.0 --hash=sha256:HASH\n", f"{FROM_FILE} --require-hashes"),
    Demand("required-in-the-file", "--require-hashes\nink==1.0 --hash=sha256:HASH\n"),
    Demand("required-by-a-variable", "ink==1.0 --hash=sha256:HASH\n", variables={"UV_REQUIRE_HASHES": "1"}),
    Demand("required-by-uv.toml", "ink==1.0 --hash=sha256:HASH\n", settings="[pip]\nrequire-hashes = true\n"),
    Demand("not-verified", "ink==1.0 --hash=sha256:HASH\n", f"{FROM_FILE} --no-verify-hashes"),
    Demand("not-verified-by-a-variable", "ink==1.0 --hash=sha256:HASH\n", variables={"UV_NO_VERIFY_HASHES": "1"}),
    Demand("not-verified-by-uv.toml", "ink==1.0 --hash=sha256:HASH\n", settings="[pip]\nverify-hashes = false\n"),
    Demand("not-verified-in-a-fragment", f"ink @ {URL}#sha256=HASH\n", f"{FROM_FILE} --no-verify-hashes"),
    Demand("of-a-sync", "ink==1.0 --hash=sha256:HASH\n", "pip sync requirements.txt"),
    Demand("of-a-sync-required", "ink==1.0 --hash=sha512:HASH\n", "pip sync --require-hashes requirements.txt"),
    Demand("in-a-lock", step="pip install -r pylock.toml", files={"pylock.toml": LOCK.replace("ALGORITHM",
            "sha256")}),
    Demand("in-a-lock-by-sha512", step="pip sync pylock.toml",
           files={"pylock.toml": LOCK.replace("ALGORITHM", "sha512")}),
    Demand("in-a-lock-that-is-not-verified", step="pip install -r pylock.toml --no-verify-hashes",
           files={"pylock.toml": LOCK.replace("ALGORITHM", "sha512")}),
    Demand("of-an-sdist", "ink==1.0 --hash=sha256:HASH\n", index=Index(sdists=[INK]), file=SDIST),
    Demand("of-an-sdist-by-sha512", "ink==1.0 --hash=sha512:HASH\n", index=Index(sdists=[INK]), file=SDIST),
    Demand("of-an-sdist-beside-a-wheel", "ink==1.0 --hash=sha256:HASH\n", index=Index([INK], [INK]), file=SDIST),
    Demand("of-an-sdist-by-its-url", f"ink @ <files main>/{SDIST} --hash=sha256:HASH\n",
           index=Index(sdists=[INK]), file=SDIST),
    Demand("in-a-fragment-of-an-sdist", f"ink @ <files main>/{SDIST}#sha256=HASH\n",
           index=Index(sdists=[INK]), file=SDIST),
    Demand("of-an-sdist-by-its-path", f"<folder main>/{SDIST} --hash=sha256:HASH\n",
           index=Index(sdists=[INK]), file=SDIST),
    Demand("where-the-index-names-none", "ink==1.0 --hash=sha256:HASH\n", index=Index([INK], hashes=())),
    Demand("where-the-index-names-another", "ink==1.0 --hash=sha256:HASH\n", index=Index([INK], hashes=["sha512"])),
    Demand("where-the-index-is-a-folder", "ink==1.0 --hash=sha256:HASH\n",
           f"{FROM_FILE} --no-index --find-links <folder main>"),
    Demand("where-the-index-is-a-page", "ink==1.0 --hash=sha512:HASH\n",
           f"{FROM_FILE} --no-index --find-links <flat main>"),
    Demand("where-the-index-is-json", "ink==1.0 --hash=sha512:HASH\n",
           index=Index([INK], hashes=["sha256", "sha512"], is_json=True)),
    Demand("of-one-of-two-builds", "ink==1.0 --hash=sha256:HASH\n",
           index=Index([replace(INK, build="2"), replace(INK, build="1", variant="first")]),
           file="ink-1.0-1-py3-none-any.whl"),
    Demand("of-a-dependency", "letter==1.0 --hash=sha256:<sha256 letter-1.0-py3-none-any.whl>\n"
           "paper==1.0 --hash=sha256:<sha256 paper-1.0-py3-none-any.whl>\nink==1.0 --hash=sha256:HASH\n"),
    Demand("after-a-comment-that-ends-in-a-backslash", "# why \\\nink==1.0 --hash=sha256:HASH\n"),
    Demand("after-such-a-comment-on-a-line", "paper==1.0 # why \\\nink==1.0 --hash=sha256:HASH\n"),
    Demand("after-a-byte-order-mark", "\ufeff-r more.txt\n", files={"more.txt": "ink==1.0 --hash=sha256:HASH\n"}),
    Demand("in-a-nested-file-named-by-a-variable", "-r ${FOLDER}/more.txt\n", variables={"FOLDER": "inner"},
           files={"inner/more.txt": "ink==1.0 --hash=sha256:HASH\n"}),
    Demand("in-a-file-by-its-quoted-url", step="pip install -r <uri main>/the%20demands.txt",
           index=Index([INK], extra_files={"the demands.txt": "ink==1.0 --hash=sha256:HASH\n"})),
    Demand("in-a-file-named-as-settings", step="pip install -r requirements.cfg",
           files={"requirements.cfg": "ink==1.0 --hash=sha256:HASH\n"}),
]  # fmt: skip


def rows_of(demand: Demand) -> Iterator[Row]:
    """Yield a right and a wrong demand, each with an empty store and with a store that has the wheel."""
    said = f"{demand.line}{demand.step}{demand.files}{demand.index.extra_files}"
    algorithm = next(iter(re.findall(r"(sha\d+|md5)[:=]HASH|(sha\d+) = ", said)), ("", ""))
    word = "".join(algorithm) or "sha256"
    filling = f"<files main>/{demand.file}" if "<files" in said or demand.file == SDIST else "ink"
    for state, before in (("empty", []), ("filled", [f"pip install {filling}"])):
        for kind, file in (("right", demand.file), ("wrong", "wrong")):
            digest = f"<{word} {file}>"
            files = {"requirements.txt": demand.line} if demand.line else {}
            yield Row(
                f"{kind}-{demand.name}-{state}",
                demand.step.replace("HASH", digest),
                indexes={
                    "main": replace(
                        demand.index,
                        extra_files={
                            name: str(text).replace("HASH", digest) for name, text in demand.index.extra_files.items()
                        },
                    )
                },
                files={name: text.replace("HASH", digest) for name, text in {**files, **demand.files}.items()},
                variables={
                    name: value.replace("HASH", digest) if value else value
                    for name, value in demand.variables.items()
                },
                settings=demand.settings,
                before=before,
            )


def edit_lock(place: Place) -> None:
    """Replace the digest of each wheel in `uv.lock`."""
    path = place.project / "uv.lock"
    path.write_text(re.sub(r"sha256:\w{64}", "sha256:" + "0" * 64, path.read_text()))


def demand_rightly(place: Place) -> None:
    """Correct the digest in the requirements file."""
    path = place.project / "requirements.txt"
    path.write_text(path.read_text().splitlines()[1] + "\n")


def make_source(folder: Path, machine: Machine) -> None:
    """Make the source tree of a package."""
    INK.write_source(folder / "ink")


def demand_wrongly_in_utf_16(place: Place) -> None:
    """Write a requirements file in UTF-16, as some shells on Windows do."""
    text = f"ink==1.0 --hash=sha256:{'0' * 64}\n"
    (place.project / "requirements.txt").write_bytes(text.encode("utf-16"))


def content_of(wheel: Wheel) -> bytes:
    """Return the bytes of a wheel."""
    with tempfile.TemporaryDirectory() as folder:
        return wheel.write(Path(folder)).read_bytes()


OTHER_INK = replace(INK, files={"ink/__init__.py": "def main():\n    print('blue')\n"})
LYING = {"honest": Index([INK]), "main": Index([OTHER_INK], announced={WHEEL: content_of(INK)})}
"""`main` has other bytes than `honest`, but announces the hash of the file of `honest`, which is stored."""
STORED = ["pip install --default-index <url honest> ink"]
RIGHT_ON_THE_SECOND_LINE = f"ink==1.0 --hash=sha256:<sha256 wrong>\nink==1.0 --hash=sha256:<sha256 {WHEEL}>\n"

MORE_ROWS = [
    Row("in-utf-16", [demand_wrongly_in_utf_16, FROM_FILE], before=["pip install ink"]),
    Row(
        "missing-but-required-by-a-named-settings-file",
        "pip install --config-file own.toml ink==1.0",
        files={"own.toml": "[pip]\nrequire-hashes = true\n"},
        before=["pip install ink"],
    ),
    Row(
        "of-a-file-announced-as-one-that-is-stored",
        FROM_FILE,
        indexes=LYING,
        files={"requirements.txt": f"ink==1.0 --hash=sha256:<sha256 main/{WHEEL}>\n"},
        before=STORED,
    ),
    Row(
        "of-a-file-announced-as-one-that-is-stored-without-a-version",
        FROM_FILE,
        indexes=LYING,
        files={"requirements.txt": f"ink --hash=sha256:<sha256 main/{WHEEL}>\n"},
        before=STORED,
    ),
    Row("missing-but-required", "pip install --require-hashes ink"),
    Row("missing-but-required-of-a-pin", FROM_FILE + " --require-hashes", files={"requirements.txt": "ink==1.0\n"}),
    Row("missing-but-required-by-a-variable", "pip install ink==1.0", variables={"UV_REQUIRE_HASHES": "1"}),
    Row("missing-but-required-by-uv.toml", "pip install ink==1.0", settings="[pip]\nrequire-hashes = true\n"),
    Row(
        "missing-for-a-dependency-but-required",
        FROM_FILE,
        files={
            "requirements.txt": "--require-hashes\nletter==1.0 --hash=sha256:<sha256 letter-1.0-py3-none-any.whl>\n"
        },
    ),
    Row(
        "missing-for-a-second-requirement",
        FROM_FILE,
        files={"requirements.txt": f"ink==1.0 --hash=sha256:<sha256 {WHEEL}>\npaper==1.0\n"},
    ),
    Row(
        "of-a-requirement-whose-marker-is-false",
        FROM_FILE,
        files={"requirements.txt": "ink==1.0 ; python_version < '3' --hash=sha256:<sha256 wrong>\npaper\n"},
    ),
    Row(
        "that-contradict-each-other",
        FROM_FILE,
        files={"requirements.txt": RIGHT_ON_THE_SECOND_LINE},
    ),
    Row(
        "that-contradict-each-other-in-two-files",
        "pip install -r one.txt -r two.txt",
        files={
            "one.txt": "ink==1.0 --hash=sha256:<sha256 wrong>\n",
            "two.txt": f"ink==1.0 --hash=sha256:<sha256 {WHEEL}>\n",
        },
    ),
    Row(
        "that-are-corrected-afterwards",
        [FROM_FILE, demand_rightly, FROM_FILE],
        files={"requirements.txt": RIGHT_ON_THE_SECOND_LINE},
    ),
    Row("of-a-short-digest", FROM_FILE, files={"requirements.txt": "ink==1.0 --hash=sha256:abc\n"}),
    Row("of-no-algorithm", FROM_FILE, files={"requirements.txt": f"ink==1.0 --hash=<sha256 {WHEEL}>\n"}),
    Row("of-an-unknown-algorithm", FROM_FILE, files={"requirements.txt": f"ink==1.0 --hash=sha3:<sha256 {WHEEL}>\n"}),
    Row(
        "of-a-reinstall",
        "pip install --reinstall -r requirements.txt",
        files={"requirements.txt": "ink==1.0 --hash=sha512:<sha512 wrong>\n"},
        before=["pip install ink"],
    ),
    Row(
        "of-what-is-installed",
        ["pip install ink", FROM_FILE],
        files={"requirements.txt": "ink==1.0 --hash=sha256:<sha256 wrong>\n"},
    ),
    Row("announced-wrongly-by-the-index", "pip install ink", indexes={"main": Index([INK], announced={WHEEL: "x"})}),
    Row(
        "announced-wrongly-by-the-index-and-demanded",
        FROM_FILE,
        indexes={"main": Index([INK], announced={WHEEL: "x"})},
        files={"requirements.txt": f"ink==1.0 --hash=sha256:<sha256 {WHEEL}>\n"},
    ),
    Row(
        "of-an-edited-uv.lock",
        ["lock", edit_lock, "sync --frozen"],
        files={"pyproject.toml": PROJECT.format('"ink"')},
    ),
    Row(
        "of-an-edited-uv.lock-with-a-filled-store",
        ["lock", edit_lock, "sync --frozen"],
        files={"pyproject.toml": PROJECT.format('"ink"')},
        before=["pip install ink"],
    ),
    Row(
        "of-an-edited-uv.lock-that-is-locked",
        ["lock", edit_lock, "sync --locked"],
        files={"pyproject.toml": PROJECT.format('"ink"')},
    ),
    Row(
        "of-a-url-source",
        "sync",
        files={
            "pyproject.toml": PROJECT.format('"ink"')
            + f'[tool.uv.sources]\nink = {{ url = "<files main>/{WHEEL}#sha256=<sha256 wrong>" }}\n'
        },
    ),
    Row(
        "of-a-url-dependency",
        "sync",
        files={"pyproject.toml": PROJECT.format(f'"ink @ <files main>/{WHEEL}#sha256=<sha256 {WHEEL}>"')},
    ),
    Row(
        "of-a-wrong-url-dependency",
        "sync",
        files={"pyproject.toml": PROJECT.format(f'"ink @ <files main>/{WHEEL}#sha256=<sha256 wrong>"')},
    ),
    Row(
        "of-two-algorithms-in-a-lock-one-wrong",
        "pip sync pylock.toml",
        files={
            "pylock.toml": LOCK.replace(
                'ALGORITHM = "HASH"', f'sha256 = "<sha256 {WHEEL}>", sha512 = "<sha512 wrong>"'
            )
        },
    ),
    Row(
        "of-an-editable-but-required",
        "pip install --require-hashes -e <elsewhere>/ink",
        setup=make_source,
    ),
]


ROWS = [row for demand in DEMANDS for row in rows_of(demand)] + MORE_ROWS

ALWAYS = {
    "wrong-on-a-line-filled", "wrong-in-parentheses-empty", "wrong-of-sha384-empty", "wrong-of-sha512-filled",
    "right-of-sha512-beside-a-wrong-sha256-empty", "wrong-of-a-url-required-empty", "wrong-in-a-fragment-empty",
    "wrong-in-a-fragment-by-sha512-filled", "wrong-in-a-lock-by-sha512-empty", "wrong-not-verified-empty",
    "of-an-edited-uv.lock", "missing-but-required", "that-are-corrected-afterwards", "wrong-of-an-sdist-empty",
}  # fmt: skip

KNOWN_TO_FAIL: set[str] = {
    "right-in-a-fragment-by-md5-empty",
    "right-in-a-fragment-by-md5-filled",
    "right-in-a-fragment-by-sha512-empty",
    "right-in-a-fragment-by-sha512-filled",
    "right-in-a-fragment-of-a-file-url-empty",
    "right-in-a-fragment-of-a-file-url-filled",
    "right-in-a-fragment-of-an-sdist-empty",
    "right-of-a-url-by-sha512-empty",
    "right-of-a-url-by-sha512-filled",
    "right-of-a-url-required-filled",
    "right-of-an-sdist-by-sha512-empty",
    "right-of-an-sdist-by-sha512-filled",
    "right-where-the-index-is-json-filled",
    "right-where-the-index-names-another-empty",
    "right-where-the-index-names-none-empty",
    "right-where-the-index-names-none-filled",
    "wrong-in-a-fragment-by-md5-empty",
    "wrong-in-a-fragment-by-md5-filled",
    "wrong-in-a-fragment-of-an-sdist-empty",
    "wrong-in-a-fragment-of-an-sdist-filled",
    "wrong-of-a-url-by-sha512-empty",
    "wrong-of-a-url-by-sha512-filled",
    "wrong-of-a-url-filled",
    "wrong-of-a-url-required-filled",
    "wrong-of-an-sdist-by-sha512-empty",
    "wrong-of-an-sdist-by-sha512-filled",
    "wrong-of-an-unnamed-url-filled",
    "wrong-where-the-index-is-json-filled",
    "wrong-where-the-index-names-none-empty",
    "wrong-where-the-index-names-none-filled",
}
"""In all but two of these rows the environments are equal, and the same artifacts are refused.

pepip asks uv in several processes. So a file is downloaded once for each process if its URL has no headers for
caches, or if its hash is not SHA-256. `…-fragment-of-a-file-url`: `direct_url.json` names the file without the
fragment.
"""


BY_CHANCE = {"wrong-of-a-dependency-filled"}
"""One wrong file ends the run. Whether another file was already requested is chance."""


@parameters(ROWS, KNOWN_TO_FAIL, by_chance=BY_CHANCE, each=80, always=ALWAYS)
def test_content_has_the_demanded_hash(bench: Bench, row: Row) -> None:
    """A demanded hash is checked wherever it is written, and a right one refuses nothing."""
    bench.assert_same(row)

"""Choices of uv (issue 13, C): of several files of one version, pepip links the file that uv takes."""

from __future__ import annotations

from dataclasses import replace

from tests.differential.harness import INK, LETTER, PAPER, PROJECT, Bench, Row, parameters
from tests.support.indexes import Index
from tests.support.wheels import Wheel


def variant(
    text: str, *, build: str = "", tag: str = "py3-none-any", version: str = "1.0", python: str = ""
) -> Wheel:
    """Return the distribution `ink` with a module that names this file."""
    return Wheel(
        "ink",
        version,
        files={"ink/__init__.py": f"IS = {text!r}\n"},
        variant=text,
        build=build,
        tag=tag,
        requires_python=python,
    )


def builds(*numbers: str) -> dict[str, Index]:
    """Return an index that lists builds of one version, in this order."""
    return {"main": Index([variant(f"build {number}", build=number) for number in numbers])}


def tags(*names: str) -> dict[str, Index]:
    """Return an index that lists wheels of one version with these tags, in this order."""
    return {"main": Index([variant(tag, tag=tag) for tag in names])}


ANY = "py3-none-any"
LINUX = "manylinux_2_17_x86_64"
OF_TWO_VERSIONS = """lock-version = "1.0"
created-by = "tests"
[[packages]]
name = "ink"
version = "1.0"
marker = "{first}"
[[packages.wheels]]
url = "<files main>/ink-1.0-py3-none-any.whl"
hashes = {{ sha256 = "<sha256 main/ink-1.0-py3-none-any.whl>" }}
[[packages]]
name = "ink"
version = "{version}"
marker = "{second}"
[[packages.wheels]]
url = "<files {index}>/ink-{version}-py3-none-any.whl"
hashes = {{ sha256 = "<sha256 {index}/ink-{version}-py3-none-any.whl>" }}
"""
OLD, NEW = "python_full_version < '3.9'", "python_full_version >= '3.9'"
TWO_INDEXES = {"main": Index([variant("old")]), "other": Index([variant("new")])}
BOTH_KINDS = {"main": Index([variant("wheel")], [replace(variant("sdist"), build_notes=["NOTHING"])])}
NEWER_SDIST = {"main": Index([variant("wheel")], [variant("sdist", version="2.0")])}
YANKED = {"main": Index([variant("1"), variant("2", version="2.0")], yanked={"ink-2.0-py3-none-any.whl": "broken"})}
PYTHONS = {"main": Index([variant("old"), variant("new", version="2.0", python=">=3.99")])}
MANY = [
    "cp312-cp312-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_17_x86_64", "cp310-cp310-manylinux_2_17_x86_64",
    "cp312-cp312-manylinux_2_28_x86_64", "cp311-cp311-manylinux_2_28_x86_64", "cp37-abi3-manylinux_2_17_x86_64",
    "cp39-abi3-manylinux_2_5_x86_64.manylinux1_x86_64", "py3-none-manylinux_2_17_x86_64", "py2.py3-none-any",
    "cp312-cp312-macosx_11_0_arm64", "cp312-cp312-win_amd64", "cp312-none-any", "cp312-cp312-linux_x86_64", ANY,
]  # fmt: skip

ROWS = [
    Row("builds-in-ascending-order", "pip install ink", builds("1", "2", "10")),
    Row("builds-in-descending-order", "pip install ink", builds("10", "2", "1")),
    Row("builds-in-no-order", "pip install ink", builds("2", "10", "1")),
    Row("a-build-and-none", "pip install ink", builds("", "1")),
    Row("none-and-a-build", "pip install ink", builds("1", "")),
    Row("builds-with-suffixes", "pip install ink", builds("1a", "1b", "1")),
    Row("builds-with-suffixes-and-two-digits", "pip install ink", builds("9z", "10b", "10a")),
    Row("builds-of-dates", "pip install ink", builds("20240101", "20231231", "20240102")),
    Row("builds-in-a-project", "sync", builds("1", "2", "10"), {"pyproject.toml": PROJECT.format('"ink"')}),
    Row("builds-in-a-folder", "pip install --no-index --find-links <folder main> ink", builds("1", "2", "10")),
    Row("builds-in-a-lock", ["pip compile -q requirements.in -o pylock.toml", "pip sync pylock.toml"],
        builds("1", "2", "10"), {"requirements.in": "ink\n"}),
    Row("builds-on-a-json-page", "pip install ink",
        {"main": replace(builds("1", "2", "10")["main"], is_json=True)}),
    Row("builds-with-the-lower-one-stored", "pip install ink", builds("1", "2"),
        before=["pip install <files main>/ink-1.0-1-py3-none-any.whl"]),
    Row("a-build-by-its-url", "pip install <files main>/ink-1.0-1-py3-none-any.whl", builds("1", "2")),
    Row("builds-whose-tags-differ", "pip install ink", {"main": Index(
        [variant("any, 9", build="9"), variant("linux, 1", build="1", tag=f"py3-none-{LINUX}"),
         variant("linux, 2", build="2", tag=f"py3-none-{LINUX}")])}),
    Row("abi3-before-own-abi", "pip install ink", tags(ANY, f"cp39-abi3-{LINUX}", f"cp312-cp312-{LINUX}",
                                                       f"cp311-cp311-{LINUX}", f"cp310-cp310-{LINUX}")),
    Row("abi3-of-two-versions", "pip install ink", tags(f"cp37-abi3-{LINUX}", f"cp39-abi3-{LINUX}", ANY)),
    Row("manylinux-of-three-versions", "pip install ink",
        tags("py3-none-manylinux2014_x86_64", "py3-none-manylinux_2_28_x86_64", "py3-none-manylinux_2_12_x86_64")),
    Row("manylinux-that-is-too-new", "pip install ink", tags("py3-none-manylinux_2_99_x86_64", ANY)),
    Row("only-of-other-systems", "pip install ink", tags("py3-none-win_amd64", "py3-none-macosx_11_0_arm64")),
    Row("compressed-tags", "pip install ink", tags("py2.py3-none-any", "py3-none-any")),
    Row("compressed-tags-last", "pip install ink", tags("py3-none-any", "py2.py3-none-any")),
    Row("compressed-platforms", "pip install ink",
        tags("py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64",
                "py3-none-manylinux_2_12_x86_64.manylinux2010_x86_64")),
    Row("plain-linux", "pip install ink", tags("py3-none-linux_x86_64", "py3-none-manylinux_2_17_x86_64")),
    Row("tags-of-all-kinds", "pip install ink", tags(*MANY)),
    Row("tags-of-all-kinds-reversed", "pip install ink", tags(*reversed(MANY))),
    Row("tags-in-a-lock", ["pip compile -q requirements.in -o pylock.toml", "pip install -r pylock.toml"],
            tags(*MANY),
        {"requirements.in": "ink\n"}),
    Row("tags-in-a-project", "sync", tags(*MANY), {"pyproject.toml": PROJECT.format('"ink"')}),
    Row("sdist-beside-a-wheel", "pip install ink", BOTH_KINDS),
    Row("sdist-of-a-newer-version", "pip install ink", NEWER_SDIST),
    Row("no-binary", "pip install --no-binary ink ink", BOTH_KINDS),
    Row("no-binary-with-the-wheel-stored", "pip install --no-binary ink ink", BOTH_KINDS, before=["pip install ink"]),
    Row("no-binary-in-the-file", "pip install -r requirements.txt", BOTH_KINDS,
        {"requirements.txt": "--no-binary ink\nink\n"}),
    Row("no-binary-of-a-variable", "pip install ink", BOTH_KINDS, variables={"UV_NO_BINARY": "1"}),
    Row("no-binary-package-of-a-variable", "pip install ink", BOTH_KINDS, variables={"UV_NO_BINARY_PACKAGE": "ink"}),
    Row("no-binary-of-uv.toml", "pip install ink", BOTH_KINDS, settings='no-binary-package = ["ink"]\n'),
    Row("no-binary-of-a-project", "sync", BOTH_KINDS,
        {"pyproject.toml": PROJECT.format('"ink"') + '[tool.uv]\nno-binary-package = ["ink"]\n'}),
    Row("only-binary", "pip install --only-binary :all: ink", NEWER_SDIST),
    Row("only-binary-in-the-file", "pip install -r requirements.txt", NEWER_SDIST,
        {"requirements.txt": "--only-binary :all:\nink\n"}),
    Row("no-build", "pip install --no-build ink", NEWER_SDIST),
    Row("no-build-of-a-variable", "pip install ink", NEWER_SDIST, variables={"UV_NO_BUILD": "1"}),
    Row("no-build-of-uv.toml", "pip install ink", NEWER_SDIST, settings="no-build = true\n"),
    Row("no-build-where-only-an-sdist-is", "pip install --no-build ink", {"main": Index(sdists=[INK])}),
    Row("no-build-with-the-build-stored", "pip install --no-build ink", {"main": Index(sdists=[INK])},
        before=["pip install ink"]),
    Row("lock-of-one-version-twice", "pip sync pylock.toml", TWO_INDEXES,
        {"pylock.toml": OF_TWO_VERSIONS.format(first=OLD, second=NEW, version="1.0", index="other")}),
    Row("lock-of-one-version-twice-the-first-applies", "pip install -r pylock.toml", TWO_INDEXES,
        {"pylock.toml": OF_TWO_VERSIONS.format(first=NEW, second=OLD, version="1.0", index="other")}),
    Row("lock-of-two-versions", "pip sync pylock.toml", {"main": Index([variant("1"), variant("2", version="2.0")])},
        {"pylock.toml": OF_TWO_VERSIONS.format(first=OLD, second=NEW, version="2.0", index="main")}),
    Row("lock-of-two-versions-that-both-apply", "pip sync pylock.toml",
        {"main": Index([variant("1"), variant("2", version="2.0")])},
        {"pylock.toml": OF_TWO_VERSIONS.format(first=NEW, second=NEW, version="2.0", index="main")}),
    Row("lock-of-one-version-by-an-extra", "pip install -r pylock.toml --extra more", TWO_INDEXES,
        {"pylock.toml": OF_TWO_VERSIONS.format(first="'more' not in extras", second="'more' in extras", version="1.0",
         index="other").replace('"tests"', '"tests"\nextras = ["more"]')}),
    Row("lock-of-one-version-without-an-extra", "pip install -r pylock.toml", TWO_INDEXES,
        {"pylock.toml": OF_TWO_VERSIONS.format(first="'more' not in extras", second="'more' in extras", version="1.0",
         index="other").replace('"tests"', '"tests"\nextras = ["more"]')}),
    Row("lock-of-one-version-by-a-default-group", "pip sync pylock.toml", TWO_INDEXES,
        {"pylock.toml": OF_TWO_VERSIONS.format(first="'dev' not in dependency_groups",
         second="'dev' in dependency_groups", version="1.0", index="other").replace(
         '"tests"', '"tests"\ndependency-groups = ["dev"]\ndefault-groups = ["dev"]')}),
    Row("lock-for-another-python", "pip sync pylock.toml", {"main": Index([INK])},
        {"pylock.toml": 'lock-version = "1.0"\ncreated-by = "tests"\nrequires-python = ">=3.99"\n'
         '[[packages]]\nname = "ink"\nversion = "1.0"\n'
         '[[packages.wheels]]\nurl = "<files main>/ink-1.0-py3-none-any.whl"\n'
         'hashes = { sha256 = "<sha256 main/ink-1.0-py3-none-any.whl>" }\n'}),
    Row("forks-of-a-project", "sync", {"main": Index([variant("1"), variant("2", version="2.0")])},
        {"pyproject.toml": PROJECT.format(
            '"ink==1.0 ; python_version < \'3.10\'", "ink==2.0 ; python_version >= \'3.10\'"')}),
    Row("yanked", "pip install ink", YANKED),
    Row("yanked-and-pinned", "pip install ink==2.0", YANKED),
    Row("yanked-and-alone", "pip install ink", {"main": Index([INK], yanked={INK.filename: ""})}),
    Row("yanked-of-two-builds", "pip install ink", {"main": replace(builds("1", "2")["main"],
                                                                  yanked={"ink-1.0-2-py3-none-any.whl": "broken"})}),
    Row("yanked-of-two-builds-and-pinned", "pip install ink==1.0", {"main": replace(
        builds("1", "2")["main"], yanked={"ink-1.0-2-py3-none-any.whl": "broken"})}),
    Row("yanked-sdist-beside-a-wheel", "pip install ink", {"main": replace(BOTH_KINDS["main"],
                                                                         yanked={"ink-1.0.tar.gz": "broken"})}),
    Row("requires-a-newer-python", "pip install ink", PYTHONS),
    Row("requires-a-newer-python-and-pinned", "pip install ink==2.0", PYTHONS),
    Row("requires-a-newer-python-by-its-url", "pip install <files main>/ink-2.0-py3-none-any.whl", PYTHONS),
    Row("pre-release", "pip install ink", {"main": Index([variant("1"), variant("rc", version="2.0rc1")])}),
    Row("pre-release-asked-for", "pip install --prerelease allow ink",
        {"main": Index([variant("1"), variant("rc", version="2.0rc1")])}),
    Row("local-version", "pip install ink", {"main": Index([variant("1"), variant("cpu", version="1.0+cpu")])}),
    Row("local-version-pinned", "pip install ink==1.0", {"main": Index([variant("1"), variant("cpu",
            version="1.0+cpu")])}),
    Row("epoch", "pip install ink", {"main": Index([variant("1"), variant("epoch", version="1!0.1")])}),
    Row("version-that-is-not-normalized", "pip install ink", {"main": Index([variant("1", version="1.0.0-1")])}),
    Row("lowest-resolution", "pip install --resolution lowest letter ink>=1",
        {"main": Index([variant("1"), variant("2", version="2.0"), LETTER, PAPER])}),
    Row("excluded-as-too-new", "pip install --exclude-newer 2020-01-01 ink", {"main": Index([INK])}),
    Row("without-metadata-files", "pip install letter", {"main": Index([INK, LETTER, PAPER],
            has_metadata_files=False)}),
    Row("without-metadata-files-but-ranges", "pip install letter",
        {"main": Index([INK, LETTER, PAPER], has_metadata_files=False, answers_ranges=True)}),
    Row("reinstall-of-another-build", ["pip install ink", "pip install --reinstall --no-binary ink ink"], BOTH_KINDS),
    Row("upgrade", ["pip install ink==1.0", "pip install --upgrade ink"],
        {"main": Index([variant("1"), variant("2", version="2.0")])}),
]  # fmt: skip

ALWAYS = {
    "builds-in-ascending-order", "builds-with-suffixes", "lock-of-one-version-twice", "abi3-before-own-abi",
    "sdist-beside-a-wheel", "yanked",
}  # fmt: skip

KNOWN_TO_FAIL: set[str] = {
    "requires-a-newer-python-by-its-url",
}
"""pepip asks uv in two processes, so a file without headers for caches is downloaded twice: see `test_hashes`."""


@parameters(ROWS, KNOWN_TO_FAIL, each=20, always=ALWAYS)
def test_the_file_is_the_one_that_uv_takes(bench: Bench, row: Row) -> None:
    """Of all files that fit, the environment has the one that uv chose."""
    bench.assert_same(row)

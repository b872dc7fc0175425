"""The context of a resolution (issue 13, B): pepip asks no index for a package that uv did not ask it for.

`main` stands for the public index, which must not get the names of private packages.
"""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

from tests.differential.harness import INK, LETTER, PAPER, PROJECT, Bench, Place, Row, parameters
from tests.differential.test_builds import HELPED, HELPERS
from tests.support.indexes import Index
from tests.support.machines import Machine
from tests.support.projects import commit, rewrite_source
from tests.support.wheels import Wheel

SECRET = Wheel("secret", "1.0", files={"secret/__init__.py": "FROM = 'private'\n"}, dependencies=["ink"])
SQUATTED = replace(SECRET, version="9.0", files={"secret/__init__.py": "FROM = 'public'\n"}, dependencies=[])
SAME_VERSION = replace(SECRET, files={"secret/__init__.py": "FROM = 'public'\n"}, variant="public")
OTHER_INK = replace(INK, files={"ink/__init__.py": "def main():\n    print('blue')\n"})
PUBLIC = Index([INK, PAPER, LETTER])
TWO = {"main": PUBLIC, "private": Index([SECRET])}
SQUATTING = {"main": Index([INK, SQUATTED]), "private": Index([SECRET])}
SAME = {"main": Index([INK, SAME_VERSION]), "private": Index([SECRET, OTHER_INK])}
LOCKED_UP = {"main": PUBLIC, "private": Index([SECRET], credentials="user:pass%20word")}
NO_DEFAULT: dict[str, str | None] = {"UV_DEFAULT_INDEX": None}
FROM_FILE = "pip install -r requirements.txt"
EXPLICIT = """[[tool.uv.index]]
name = "private"
url = "<url private>"
explicit = true
[tool.uv.sources]
secret = { index = "private" }
"""
INDEX_TABLE = '[[tool.uv.index]]\nname = "private"\nurl = "<url private>"\n'
INDEX_SETTING = '[[index]]\nname = "private"\nurl = "<url private>"\n'
AUTHORITY = "<authority private>"


def with_user(text: str) -> str:
    """Return a text with credentials in the URL of the private index."""
    return text.replace("<url private>", f"http://user:pass%2520word@{AUTHORITY}/private/simple/")


def make_repository(folder: Path, machine: Machine) -> None:
    """Make a repository of a package with a dependency: a commit with the tag `v1`, and a later one."""
    commit(machine, folder / "secret", SECRET, tag="v1")
    commit(machine, folder / "secret", replace(SECRET, files={"secret/__init__.py": "FROM = 'later'\n"}))


def make_archive(folder: Path, machine: Machine) -> None:
    """Make an archive with the source tree of a package in a folder."""
    SECRET.write_source(folder / "all" / "a b")
    with tarfile.open(folder / "main" / "all.tar.gz", "w:gz") as archive:
        archive.add(folder / "all", "all")


def make_source(folder: Path, machine: Machine) -> None:
    """Make the source tree of a package."""
    rewrite_source(folder / "secret", SECRET)


def forget(place: Place) -> None:
    """Empty uv's cache, so that later requests go to indexes."""
    place.machine.uv("cache", "clean", "-q", folder=place.project)


def project(dependencies: str, more: str = "") -> dict[str, str]:
    """Return the `pyproject.toml` of a project, by its path."""
    return {"pyproject.toml": PROJECT.format(dependencies) + more}


BUILDING = {"main": Index(HELPERS[1:], [HELPED]), "private": Index(HELPERS[:1], [HELPED])}
BUILT_WITH_HELPER = {
    "inner/pyproject.toml": PROJECT.replace('"app"', '"inner"').format("")
    + '[build-system]\nrequires = ["helper"]\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    "inner/backend.py": """import os, sys, zipfile

sys.dont_write_bytecode = True
import helper

INFO = "inner-0.1.0.dist-info"


def build_wheel(folder, settings=None, metadata=None):
    members = {
        "inner.py": f"HELPER = {helper.VERSION!r}\\n",
        f"{INFO}/METADATA": "Metadata-Version: 2.1\\nName: inner\\nVersion: 0.1.0\\n",
        f"{INFO}/WHEEL": "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    members[f"{INFO}/RECORD"] = "".join(f"{name},,\\n" for name in [*members, f"{INFO}/RECORD"])
    with zipfile.ZipFile(os.path.join(folder, "inner-0.1.0-py3-none-any.whl"), "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return "inner-0.1.0-py3-none-any.whl"


build_editable = build_wheel
""",
}
"""A folder whose build records the version of `helper` that it used."""

WORKSPACE = {
    "pyproject.toml": PROJECT.format('"member"')
    + '[tool.uv.sources]\nmember = { workspace = true }\n[tool.uv.workspace]\nmembers = ["member"]\n',
    "member/pyproject.toml": PROJECT.replace('"app"', '"member"').format('"secret"') + EXPLICIT,
}

ROWS = [
    # Indexes that only a requirements file names
    Row("index-url-in-the-file", FROM_FILE, TWO,
            {"requirements.txt": "--index-url <url private>\nsecret --no-deps\n"}),
    Row("index-url-in-the-file-replaces-the-default", FROM_FILE, {"private": Index([SECRET, INK])},
        {"requirements.txt": "--index-url <url private>\nsecret\n"}, variables=NO_DEFAULT),
    Row("short-index-url-in-the-file", FROM_FILE, {"private": Index([SECRET, INK])},
        {"requirements.txt": "-i <url private>\nsecret\n"}, variables=NO_DEFAULT),
    Row("index-url-in-a-nested-file", FROM_FILE, {"private": Index([SECRET, INK])},
        {"requirements.txt": "-r more.txt\nsecret\n", "more.txt": "--index-url <url private>\n"},
                variables=NO_DEFAULT),
    Row("extra-index-url-in-the-file", FROM_FILE, TWO,
        {"requirements.txt": "--extra-index-url <url private>\nsecret\nink\n"}),
    Row("extra-index-url-in-the-file-and-a-squatter", FROM_FILE, SQUATTING,
        {"requirements.txt": "--extra-index-url <url private>\nsecret\n"}),
    Row("no-index-and-find-links-in-the-file", FROM_FILE, TWO,
        {"requirements.txt": "--no-index\n--find-links <folder private>\n-f <folder main>\nsecret\n"}),
    Row("no-index-and-a-page-in-the-file", FROM_FILE, TWO,
        {"requirements.txt": "--no-index\n--find-links <flat private>\n-f <flat main>\nsecret\n"}),
    Row("find-links-in-the-file-beside-the-default", FROM_FILE, TWO,
        {"requirements.txt": "--find-links <folder private>\nsecret\n"}),
    Row("relative-find-links-in-the-file", FROM_FILE, TWO,
        {"requirements.txt": "--no-index\n-f ../../elsewhere/private\n-f ../../elsewhere/main\nsecret\n"}),
    Row("index-url-in-the-file-and-a-pin-with-a-hash", FROM_FILE, {"private": Index([SECRET, INK])},
        {"requirements.txt": "-i <url private>\nsecret==1.0 --hash=sha256:<sha256 secret-1.0-py3-none-any.whl>\n"
         "ink==1.0 --hash=sha256:<sha256 ink-1.0-py3-none-any.whl>\n"}, variables=NO_DEFAULT),
    Row("sync-with-an-index-url-in-the-file", "pip sync requirements.txt", {"private": Index([SECRET, INK])},
        {"requirements.txt": "-i <url private>\nsecret\nink\n"}, variables=NO_DEFAULT),
    Row("index-url-in-the-file-twice-and-a-cleaned-cache", [FROM_FILE, "pip uninstall secret", forget, FROM_FILE],
        {"private": Index([SECRET, INK])}, {"requirements.txt": "-i <url private>\nsecret\n"}, variables=NO_DEFAULT),
    # Options, variables and settings
    Row("index-url", "pip install --index-url <url private> secret", {"private": Index([SECRET, INK])},
        variables=NO_DEFAULT),
    Row("extra-index-url", "pip install --extra-index-url <url private> secret", TWO),
    Row("index", "pip install --index <url private> secret", TWO),
    Row("default-index", "pip install --default-index <url private> secret", {"main": PUBLIC,
        "private": Index([SECRET, INK])}),
    Row("index-of-a-variable", "pip install secret", TWO, variables={"UV_INDEX": "<url private>"}),
    Row("extra-index-of-a-variable", "pip install secret", TWO, variables={"UV_EXTRA_INDEX_URL": "<url private>"}),
    Row("find-links-of-a-variable", "pip install secret", TWO, variables={"UV_FIND_LINKS": "<folder private>"}),
    Row("find-links-named-twice", "pip install --find-links <folder private> secret", TWO,
        variables={"UV_FIND_LINKS": "<folder private>"}),
    Row("no-index-of-a-variable", "pip install secret", TWO,
        variables={"UV_NO_INDEX": "1", "UV_FIND_LINKS": "<folder private>,<folder main>"}),
    Row("index-of-uv.toml", "pip install secret", TWO, settings=INDEX_SETTING),
    Row("explicit-index-of-uv.toml", "pip install secret", TWO, settings=INDEX_SETTING + "explicit = true\n"),
    Row("default-index-of-uv.toml", "pip install secret", {"private": Index([SECRET, INK])},
        settings=INDEX_SETTING + "default = true\n", variables=NO_DEFAULT),
    Row("index-of-the-project's-uv.toml", "pip install secret", TWO, {"uv.toml": INDEX_SETTING}),
    Row("index-of-pyproject.toml", "pip install secret", TWO, project("", INDEX_TABLE)),
    Row("pip-section-of-uv.toml", "pip install secret", {"private": Index([SECRET, INK])},
        settings='[pip]\nindex-url = "<url private>"\n', variables=NO_DEFAULT),
    # The same name at two indexes
    Row("squatted-name", "pip install --index <url private> secret", SQUATTING),
    Row("squatted-name-by-the-best-match",
            "pip install --index <url private> --index-strategy unsafe-best-match secret",
        SQUATTING),
    Row("squatted-name-by-the-first-match",
        "pip install --index <url private> --index-strategy unsafe-first-match secret>=2", SQUATTING),
    Row("squatted-name-by-a-variable", "pip install secret", SQUATTING,
        variables={"UV_INDEX": "<url private>", "UV_INDEX_STRATEGY": "unsafe-best-match"}),
    Row("same-version-at-both", "pip install --index <url private> secret", SAME),
    Row("same-version-at-both-from-the-public-one-first", ["pip install secret", "pip uninstall secret ink",
        "pip install --index <url private> secret"], SAME),
    Row("same-version-at-both-with-the-public-one-stored", "pip install --index <url private> secret ink", SAME,
        before=["pip install secret ink"]),
    Row("same-version-at-both-in-a-folder", "pip install --find-links <folder private> secret", SAME),
    Row("same-version-without-hashes", "pip install --index <url private> secret",
        {"main": Index([INK, SAME_VERSION], hashes=()), "private": Index([SECRET], hashes=())},
        before=["pip install secret"]),
    # Indexes that a project declares
    Row("explicit-index-of-a-project", "sync", TWO, project('"secret"', EXPLICIT)),
    Row("explicit-index-of-a-project-and-a-squatter", "sync", SQUATTING, project('"secret"', EXPLICIT)),
    Row("explicit-index-of-a-project-and-the-same-version", "sync", SAME, project('"secret"', EXPLICIT)),
    Row("explicit-index-of-a-project-with-the-public-one-stored", "sync", SAME, project('"secret"', EXPLICIT),
        before=["pip install secret"]),
    Row("explicit-index-and-a-lock", ["lock", forget, "sync --frozen"], TWO, project('"secret"', EXPLICIT)),
    Row("explicit-index-of-a-requirement", "pip install -r pyproject.toml", TWO, project('"secret"', EXPLICIT)),
    Row("explicit-index-of-a-requirement-and-a-squatter", "pip install -r pyproject.toml", SQUATTING,
        project('"secret"', EXPLICIT)),
    Row("explicit-index-of-a-requirement-and-the-same-version", "pip install -r pyproject.toml", SAME,
        project('"secret"', EXPLICIT)),
    Row("explicit-index-of-a-requirement-without-sources", "pip install --no-sources -r pyproject.toml", SAME,
        project('"secret"', EXPLICIT)),
    Row("explicit-index-of-an-editable-that-cannot-be-built", "pip install -e ./inner", TWO,
        {"inner/pyproject.toml": PROJECT.replace('"app"', '"inner"').format('"secret"') + EXPLICIT
         + '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
         "inner/backend.py": "def build_editable(folder, settings=None, metadata=None):\n    raise SystemExit(3)\n"}),
    Row("explicit-index-of-a-member", "sync", TWO, WORKSPACE),
    Row("explicit-index-of-a-group", "sync", SAME,
        project("", '[dependency-groups]\ndev = ["secret"]\n' + EXPLICIT)),
    Row("index-of-a-group-of-pip", "pip install --group dev", SAME,
        project("", '[dependency-groups]\ndev = ["secret"]\n' + EXPLICIT)),
    Row("added-from-an-index", "add secret --index private=<url private>", TWO, project("")),
    Row("added-and-removed", ["add secret --index private=<url private>", "remove secret"], TWO, project("")),
    Row("default-index-of-a-project", "sync", {"private": Index([SECRET, INK])},
        project('"secret"', INDEX_TABLE + "default = true\n"), variables=NO_DEFAULT),
    Row("find-links-of-a-project", "sync", TWO,
        project('"secret"', '[tool.uv]\nfind-links = ["../../elsewhere/private"]\n')),
    Row("flat-index-of-a-project", "sync", TWO,
        project('"secret"', EXPLICIT.replace("<url private>", "<flat private>") .replace(
            "explicit = true", 'explicit = true\nformat = "flat"'))),
    Row("run-with-a-package-of-an-index",
            "run --with secret --index <url private> python -c 'import secret; print(1)'",
        TWO, project("")),
    # Requirements of builds
    Row("build-with-an-index-url-in-the-file", FROM_FILE, BUILDING,
        {"requirements.txt": "--index-url <url private>\nhelped\n-e ./inner\n", **BUILT_WITH_HELPER}),
    Row("build-with-no-index-in-the-file", FROM_FILE, BUILDING,
        {"requirements.txt": "--no-index\n--find-links <folder private>\n./inner\n", **BUILT_WITH_HELPER}),
    Row("build-with-no-index-in-the-file-that-cannot-be", FROM_FILE, {"main": Index(HELPERS), "private": PUBLIC},
        {"requirements.txt": "--no-index\n--find-links <folder private>\n./inner\nink\n", **BUILT_WITH_HELPER}),
    Row("build-with-an-index-url-in-the-file-and-another-build-stored", FROM_FILE, BUILDING,
        {"requirements.txt": "--index-url <url private>\nhelped\n"}, before=["pip install helped"]),
    Row("build-with-another-index-stored", "pip install --default-index <url private> helped", BUILDING,
        before=["pip install helped"]),
    Row("build-with-another-index-of-a-project-stored", "sync", BUILDING,
        project('"helped"', INDEX_TABLE), before=["pip install --no-config helped"]),
    Row("build-with-an-explicit-index", "pip install -r pyproject.toml", BUILDING,
        project('"helped"', EXPLICIT.replace("secret =", "helped ="))),
    # Credentials
    Row("credentials-in-the-url", with_user("pip install --index <url private> secret"), LOCKED_UP),
    Row("credentials-in-the-file", FROM_FILE, LOCKED_UP,
        {"requirements.txt": with_user("--extra-index-url <url private>\nsecret\n")}),
    Row("credentials-of-variables", "sync", LOCKED_UP, project('"secret"', EXPLICIT),
        variables={"UV_INDEX_PRIVATE_USERNAME": "user", "UV_INDEX_PRIVATE_PASSWORD": "pass%20word"}),
    Row("credentials-of-variables-of-a-requirement", "pip install -r pyproject.toml", LOCKED_UP,
        project('"secret"', EXPLICIT),
        variables={"UV_INDEX_PRIVATE_USERNAME": "user", "UV_INDEX_PRIVATE_PASSWORD": "pass%20word"}),
    Row("credentials-of-netrc", "pip install --index <url private> secret",
        {"main": PUBLIC, "private": Index([SECRET], credentials="user:password")},
        {"netrc": "machine 127.0.0.1 login user password password\n"}, variables={"NETRC": "netrc"}),
    Row("credentials-of-netrc-in-a-file", FROM_FILE,
        {"main": PUBLIC, "private": Index([SECRET], credentials="user:password")},
        {"netrc": "machine 127.0.0.1 login user password password\n",
         "requirements.txt": "--extra-index-url <url private>\nsecret\n"}, variables={"NETRC": "netrc"}),
    Row("credentials-of-a-url", f"pip install http://user:pass%2520word@{AUTHORITY}/private/files/"
        "secret-1.0-py3-none-any.whl", LOCKED_UP),
    Row("wrong-credentials", "pip install --index " + with_user("<url private>").replace("user:",
            "other:") + " secret",
        LOCKED_UP),
    Row("no-credentials", "pip install --index <url private> secret", LOCKED_UP),
    Row("no-credentials-with-a-filled-store", "pip install --index <url private> secret", LOCKED_UP,
        before=[with_user("pip install --index <url private> secret")]),
    # Sources
    Row("git-source", "sync", TWO, project('"secret"',
            '[tool.uv.sources]\nsecret = { git = "<uri elsewhere>/secret" }\n'),
        setup=make_repository),
    Row("git-source-at-a-tag", "sync", TWO,
        project('"secret"', '[tool.uv.sources]\nsecret = { git = "<uri elsewhere>/secret", tag = "v1" }\n'),
        setup=make_repository),
    Row("git-source-of-a-requirement", "pip install -r pyproject.toml", SAME,
        project('"secret"', '[tool.uv.sources]\nsecret = { git = "<uri elsewhere>/secret", tag = "v1" }\n'),
        setup=make_repository),
    Row("git-requirement", "pip install 'secret @ git+<uri elsewhere>/secret@v1'", SAME, setup=make_repository),
    Row("git-requirement-without-a-revision-again", "pip install --reinstall 'secret @ git+<uri elsewhere>/secret'",
        SAME,
        before=["pip install 'secret @ git+<uri elsewhere>/secret'"], setup=make_repository),
    Row("git-requirement-at-a-tag-again", "pip install --reinstall 'secret @ git+<uri elsewhere>/secret@v1'", SAME,
        setup=make_repository),
    Row("git-requirement-with-the-index's-stored", "pip install 'secret @ git+<uri elsewhere>/secret@v1'", SAME,
        before=["pip install secret"], setup=make_repository),
    Row("url-source", "sync", SAME, project('"secret"',
        '[tool.uv.sources]\nsecret = { url = "<files private>/secret-1.0-py3-none-any.whl" }\n')),
    Row("url-source-of-a-requirement", "pip install -r pyproject.toml", SAME, project('"secret"',
        '[tool.uv.sources]\nsecret = { url = "<files private>/secret-1.0-py3-none-any.whl" }\n')),
    Row("url-requirement", "pip install 'secret @ <files private>/secret-1.0-py3-none-any.whl'", SAME),
    Row("url-override", "pip install letter --override overrides.txt", {"main": PUBLIC,
            "private": Index([OTHER_INK])},
        {"overrides.txt": "ink @ <files private>/ink-1.0-py3-none-any.whl\n"}),
    Row("url-constraint", "pip install letter -c limits.txt", {"main": PUBLIC, "private": Index([OTHER_INK])},
        {"limits.txt": "ink @ <files private>/ink-1.0-py3-none-any.whl\n"}),
    Row("folder-of-an-archive-by-its-url", "sync", SAME,
        project('"secret"', '[tool.uv.sources]\nsecret = { url = "<files main>/all.tar.gz", subdirectory = "a b" }\n')
        , setup=make_archive),
    Row("no-sources", "sync --no-sources", SAME, project('"secret"', EXPLICIT)),
    Row("no-sources-of-a-variable", "sync", SAME, project('"secret"', EXPLICIT), variables={"UV_NO_SOURCES": "1"}),
    Row("added-without-sources", "add --no-sources secret", SAME, project("")),
    Row("path-source", "sync", SAME, project('"secret"',
            '[tool.uv.sources]\nsecret = { path = "../../elsewhere/secret" }\n'),
        setup=make_source),
    Row("editable-path-source", "sync", SAME, project('"secret"',
        '[tool.uv.sources]\nsecret = { path = "../../elsewhere/secret", editable = true }\n'), setup=make_source),
    Row("wheel-path-source", "sync", SAME, project('"secret"',
        '[tool.uv.sources]\nsecret = { path = "../../elsewhere/private/secret-1.0-py3-none-any.whl" }\n')),
    Row("sources-by-marker", "sync", SAME, project('"secret"', INDEX_TABLE + "explicit = true\n"
        "[tool.uv.sources]\nsecret = [\n  { index = \"private\", marker = \"sys_platform == 'linux'\" },\n"
        "  { url = \"<files main>/secret-1.0-py3-none-any.whl\", marker = \"sys_platform != 'linux'\" },\n]\n")),
    Row("lock-from-a-private-index", ["pip compile -q requirements.in -o pylock.toml --index <url private>", forget,
        "pip sync pylock.toml"], SAME, {"requirements.in": "secret\n"}),
    Row("export-of-a-project", ["export -q --format pylock.toml -o pylock.toml", forget,
            "pip install -r pylock.toml"],
        SAME, project('"secret"', EXPLICIT)),
    Row("requirement-with-an-index-that-is-gone", [FROM_FILE, "pip install paper"],
        {"main": PUBLIC, "private": Index([SECRET, INK])},
                {"requirements.txt": "--index-url <url private>\nsecret\n"}),
]  # fmt: skip

ALWAYS = {
    "index-url-in-the-file-replaces-the-default", "no-index-and-find-links-in-the-file",
    "explicit-index-of-a-project",
    "explicit-index-of-a-requirement", "same-version-at-both", "extra-index-url-in-the-file-and-a-squatter",
    "credentials-of-variables", "git-source",
}  # fmt: skip

KNOWN_TO_FAIL: set[str] = {
    "same-version-without-hashes",
}
"""If the index names no hash for a file, pepip fetches the file once to inspect it, and once to install it."""


@parameters(ROWS, KNOWN_TO_FAIL, each=32, always=ALWAYS)
def test_only_the_indexes_of_the_resolution_are_asked(bench: Bench, row: Row) -> None:
    """Each distribution comes from the index where uv takes it, and no other index hears of it."""
    bench.assert_same(row)

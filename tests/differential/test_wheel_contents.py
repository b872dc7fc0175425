"""Contents of wheels (issue 13, D): all files arrive as with uv, whatever they are, and from the store too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.differential.harness import INK, Bench, Place, Row, parameters
from tests.support.indexes import Index
from tests.support.machines import site_packages_of
from tests.support.wheels import PKG_RESOURCES_NAMESPACE, PKGUTIL_NAMESPACE, Contents, Wheel, nspkg_pth

INIT = {"tool/__init__.py": "def main():\n    print('tool')\n"}
OTHER_INFO = "Metadata-Version: 2.1\nName: inner\nVersion: 3.0\n"
ENTRY_POINTS = {"console_scripts": {"tool": "tool:main"}}
RELOCATABLE = "uv venv -q --clear --relocatable --python <python> .venv"
BIG_SCRIPT = "#!python\nprint('big')\n" + "# padding\n" * 120_000
REPEATED = ["pip sync requirements.txt", "pip sync requirements.txt"]
LONG_NAME = "a" * 60


def tool(files: Mapping[str, Contents] | None = None, **more: Any) -> Wheel:
    """Return a wheel of a small package with these additional files."""
    return Wheel("tool", "1.0", files={**INIT, **(files or {})}, **more)


def of(
    name: str, files: Mapping[str, Contents] | None = None, *, steps: Any = "pip install tool", **more: Any
) -> Row:
    """Return a row that installs one wheel with such files."""
    return holding(name, tool(files, **more), steps=steps)


def holding(name: str, *wheels: Wheel, steps: Any = "pip install tool", before: Any = (), **files: str) -> Row:
    """Return a row whose index has these wheels."""
    texts = {"requirements.txt": files["requirements"]} if files else {}
    return Row(name, steps, {"main": Index(wheels)}, texts, before=before)


def script(text: Contents, name: str = "tool-script") -> dict[str, Contents]:
    """Return the `.data` of a wheel with a script."""
    return {f"scripts/{name}": text}


def member(name: str, file: str, text: str = "") -> Wheel:
    """Return a wheel with one file of a namespace."""
    return Wheel(name, "1.0", files={file: text})


def leave_a_file(place: Place) -> None:
    """Write a file of the user beside the packages."""
    (site_packages_of(place.environment) / "own.py").write_text("")


ODD_SCRIPT = tool(data=script("#!python\nprint('x')\n"))
NAMES = {
    "non-ascii": "tool/naïve-日本.txt", "spaces": "tool/a b  c.txt", "commas": "tool/a,b.txt",
    "quotes": 'tool/say "hi".txt', "single-quotes": "tool/it's.txt", "hashes": "tool/a#b.txt",
    "percent": "tool/a%20b.txt",
    "a-leading-dash": "tool/-r.txt", "a-leading-dot": "tool/.hidden/.file", "a-trailing-dot": "tool/file.",
    "brackets": "tool/[id].txt", "a-dollar": "tool/$HOME.txt",
    "a-long-one": f"tool/{LONG_NAME}/{LONG_NAME}/{LONG_NAME}.txt",
    "two-cases": "tool/README", "a-tilde": "~tool/file.txt", "a-newline": "tool/a\nb.txt",
    "a-control-character": "tool/a\x1b[2Jb.txt", "the-longest-one": f"tool/{'x' * 255}",
}  # fmt: skip

ROWS = [
    # Scripts
    of("script-for-python", data=script("#!python\nprint('x')\n")),
    of("script-for-pythonw", data=script("#!pythonw\nprint('x')\n")),
    of("script-for-python-with-arguments", data=script("#!python -s -E\nprint('x')\n")),
    of("script-for-python3", data=script("#!python3\nprint('x')\n")),
    of("script-for-python-of-the-system", data=script("#!/usr/bin/env python3\nprint('x')\n")),
    of("script-for-a-shell", data=script("#!/bin/sh\necho x\n")),
    of("script-with-a-space", data=script("#! python\nprint('x')\n")),
    of("script-with-line-ends-of-windows", data=script("#!python\r\nprint('x')\r\n")),
    of("script-without-an-end", data=script("#!python")),
    of("script-without-bytes", data=script("")),
    of("script-that-is-not-text", data=script(b"#!python\nprint('\xff\xfe')\n")),
    of("script-that-is-a-program", data=script(b"\x7fELF" + bytes(range(256)))),
    of("script-of-more-than-a-megabyte", data=script(BIG_SCRIPT)),
    of("script-that-may-not-be-run", data=script("#!/bin/sh\necho x\n"),
           modes={"tool-1.0.data/scripts/tool-script": 0o644}),
    of("script-in-a-folder", data=script("#!python\nprint('x')\n", "inner/tool-script")),
    of("script-with-an-ending", data=script("#!python\nprint('x')\n", "tool.py")),
    of("script-and-entry-point-of-one-name", data=script("#!/bin/sh\necho x\n", "tool"), entry_points=ENTRY_POINTS),
    of("script-of-a-relocatable-environment", data=script("#!python\nprint('x')\n"), entry_points=ENTRY_POINTS,
       steps=[RELOCATABLE, "pip install tool"]),
    holding("script-after-a-relocatable-environment", ODD_SCRIPT, before=[RELOCATABLE, "pip install tool"]),
    holding("big-script-after-another-project's", tool(data=script(BIG_SCRIPT)), before=["pip install tool"]),
    of("entry-points-with-extras", entry_points={"console_scripts": {"tool": "tool:main [fast]",
           "t-o.ol": "tool:main"}},
       extras={"fast": []}),
    # Metadata
    of("another-dist-info-in-purelib", data={"purelib/inner-3.0.dist-info/METADATA": OTHER_INFO,
           "purelib/inner.py": ""}),
    of("another-dist-info-beside", {"inner-3.0.dist-info/METADATA": OTHER_INFO, "inner-3.0.dist-info/RECORD": ""}),
    of("another-dist-info-in-a-package", {"tool/_vendor/inner-3.0.dist-info/METADATA": OTHER_INFO}),
    holding("dist-info-with-a-hyphen", Wheel("hy-phen", "1.0", files={"hy.py": ""}, own_stem="hy-phen-1.0"),
            steps="pip install hy-phen"),
    holding("dist-info-with-dots-and-capitals", Wheel("ink.well", "1.0", files={"well.py": ""},
            own_stem="Ink.Well-1.0"),
            steps="pip install ink-well"),
    holding("dist-info-with-capitals", Wheel("inkwell", "1.0", files={"well.py": ""}, own_stem="InkWell-1.0"),
            steps=["pip install inkwell", "pip install InkWell"]),
    holding("dist-info-of-another-spelling-of-the-version", Wheel("well", "1.0", files={"w.py": ""},
            own_stem="well-1.0.0"),
            steps="pip install well"),
    holding("dist-info-of-another-name", Wheel("well", "1.0", files={"w.py": ""}, own_stem="spring-1.0"),
            steps="pip install well"),
    holding("name-with-capitals", Wheel("Zope.Ink", "1.0", files={"zink.py": ""}, own_stem="Zope.Ink-1.0"),
            steps=["pip install zope-ink", "pip uninstall zope.ink", "pip install zope_ink"]),
    *(of(f"own-{name.lower().replace('_', '-')}", {f"tool-1.0.dist-info/{name}": text}) for name, text in {
        "INSTALLER": "conda\n", "REQUESTED": "",
        "direct_url.json": '{"url": "https://example.invalid/", "archive_info": {}}', "RECORD.jws": "{}",
        "RECORD.p7s": "p7s", "uv_cache.json": "{}", "top_level.txt": "tool\n", "licenses/inner/LICENSE": "free\n",
        "sboms/a.json": "{}", "METADATA.bak": "", "__pycache__/x.pyc": "x", "zip-safe": "\n"}.items()),
    of("egg-info-folder", {"tool.egg-info/PKG-INFO": OTHER_INFO, "tool.egg-info/top_level.txt": "tool\n"}),
    holding("egg-info-folder-synced-twice",
            tool({"tool.egg-info/PKG-INFO": OTHER_INFO.replace("inner", "tool").replace("3.0", "1.0")}),
            steps=REPEATED, requirements="tool\n"),
    holding("egg-info-folder-of-another-name-synced-twice", tool({"inner-3.0.egg-info/PKG-INFO": OTHER_INFO}),
            steps=REPEATED, requirements="tool\n"),
    holding("egg-info-file-synced-twice", tool({"inner-3.0-py3.12.egg-info": OTHER_INFO}),
            steps=REPEATED, requirements="tool\n"),
    of("egg-link", {"inner.egg-link": "/nowhere\n.\n"}),
    # Folders and bytecode
    of("empty-folder", folders=["tool/empty"]),
    of("empty-folders-inside-each-other", folders=["tool/empty", "tool/empty/inner"]),
    of("empty-folder-at-the-top", folders=["hollow"]),
    of("empty-folder-in-data", {}, data={"data/share/x": ""}, folders=["tool-1.0.data/data/share/hollow"]),
    holding("empty-folder-looked-at-twice", tool(folders=["tool/empty"]), steps=["pip install tool",
            "pip install tool"]),
    of("folders-as-members", folders=["tool", "tool-1.0.dist-info"]),
    of("listed-bytecode-that-is-stale", {"tool/__pycache__/__init__.cpython-312.pyc": b"stale"},
       steps=["pip install tool", "$ python -c 'import tool'"]),
    of("bytecode-without-a-source", {"tool/ghost.pyc": b"no source"}, steps=["pip install tool",
           "$ python -c 'import tool'"]),
    of("bytecode-that-is-compiled", steps=["pip install --compile-bytecode tool", "$ python -c 'import tool'"]),
    of("unlisted-files", {"tool/hidden.py": "", "other/hidden.py": ""}, unrecorded=["tool/hidden.py",
           "other/hidden.py"]),
    # Data
    *(of(f"data-in-{name}", data={f"data/{path}": "text\n"}) for name, path in {
        "lib64": "lib64/x.txt", "lib": "lib/x.txt", "site-packages": "lib/python3.12/site-packages/extra/x.py",
        "bin": "bin/activate_this.py", "bin-of-its-own": "bin/thing", "gitignore": ".gitignore", "lock": ".lock",
        "etc": "etc/tool/tool.conf", "share": "share/man/man1/tool.1", "include": "include/tool.h",
        "cachedir": "CACHEDIR.TAG", "the-top": "x.txt", "a-name-with-a-space": "share/a b/c d.txt"}.items()),
    of("headers", data={"headers/tool.h": "#define X\n", "headers/inner/more.h": ""}),
    of("platlib", data={"platlib/plat/__init__.py": "", "platlib/plat/x.txt": "x\n"}),
    holding("everything-in-purelib", Wheel("tool", "1.0", data={"purelib/tool/__init__.py": "",
            "purelib/tool/x.txt": ""})),
    holding("everything-in-platlib", Wheel("tool", "1.0", data={"platlib/tool/__init__.py": ""},
            tag="py3-none-linux_x86_64")),
    of("one-package-in-purelib-and-beside", data={"purelib/tool/more.py": "", "platlib/tool/most.py": ""}),
    of("one-file-in-purelib-and-beside", {"tool/x.txt": "beside\n"}, data={"purelib/tool/x.txt": "purelib\n"}),
    of("unknown-scheme", data={"nonsense/x.txt": ""}),
    # Names that pepip uses itself
    *(of(f"file-{name}", {path: "text\n"}) for name, path in {
        "of-the-folder-pepip": ".pepip/x.txt", "pepip-entry": "pepip-entry.json", "lock": ".lock",
        "pepip-entry-in-a-package": "tool/pepip-entry.json", "gitignore": ".gitignore",
        "staging": "staging/x.txt"}.items()),
    # Modes
    *(of(f"mode-{mode:o}", {"tool/x.txt": "x\n"}, modes={"tool/x.txt": mode}) for mode in (
        0o600, 0o755, 0o4755, 0o444, 0o000, 0o777, 0o640, 0o111)),
    of("mode-of-a-module", modes={"tool/__init__.py": 0o755}),
    of("symbolic-link", links={"tool/link.txt": "x.txt"}),
    # Names of files
    *(of(f"name-with-{name}", {path: "text\n"}) for name, path in NAMES.items()),
    of("names-of-two-cases", {"tool/README": "1", "tool/readme": "2", "Tool/x.txt": "3"}),
    of("name-with-a-backslash", {"tool/a\\b.txt": "x"}),
    # Layouts
    holding("module-alone", Wheel("tool", "1.0", files={"tool.py": ""})),
    holding("nothing-but-metadata", Wheel("tool", "1.0")),
    holding("package-called-bin", Wheel("tool", "1.0", files={"bin/__init__.py": "", "lib/__init__.py": ""})),
    of("init-at-the-top", {"__init__.py": ""}),
    of("path-file", {"tool.pth": "import sys; sys.seen = 1\n", "tool-nspkg.pth": nspkg_pth("cloud")}),
    of("module-of-the-name-of-the-package", {"tool.py": ""}),
    of("package-data-beside", {"README.md": "x", "LICENSE": "y", "tests/__init__.py": ""}),
    # Several distributions
    holding("namespace", member("one", "cloud/one/__init__.py"), member("two", "cloud/two/__init__.py"),
            steps="pip install one two"),
    holding("namespace-one-after-the-other", member("one", "cloud/one/__init__.py"), member("two",
            "cloud/two/__init__.py"),
            steps=["pip install one", "pip install two", "pip uninstall one"]),
    holding("namespace-of-pkgutil", *(Wheel(name, "1.0", files={"cloud/__init__.py": PKGUTIL_NAMESPACE,
            f"cloud/{name}/__init__.py": ""}) for name in ("one", "two")), steps="pip install one two"),
    holding("namespace-of-pkg-resources", *(Wheel(name, "1.0", files={"cloud/__init__.py": PKG_RESOURCES_NAMESPACE,
            f"cloud/{name}.py": ""}) for name in ("one", "two")), steps=["pip install one", "pip install two"]),
    holding("namespace-inside-a-namespace", member("one", "cloud/deep/one.py"), member("two", "cloud/deep/er/two.py"),
            steps="pip install one two"),
    holding("package-inside-another's", tool(), member("two", "tool/plugins/two.py"), steps="pip install tool two"),
    holding("package-inside-another's-afterwards", tool(), member("two", "tool/plugins/two.py"),
            steps=["pip install tool", "pip install two", "pip uninstall two"]),
    holding("script-of-two", *(Wheel(name, "1.0", files={f"{name}.py": f"def main():\n    print('{name}')\n"},
            entry_points={"console_scripts": {"shared": f"{name}:main"}}) for name in ("one", "two")),
            steps=["pip install one", "pip install two"]),
    holding("file-of-two", member("one", "shared/x.txt", "one\n"), member("two", "shared/x.txt", "two\n"),
            steps=["pip install one", "pip install two"]),
    holding("same-file-of-two", member("one", "shared/x.txt", "same\n"), member("two", "shared/x.txt", "same\n"),
            steps="pip install one two"),
    # Removals
    of("everything-removed", {"tool/x.txt": ""}, data={"data/share/x": "", "scripts/s": "#!python\n"},
       entry_points=ENTRY_POINTS, steps=["pip install tool", "pip uninstall tool"]),
    of("everything-removed-by-uv", {"tool/x.txt": ""}, data={"data/share/x": "", "scripts/s": "#!python\n"},
       entry_points=ENTRY_POINTS, steps=["pip install tool", "uv pip uninstall tool"]),
    of("everything-reinstalled-by-uv", {"tool/x.txt": ""}, data=script("#!python\n"),
       steps=["pip install tool", "uv pip install --reinstall tool"]),
    of("own-files-in-the-package", steps=["pip install tool", leave_a_file, "pip uninstall tool"]),
    holding("another-version-without-a-file", tool({"tool/x.txt": ""}), Wheel("tool", "2.0", files=INIT),
            steps=["pip install tool==1.0", "pip install tool==2.0", "pip install tool==1.0"]),
    holding("replaced-by-another-wheel", INK, tool(), steps=["pip install ink tool", "pip sync requirements.txt"],
            requirements="tool\n"),
]  # fmt: skip

ALWAYS = {
    "script-of-more-than-a-megabyte", "script-after-a-relocatable-environment", "another-dist-info-in-purelib",
    "dist-info-with-a-hyphen", "own-installer", "egg-info-folder-synced-twice", "empty-folder",
    "listed-bytecode-that-is-stale", "data-in-lib64", "data-in-bin", "data-in-gitignore", "file-of-the-folder-pepip",
    "file-pepip-entry",
}  # fmt: skip

KNOWN_TO_FAIL: set[str] = {
    "data-in-lock",
    "egg-info-file-synced-twice",
    "name-with-a-backslash",
    "one-file-in-purelib-and-beside",
    "script-and-entry-point-of-one-name",
}
"""`data-in-lock`: uv lets a wheel replace the lock of its environment, and pepip refuses the wheel.

`egg-info-file-synced-twice`: uv fails, and pepip does not. The others differ in one row of RECORD: for a script that
a launcher replaced, for a file that the wheel has twice, and for a name with a backslash.
"""


@parameters(ROWS, KNOWN_TO_FAIL, each=20, always=ALWAYS)
def test_all_of_a_wheel_arrives(bench: Bench, row: Row) -> None:
    """All files of a wheel are in the environment with their bytes, modes and RECORD, from the store too."""
    bench.assert_same(row)

"""Entry points, compared with `importlib.metadata` and `configparser`, and first lines, compared with a real uv."""

from __future__ import annotations

import configparser
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pepip.wheel import scripts
from pepip.wheel.scripts import EntryPoint
from tests.support.machines import Machine
from tests.support.wheels import Wheel

pytestmark = pytest.mark.unit

SPACES = st.sampled_from(["", " ", "\t", "  \t"])
NAMES = st.sampled_from(["a", "b-c", "d.e", "F", "ü", "a b", "é[x]", "main;x"])
REFERENCES = st.sampled_from(
    ["m:f", "m.n:f.g", "m:f [x]", "m:f[x,y]", "m : f", "m", "", "m:f=1", "m:f # not a comment"]
)
SECTIONS = st.sampled_from(
    [
        "console_scripts",
        "gui_scripts",
        "Console_Scripts",
        "GUI_SCRIPTS",
        " console_scripts ",
        "other",
        "console",
        "a]b",
    ]
)


@st.composite
def lines(draw: st.DrawFn) -> str:
    """Draw one line of an `entry_points.txt`, with odd spaces."""
    kind = draw(st.sampled_from(["section", "pair", "pair", "pair", "comment", "blank"]))
    if kind == "section":
        return f"{draw(SPACES)}[{draw(SECTIONS)}]{draw(SPACES)}"
    if kind == "pair":
        return f"{draw(SPACES)}{draw(NAMES)}{draw(SPACES)}={draw(SPACES)}{draw(REFERENCES)}{draw(SPACES)}"
    return draw(SPACES) + (f"#{draw(NAMES)} = m:f" if kind == "comment" else "")


TEXTS = st.tuples(st.lists(lines(), max_size=12), st.sampled_from(["\n", "\r\n", "\r"])).map(
    lambda x: x[1].join(x[0])
)


@given(TEXTS)
@example("[console_scripts]\na = m:f [x]\n#b = m:f\n[gui_scripts]\r\nc=m:f")
def test_entry_points_are_those_of_importlib_metadata(text: str) -> None:
    """Names, references and order are equal, with odd spaces, comments, extras, other sections and any line ends."""
    found = importlib.metadata.EntryPoints._from_text_for(text, None)  # type: ignore[attr-defined]

    expected = [
        EntryPoint(point.name, point.value, point.group == "gui_scripts")
        for point in found
        if point.group in {"console_scripts", "gui_scripts"}
    ]
    assert list(scripts.entry_points(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "[console_scripts] ; the ones to type\na = m:f\n",
        "[console_scripts]\n; a = m:f\nb = m:f\n",
        "; none\n[gui_scripts] # [all]\na = m:f\n",
        "[console_scripts]x\na = m:f\n\n\n  \n[other]\nb = m:f\n",
        "[console_scripts]\n  a = m:f\n  b = m:f\n",
    ],
)
def test_comments_of_ini_files_are_none_of_the_scripts(text: str) -> None:
    """The specification follows `configparser`, which allows `;` comments and text after a section's name."""
    reader = configparser.ConfigParser(delimiters=["="], interpolation=None)
    reader.optionxform = str  # type: ignore[assignment, method-assign]
    reader.read_string(text)

    expected = {
        (name, reference)
        for section in reader.sections()
        if section in {"console_scripts", "gui_scripts"}
        for name, reference in reader.items(section)
    }
    assert {(point.name, point.reference) for point in scripts.entry_points(text)} == expected


@pytest.mark.parametrize(
    "text", ["\ufeff[console_scripts]\na = m:f\n", "a = m:f\n", "", "[console_scripts\na = m:f\n"]
)
def test_a_line_in_no_section_is_no_script(text: str) -> None:
    """After a byte order mark no section begins. uv refuses such a wheel."""
    assert not list(scripts.entry_points(text))


@pytest.mark.parametrize(
    "text",
    [
        "[console_scripts] ; x\na=m:f\n[gui_scripts]\nb = m:f\n",
        "[Console_Scripts]\na=m:f\n[ console_scripts ]\nb=m:f\n",
        "[console_scripts]\r\nAbC = m:f [x]\r\n# d = m:f\r\n;e = m:f\r\nf = m:f[x,y]\r\n",
        "[console_scripts]\n\ta-b.c=m:f\t\n[x]\nd = m:f\n[gui_scripts]\na-b.c = m:g\n",
    ],
)
def test_entry_points_are_those_that_uv_makes(machine: Machine, tmp_path: Path, text: str) -> None:
    """The names of launchers in `bin` are compared."""
    wheel = Wheel("greeting", "1.0", files={"greeting-1.0.dist-info/entry_points.txt": text.encode()}).write(tmp_path)

    machine.uv("pip", "install", "--no-index", "--no-deps", "--target", tmp_path / "target", wheel, folder=tmp_path)

    made = os.listdir(tmp_path / "target/bin") if (tmp_path / "target/bin").exists() else []
    assert {point.name for point in scripts.entry_points(text)} == set(made)


FIRST_LINES = [
    "#!python", "#!python\n", "#!python\r\n", "#!python -E\n", "#!python3\n", "#!python3.11 -x\n", "#!pythonw\n",
    "#!python\t-u\n", "#! python\n", "#!/usr/bin/python\n", "#!/bin/sh\n", "#!pytho\n", "", "\n", "\x7fELF\n",
]  # fmt: skip
"""First lines of scripts in wheels. Installers replace only some of them."""

FOLDERS = [
    "plain", "with space", "it's", "it's with space", 'double"quote', "tab\there", "$HOME", "back\\slash", "per%cent",
    "ünïcödé", "é" * 40, "é " * 9, "`id`", "a;b", "-n", "#!", "x" * 100 + "/" + "y" * 60,
]  # fmt: skip


def scripts_of_uv(machine: Machine, environment: Path, *options: str, folder: Path) -> dict[str, bytes]:
    """Return the contents that uv writes into `bin` of a new environment, for a launcher and each script."""
    wheel = Wheel(
        "greeting",
        "1.0",
        files={"greeting.py": "def main(): print('hello')\n"},
        data={f"scripts/s{number}": f"{line}print('hello')\n" for number, line in enumerate(FIRST_LINES)},
        entry_points={"console_scripts": {"greet": "greeting:main"}},
    ).write(folder)
    machine.uv("venv", *options, environment, folder=folder)
    python = environment / "bin/python"
    machine.uv("pip", "install", "--no-index", "--no-deps", "--python", python, wheel, folder=folder)
    names = ["greet", *(f"s{number}" for number in range(len(FIRST_LINES)))]
    return {name: (environment / "bin" / name).read_bytes() for name in names}


@pytest.mark.parametrize("options", [(), ("--relocatable",)], ids=["fixed", "relocatable"])
@pytest.mark.parametrize("name", FOLDERS, ids=lambda name: name[:16].encode("ascii", "replace").decode())
def test_first_lines_are_those_of_uv(
    machine: Machine, tmp_path: Path, interpreter: Path, name: str, options: tuple[str, ...]
) -> None:
    """This holds for launchers and the wheel's own scripts, in folders of any name, relocatable or not."""
    made = scripts_of_uv(machine, tmp_path / name, "--python", str(interpreter), *options, folder=tmp_path)

    python, relocatable = f"{tmp_path}/{name}/bin/python", bool(options)
    launcher = made.pop("greet")
    line = scripts.shebang(python, relocatable=relocatable)
    assert line + scripts.body(launcher) == launcher
    for content, first in zip(made.values(), FIRST_LINES, strict=True):
        original = f"{first}print('hello')\n".encode()
        assert scripts.wants_interpreter(original) == (content != original)
        assert not scripts.is_of_environment(original)
        if content != original:
            assert scripts.with_interpreter(original, python, relocatable=relocatable) == content
            assert scripts.is_of_environment(content)


@pytest.mark.parametrize("added", range(-2, 3))
def test_the_longest_first_line_is_that_of_uv(
    machine: Machine, tmp_path: Path, interpreter: Path, added: int
) -> None:
    """Up to the limit of older kernels, in bytes, the kernel starts the interpreter. Longer lines use `/bin/sh`."""
    missing = 124 + added - len(f"{tmp_path}//bin/python")
    if missing < 1:
        pytest.skip("the folder of this test has too long a name")

    made = scripts_of_uv(machine, tmp_path / ("x" * missing), "--python", str(interpreter), folder=tmp_path)

    line = scripts.shebang(f"{tmp_path}/{'x' * missing}/bin/python")
    assert made["greet"].startswith(line + b"\n")
    assert line.startswith(b"#!/bin/sh") == (added > 0)


@pytest.mark.parametrize("name", ["plain", "it's a `place`", '$HOME "here"', "x" * 150, "back\\slash and space"])
def test_a_script_is_started_by_its_interpreter(tmp_path: Path, name: str) -> None:
    """The shell gives no character of the path a special meaning."""
    folder = tmp_path / name
    folder.mkdir()
    python = folder / "python"
    python.write_text('#!/bin/sh\necho "$0"; shift; echo "$@"\n')
    python.chmod(0o755)
    for relocatable in (False, True):
        script = folder / "script"
        script.write_bytes(scripts.shebang(str(python), relocatable=relocatable) + b"\n")
        script.chmod(0o755)

        output = subprocess.run([script, "a b", "c"], stdout=subprocess.PIPE, check=True, text=True).stdout

        assert output == f"{python}\na b c\n"


@given(st.text(st.characters(exclude_characters="\n\0", codec="utf-8"), min_size=1), st.binary())
@example("/has space/python", b"")
@example("/it's '''/python", b"' '''\n")
def test_the_text_after_the_first_lines_of_a_launcher_is_kept(interpreter: str, rest: bytes) -> None:
    """This holds for any content and any interpreter, started directly or by the shell."""
    for relocatable in (False, True):
        line = scripts.shebang(interpreter, relocatable=relocatable)
        assert scripts.body(line + b"\n" + rest) == b"\n" + rest


def test_an_interpreter_below_a_folder_that_is_no_text_has_a_first_line() -> None:
    """Some file systems allow such names."""
    assert scripts.shebang(os.fsdecode(b"/\xff/python")) == b"#!/\xff/python"


@given(st.text(max_size=6))
@example("..")
@example("a\\b")
@example("C:")
def test_a_script_with_an_accepted_name_lands_in_its_folder(name: str) -> None:
    """This holds for every name that a wheel may declare."""
    if scripts.is_script_name(name):
        assert os.path.dirname(os.path.normpath(f"/bin/{name}")) == "/bin"
        assert os.path.basename(os.path.normpath(f"/bin/{name}")) == name
    else:
        assert not name or name in {".", ".."} or set(name) & set("/\\\0:")


_ON_WINDOWS = "C:\\Users\\First Last\\.venv\\Scripts\\python.exe"


def test_on_windows_the_first_line_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    r"""Within quotes, the `\U` of a path would be a syntax error. Python takes the rest of the line."""
    monkeypatch.setattr(sys, "platform", "win32")

    script = scripts.with_interpreter(b"#!python\nprint(1)\n", _ON_WINDOWS)

    assert script == f"#!{_ON_WINDOWS}\nprint(1)\n".encode()
    compile(script, "script", "exec")
    assert scripts.is_of_environment(script)
    assert scripts.restored(script) == b"#!python\nprint(1)\n"
    assert not scripts.is_of_environment(b"#!C:/tools/perl.exe\n")


FIRST = st.sampled_from(
    [b"#!/home/x/.venv/bin/python", b"#!/bin/sh\n'''exec' '/x/python'", b"#!C:/x/python.exe", b"#!python"]
)


@given(FIRST, st.sampled_from([b"", b"\n", b"\n' '''", b"\n' '''\n"]), st.binary(max_size=20))
@example(b"#!/home/x/.venv/bin/python", b"", b"")
@example(b"#!/bin/sh\n'''exec' '/x/python'", b"", b"")
def test_a_script_of_any_content_is_restored_or_kept(first: bytes, end: bytes, rest: bytes) -> None:
    """People edit scripts. A first line that never ends comes from no installer, so it stays as it is."""
    script = first + end + rest

    restored = scripts.restored(script)

    if scripts.is_of_environment(script):
        assert restored == b"#!python" + scripts.body(script)
    else:
        assert restored == scripts.canonical(script)

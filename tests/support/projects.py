"""Real projects for tests: many kinds of `pyproject.toml`, and the files beside it.

A `Definition` is written into both twins. The things that both refer to (a repository, folders, an index) are made
once in the folder `elsewhere` beside the twins. A project refers to it as `../../elsewhere`, and in URLs as
`<elsewhere>`.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.environments import Twins
from tests.support.machines import Machine
from tests.support.wheels import Wheel

UV_BUILD = '[build-system]\nrequires = ["uv_build>=0.9,<1"]\nbuild-backend = "uv_build"\n'


@dataclass(frozen=True)
class Definition:
    """One project."""

    name: str
    files: Mapping[str, str]
    """Texts of files, by path relative to the project's folder."""
    own: frozenset[str] = frozenset()
    """The distributions that a plain sync does not link: local folders, and builds with own settings."""

    def lay_out(self, twins: Twins) -> None:
        """Write the project into both twins, and make the folder `elsewhere` beside them."""
        elsewhere = furnish(twins)
        for name, text in self.files.items():
            twins.write(name, text.replace("<elsewhere>", elsewhere.as_uri()))

    def __str__(self) -> str:
        """Return the name, for the names of tests."""
        return self.name


QUILL = Wheel("quill", "1.0", files={"quill/__init__.py": "FEATHER = 1\n"}, dependencies=["idna"])
NIB = Wheel("nib", "2.0", files={"nib/__init__.py": "", "nib/tip.txt": "gold\n"})
LEDGER = Wheel("ledger", "1.0", files={"ledger/__init__.py": "LINES = 1\n"}, dependencies=["idna"])
BLOTTER = Wheel("blotter", "1.0", files={"blotter/__init__.py": ""}, requires_python=">=3.8")
OTHER_IDNA = Wheel("idna", "3.7", files={"idna/__init__.py": "FROM = 'the other index'\n"})
ONLY_HERE = Wheel("pepip-tests-only-here", "1.0", files={"only_here.py": ""}, dependencies=["idna"])
CAMERA_FILES = {"camera/__init__.py": "LENS = 50\n", "camera/body.py": ""}
CAMERA = Wheel("pepip-tests-camera", "1.0", files={**CAMERA_FILES, "camera/plain.py": ""})
CAMERA_CONTRIB = Wheel("pepip-tests-contrib", "1.0", files={"camera/contrib.py": ""})
PLUG = Wheel(
    "pepip-tests-plug",
    "1.0",
    files={"plug/__init__.py": "def main():\n    print('plug')\n"},
    data={"scripts/plug-script": "#!python\nprint('script')\n", "data/share/plug/manual.txt": "manual\n"},
    entry_points={
        "console_scripts": {"plug": "plug:main"},
        "gui_scripts": {"plug-window": "plug:main"},
        "pepip_tests.plugins": {"plug": "plug:main"},
    },
)


def furnish(twins: Twins) -> Path:
    """Make the folder `elsewhere` if it is missing, and return it."""
    elsewhere = twins.folder / "elsewhere"
    if not elsewhere.exists():
        twins.machine.make_folder(elsewhere)
        QUILL.write_source(elsewhere / "quill")
        NIB.write_source(elsewhere / "nib")
        BLOTTER.write(elsewhere / "files")
        replace(BLOTTER, name="inkpot", files={"inkpot.py": ""}).write_sdist(elsewhere / "files")
        for wheel in (OTHER_IDNA, ONLY_HERE):
            wheel.write(elsewhere / "index")
        for wheel in (PLUG, CAMERA, CAMERA_CONTRIB):
            wheel.write(elsewhere / "wheels")
        CAMERA_CONTRIB.write_sdist(elsewhere / "wheels")
        commit(twins.machine, elsewhere / "ledger", LEDGER, tag="v1")
    return elsewhere


def commit(machine: Machine, folder: Path, wheel: Wheel, *, tag: str = "") -> Path:
    """Commit the source of a wheel to the repository in `folder`, and return `folder`. A missing one is made."""
    if shutil.which("git") is None:
        pytest.skip("git is missing")
    machine.make_folder(folder)
    rewrite_source(folder, wheel)
    git = ["git", "-c", "user.name=tests", "-c", "user.email=tests@example.invalid", "-c", "commit.gpgsign=false"]
    if not (folder / ".git").exists():
        machine.run([*git, "init", "--quiet", "--initial-branch=main"], folder=folder)
    machine.run([*git, "add", "--all"], folder=folder)
    machine.run([*git, "commit", "--quiet", "--message", wheel.version], folder=folder)
    if tag:
        machine.run([*git, "tag", tag], folder=folder)
    return folder


def rewrite_source(folder: Path, wheel: Wheel) -> None:
    """Write the source of a wheel into a folder, and replace an older source there."""
    if (folder / "wheel").exists():
        shutil.rmtree(folder / "wheel")
    wheel.write_source(folder)


def write_simple_index(folder: Path, wheels: Path, *, hashes: bool) -> None:
    """Write an index (PEP 503) of all files in `wheels` into `folder`."""
    for path in sorted(wheels.iterdir()):
        name = path.name.partition("-")[0].replace("_", "-").lower()
        page = folder / name
        page.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, page / path.name)
        files = [file for file in sorted(page.iterdir()) if file.name != "index.html"]
        rows = [f'<a href="{file.name}{_fragment(file) if hashes else ""}">{file.name}</a>' for file in files]
        (page / "index.html").write_text("<!DOCTYPE html><html><body>\n" + "\n".join(rows) + "\n</body></html>\n")


def _fragment(file: Path) -> str:
    return f"#sha256={hashlib.sha256(file.read_bytes()).hexdigest()}"


def project_table(dependencies: str = "", *, name: str = "app", more: str = "") -> str:
    """Return a `[project]` table of version 0.1.0 for Python 3.9 and newer."""
    return (
        f'[project]\nname = "{name}"\nversion = "0.1.0"\ndescription = "A project"\nrequires-python = ">=3.9"\n'
        f"dependencies = [{dependencies}]\n{more}"
    )


APPLICATION = Definition(
    "application",
    {
        "pyproject.toml": UV_BUILD
        + project_table(
            '"attrs>=23", "click", "jinja2", "typing-extensions"',
            more='[project.scripts]\napp = "app:main"\n[dependency-groups]\ndev = ["iniconfig", "packaging"]\n',
        ),
        "README.md": "An application\n",
        "src/app/__init__.py": "import attrs, click, jinja2\ndef main():\n    print('app')\n",
    },
    own=frozenset({"app"}),
)
LIBRARY = Definition(
    "library-with-extras-and-groups",
    {
        "pyproject.toml": UV_BUILD
        + project_table(
            '"idna"',
            more="""[project.optional-dependencies]
templates = ["jinja2"]
all = ["app[templates]", "attrs"]
[dependency-groups]
dev = [{ include-group = "test" }, "packaging"]
test = ["iniconfig", "pluggy"]
docs = ["pygments"]
[tool.uv]
default-groups = ["test", "docs"]
""",
        ),
        "src/app/__init__.py": "",
        "src/app/py.typed": "",
    },
    own=frozenset({"app"}),
)
WORKSPACE = Definition(
    "workspace",
    {
        "pyproject.toml": UV_BUILD
        + project_table('"core", "click"')
        + '[tool.uv.sources]\ncore = { workspace = true }\n[tool.uv.workspace]\nmembers = ["packages/*"]\n',
        "src/app/__init__.py": "import core\n",
        "packages/core/pyproject.toml": UV_BUILD
        + project_table('"idna"', name="core", more='[dependency-groups]\ndev = ["iniconfig"]\n'),
        "packages/core/src/core/__init__.py": "import idna\n",
        "packages/cli/pyproject.toml": UV_BUILD
        + project_table(
            '"core", "attrs"',
            name="core-cli",
            more='[project.optional-dependencies]\ncolour = ["colorama"]\n'
            '[project.scripts]\ncore = "core_cli:main"\n',
        )
        + "[tool.uv.sources]\ncore = { workspace = true }\n",
        "packages/cli/src/core_cli/__init__.py": "def main():\n    print('cli')\n",
    },
    own=frozenset({"app", "core"}),
)
SOURCES = Definition(
    "git-and-path-dependencies",
    {
        "pyproject.toml": UV_BUILD
        + project_table('"ledger", "quill", "nib", "blotter", "inkpot"')
        + """[tool.uv.sources]
ledger = { git = "<elsewhere>/ledger", tag = "v1" }
quill = { path = "../../elsewhere/quill" }
nib = { path = "../../elsewhere/nib", editable = true }
blotter = { path = "../../elsewhere/files/blotter-1.0-py3-none-any.whl" }
inkpot = { path = "../../elsewhere/files/inkpot-1.0.tar.gz" }
""",
        "src/app/__init__.py": "import ledger, quill, nib\n",
    },
    own=frozenset({"app", "quill", "nib"}),
)
CONFLICTS = Definition(
    "conflicting-extras",
    {
        "pyproject.toml": UV_BUILD
        + project_table(
            '"click"',
            more='[project.optional-dependencies]\nold = ["idna==3.4"]\nnew = ["idna==3.7", "attrs"]\n'
            '[tool.uv]\nconflicts = [[{ extra = "old" }, { extra = "new" }]]\n',
        ),
        "src/app/__init__.py": "",
    },
    own=frozenset({"app"}),
)
INDEX = Definition(
    "explicit-index",
    {
        "pyproject.toml": project_table('"idna==3.7", "pepip-tests-only-here", "click"')
        + """[[tool.uv.index]]
name = "own"
url = "../../elsewhere/index"
format = "flat"
explicit = true
[tool.uv.sources]
idna = { index = "own" }
pepip-tests-only-here = { index = "own" }
""",
    },
)
PLUGINS = Definition(
    "scripts-and-plugins",
    {
        "pyproject.toml": UV_BUILD
        + project_table(
            '"flake8", "pep8-naming", "pepip-tests-plug"',
            more="""[project.scripts]
app = "app:main"
[project.gui-scripts]
app-window = "app:main"
[project.entry-points."pepip_tests.plugins"]
app = "app:main"
[tool.uv]
find-links = ["../../elsewhere/wheels"]
""",
        ),
        "src/app/__init__.py": "def main():\n    print('app')\n",
    },
    own=frozenset({"app"}),
)
VIRTUAL = Definition(
    "virtual",
    {
        "pyproject.toml": project_table('"click"', more='[dependency-groups]\ndev = ["idna"]\n'),
        "main.py": "import click\n",
    },
)
DYNAMIC = Definition(
    "dynamic-version",
    {
        "pyproject.toml": """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "app"
dynamic = ["version"]
requires-python = ">=3.9"
dependencies = ["markupsafe"]
[tool.hatch.version]
path = "app/__init__.py"
""",
        "app/__init__.py": '__version__ = "7.0"\n',
    },
    own=frozenset({"app"}),
)
FROM_SOURCE = Definition(
    "built-from-source",
    {
        "pyproject.toml": project_table('"toolz==0.12.0", "docopt==0.6.2", "click"')
        + '[tool.uv]\nno-binary-package = ["toolz"]\n',
    },
    own=frozenset({"toolz"}),  # docopt, which has no wheel, is shared
)
NAMESPACE = Definition(
    "namespace-of-a-member-and-an-index",
    {
        "pyproject.toml": project_table('"pepip-tests-zope-mine", "zope.interface"')
        + "[tool.uv.sources]\npepip-tests-zope-mine = { workspace = true }\n"
        + '[tool.uv.workspace]\nmembers = ["mine"]\n',
        "mine/pyproject.toml": UV_BUILD
        + project_table('"zope.event"', name="pepip-tests-zope-mine")
        + '[tool.uv.build-backend]\nmodule-name = "zope.mine"\n',
        "mine/src/zope/mine/__init__.py": "",
    },
    own=frozenset({"pepip-tests-zope-mine"}),
)
FORKS = Definition(
    "forks-by-markers",
    {
        "pyproject.toml": project_table(
            "\"typing-extensions==4.9.0 ; python_version < '3.11'\", "
            "\"typing-extensions==4.12.0 ; python_version >= '3.11'\", "
            "\"tomli ; python_version < '3.11'\", \"colorama ; sys_platform == 'win32'\", "
            '"idna ; sys_platform != \'win32\'", "markupsafe"'
        )
    },
)
GROUPS_ALONE = Definition(
    "groups-without-a-project",
    {
        "pyproject.toml": '[dependency-groups]\ndev = ["idna"]\nlint = ["pyflakes"]\n'
        '[tool.uv]\ndefault-groups = "all"\n'
    },
)
NOT_A_PACKAGE = Definition(
    "not-a-package",
    {
        "pyproject.toml": UV_BUILD + project_table('"click", "idna"') + "[tool.uv]\npackage = false\n",
        "main.py": "import click\n",
    },
)
NOT_EDITABLE = Definition(
    "members-that-are-not-editable",
    {
        "pyproject.toml": UV_BUILD
        + project_table('"core", "quill"')
        + """[tool.uv.sources]
core = { workspace = true, editable = false }
quill = { path = "../../elsewhere/quill", editable = false }
[tool.uv.workspace]
members = ["core"]
""",
        "src/app/__init__.py": "import core\n",
        "core/pyproject.toml": UV_BUILD + project_table('"attrs"', name="core"),
        "core/src/core/__init__.py": "",
    },
    own=frozenset({"app", "core", "quill"}),
)
SETTINGS = Definition(
    "settings-of-the-resolver",
    {
        "pyproject.toml": project_table('"jinja2", "click"')
        + """[tool.uv]
constraint-dependencies = ["click<8.2"]
override-dependencies = ["markupsafe==2.1.5"]
environments = ["sys_platform == 'linux' or sys_platform == 'darwin'"]
dev-dependencies = ["idna"]
link-mode = "symlink"
resolution = "highest"
"""
    },
)

PROJECTS = [
    APPLICATION, LIBRARY, WORKSPACE, SOURCES, CONFLICTS, INDEX, PLUGINS, VIRTUAL, DYNAMIC, FROM_SOURCE, NAMESPACE,
    FORKS, GROUPS_ALONE, NOT_A_PACKAGE, NOT_EDITABLE, SETTINGS,
]  # fmt: skip

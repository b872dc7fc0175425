"""Real projects and everyday tools find the same in an environment of pepip as in one of uv.

Each test makes twin environments of the same pinned packages, runs the same commands in both, and compares the
outputs. It also asserts that the command found something.

The difference is that a package folder is one link. A tool that asks for a file's real path gets a path in the store.
A tool that walks `site-packages` without following links finds few files. For each such tool whose result differs, a
test is expected to fail and gives the reason.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.environments import Twins
from tests.support.machines import site_packages_of
from tests.support.parity import Level
from tests.support.snapshots import changes, snapshot
from tests.support.suites import Suite, download_sdist, run_suite, unpack_tests

pytestmark = [pytest.mark.real_world, pytest.mark.timeout(1200)]

SUITES = [
    Suite("click==8.5.1", "click", "pytest==9.2.0", at_least=2400),
    Suite("jinja2==3.1.6", "jinja2", "pytest==9.2.0 trio==0.35.0", at_least=900),
    Suite(
        "structlog==26.1.0",
        "structlog",
        "pytest==9.2.0 pytest-asyncio==1.5.0 rich==15.0.0 simplejson==4.3.0 time-machine==3.6.0 twisted==26.10.0",
        at_least=900,
    ),
    Suite(
        "httpx==0.28.1",
        "httpx",
        "httpx[brotli,cli,http2,socks,zstd] pytest==8.3.4 anyio==4.8.0 chardet==5.2.0 click==8.1.8 "
        "cryptography==44.0.0 trio==0.27.0 trustme==1.2.0 uvicorn==0.32.1",
        at_least=1400,
        arguments=(
            "-m",
            "not network",  # needs a public host
            "--deselect",
            "tests/test_timeouts.py::test_write_timeout",  # fails sometimes, from trio's garbage collection
        ),
    ),
    Suite(
        "pydantic==2.14.3",
        "pydantic",
        "pydantic[email,timezone] dirty-equals==0.11 faker==40.54.0 jsonschema==4.26.0 pytest==9.2.0 "
        "pytest-benchmark==5.3.1 pytest-examples==0.0.18 pytest-memray==1.11.0 pytest-mock==3.17.0 "
        "pytest-run-parallel==0.10.0 pytz==2026.6 time-machine==3.6.0",
        at_least=10_000,
        arguments=(
            "--ignore=tests/mypy",  # mypy has its own test below
            "--ignore=tests/docs/test_pages.py",  # needs files that the sdist leaves out
            "--ignore=tests/benchmarks",  # measure speed
        ),
    ),
    Suite("markupsafe==3.0.4", "markupsafe", "pytest==9.2.0", at_least=75, built=True),
    Suite("msgpack==1.2.4", "msgpack", "pytest==9.2.0", at_least=150, arguments=("test",), built=True),
    Suite(
        "numexpr==2.14.2", "numexpr", "pytest==9.2.0 numpy==2.2.6", at_least=6000, arguments=("--pyargs", "numexpr")
    ),
]


@pytest.mark.parametrize("suite", SUITES, ids=str)
def test_suite_of_a_real_project_passes_as_in_uvs_environment(twins: Twins, pip: Path, suite: Suite) -> None:
    """Each test of the project has the same result in both environments.

    In pepip's it runs against the linked package, and does not change the store.
    """
    if suite.built and shutil.which("cc") is None:
        pytest.skip(f"building {suite.project} needs cc, which is missing")
    machine, interpreter = twins.machine, twins.interpreter
    sdist = download_sdist(
        suite.project, machine.make_folder(twins.folder / "sdist"), machine, pip=pip, interpreter=interpreter
    )
    source = [f"--no-binary={suite.package}"] if suite.built else []
    twins.install(suite.project, *suite.beside.split(), *source)
    before = snapshot(machine.store / "packages")

    by_uv, by_pepip = (
        run_suite(suite, unpack_tests(sdist, suite.package, environment.parent), environment, machine)
        for environment in environments_of(twins)
    )

    assert by_uv.count("passed") >= suite.at_least, by_uv.said
    assert by_pepip.outcomes == by_uv.outcomes, by_pepip.said
    assert by_pepip.exit_code == by_uv.exit_code
    assert (site_packages_of(twins.pepip_environment) / suite.package).is_symlink()
    assert changes(before, snapshot(machine.store / "packages")) == []


@pytest.mark.parametrize(
    ("requirement", "package"),
    [
        ("numpy==2.2.6", "numpy"),
        ("pydantic==2.14.3", "pydantic"),
        ("setuptools==84.2.1", "setuptools"),
        ("debugpy==1.8.22", "debugpy"),
    ],
)
def test_a_package_finds_its_own_files_by_walking_its_folder(twins: Twins, requirement: str, package: str) -> None:
    """`os.walk` and `Path.rglob` find every file of a package if they start in its own folder."""
    twins.install(requirement)
    script = (
        "import os, pathlib, sys; os.chdir(sys.argv[1]);"
        "print(sorted(str(path) for path in pathlib.Path().rglob('*.py')));"
        "found = [folder + '/' + name for folder, _, names in os.walk('.') for name in names];"
        "print(sorted(path for path in found if path.endswith('.py')))"
    )

    by_uv, by_pepip = (
        twins.machine.python(environment, "-c", script, site_packages_of(environment) / package).stdout
        for environment in environments_of(twins)
    )

    assert by_uv.count(".py") > 100
    assert by_pepip == by_uv


SHOP = '''\
"""A small program with mistakes that only those see who look into the packages."""
import json

import attrs
import click
import jinja2
import numpy as np
from pydantic import BaseModel


class Item(BaseModel):
    """One thing to buy."""

    name: str
    price: float = 1.5


@attrs.define
class Basket:
    """What is bought."""

    items: list[Item]

    def total(self) -> float:
        """Return what all cost."""
        return float(np.sum([item.price for item in self.items]))


@click.command()
@click.argument("names", nargs=-1)
def main(names: tuple[str, ...]) -> None:
    """Print the bill."""
    basket = Basket([Item(name=name) for name in names])
    click.echo(jinja2.Template("{{ count }} for {{ total }}").render(count=len(names), total=basket.total()))


def mistaken() -> None:
    """Do what the packages do not offer."""
    Item(name="pen", colour="red")
    Basket("pen", 3)
    print(jinja2.Templat("{{ 1 }}"), np.sum([1]).colour)


if __name__ == "__main__":
    main()
'''

SHOP_PACKAGES = "attrs==26.1.0 click==8.5.1 jinja2==3.1.6 numpy==2.2.6 pydantic==2.14.3"

READERS_OF_CODE = {
    "mypy==2.4.1": (
        ["mypy", "--strict", "shop.py"],
        ['keyword argument "colour" for "Item"', 'Too many arguments for "Basket"', 'no attribute "Templat"'],
    ),
    "basedpyright==1.40.2": (
        ["basedpyright", "shop.py"],
        ['No parameter named "colour"', "Expected 1 positional argument", '"Templat" is not a known attribute'],
    ),
    "ty==0.0.105": (
        ["ty", "check", "shop.py"],
        ["[too-many-positional-arguments]", "has no member `Templat`", "discarded by Pydantic"],
    ),
    "pylint==4.1.4": (
        ["pylint", "--score=n", "shop.py"],
        ["Module 'jinja2' has no 'Templat' member", "Unused import json"],
    ),
    "ruff==0.17.6": (
        ["python", "-m", "ruff", "check", "--select", "F,I", "shop.py"],
        ["`json` imported but unused"],
    ),
    "jedi==0.20.1": (
        ["python", "look.py"],
        ["echo_via_pager", "site-packages/click/utils.py", "def echo", "nanmean"],
    ),
}

LOOK = """\
import jedi
script = jedi.Script("import click, numpy\\nclick.echo\\nnumpy.nanme")
print([found.name for found in script.complete(2, 10)], [found.name for found in script.complete(3, 11)])
for found in script.goto(2, 8, follow_imports=True):
    print(found.module_path, found.line, found.description, found.docstring())
"""


@pytest.mark.parametrize("tool", READERS_OF_CODE)
def test_a_reader_of_code_finds_the_same_mistakes(twins: Twins, tool: str) -> None:
    """Type checkers, linters and completion see the packages behind the links, under the environment's paths."""
    command, expected = READERS_OF_CODE[tool]
    twins.install(tool, *SHOP_PACKAGES.split())
    write_into_both(twins, {"shop.py": SHOP, "look.py": LOOK})

    by_uv, by_pepip = said_in_both(twins, *command)

    assert [words for words in expected if words not in by_uv] == []
    assert by_pepip == by_uv


def test_a_reader_of_real_paths_finds_the_same_in_the_store(twins: Twins) -> None:
    """Vulture finds the same lines in a package's folder, but names the files by their real paths in the store."""
    twins.install("vulture==2.16", "click==8.5.1")
    reports = []
    for environment in environments_of(twins):
        vulture: list[str | Path] = [environment / "bin" / "vulture", site_packages_of(environment) / "click"]
        output = twins.machine.run(vulture, folder=environment.parent, check=False)
        lines = output.stdout.splitlines()
        reports.append((output.returncode, sorted(in_site_packages(line, twins) for line in lines)))

    by_uv, by_pepip = reports
    assert any(line.startswith("site-packages/click/core.py:") for line in by_uv[1])
    assert by_pepip == by_uv


SHOP_TEST = """\
from click.testing import CliRunner

import shop


def test_the_bill_has_the_cost_of_all_packages():
    assert CliRunner().invoke(shop.main, ["pen", "ink"]).output == "2 for 3.0\\n"
"""

COVERED = "coverage==7.17.3 pytest==9.2.0"


def test_coverage_of_the_project_is_the_same(twins: Twins) -> None:
    """With `--source`, coverage measures the same lines of the project and of the named packages."""
    twins.install(*COVERED.split(), *SHOP_PACKAGES.split())
    write_into_both(twins, {"shop.py": SHOP, "test_shop.py": SHOP_TEST})

    by_uv, by_pepip = covered_in_both(twins, "--source=.,click,jinja2")

    assert {"shop.py", "test_shop.py", "site-packages/click/core.py", "site-packages/jinja2/lexer.py"} <= set(by_uv)
    assert by_uv["shop.py"]["missing_lines"] == 4
    assert by_pepip == by_uv


@pytest.mark.xfail(
    raises=AssertionError,
    reason="coverage takes a file's real path before it asks whether that lies in site-packages: linked folders lie "
    "in the store, and count as the project's own code (coverage/inorout.py, third_match)",
)
def test_coverage_without_a_source_leaves_packages_out(twins: Twins) -> None:
    """Without `--source`, installed packages are not measured."""
    twins.install(*COVERED.split(), *SHOP_PACKAGES.split())
    write_into_both(twins, {"shop.py": SHOP, "test_shop.py": SHOP_TEST})

    by_uv, by_pepip = covered_in_both(twins)

    assert sorted(by_uv) == ["shop.py", "test_shop.py"]
    assert by_pepip == by_uv


def test_ipython_shows_the_same_as_under_uv(twins: Twins) -> None:
    """IPython runs code, and shows the source of an object in a linked package with its path."""
    twins.install("ipython==8.37.0", "click==8.5.1")
    lines = ["import click", "print(1 + 1)", "get_ipython().run_line_magic('pinfo2', 'click.echo')"]

    by_uv, by_pepip = said_in_both(twins, "ipython", "--simple-prompt", "--colors=NoColor", "-c", "\n".join(lines))

    assert by_uv.startswith("exit 0\n2\n")
    assert "def echo(" in by_uv
    assert "site-packages/click/utils.py" in by_uv
    assert by_pepip == by_uv


KERNEL = """\
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import start_new_kernel

print(KernelSpecManager().find_kernel_specs())
manager, client = start_new_kernel(startup_timeout=120)
try:
    def show(message):
        if message["msg_type"] in ("stream", "execute_result", "error"):
            print(message["msg_type"], message["content"].get("text"), message["content"].get("data"))
    for code in ("1+1", "import sys, click; print(sys.executable, sys.prefix, click.__file__)"):
        client.execute_interactive(code, output_hook=show, timeout=120)
    print(client.complete("click.ech", reply=True, timeout=120)["content"]["matches"])
    print(client.inspect("click.echo", reply=True, timeout=120)["content"]["data"]["text/plain"])
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
"""


def test_jupyter_starts_the_kernel_of_the_environment(twins: Twins) -> None:
    """jupyter_client finds the kernel in `share/`, and the kernel runs `1+1`, imports, completes and explains."""
    twins.install("ipykernel==7.4.0", "jupyter-client==8.10.0", "ipython==8.37.0", "click==8.5.1")
    write_into_both(twins, {"kernel.py": KERNEL})

    by_uv, by_pepip = said_in_both(twins, "python", "kernel.py", errors_too=False)

    assert "'python3': '<project>/.venv/share/jupyter/kernels/python3'" in by_uv
    assert "execute_result None {'text/plain': '2'}" in by_uv
    assert "<project>/.venv/bin/python <project>/.venv <project>/.venv/lib" in by_uv
    assert "['echo', 'echo_via_pager']" in by_uv
    assert by_pepip == by_uv


COMPILED = "jinja2==3.1.6 click==8.5.1 requests==2.32.5 msgpack==1.2.4"


def test_compileall_of_each_package_compiles_the_same_as_under_uv(twins: Twins) -> None:
    """`python -m compileall` compiles every module if each folder in site-packages is an argument.

    It follows an argument that is a link.
    """
    twins.install(*COMPILED.split())

    for environment in environments_of(twins):
        modules = [path for path in site_packages_of(environment).iterdir() if not path.name.endswith(".dist-info")]
        twins.machine.python(environment, "-m", "compileall", "-q", *modules)

    assert len(bytecode_of(twins.uv_environment)) > 100
    assert bytecode_of(twins.pepip_environment) == bytecode_of(twins.uv_environment)
    twins.assert_equal(Level.METADATA)


@pytest.mark.xfail(
    raises=AssertionError,
    reason="compileall enters no link to a folder (Lib/compileall.py, _walk_dir), as os.walk, Path.rglob, zipapp, "
    "find and grep -r do not; uv pip install --compile-bytecode and pepip's do the same work",
)
def test_compileall_of_site_packages_compiles_the_same_as_under_uv(twins: Twins) -> None:
    """`python -m compileall` of site-packages as a whole compiles every module."""
    twins.install(*COMPILED.split())

    for environment in environments_of(twins):
        twins.machine.python(environment, "-m", "compileall", "-q", site_packages_of(environment))

    assert len(bytecode_of(twins.uv_environment)) > 100
    assert bytecode_of(twins.pepip_environment) == bytecode_of(twins.uv_environment)


INSTALLED = """\
import json
import pip_api
found = pip_api.installed_distributions()
print(json.dumps([[name, str(one.version), str(one.location), one.editable] for name, one in sorted(found.items())]))
"""

READERS_OF_METADATA = {
    "pip-audit==2.10.1": (["pip-audit", "--dry-run", "--progress-spinner=off"], "would have audited"),
    "pip-api==0.0.35": (["python", "installed.py"], '["click", "8.5.1", "<project>/.venv/lib/python'),
    "pip-licenses==5.5.5": (
        ["pip-licenses", "--with-system", "--with-license-file", "--with-urls", "--with-authors", "--format=json"],
        '"LicenseText": "Copyright 2014 Pallets',
    ),
    "pipdeptree==2.30.0": (["pipdeptree", "--json-tree"], '"package_name": "MarkupSafe"'),
    "cyclonedx-bom==7.2.1": (
        ["cyclonedx-py", "environment", "--output-reproducible", "--gather-license-texts"],
        '"purl": "pkg:pypi/click@8.5.1"',
    ),
}


@pytest.mark.parametrize("tool", READERS_OF_METADATA)
def test_a_reader_of_metadata_lists_the_same_as_under_uv(twins: Twins, tool: str) -> None:
    """Audits, licence lists, bills of materials and dependency trees name the same distributions."""
    command, expected = READERS_OF_METADATA[tool]
    twins.install(tool, "pip==26.3", *SHOP_PACKAGES.split())
    write_into_both(twins, {"installed.py": INSTALLED})

    by_uv, by_pepip = said_in_both(twins, *command)

    assert expected in by_uv
    assert by_pepip == by_uv


FREEZER = "pyinstaller==6.22.3"


def test_pyinstaller_freezes_the_same_as_under_uv(twins: Twins) -> None:
    """The program runs, and its bundle has the same modules and files, with two exceptions.

    The libraries of `numpy.libs` may lie in other folders: PyInstaller asks `ldd` about real paths, and puts
    libraries from outside site-packages at the top. And it skips the `licenses` folders of `.dist-info`, which are
    links.
    """
    twins.install(FREEZER, *SHOP_PACKAGES.split())
    write_into_both(twins, {"shop.py": SHOP})
    for environment in environments_of(twins):
        freeze(twins, environment, "shop.py", "--exclude-module=setuptools")

    by_uv, by_pepip = (
        twins.machine.run([environment.parent / "dist" / "shop" / "shop", "pen", "ink"], folder=environment.parent)
        for environment in environments_of(twins)
    )

    assert by_uv.stdout == by_pepip.stdout == "2 for 3.0\n"
    modules, files = frozen_modules(twins, twins.uv_environment, "shop"), frozen_files(twins.uv_environment, "shop")
    assert {"click.core", "jinja2.lexer", "numpy", "pydantic.main"} <= modules
    assert any(name.startswith("_pydantic_core.") for name in files)
    assert frozen_modules(twins, twins.pepip_environment, "shop") == modules
    assert frozen_files(twins.pepip_environment, "shop") == files - {"LICENSE"}


def test_pyinstaller_freezes_a_program_that_uses_setuptools(twins: Twins) -> None:
    """A frozen program imports setuptools and its vendored packages."""
    twins.install(FREEZER, "setuptools==84.2.1")
    write_into_both(
        twins, {"build.py": "from setuptools import Distribution\nprint(Distribution().get_fullname())\n"}
    )
    for environment in environments_of(twins):
        freeze(twins, environment, "build.py")

    by_uv, by_pepip = (
        twins.machine.run([environment.parent / "dist" / "build" / "build"], folder=environment.parent, check=False)
        for environment in environments_of(twins)
    )

    assert by_uv.stdout == "unknown-0.0.0\n"
    assert (by_pepip.stdout, by_pepip.stderr) == (by_uv.stdout, "")


def test_shiv_packs_the_same_as_under_uv(twins: Twins) -> None:
    """An archive of site-packages has the same files with the same bytes, and runs without the environment.

    RECORD is left out of the comparison, since it also lists the links in a linked environment.
    """
    twins.install("shiv==1.0.8", "jinja2==3.1.6", "msgpack==1.2.4")
    script = "import jinja2, markupsafe._speedups, msgpack._cmsgpack; print(jinja2.Template('{{ 1 + 1 }}').render())"
    archives = []
    for environment in environments_of(twins):
        archive = environment.parent / "app.pyz"
        shiv: list[str | Path] = [environment / "bin" / "shiv", "--site-packages", site_packages_of(environment)]
        twins.machine.run([*shiv, "--python=/usr/bin/env python3", "-o", archive], folder=environment.parent)
        shutil.rmtree(environment)
        unpacked = {"SHIV_ROOT": str(environment.parent / "unpacked")}
        ran = twins.machine.run(
            [twins.interpreter, archive, "-c", script], folder=environment.parent, variables=unpacked
        )
        assert ran.stdout == "2\n"
        archives.append(checksums(archive))

    by_uv, by_pepip = archives
    assert "site-packages/jinja2/lexer.py" in by_uv
    assert by_pepip == by_uv


def environments_of(twins: Twins) -> tuple[Path, Path]:
    """Return uv's environment and pepip's."""
    return twins.uv_environment, twins.pepip_environment


def write_into_both(twins: Twins, files: Mapping[str, str]) -> None:
    """Write the same files into both projects."""
    for environment in environments_of(twins):
        for name, text in files.items():
            (environment.parent / name).write_text(text)


def said_in_both(twins: Twins, *command: str, errors_too: bool = True) -> tuple[str, str]:
    """Run a program of each environment in its project, and return the exit codes and outputs.

    The paths of the projects are replaced by `<project>`.
    """
    said = []
    for environment in environments_of(twins):
        program = environment / "bin" / command[0]
        output = twins.machine.run([program, *command[1:]], folder=environment.parent, check=False)
        text = output.stdout + (output.stderr if errors_too else "")
        said.append(f"exit {output.returncode}\n{text.replace(str(environment.parent), '<project>')}")
    return said[0], said[1]


def covered_in_both(twins: Twins, *options: str) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    """Run the projects' tests under coverage, and return the numbers of each measured file.

    A package's file is named by its path in site-packages.
    """
    reports = []
    for environment in environments_of(twins):
        coverage = ["-m", "coverage"]
        twins.machine.python(environment, *coverage, "run", *options, "-m", "pytest", "-p", "no:cacheprovider")
        report = twins.machine.python(environment, *coverage, "json", "-q", "-o", "/dev/stdout").stdout
        files = json.loads(report)["files"]
        reports.append({in_site_packages(path, twins): found["summary"] for path, found in files.items()})
    return reports[0], reports[1]


def in_site_packages(path: str, twins: Twins) -> str:
    """Return the path of a package's file from `site-packages/` on, whether the path is there or in the store."""
    entries = f"{re.escape(str(twins.machine.store))}/packages/[^/]+/[^/]+"
    return re.sub(f"^({entries}|.*/site-packages)/", "site-packages/", path)


def bytecode_of(environment: Path) -> set[str]:
    """Return the paths of all bytecode files that an environment sees, links followed."""
    site_packages = site_packages_of(environment)
    return {
        Path(folder, name).relative_to(site_packages).as_posix()
        for folder, _, names in os.walk(site_packages, followlinks=True)
        for name in names
        if name.endswith(".pyc")
    }


def freeze(twins: Twins, environment: Path, script: str, *options: str) -> None:
    """Freeze a script of the project into a folder below `dist`."""
    freezer = [environment / "bin" / "pyinstaller", "--onedir", "--noconfirm", *options, script]
    variables = {"PYINSTALLER_CONFIG_DIR": str(environment.parent / "pyinstaller")}
    twins.machine.run(freezer, folder=environment.parent, variables=variables)


def frozen_modules(twins: Twins, environment: Path, program: str) -> set[str]:
    """Return the names of all modules in a frozen program's archives."""
    viewer = [environment / "bin" / "pyi-archive_viewer", "--recursive", "--brief"]
    listed = twins.machine.run([*viewer, environment.parent / "dist" / program / program], folder=environment.parent)
    return {line.strip() for line in listed.stdout.splitlines() if line.startswith(" ")}


def frozen_files(environment: Path, program: str) -> set[str]:
    """Return the names of all files beside a frozen program, whatever their folder."""
    return {path.name for path in (environment.parent / "dist" / program).rglob("*") if path.is_file()}


def checksums(archive: Path) -> dict[str, int]:
    """Return the checksum of each file in an archive of shiv, except RECORD and the file that names the archive."""
    with zipfile.ZipFile(archive) as opened:
        files = {one.filename: one.CRC for one in opened.infolist() if not one.filename.endswith("/RECORD")}
    del files["environment.json"]
    return files

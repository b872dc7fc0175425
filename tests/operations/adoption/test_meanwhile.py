"""Environments are adopted and ejected while something runs in them: pip, a Jupyter kernel, a web server."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from pepip.operations import reporting
from pepip.operations.adoption import adopt, preview
from pepip.store.root import Store
from tests.operations.adoption.test_adopt import NAMES, Attic, attic
from tests.support.machines import Machine, interpreter_of
from tests.support.snapshots import changes, snapshot
from tests.support.stores import problems_of

__all__ = ["attic"]

_INSTALL_OVER_AND_OVER = """
import subprocess, sys
for number in range(6):
    done = subprocess.run([sys.executable, "-m", "pip", *sys.argv[1:]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    print(number, flush=True)
"""


@pytest.mark.parametrize(
    "packages",
    [pytest.param(("single", "cloud-core"), id="some"), pytest.param(NAMES, id="all", marks=pytest.mark.real_world)],
)
def test_adopting_while_pip_installs(attic: Attic, packages: tuple[str, ...]) -> None:
    """An installer ends well, nothing of its work is lost, and the next run links what was in motion."""
    environment = attic.make("one", "pip")
    words = ["install", "--quiet", "--force-reinstall", "--no-deps", *attic.source, *packages]
    process = attic.machine.start(
        [interpreter_of(environment), "-c", _INSTALL_OVER_AND_OVER, *words],
        folder=environment.parent,
        variables={"PYTHONPATH": str(attic.pip)},
    )

    while process.poll() is None:
        output = attic.adopt(check=False)
        assert "Traceback" not in output.stderr
    out, error = process.communicate(timeout=60)

    assert process.returncode == 0, f"after {out}: {error}"
    attic.machine.python(environment, "-c", "import camera.contrib, old.two, cloud.core, single")
    attic.machine.uv("pip", "check", "--python", environment, folder=attic.folder)
    attic.machine.pepip("list", folder=environment.parent)
    attic.adopt()
    assert attic.linked(environment) == set(NAMES)
    assert problems_of(attic.machine.store, sealed=False) == []
    attic.machine.pepip("store", "verify", folder=attic.folder)


def test_adopting_what_another_run_adopts_meanwhile(attic: Attic) -> None:
    """The other run links everything while this one reads. This one finds that, and reports no file of another."""
    environment = attic.make("one", "uv copy", "single")
    store = Store(os.fspath(attic.machine.store))
    seen = reporting.follow(preview.preview(store, [os.fspath(environment)]), lambda _: None)
    adopting = adopt.adopt(store, seen)

    reads = [next(adopting) for _ in range(2)]  # to make the entry, and to link it
    attic.adopt()
    (found,) = reporting.follow(adopting, lambda _: None)

    assert {step.detail for step in reads} == {f"single in {environment}"}
    assert attic.linked(environment) == {"single"}
    assert (found.linked, found.kept, found.failure) == ((), (), "")


_PIP_THAT_WAITS = """
print("ready", flush=True)
input()
"""


@pytest.mark.parametrize("starts", ["its python", "named to another python"])
def test_environment_in_which_pip_is_at_work_is_left_alone(attic: Attic, starts: str) -> None:
    """An installer reads RECORD, and moves files later, without a lock. Others are adopted."""
    busy, quiet = attic.make("busy", "pip"), attic.make("quiet", "pip")
    (attic.folder / "waiting").mkdir()
    (attic.folder / "waiting" / "pip.py").write_text(_PIP_THAT_WAITS)
    if starts == "its python":
        command: list[str | Path] = [interpreter_of(busy), "-m", "pip", "install"]
    else:
        command = [attic.interpreter, "-m", "pip", "install", f"--prefix={busy.relative_to(attic.folder)}"]
    process = attic.machine.start(
        command, folder=attic.folder, variables={"PYTHONPATH": str(attic.folder / "waiting")}
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    before = snapshot(busy)

    output = attic.adopt(check=False)

    assert output.returncode == 1
    assert f"was not adopted: pip is at work in it (process {process.pid})" in output.stderr
    assert changes(before, snapshot(busy)) == []
    assert attic.linked(quiet) == set(NAMES)
    process.communicate("\n", timeout=60)
    attic.adopt()
    assert attic.linked(busy) == set(NAMES)


_COMPILE_OVER_AND_OVER = """
import os, sys
folders = [os.path.join(sys.argv[1], name, "__pycache__") for name in ("camera", "camera/lenses", "")]
print("ready", flush=True)
while not os.path.exists("stop"):
    for folder in folders:
        for number in range(40):
            path = os.path.join(folder, f"part.cpython-399.pyc.{number}")
            try:
                with open(path, "wb") as file:
                    file.write(b"unfinished")
                os.unlink(path)
            except FileNotFoundError:  # its folder was exchanged meanwhile, as Python's own writing allows
                pass
"""


def test_adopting_and_ejecting_while_python_compiles(attic: Attic) -> None:
    """Files that Python writes under another name, and renames, come and go below the hands of both."""
    environment = attic.make("one", "pip")
    site_packages = next(environment.glob("lib/python3.*/site-packages"))
    process = attic.machine.start(
        [interpreter_of(environment), "-c", _COMPILE_OVER_AND_OVER, site_packages], folder=environment.parent
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        for _ in range(4):
            attic.adopt()
            assert attic.linked(environment) == set(NAMES)
            attic.machine.pepip("eject", environment, folder=attic.folder)
            assert attic.linked(environment) == set()
    finally:
        (environment.parent / "stop").touch()
        _, error = process.communicate(timeout=60)

    assert process.returncode == 0, error
    assert problems_of(attic.machine.store) == []


_KERNEL = """
import itertools, os, pkgutil, sys
from jupyter_client.manager import KernelManager
manager = KernelManager(kernel_name="python3")
manager.start_kernel(cwd=".")
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=120)
import pygments.lexers, IPython.core, traitlets
names = [
    f"{package.__name__}.{module.name}"
    for package in (pygments.lexers, IPython.core, traitlets)
    for module in pkgutil.iter_modules(package.__path__)
]
print("ready", flush=True)
ran = 0
for name in itertools.cycle(names):
    code = f"import sys, importlib; sys.modules.pop({name!r}, None); importlib.import_module({name!r})"
    if name.startswith("IPython."):
        code = f"import importlib; importlib.import_module({name!r})"
    reply = client.execute_interactive(code, timeout=120, output_hook=lambda message: None)
    assert reply["content"]["status"] == "ok", (name, reply["content"])
    ran += 1
    if os.path.exists("stop"):
        break
client.stop_channels()
manager.shutdown_kernel(now=True)
print(ran)
"""

_SERVER = """
import importlib, logging, sys
from flask import Flask, render_template_string
logging.getLogger("werkzeug").setLevel(logging.ERROR)  # nobody reads what it writes
app = Flask(__name__)

@app.route("/<name>")
def show(name):
    module = f"pygments.lexers.{name}"
    sys.modules.pop(module, None)
    importlib.invalidate_caches()
    return render_template_string("{{ name }}", name=importlib.import_module(module).__name__)

from werkzeug.serving import make_server
server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""


def _environment(machine: Machine, folder: Path, interpreter: Path, *packages: str) -> Path:
    environment = machine.make_folder(folder) / ".venv"
    machine.uv("venv", environment, "--python", interpreter, folder=folder)
    machine.uv("pip", "install", "--link-mode", "copy", "--python", environment, *packages, folder=folder)
    return environment


def _start(machine: Machine, environment: Path, script: str) -> tuple[subprocess.Popen[str], str]:
    """Start a script in an environment, and return its process and the first line that it prints."""
    process = machine.start([interpreter_of(environment), "-c", script], folder=environment.parent)
    assert process.stdout is not None
    first = process.stdout.readline().strip()
    if not first:
        pytest.fail(process.communicate(timeout=60)[1])
    return process, first


@pytest.mark.real_world
def test_kernel_of_jupyter_goes_on(machine: Machine, tmp_path: Path, interpreter: Path) -> None:
    """Cells that import lazily run before, while and after their environment is adopted, ejected, adopted again."""
    environment = _environment(machine, tmp_path / "lab", interpreter, "ipykernel", "jupyter-client", "pygments")
    process, first = _start(machine, environment, _KERNEL)
    assert first == "ready"

    machine.pepip("adopt", "--yes", environment.parent, folder=tmp_path)
    machine.pepip("eject", environment, folder=tmp_path)
    machine.pepip("adopt", "--yes", environment.parent, folder=tmp_path)
    (environment.parent / "stop").touch()
    out, error = process.communicate(timeout=300)

    assert process.returncode == 0, error
    assert int(out) > 1
    assert (next(environment.glob("lib/python3.*/site-packages")) / "IPython").is_symlink()
    machine.pepip("store", "verify", folder=tmp_path)


@pytest.mark.real_world
def test_web_server_goes_on(machine: Machine, tmp_path: Path, interpreter: Path) -> None:
    """Each request imports another module; none fails while the environment is adopted, ejected, adopted again."""
    environment = _environment(machine, tmp_path / "site", interpreter, "flask", "pygments")
    process, port = _start(machine, environment, _SERVER)
    lexers = sorted(path.stem for path in environment.glob("lib/python3.*/site-packages/pygments/lexers/[a-z]*.py"))
    served = 0
    try:
        for words in (("adopt", "--yes", environment.parent), ("eject", environment)) * 2:
            run = machine.start([sys.executable, "-m", "pepip", *words], folder=tmp_path)
            while run.poll() is None:
                name = lexers[served % len(lexers)]
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=60) as answer:
                    assert answer.read().decode() == f"pygments.lexers.{name}"
                served += 1
            _, error = run.communicate(timeout=60)
            assert run.returncode == 0, error
    finally:
        process.kill()
        process.communicate(timeout=60)

    assert served > 4
    machine.pepip("store", "verify", folder=tmp_path)

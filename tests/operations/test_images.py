"""`pepip image build` makes one file of an environment, and `pepip image run` runs programs in it.

An image needs neither the store nor pepip, and is the same wherever it is mounted.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.environments import Twins
from tests.support.filesystems import mounted
from tests.support.images import build, left_by_runs, mounted_image, require_mksquashfs, require_mounts
from tests.support.machines import PLAIN_USER_ID, Machine, Output, plain_user_prefix, site_packages_of
from tests.support.parity import Level, differences, observe
from tests.support.refusals import assert_refused
from tests.support.signals import PASSED_ON, TELLING, told_by
from tests.support.snapshots import changes, snapshot
from tests.support.stores import problems_of
from tests.support.suites import Suite, download_sdist, run_suite, unpack_tests
from tests.support.wheels import Wheel
from tests.whole_program.test_real_projects import SUITES

WHEELS = [
    Wheel(
        "camera",
        "1.0",
        files={
            "camera/__init__.py": "VERSION = '1.0'\ndef main():\n    print(VERSION)\n",
            "camera/lenses/glass.txt": "clear\n",
            "camera/broken.py": "print 'for another Python'\n",
            "camera/shutter": "#!/bin/sh\necho click\n",
            "camera_module.py": "VERSION = '1.0'\n",
            f"camera/{'long' * 30}.py": "NAME = __name__\n",
            "camera/größe und maß.txt": "1 m\n",
        },
        data={
            "data/share/camera/manual.txt": "press it\n",
            "headers/camera.h": "#define CAMERA 1\n",
            "scripts/camera-python": "#!python\nimport camera; print(camera.VERSION)\n",
            "scripts/camera-shell": "#!/bin/sh\necho shell\n",
        },
        entry_points={"console_scripts": {"camera": "camera:main"}},
        executables=["camera/shutter"],
    ),
    Wheel("cloud-core", "1.0", files={"cloud/core/__init__.py": "NAME = 'core'\n"}),
    Wheel("cloud-store", "1.0", files={"cloud/store/__init__.py": "NAME = 'store'\n"}),
]
NAMES = [wheel.name for wheel in WHEELS]
LIBRARY = Wheel("quill", "1.0", files={"quill/__init__.py": "FEATHER = 1\n"})


@pytest.fixture
def source(wheelhouse: Path) -> tuple[str | Path, ...]:
    """Return the arguments that make uv and pepip take wheels from the wheelhouse alone."""
    require_mksquashfs()
    for wheel in WHEELS:
        wheel.write(wheelhouse)
    return ("--no-index", "--find-links", wheelhouse)


@pytest.fixture
def linked(machine: Machine, project: Path, source: tuple[str | Path, ...], interpreter: Path) -> Path:
    """Return a project whose environment links all wheels."""
    machine.pepip("install", *NAMES, *source, "--python", interpreter, folder=project)
    return project


def run(
    machine: Machine, image: Path, *command: str | Path, temporary: Path, path: str = "", check: bool = True
) -> Output:
    """Run a command in an image. Temporary files go to the folder `temporary`."""
    temporary.mkdir(exist_ok=True)
    settings = {"TMPDIR": str(temporary), **({"PATH": path} if path else {})}
    words = ("image", "run", image, "--", *command)
    return machine.pepip(*words, folder=image.parent, check=check, variables=settings)


def test_an_image_equals_uvs_environment(twins: Twins, source: tuple[str | Path, ...], tmp_path: Path) -> None:
    """Files, metadata, RECORD, scripts and imports are those of a relocatable environment of uv.

    No link leads out but the interpreter's, and no file says where it was made.
    """
    twins.machine.make_folder(twins.uv_project)
    twins.machine.uv("venv", "--relocatable", ".venv", "--python", twins.interpreter, folder=twins.uv_project)
    twins.install(*NAMES, *source)
    image = build(twins.machine, twins.pepip_project)

    with mounted_image(image, tmp_path / "mounted" / "app" / ".venv") as place:
        by_uv = observe(twins.uv_environment, twins.machine, level=Level.BEHAVIOUR)
        by_image = observe(place, twins.machine, level=Level.BEHAVIOUR)
        found = differences(by_uv, by_image)
        targets = {path: os.readlink(path) for path in place.rglob("*") if path.is_symlink()}
        texts = [path.read_bytes() for path in place.rglob("*") if path.is_file() and path.suffix != ".pyc"]

    assert found == []
    base = {target for target in targets.values() if target.startswith("/")}
    assert len(base) == 1
    assert all(path.parent.name == "bin" for path in targets if targets[path] in base)
    assert not any(os.fsencode(twins.pepip_environment) in text for text in texts)


def test_the_same_environment_gives_the_same_bytes(machine: Machine, linked: Path) -> None:
    """Times and modes of the environment's own files do not matter, nor does the order in which they were made."""
    first = build(machine, linked, name="first.sqfs")
    own = linked / ".venv" / "bin" / "camera"
    os.utime(own, (1, 1))
    own.chmod(0o700)

    second = build(machine, linked, name="second.sqfs")

    assert first.read_bytes() == second.read_bytes()
    assert [path.name for path in linked.iterdir() if "sqfs" in path.name and path not in {first, second}] == []


def test_an_image_needs_no_store_and_has_valid_bytecode(machine: Machine, linked: Path, tmp_path: Path) -> None:
    """At two paths, for another user, in many processes at once, after the store and the environment are gone."""
    image = build(machine, linked)
    shutil.rmtree(linked / ".venv")
    machine.run(["chmod", "-R", "u+w", machine.store], folder=tmp_path)
    shutil.rmtree(machine.store)
    script = "import camera, cloud.core, cloud.store; print(camera.VERSION, camera.__cached__)"

    with mounted_image(image, tmp_path / "one") as one, mounted_image(image, tmp_path / "other place") as other:

        def said(place: Path) -> Output:
            command = [*plain_user_prefix(), place / "bin" / "python", "-v", "-c", script]
            return subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(said, [one, other] * 4))
        launched = [
            subprocess.run([place / "bin" / name], capture_output=True, text=True, check=True, cwd="/").stdout
            for place in (one, other)
            for name in ("camera", "camera-python", "camera-shell")
        ]
        activated = subprocess.run(
            ["bash", "-c", f". '{other}/bin/activate' && camera && echo $VIRTUAL_ENV"],
            capture_output=True, text=True, check=True, cwd="/",
        ).stdout  # fmt: skip

    for answer, place in zip(answers, [one, other] * 4, strict=True):
        assert answer.stdout.startswith(f"1.0 {place}/lib/")
        assert f"{place}/lib" in answer.stderr
        loaded = [line for line in answer.stderr.splitlines() if "camera" in line and "code object from" in line]
        assert loaded
        assert all(".pyc" in line for line in loaded)
    assert launched == ["1.0\n", "1.0\n", "shell\n"] * 2
    assert activated == f"1.0\n{other}\n"


@pytest.mark.real_world
def test_an_image_brings_its_python(machine: Machine, linked: Path, tmp_path: Path) -> None:
    """With its own Python an image loads modules and libraries from no other place than itself."""
    output = machine.pepip("image", "build", "--with-python", "-o", "env.sqfs", "--json", folder=linked, check=False)
    if "can't be moved" in output.stderr:
        pytest.skip(output.stderr)
    answer = json.loads(output.stdout)
    script = (
        "import sys, os, camera, json, ctypes, decimal; maps = open('/proc/self/maps').read().split('\\n');"
        "files = {line.split(None, 5)[5] for line in maps if '/' in line};"
        "print(json.dumps([sys.prefix, sys.base_prefix, sys.path, sorted(files)]))"
    )

    with mounted_image(linked / "env.sqfs", tmp_path / "mounted") as place:
        said = subprocess.run(
            [place / "bin" / "python", "-c", script], capture_output=True, text=True, check=True, cwd="/"
        ).stdout
        settings = (place / "pyvenv.cfg").read_text()

    prefix, base_prefix, path, loaded = json.loads(said)
    assert answer["needs_python"] is None
    assert Path(prefix) == place
    assert Path(base_prefix).resolve() == place / ".python"
    assert [entry for entry in path if entry and not entry.startswith(str(place))] == []
    assert [file for file in loaded if "ython" in file and not file.startswith(str(place))] == []
    assert "home" not in settings


def test_no_image_lacks_a_package_that_the_store_has_lost(machine: Machine, linked: Path, wheelhouse: Path) -> None:
    """If the package can't be fetched again, the error names it, and no image is made."""
    (entry,) = machine.store.glob("packages/*/camera-1.0")
    machine.run(["chmod", "-R", "u+w", entry], folder=linked)
    shutil.rmtree(entry)
    (wheelhouse / WHEELS[0].filename).unlink()

    said = machine.pepip(
        "image", "build", "-o", "env.sqfs", folder=linked, check=False, variables={"UV_NO_INDEX": "1"}
    )

    assert said.returncode == 1
    assert (
        f"error: camera left {linked / '.venv'}: the store has lost the files, and they can't be fetched"
        in said.stderr
    )
    assert not (linked / "env.sqfs").exists()


def test_a_program_runs_in_a_mounted_image(machine: Machine, linked: Path, tmp_path: Path) -> None:
    """Its exit code is the command's, its place can't be written, and nothing is left."""
    require_mounts()
    image = build(machine, linked)
    script = "import camera, os, sys; print(camera.VERSION, sys.argv[1:], os.environ['VIRTUAL_ENV'] == sys.prefix)"
    writes = "import sys; open(sys.prefix + '/new', 'w')"

    said = run(machine, image, "python", "-c", script, "--", "-o", temporary=tmp_path / "tmp")
    launched = run(machine, image, "camera", temporary=tmp_path / "tmp")
    failed = run(machine, image, "python", "-c", "raise SystemExit(7)", temporary=tmp_path / "tmp", check=False)
    killed = run(machine, image, "sh", "-c", "kill -9 $$", temporary=tmp_path / "tmp", check=False)
    wrote = run(machine, image, "python", "-c", writes, temporary=tmp_path / "tmp", check=False)
    missing = run(machine, image, "no-such-program", temporary=tmp_path / "tmp", check=False)

    assert said.stdout == "1.0 ['--', '-o'] True\n"
    assert launched.stdout == "1.0\n"
    assert (failed.returncode, killed.returncode) == (7, 128 + 9)
    assert "Read-only file system" in wrote.stderr
    assert_refused(missing, "cannot start no-such-program")
    assert left_by_runs(tmp_path / "tmp") == []


def test_the_error_names_the_python_that_a_machine_lacks(machine: Machine, tmp_path: Path) -> None:
    """An image whose Python is missing is refused, and one without an environment; nothing stays mounted."""
    require_mounts()
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    pack = ["mksquashfs", tree, "-quiet", "-no-progress"]
    subprocess.run([*pack[:2], tmp_path / "empty.sqfs", *pack[2:]], check=True, stdout=subprocess.DEVNULL)
    (tree / "bin" / "python").symlink_to("/nowhere/python")
    subprocess.run([*pack[:2], tmp_path / "lacking.sqfs", *pack[2:]], check=True, stdout=subprocess.DEVNULL)

    none = run(machine, tmp_path / "empty.sqfs", "python", temporary=tmp_path / "tmp", check=False)
    lacking = run(machine, tmp_path / "lacking.sqfs", "python", temporary=tmp_path / "tmp", check=False)

    assert_refused(lacking, "needs /nowhere/python", "--with-python")
    assert_refused(none, "holds no environment")
    assert left_by_runs(tmp_path / "tmp") == []


@pytest.mark.every(3)
@pytest.mark.parametrize("by", ["squashfuse", "the kernel"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_program_and_leaves_no_mount(
    machine: Machine, linked: Path, tmp_path: Path, by: str, number: signal.Signals
) -> None:
    """The program ends, the image is unmounted, and the folder is gone."""
    require_mounts()
    image, temporary = build(machine, linked), tmp_path / "tmp"
    temporary.mkdir()
    settings = {"TMPDIR": str(temporary)}
    if by == "squashfuse":
        settings["PATH"] = str(_programs(tmp_path, "squashfuse", "sh"))
    program = "import camera, time; print(camera.__file__, flush=True); time.sleep(60)"
    words = [sys.executable, "-m", "pepip", "image", "run", image, "--", "python", "-c", program]
    process = machine.start(words, folder=tmp_path, variables=settings)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(str(temporary))

    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal sends it
    else:
        process.send_signal(number)
    process.communicate(timeout=30)

    assert process.returncode in {-number, 128 + number}
    assert left_by_runs(temporary) == []


def test_signals_reach_the_program(machine: Machine, linked: Path, tmp_path: Path) -> None:
    """Also those that end a program by default. The exit code is the program's, and no mount is left."""
    require_mounts()
    image, temporary = build(machine, linked), tmp_path / "tmp"
    temporary.mkdir()
    words = [sys.executable, "-m", "pepip", "image", "run", image, "--", "python", "-c", TELLING]

    process = machine.start(words, folder=tmp_path, variables={"TMPDIR": str(temporary)})

    assert told_by(process) == (["ready", *(number.name for number in PASSED_ON), "SIGTERM"], 7)
    assert left_by_runs(temporary) == []


def _programs(folder: Path, *names: str) -> Path:
    """Return a folder for PATH that has these programs alone. Skips the test if one is missing."""
    place = folder / "programs"
    place.mkdir()
    for name in names:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is missing")
        (place / name).symlink_to(found)
    return place


def test_a_run_cleans_up_after_a_killed_one(machine: Machine, linked: Path, tmp_path: Path) -> None:
    """A kill -9 leaves a mount of squashfuse and a folder. The next run removes both, without a program for that."""
    require_mounts()
    image, temporary = build(machine, linked), tmp_path / "tmp"
    temporary.mkdir()
    path = str(_programs(tmp_path, "squashfuse", "sh"))
    words = [sys.executable, "-m", "pepip", "image", "run", image, "--", "sh", "-c", "echo ready; read line"]
    process = machine.start(words, folder=tmp_path, variables={"TMPDIR": str(temporary), "PATH": path})
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.communicate()
    assert left_by_runs(temporary) != []

    run(machine, image, "python", "-c", "import camera", temporary=temporary, path=path)

    assert left_by_runs(temporary) == []


def test_an_editable_project_becomes_a_wheel_if_asked(
    machine: Machine, linked: Path, interpreter: Path, tmp_path: Path
) -> None:
    """An editable project is refused by its name; as a wheel it has its newest source."""
    tree = LIBRARY.write_source(tmp_path / "quill source")
    machine.pepip("install", "-e", tree, "--no-index", "--python", interpreter, folder=linked)
    (tree / "wheel" / "quill" / "__init__.py").write_text("FEATHER = 2\n")
    before = snapshot(linked / ".venv")

    refused = machine.pepip("image", "build", "-o", "env.sqfs", folder=linked, check=False)
    image = build(machine, linked, "--no-editable", name="whole.sqfs")

    assert_refused(refused, "the code of quill lies elsewhere", "--no-editable")
    assert not (linked / "env.sqfs").exists()
    assert [change for change in changes(before, snapshot(linked / ".venv")) if "__pycache__" not in change] == []
    with mounted_image(image, tmp_path / "mounted") as place:
        said = subprocess.run(
            [place / "bin" / "python", "-c", "import quill, camera; print(quill.FEATHER, quill.__file__)"],
            capture_output=True, text=True, check=True, cwd="/",
        ).stdout  # fmt: skip
        names = [path.name for path in site_packages_of(place).iterdir()]
    assert said.startswith(f"2 {place}/")
    assert [name for name in names if name.startswith("__editable__")] == []


def _link_out(environment: Path) -> str:
    (site_packages_of(environment) / "elsewhere").symlink_to("/etc")
    return "elsewhere is a link that leads out of the environment, to /etc"


def _link_into_another_store(environment: Path) -> str:
    store = environment.parent / "other"
    entry = store / "packages" / "py3-none-any" / "tuba-1.0"
    (entry / "tuba").mkdir(parents=True)
    (entry / "pepip-entry.json").write_text("{}")
    (site_packages_of(environment) / "tuba").symlink_to(entry / "tuba")
    return f"set PEPIP_HOME={store}, the store that it leads into"


def _path_file(environment: Path) -> str:
    (site_packages_of(environment) / "mine.pth").write_text("# mine\n/usr/share\n")
    return "mine.pth names /usr/share"


def _no_folder(environment: Path) -> str:
    return "does not exist"


def _folder_as_output(environment: Path) -> str:
    (environment.parent / "env.sqfs").mkdir()
    return "is no file"


REFUSALS = {
    "a link out": (_link_out, "env.sqfs"),
    "a link into another store": (_link_into_another_store, "env.sqfs"),
    "a .pth file that leads out": (_path_file, "env.sqfs"),
    "a folder that does not exist": (_no_folder, "missing/env.sqfs"),
    "a folder in the image's place": (_folder_as_output, "env.sqfs"),
}


@pytest.mark.every(2)
@pytest.mark.parametrize("case", REFUSALS)
def test_an_environment_that_can_not_be_an_image_is_refused(machine: Machine, linked: Path, case: str) -> None:
    """The error names the file, and nothing is left beside the environment."""
    spoil, output = REFUSALS[case]
    words = spoil(linked / ".venv")
    before = sorted(linked.iterdir())

    refused = machine.pepip("image", "build", "-o", output, folder=linked, check=False)

    assert_refused(refused, words, "hint:")
    assert sorted(linked.iterdir()) == before


def test_the_error_names_the_program_that_is_missing(machine: Machine, linked: Path, tmp_path: Path) -> None:
    """Without mksquashfs, and with one that is too old, the hint says what to install."""
    programs = _programs(tmp_path, "sh")
    missing = machine.pepip(
        "image", "build", "-o", "x", folder=linked, check=False, variables={"PATH": str(programs)}
    )
    (programs / "mksquashfs").write_text("#!/bin/sh\necho 'mksquashfs version 4.4 (2019/08/29)'\nexit 1\n")
    (programs / "mksquashfs").chmod(0o755)
    old = machine.pepip("image", "build", "-o", "x", folder=linked, check=False, variables={"PATH": str(programs)})

    assert_refused(missing, "mksquashfs is not installed", "squashfs-tools")
    assert_refused(old, "4.4 is too old", "4.5")


def test_a_failed_build_leaves_the_image_that_was_there(machine: Machine, linked: Path, tmp_path: Path) -> None:
    """On a full disk, and after a kill -9. The next build succeeds, and removes what was left."""
    with mounted("tmpfs", tmp_path / "small", mebibytes=1) as small:
        (small / "env.sqfs").write_text("hsqs old")
        (linked / ".venv" / "big").write_bytes(os.urandom(2_000_000))
        failed = machine.pepip("image", "build", "-o", small / "env.sqfs", folder=linked, check=False)
        assert_refused(failed, "mksquashfs could not make the image", "make room")
        assert [path.name for path in small.iterdir()] == ["env.sqfs"]
        assert (small / "env.sqfs").read_text() == "hsqs old"
    (linked / "env.sqfs").write_text("hsqs old")
    slow = tmp_path / "slow"
    slow.mkdir()
    real = shutil.which("mksquashfs")
    (slow / "mksquashfs").write_text(
        f'#!/bin/sh\ncase "$1" in -version) exec {real} -version;; esac\n'
        f'echo begun > "$2"; echo > {slow}/begun; sleep 60 &\nwait\n'
    )
    (slow / "mksquashfs").chmod(0o755)
    path = f"{slow}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "pepip", "image", "build", "-o", "env.sqfs"]
    process = machine.start(command, folder=linked, variables={"PATH": path})
    while not (slow / "begun").exists():
        assert process.poll() is None, process.communicate()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    assert (linked / "env.sqfs").read_text() == "hsqs old"
    build(machine, linked)
    assert sorted(path.name for path in linked.iterdir()) == [".venv", "env.sqfs"]
    assert problems_of(machine.store) == []


@pytest.mark.real_world
def test_an_image_inside_its_environment_is_not_part_of_itself(machine: Machine, linked: Path) -> None:
    """Two builds give the same bytes."""
    image = linked / ".venv" / "env.sqfs"
    made = []
    for _ in range(2):
        machine.pepip("image", "build", "-o", image, folder=linked)
        made.append(image.read_bytes())

    assert made[0] == made[1]


@pytest.mark.real_world
def test_a_layer_is_only_read(
    machine: Machine, project: Path, source: tuple[str | Path, ...], interpreter: Path, tmp_path: Path
) -> None:
    """Bytecode that an entry of a layer lacks is compiled for the image, and not written to the layer."""
    layer = tmp_path / "layer"
    words = ("store", "add", "camera", *source, "--python", interpreter)
    machine.pepip(*words, folder=project, variables={"PEPIP_HOME": str(layer)})
    layers = {"PEPIP_LAYERS": str(layer)}
    machine.pepip("install", "camera", *source, "--python", interpreter, folder=project, variables=layers)
    before = snapshot(layer)

    machine.pepip("image", "build", "-o", "env.sqfs", folder=project, variables=layers)

    assert changes(before, snapshot(layer)) == []
    with mounted_image(project / "env.sqfs", tmp_path / "mounted") as place:
        compiled = [path.name for path in (site_packages_of(place) / "camera").glob("__pycache__/*.pyc")]
    assert any(name.startswith("__init__.") for name in compiled)


@pytest.mark.every(2)
@pytest.mark.parametrize("packages", [("camera",), ()], ids=["a copy", "nothing"])
def test_an_environment_that_links_nothing_has_an_image(
    machine: Machine, project: Path, source: tuple[str | Path, ...], interpreter: Path, packages: tuple[str, ...]
) -> None:
    """The environment is one that uv made. There is no store, and none is made."""
    machine.uv("venv", ".venv", "--python", interpreter, folder=project)
    if packages:
        machine.uv("pip", "install", *packages, *source, folder=project)

    output = machine.pepip("image", "build", "-o", "env.sqfs", folder=project)

    assert (project / "env.sqfs").stat().st_size > 0
    assert f"{len(packages)} package" in output.stderr
    assert not machine.store.exists()


_TESTED = {"click", "jinja2", "numexpr"}
"""Projects whose own tests run in an image."""


@pytest.mark.real_world
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("suite", [suite for suite in SUITES if suite.package in _TESTED], ids=str)
def test_suite_of_a_real_project_passes_in_an_image(twins: Twins, pip: Path, suite: Suite, tmp_path: Path) -> None:
    """Each test of the project has the same result as in uv's environment."""
    machine, interpreter = twins.machine, twins.interpreter
    folder = machine.make_folder(twins.folder / "sdist")
    sdist = download_sdist(suite.project, folder, machine, pip=pip, interpreter=interpreter)
    twins.install(suite.project, *suite.beside.split())
    image = build(machine, twins.pepip_project)

    by_uv = run_suite(suite, unpack_tests(sdist, suite.package, twins.uv_project), twins.uv_environment, machine)
    with mounted_image(image, tmp_path / "mounted" / "app" / ".venv") as place:
        by_image = run_suite(suite, unpack_tests(sdist, suite.package, twins.pepip_project), place, machine)

    assert by_uv.count("passed") >= suite.at_least, by_uv.said
    assert by_image.outcomes == by_uv.outcomes, by_image.said
    assert by_image.exit_code == by_uv.exit_code


def test_a_file_that_is_no_image_is_not_mounted(machine: Machine, project: Path) -> None:
    """A text, a part, a folder and a missing file are refused before anything is mounted."""
    (project / "text").write_text("no image")
    (project / "part").write_bytes(b"hsqs" + bytes(36) + (5_000).to_bytes(8, "little") + bytes(1_000))
    for name, words in (
        ("text", "is no SquashFS image"),
        ("part", "is incomplete: it has 1048 of 5000 bytes"),
        (".", "is a folder"),
        ("missing", "No such file"),
    ):
        refused = machine.pepip("image", "run", name, "--", "python", folder=project, check=False)
        assert_refused(refused, words)
    with contextlib.suppress(FileNotFoundError):
        assert [path for path in Path("/proc/self/mounts").read_text().split() if str(project) in path] == []


def test_a_planted_link_is_not_written_through(machine: Machine, linked: Path) -> None:
    """Another member of a group may put one into the folder of an image."""
    victim = linked / "victim.txt"
    victim.write_text("mine\n")
    (linked / ".env.sqfs.pepip-new").symlink_to(victim)

    machine.pepip("image", "build", "-o", "env.sqfs", folder=linked, variables={"SOURCE_DATE_EPOCH": "1"})

    assert victim.read_text() == "mine\n"
    assert not (linked / "env.sqfs").is_symlink()
    assert not (linked / ".env.sqfs.pepip-new").exists()


@pytest.mark.parametrize("target", ["a file", "nothing"])
def test_an_image_is_written_through_a_link(machine: Machine, linked: Path, tmp_path: Path, target: str) -> None:
    """As by mksquashfs: the link stays, and the file that it leads to is replaced, or made."""
    disk = machine.make_folder(tmp_path / "disk")
    if target == "a file":
        (disk / "real.sqfs").write_text("")
    (disk / "second").symlink_to("real.sqfs")
    (linked / "env.sqfs").symlink_to(disk / "second")

    said = machine.pepip("image", "build", "-o", "env.sqfs", "--json", folder=linked).stdout

    assert json.loads(said)["image"] == str(linked / "env.sqfs")
    assert (linked / "env.sqfs").readlink() == disk / "second"
    assert (disk / "real.sqfs").read_bytes()[:4] == b"hsqs"
    assert sorted(path.name for path in disk.iterdir()) == ["real.sqfs", "second"]
    assert sorted(path.name for path in linked.iterdir()) == [".venv", "env.sqfs"]


def test_a_link_of_another_user_is_not_written_through(machine: Machine, linked: Path, tmp_path: Path) -> None:
    """That user would choose the file that is replaced. A link of one's own may lead to it."""
    if os.geteuid() != 0:
        pytest.skip("the tests do not run as root")
    victim = tmp_path / "victim.txt"
    victim.write_text("mine\n")
    planted = tmp_path / "planted"
    planted.symlink_to(victim)
    os.lchown(planted, PLAIN_USER_ID, PLAIN_USER_ID)
    (linked / "mine").symlink_to(planted)
    before = sorted(tmp_path.iterdir())

    for output in (planted, linked / "mine"):
        refused = machine.pepip("image", "build", "-o", output, folder=linked, check=False)
        assert_refused(refused, f"{planted} is a link that belongs to", "name the file itself")

    assert victim.read_text() == "mine\n"
    assert planted.is_symlink()
    assert sorted(tmp_path.iterdir()) == before


def test_links_in_a_circle_are_refused(machine: Machine, linked: Path) -> None:
    """Nothing is written."""
    (linked / "one").symlink_to("two")
    (linked / "two").symlink_to("one")

    refused = machine.pepip("image", "build", "-o", "one", folder=linked, check=False)

    assert_refused(refused, "is no file", "hint:")
    assert sorted(path.name for path in linked.iterdir()) == [".venv", "one", "two"]


def test_an_image_may_have_the_longest_name(machine: Machine, linked: Path) -> None:
    """A longer one is refused before anything is made."""
    longest = "ü" * 125 + ".sqfs"
    assert len(longest.encode()) == 255
    image = build(machine, linked, name=longest)

    refused = machine.pepip("image", "build", "-o", f"{longest}x", folder=linked, check=False)

    assert_refused(refused, "is too long", "name another file")
    assert image.read_bytes()[:4] == b"hsqs"
    assert sorted(path.name for path in linked.iterdir()) == [".venv", longest]


def test_links_through_linked_folders_become_files(machine: Machine, linked: Path, tmp_path: Path) -> None:
    """As all links into the store do, whether their targets are absolute or relative."""
    packages = site_packages_of(linked / ".venv")
    (packages / "relative.txt").symlink_to("camera/lenses/glass.txt")
    (packages / "absolute").symlink_to(packages / "camera" / "lenses")

    image = build(machine, linked)

    with mounted_image(image, tmp_path / "mounted") as place:
        found = site_packages_of(place)
        assert (found / "relative.txt").read_text() == (found / "absolute" / "glass.txt").read_text() == "clear\n"
        assert [path for path in (found / "relative.txt", found / "absolute") if path.is_symlink()] == []


def test_a_run_makes_no_cache_for_uv(machine: Machine, linked: Path, tmp_path: Path) -> None:
    """Even where uv's cache can't be written: a run needs no uv, and its program gets the user's own settings."""
    require_mounts()
    image, temporary = build(machine, linked), tmp_path / "tmp"
    temporary.mkdir()
    (tmp_path / "file").write_text("")
    variables = {"TMPDIR": str(temporary), "UV_CACHE_DIR": f"{tmp_path}/file/cache"}
    words = ("image", "run", image, "--", "sh", "-c", f"ls {temporary}; echo $UV_CACHE_DIR")

    said = machine.pepip(*words, folder=tmp_path, variables=variables).stdout

    assert said.split() == [f"pepip-images-{os.geteuid()}", f"{tmp_path}/file/cache"]
    assert left_by_runs(temporary) == []


@pytest.mark.parametrize("is_linked", [False, True], ids=["itself", "behind a link"])
def test_a_file_that_is_no_image_is_not_replaced(machine: Machine, linked: Path, is_linked: bool) -> None:
    """A slip such as `-o train.py` costs nothing, nor does `-o .venv/bin/python`, a link to the interpreter."""
    program = linked / "train.py"
    program.write_text("import camera\n")
    (linked / "link").symlink_to(program)

    output = "link" if is_linked else "train.py"
    refused = machine.pepip("image", "build", "-o", output, folder=linked, check=False)

    assert_refused(refused, f"{program} is no image, and is not replaced", "name another file")
    assert program.read_text() == "import camera\n"
    assert sorted(path.name for path in linked.iterdir()) == [".venv", "link", "train.py"]

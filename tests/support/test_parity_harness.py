"""The comparison itself: two environments that uv made are equal, and each kind of damage is found."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.machines import Machine, interpreter_of, site_packages_of
from tests.support.parity import Level, Observation, differences, observe
from tests.support.wheels import Wheel

EXTENSION = next(Path(path) for path in sys.path if path.endswith("lib-dynload"))

ALPHA = Wheel(
    "alpha",
    "1.0",
    files={
        "alpha/__init__.py": "import os\nVALUE = 1\ndef main():\n    print('alpha at your service')\n",
        "alpha/data.txt": "data\n",
        "alpha/tool.sh": "#!/bin/sh\n",
        "alpha_crashes.py": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
        "alpha_exits.py": "import os\nos._exit(7)\n",
        "space/alpha/__init__.py": "",
        "alpha/library.so": next(EXTENSION.glob("_bisect*.so")).read_bytes(),
    },
    executables=("alpha/tool.sh",),
    entry_points={"console_scripts": {"alpha": "alpha:main"}, "alpha.plugins": {"one": "alpha:VALUE"}},
    data={"data/share/alpha/manual.txt": "manual\n", "scripts/alpha-script": "#!python\nprint('script')\n"},
)
BETA = Wheel("beta", "2.0", files={"beta.py": "import alpha\n"}, dependencies=["alpha"])


@dataclass(frozen=True)
class Pair:
    """Two environments of the same distributions, both made by uv."""

    first: Path
    second: Path
    machine: Machine

    def differences(self, level: Level = Level.BEHAVIOUR) -> list[str]:
        """Return the differences between the two."""
        return differences(self.observe(self.first, level), self.observe(self.second, level))

    def observe(self, environment: Path, level: Level = Level.BEHAVIOUR) -> Observation:
        """Observe one of the two."""
        return observe(environment, self.machine, level=level)


@pytest.fixture
def pair(machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path) -> Pair:
    """Return two equal environments with `alpha` and `beta`."""
    for wheel in (ALPHA, BETA):
        wheel.write(wheelhouse)
    environments: list[Path] = []
    for name in ("first", "other"):
        folder = tmp_path / name / "app"
        folder.mkdir(parents=True)
        machine.uv("venv", ".venv", "--python", interpreter, folder=folder)
        arguments = ("--offline", "--no-index", "--find-links", wheelhouse, "--link-mode", "copy")
        machine.uv("pip", "install", "beta", *arguments, folder=folder)
        environments.append(folder / ".venv")
    return Pair(environments[0], environments[1], machine)


def test_two_environments_that_uv_made_are_equal(pair: Pair) -> None:
    """The comparison leaves out everything that differs between any two runs of uv."""
    assert pair.differences() == []


def test_an_observation_holds_the_outcome_of_an_environment(pair: Pair) -> None:
    """A crash or an exit at import is one outcome among others, and does not stop the observation."""
    observation = pair.observe(pair.first)

    site_packages = site_packages_of(pair.first).relative_to(pair.first)
    assert observation.imports["alpha"] == f"imported from <environment>/{site_packages}/alpha/__init__.py"
    assert observation.imports["alpha_crashes"] == "signal 9"
    assert observation.imports["alpha_exits"] == "exit 7"
    assert "space.alpha" in observation.imports
    assert observation.scripts["alpha"] == "exit 0: alpha at your service"
    assert observation.scripts["alpha-script"] == "exit 0: script"
    assert [path for path in observation.libraries if path.endswith("library.so")]
    assert observation.distributions["alpha"].entry_points == (
        "alpha.plugins: one = alpha:VALUE",
        "console_scripts: alpha = alpha:main",
    )


def _change_bytes(environment: Path) -> None:
    (site_packages_of(environment) / "alpha" / "data.txt").write_text("other\n")


def _remove_file(environment: Path) -> None:
    (site_packages_of(environment) / "alpha" / "data.txt").unlink()


def _add_file(environment: Path) -> None:
    (environment / "share" / "extra.txt").write_text("")


def _drop_executable_bit(environment: Path) -> None:
    (site_packages_of(environment) / "alpha" / "tool.sh").chmod(0o644)


def _leave_empty_folder(environment: Path) -> None:
    (site_packages_of(environment) / "gamma").mkdir()


def _break_link(environment: Path) -> None:
    (site_packages_of(environment) / "gamma").symlink_to("nowhere")


def _link_dist_info(environment: Path) -> None:
    dist_info = site_packages_of(environment) / "alpha-1.0.dist-info"
    moved = environment.parent / dist_info.name
    dist_info.rename(moved)
    dist_info.symlink_to(moved)


def _drop_record_row(environment: Path) -> None:
    _edit_record(environment, lambda lines: [line for line in lines if not line.startswith("alpha/data.txt")])


def _add_record_row(environment: Path) -> None:
    _edit_record(environment, lambda lines: [*lines, "alpha/none.txt,,"])


def _repeat_record_row(environment: Path) -> None:
    _edit_record(environment, lambda lines: [*lines, lines[0]])


def _edit_record(environment: Path, edit: Callable[[list[str]], list[str]]) -> None:
    record = site_packages_of(environment) / "alpha-1.0.dist-info" / "RECORD"
    record.write_text("\n".join(edit(record.read_text().splitlines())) + "\n")


def _change_script(environment: Path) -> None:
    with (environment / "bin" / "alpha").open("a") as script:
        script.write("# changed\n")


def _break_script(environment: Path) -> None:
    _replace(site_packages_of(environment) / "alpha" / "__init__.py", "VALUE = 1\n")


def _break_import(environment: Path) -> None:
    _replace(site_packages_of(environment) / "alpha" / "__init__.py", "raise RuntimeError('broken')\n")


def _break_library(environment: Path) -> None:
    library = site_packages_of(environment) / "alpha" / "library.so"
    library.write_bytes(b"\x7fELF and no more")


def _replace(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def _forget_distribution(environment: Path) -> None:
    shutil.rmtree(site_packages_of(environment) / "alpha-1.0.dist-info")


def _replace_dist_info_file(environment: Path) -> None:
    (site_packages_of(environment) / "beta-2.0.dist-info" / "INSTALLER").write_text("someone")


@pytest.mark.every(3)
@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (_change_bytes, "file lib/"),
        (_remove_file, "data.txt: only in uv's"),
        (_add_file, "file share/extra.txt: only in pepip's"),
        (_drop_executable_bit, "alpha/tool.sh"),
        (_leave_empty_folder, "site-packages/gamma: only in pepip's"),
        (_break_link, "dangling link: lib/"),
        (_link_dist_info, "answer of uv pip list"),
        (_drop_record_row, "RECORD of alpha: alpha/data.txt is missing"),
        (_add_record_row, "RECORD of alpha: alpha/none.txt is neither"),
        (_repeat_record_row, "is listed twice"),
        (_change_script, "RECORD of alpha: ../../../bin/alpha has the hash of something else"),
        (_break_script, "script alpha: uv's 'exit 0: alpha at your service', pepip's 'exit 1: Traceback"),
        (_break_import, "import of beta: uv's 'imported from"),
        (_break_library, "loads in uv's, but in pepip's: OSError"),
        (_forget_distribution, "answer of uv pip check"),
        (_replace_dist_info_file, "INSTALLER"),
    ],
)
def test_damage_is_found(pair: Pair, damage: Callable[[Path], None], found: str) -> None:
    """Each way to damage an environment gives a line that names the damage."""
    damage(pair.second)

    assert any(found in line for line in pair.differences()), pair.differences()


def test_a_row_for_a_link_to_a_folder_is_no_difference(pair: Pair) -> None:
    """The row `alpha,,` is allowed where `alpha` is a link: pepip's environments must have it in addition."""
    package = site_packages_of(pair.second) / "alpha"
    entry = pair.second.parent / "entry"
    package.rename(entry)
    package.symlink_to(entry)
    _edit_record(pair.second, lambda lines: ["alpha,,", *lines])

    assert pair.differences() == []


def test_either_claimant_of_a_contested_path_is_right(
    machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path
) -> None:
    """If two distributions bring one path with different bytes, either one may win, since under uv this is chance."""
    Wheel("one", "1.0", files={"shared.py": "VALUE = 1\n"}).write(wheelhouse)
    Wheel("two", "1.0", files={"shared.py": "VALUE = 2\n"}).write(wheelhouse)
    observed = []
    for name, order in (("first", ("one", "two")), ("other", ("two", "one")), ("third", ("one", "two"))):
        folder = machine.make_folder(tmp_path / name / "app")
        machine.uv("venv", ".venv", "--python", interpreter, folder=folder)
        for requirement in order:
            machine.uv("pip", "install", requirement, "--no-index", "--find-links", wheelhouse, folder=folder)
        if name == "third":
            _replace(site_packages_of(folder / ".venv") / "shared.py", "VALUE = 3\n")
        observed.append(observe(folder / ".venv", machine, level=Level.METADATA))

    assert differences(observed[0], observed[1]) == []
    assert len(differences(observed[0], observed[2])) == 1


def test_bytecode_and_locks_are_no_difference(pair: Pair) -> None:
    """Files that runs and tools leave behind do not count."""
    pair.machine.python(pair.second, "-c", "import alpha")
    (pair.second / ".lock").touch()

    assert os.path.exists(site_packages_of(pair.second) / "alpha" / "__pycache__")
    assert pair.differences(Level.FILES) == []
    assert interpreter_of(pair.first).exists()

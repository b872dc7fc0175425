"""Contents of wheels that only newer Pythons use than most machines have."""

from __future__ import annotations

from pathlib import Path

from tests.support.environments import Twins
from tests.support.machines import Machine, require_interpreter, site_packages_of
from tests.support.wheels import Wheel

LAMP = Wheel(
    "lamp",
    "1.0",
    files={
        "lamp/__init__.py": "",
        "lamp/boot.py": "import os\ndef start():\n    os.environ['LAMP'] = 'lit'\n",
        "lamp.start": "lamp.boot:start\n",
        "lamp.pth": "import os; os.environ['LAMP_PATH'] = 'read'\n",
    },
)


def test_start_files_are_files_as_uv_makes_them(twins: Twins, wheelhouse: Path) -> None:
    """A `.start` file (PEP 829) lies beside `.pth` files, has the same bytes as under uv, and is listed in RECORD."""
    LAMP.write(wheelhouse)

    twins.install("lamp", "--no-index", "--find-links", wheelhouse)

    for name in ("lamp.start", "lamp.pth"):
        by_pepip = site_packages_of(twins.pepip_environment) / name
        assert by_pepip.is_file()
        assert by_pepip.read_bytes() == (site_packages_of(twins.uv_environment) / name).read_bytes()
    twins.assert_equal()


def test_start_files_act_as_under_uv(machine: Machine, project: Path, wheelhouse: Path) -> None:
    """Python 3.15 and newer call the function that a `.start` file names."""
    python = require_interpreter("3.15")
    LAMP.write(wheelhouse)

    machine.pepip("install", "lamp", "--no-index", "--find-links", wheelhouse, "--python", python, folder=project)

    machine.python(project / ".venv", "-c", "import os; assert os.environ['LAMP'] == 'lit'")

"""Make a small realistic store: real packages, installed by pepip into several projects below a folder.

    python eval/demo.py demo
    python eval/demo.py demo --pictures assets      # and the pictures of the README, by `pepip ui --screenshot`

The store is `home/.pepip` below that folder, and the projects are in `home/code`. Existing projects are kept. One
project is deleted at the end, so that something can be pruned. Some packages are stored in two versions.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECTS = {
    "api": ["fastapi", "uvicorn", "sqlalchemy", "httpx", "pydantic"],
    "billing": ["flask", "sqlalchemy", "requests", "jinja2"],
    "crawler": ["httpx", "beautifulsoup4", "lxml", "rich"],
    "dashboard": ["flask", "pandas", "jinja2", "rich"],
    "notebooks": ["pandas", "numpy", "matplotlib"],
    "forecast": ["pandas", "numpy<2.3", "requests"],
    "docs": ["mkdocs", "rich", "pygments"],
    "old-experiment": ["sqlalchemy<2", "django<5"],
}
GONE = "old-experiment"


def main() -> None:
    """Make the missing projects, and the pictures if they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=Path, help="write the README's pictures into this folder")
    arguments = parser.parse_args()
    make(arguments.folder)
    if arguments.pictures:
        draw(arguments.folder, arguments.pictures.absolute())


def variables(folder: Path) -> dict[str, str]:
    """Return the environment variables with which commands use the store."""
    kept = {
        name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "UV_PYTHON", "PEPIP_HOME"}
    }
    configuration = os.environ.get("XDG_CONFIG_HOME", str(Path.home() / ".config"))
    return {
        **kept,
        "HOME": str(folder / "home"),
        "XDG_CONFIG_HOME": configuration,
        "UV_CACHE_DIR": str(folder / "cache"),
    }


def make(folder: Path) -> None:
    """Install into each project, and delete one."""
    code = folder / "home" / "code"
    for name, requirements in PROJECTS.items():
        project = code / name
        if (folder / "done").exists() or (project / ".venv").exists():
            continue
        project.mkdir(parents=True)
        command = [sys.executable, "-m", "pepip", "install", *requirements]
        subprocess.run(command, cwd=project, env=variables(folder), check=True)
    if not (folder / "done").exists():
        shutil.rmtree(code / GONE)
        (folder / "done").touch()


def draw(folder: Path, pictures: Path) -> None:
    """Write a picture of each pane."""
    pictures.mkdir(exist_ok=True)
    for pane in ("store", "projects", "savings"):
        words = ["--screen", pane, "--size", "120x34", "--screenshot", str(pictures / f"{pane}.svg")]
        subprocess.run([sys.executable, "-m", "pepip", "ui", *words], env=variables(folder), check=True)


if __name__ == "__main__":
    main()

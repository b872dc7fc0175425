"""Measure how long `pepip adopt --dry-run` takes for many environments, the first time and again.

Makes environments of hard links and of files below a folder, and measures the dry run. Each environment has
distributions that others have, too.
Usage: python eval/adopt.py FOLDER [--environments 300] [--distributions 200] [--files 12]
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

_SITE_PACKAGES = "lib/python3.12/site-packages"


def main() -> int:
    """Make missing environments, measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--environments", type=int, default=300)
    parser.add_argument("--distributions", type=int, default=200)
    parser.add_argument("--files", type=int, default=12, help="modules of each distribution")
    arguments = parser.parse_args()
    code = arguments.folder / "code"
    if not code.exists():
        make(arguments.folder, arguments.environments, arguments.distributions, arguments.files)
    measured = {}
    for name in ("cold memory", "remembered"):
        started, before = time.monotonic(), os.times()
        answer = preview(arguments.folder, code)
        after = os.times()
        measured[f"{name}, seconds"] = round(time.monotonic() - started, 2)
        processor = after.children_user + after.children_system - before.children_user - before.children_system
        measured[f"{name}, seconds of a processor"] = round(processor, 2)
    document = json.loads(answer)
    measured["environments"] = len(document["environments"])
    measured["distributions"] = sum(len(item["packages"]) for item in document["environments"])
    measured["freed_bytes"] = document["freed_bytes"]
    print(json.dumps(measured, indent=2))
    return 0


def preview(folder: Path, code: Path) -> str:
    """Return the answer of a dry run."""
    variables = {**os.environ, "PEPIP_HOME": str(folder / "store"), "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-m", "pepip", "adopt", "--dry-run", "--json", str(code)]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout


def make(folder: Path, environments: int, distributions: int, files: int) -> None:
    """Make environments with distributions from one pool: hard links in every second one, files in the others.

    In every hundredth distribution one file is edited.
    """
    pool = folder / "pool"
    for number in range(distributions + 50):
        _make_distribution(pool / str(number), number, files)
    for number in range(environments):
        environment = folder / "code" / f"project{number}" / ".venv"
        site_packages = environment / _SITE_PACKAGES
        site_packages.mkdir(parents=True)
        (environment / "bin").mkdir()
        (environment / "bin" / "python").symlink_to(sys.executable)
        (environment / "pyvenv.cfg").write_text("home = /usr/bin\nuv = 0.13.9\nversion_info = 3.12.1\n")
        for offset in range(distributions):
            chosen = pool / str((offset + number) % (distributions + 50))
            copy = os.link if number % 2 else shutil.copyfile
            for source in chosen.iterdir():
                shutil.copytree(source, site_packages / source.name, copy_function=copy)
            if (number + offset) % 100 == 0:
                (edited,) = site_packages.glob(f"package{chosen.name}/__init__.py")
                edited.unlink()
                edited.write_text("# mine\n")


def _make_distribution(folder: Path, number: int, files: int) -> None:
    package, info = folder / f"package{number}", folder / f"package{number}-1.0.dist-info"
    contents = {f"{package.name}/module{index}.py": f"VALUE = {index}\n" * 40 for index in range(files - 1)}
    contents[f"{package.name}/__init__.py"] = f"NUMBER = {number}\n"
    contents[f"{info.name}/METADATA"] = f"Metadata-Version: 2.1\nName: package{number}\nVersion: 1.0\n"
    contents[f"{info.name}/WHEEL"] = "Wheel-Version: 1.0\nTag: py3-none-any\n"
    contents[f"{info.name}/INSTALLER"] = "uv"
    rows = []
    for path, text in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text)}\n")
    (info / "RECORD").write_text("".join([*rows, f"{info.name}/RECORD,,\n"]))


if __name__ == "__main__":
    sys.exit(main())

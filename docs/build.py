"""Builds the site of the documentation: README as its front page, the pages of docs/, and the pictures.

    python docs/build.py [FOLDER]

FOLDER is made. Without it the site is `dist/site`, where an older one is replaced. The pages keep their places, so
that each link is the same on the site and in a checkout. A link to a page or heading that does not exist ends the
build. Needs the dependency group `docs`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
USUAL = ROOT / "dist" / "site"
FRONT = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE")


def build(target: Path) -> int:
    """Build the site into the new folder `target`, and return the exit code of the generator.

    After a failure nothing is at `target`.
    """
    with tempfile.TemporaryDirectory() as folder:
        pages = Path(folder, "pages")
        shutil.copytree(ROOT / "docs", pages / "docs", ignore=shutil.ignore_patterns("*.py", "*.toml", "__pycache__"))
        shutil.copytree(ROOT / "assets", pages / "assets")
        for name in FRONT:
            shutil.copy(ROOT / name, pages / name)
        shutil.copy(ROOT / "docs" / "zensical.toml", folder)
        command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
        code = subprocess.run(command, cwd=folder, check=False).returncode
        if code == 0:
            shutil.copytree(Path(folder, "site"), target)
    return code


def main(words: list[str]) -> int:
    """Build the site that the words of the command line ask for, and return the exit code."""
    if len(words) > 1 or words[:1] == ["--help"]:
        print(__doc__)
        return 0 if words == ["--help"] else 2
    target = Path(words[0]) if words else USUAL
    if words and target.exists():
        print(f"error: {target} exists", file=sys.stderr)
        return 2
    if target.exists():
        shutil.rmtree(target)
    return build(target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

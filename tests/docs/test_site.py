"""The documentation site builds, and each link and picture on it leads to a file of the site."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

from tests.support.pages import ROOT


class _References(HTMLParser):
    """A collector of the places that a page refers to, without headings and without other hosts."""

    def __init__(self) -> None:
        super().__init__()
        self.places: set[str] = set()

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the links of one element."""
        for name, value in attrs:
            place = (value or "").partition("#")[0]
            if name in {"href", "src"} and place and ":" not in place and not place.startswith("/"):
                self.places.add(place)


def _build(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "docs" / "build.py", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_site_builds_and_all_its_links_lead_to_files(tmp_path: Path) -> None:
    """The site builds, and pictures and other files are in it. The generator itself checks links of Markdown."""
    site = tmp_path / "site"

    output = _build(site)

    assert output.returncode == 0, output.stdout + output.stderr
    built = sorted(site.rglob("*.html"))
    pages = [f"docs/{page.stem}.html" for page in ROOT.glob("docs/*.md")]
    assert {"index.html", "CONTRIBUTING.html", *pages} <= {path.relative_to(site).as_posix() for path in built}
    for page in built:
        references = _References()
        references.feed(page.read_text())
        # 404.html answers for missing addresses of any depth, so its links need not fit its own folder.
        missing = [place for place in references.places if not (page.parent / place).exists()]
        assert page.name == "404.html" or missing == [], page
    assert (site / "assets" / "store.svg").is_file()


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    """The build refuses a folder that exists, and removes nothing in it."""
    (tmp_path / "letter.txt").write_text("dear")

    output = _build(tmp_path)

    assert output.returncode == 2
    assert output.stderr == f"error: {tmp_path} exists\n"
    assert (tmp_path / "letter.txt").read_text() == "dear"

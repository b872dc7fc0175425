"""The pages say what is there: links lead to files, functions exist, and commands are commands."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from tests.support.machines import Machine

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    """And to headings that are there."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        place, _, heading = target.partition("#")
        if "://" in place:
            continue
        path = (page.parent / place) if place else page
        assert path.is_file(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", path.read_text(), flags=re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}, target


def test_functions_that_a_page_names_are_there() -> None:
    """`pepip.package.module.name`, as the journeys of the architecture write it."""
    named = {name for page in PAGES for name in re.findall(r"`(pepip(?:\.\w+){2,})`", page.read_text())}

    assert len(named) > 20
    for name in named:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def test_files_that_a_page_names_are_there() -> None:
    """Modules, tests and scripts."""
    pattern = r"`((?:pepip|tests|eval|docs|snapshots|assets)/[\w/.-]*)`"
    for page in PAGES:
        for name in re.findall(pattern, page.read_text()):
            assert (ROOT / name).exists(), f"{name} in {page.name}"


def commands() -> list[str]:
    """Return the commands of pepip that the pages show in blocks of shell, each once, by their words."""
    found = set()
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), flags=re.DOTALL):
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                if words[:1] == ["pepip"]:
                    found.add(shlex.join(words[1:]))
    return sorted(found)


@pytest.mark.parametrize("command", commands())
def test_options_that_a_page_shows_are_known(machine: Machine, project: Path, command: str) -> None:
    """Each command's help has them, pepip's or uv's."""
    words = shlex.split(command)
    names = [word for word in words if not word.startswith("-")]
    depth = 2 if names[0] in {"store", "projects", "pip"} and len(names) > 1 else 1
    depth = 1 if names[0] == "help" else depth

    said = machine.pepip(*names[:depth], "--help", folder=project).stdout

    for word in words:
        if word.startswith("-"):
            option = word.partition("=")[0]
            assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", said), f"{option} of {command}"

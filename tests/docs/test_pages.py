"""The pages agree with the code: linked files, functions, messages and fields exist."""

from __future__ import annotations

import errno
import importlib
import json
import os
import re
from pathlib import Path

import pytest

from pepip import paths
from pepip.environment import file_modes
from pepip.store import document, registry_file, trust
from tests import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    """Links on a page lead to files and headings that exist."""
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
    """Each function that a page names as `pepip.package.module.name` exists."""
    named = {name for page in PAGES for name in re.findall(r"`(pepip(?:\.\w+){2,})`", page.read_text())}

    assert len(named) > 20
    for name in named:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def test_files_that_a_page_names_are_there() -> None:
    """Each module, test and script that a page names exists."""
    pattern = r"`((?:pepip|tests|eval|docs|snapshots|assets)/[\w/.-]*)`"
    for page in PAGES:
        for name in re.findall(pattern, page.read_text()):
            assert (ROOT / name).exists(), f"{name} in {page.name}"


def test_messages_that_a_page_explains_are_there() -> None:
    """Each message that the troubleshooting page quotes is in the code, apart from its names."""
    code = "\n".join(path.read_text() for path in (ROOT / "pepip").rglob("*.py"))
    quoted = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs/troubleshooting.md").read_text(), flags=re.MULTILINE)

    assert len(quoted) > 5
    for message in quoted:
        for words in re.split(r"\b[A-Z]+\b|…|:", message):
            assert words.strip() in code or words.strip() in os.strerror(errno.ENOSPC), f"{words} of {message}"


def test_formats_name_each_field_and_file() -> None:
    """`formats.md` names each field of an entry's document, a registration and the trust file.

    It also names each file that pepip keeps in an environment.
    """
    page = (ROOT / "docs/formats.md").read_text()
    registration = registry_file.Registration("", "/e", "/e", 0, "/", ())
    texts = [registry_file.dump(registration), trust.dump(trust.Trust(everybody=False, users=frozenset()))]
    fields = {*document.Document._fields, *(field for text in texts for field in json.loads(text))}
    names = (paths.scratch, paths.aside, paths.provenance, paths.copies, paths.adopting, paths.environment_id)
    named = {*(function("").strip("/") for function in names), file_modes.NOTE, paths.ENTRY_METADATA}

    assert [field for field in sorted(fields) if f"`{field}`" not in page] == []
    assert [name for name in sorted(named) if not re.search(rf"[`/]{re.escape(name)}[`/]", page)] == []

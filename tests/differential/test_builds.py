"""Builds (issue 13, F): the settings of a build reach the environment, and stay out of all other environments."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.differential.harness import PROJECT, Bench, Place, Row, Step, parameters
from tests.support.indexes import Index
from tests.support.machines import Machine
from tests.support.wheels import Wheel

HELPERS = [
    Wheel("helper", version, files={"helper/__init__.py": f"VERSION = {version!r}\n"}) for version in ("1.0", "2.0")
]
KIT = Wheel("kit", "1.0", files={"kit/__init__.py": "", "kit/x.txt": "x\n"}, build_notes=["FLAG"])
HELPED = replace(KIT, name="helped", files={"helped/__init__.py": ""}, build_requires=["helper"])
INDEXES = {"main": Index(HELPERS, [KIT, HELPED])}
FOLDER = "<elsewhere>/kit"


def forget(place: Place) -> None:
    """Empty uv's cache, so that only the store still has the build."""
    place.machine.uv("cache", "clean", "-q", folder=place.project)


def of(
    name: str, *steps: str, before: tuple[Step, ...] = (), files: Mapping[str, str] | None = None, **more: Any
) -> Row:
    """Return a row on an index with sdists."""
    return Row(name, steps[0] if len(steps) == 1 else steps, INDEXES, files or {}, before=before, **more)


def project(dependencies: str, more: str) -> dict[str, str]:
    """Return the `pyproject.toml` of a project, by its path."""
    return {"pyproject.toml": PROJECT.format(dependencies) + more}


def make_kit(folder: Path, machine: Machine) -> None:
    """Make the source tree of a package."""
    KIT.write_source(folder / "kit")


def make_large_file_repository(folder: Path, machine: Machine) -> None:
    """Make a repository with one file in git LFS."""
    if shutil.which("git-lfs") is None:
        pytest.skip("git-lfs is missing")
    tree = replace(KIT, files={"kit/__init__.py": "", "kit/large.bin": "large\n" * 1000}).write_source(folder / "kit")
    git = ["git", "-c", "user.name=tests", "-c", "user.email=tests@example.invalid", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["lfs", "install", "--local"], ["lfs", "track", "*.bin"], ["add", "--all"]):
        machine.run([*git, *words], folder=tree)
    machine.run([*git, "commit", "-q", "-m", "1"], folder=tree)


ANEW = "pip install --reinstall --no-cache --refresh kit"
FRESH = "pip install --no-cache --refresh kit"

ROWS = [
    of("sdist", "pip install kit"),
    of("sdist-with-a-requirement", "pip install helped"),
    of("told-by-a-variable-the-first-time", "FLAG=cuda pip install kit"),
    of("told-by-a-variable-afterwards", "pip install kit", f"FLAG=cuda {ANEW}"),
    of("told-by-a-variable-with-a-build-stored", f"FLAG=cuda {FRESH}", before=("pip install kit",)),
    of("told-by-a-variable-and-reinstalled", "FLAG=cuda pip install --reinstall kit", before=("pip install kit",)),
    of("told-by-a-variable-and-refreshed", "FLAG=cuda pip install --refresh-package kit kit",
           before=("pip install kit",)),
    of("told-by-a-variable-and-reinstalled-alone", "pip install kit", "FLAG=cuda pip install --reinstall-package kit "
       "--refresh-package kit --no-cache kit"),
    of("told-nothing-with-a-told-build-stored", FRESH, before=("FLAG=cuda pip install kit",)),
    of("told-in-a-project", "FLAG=cuda sync --reinstall --no-cache --refresh", files=project('"kit"', ""),
       before=("pip install kit",)),
    of("told-in-a-project-by-the-package", "FLAG=cuda sync --no-cache --refresh-package kit --reinstall-package kit",
       files=project('"kit"', ""), before=("pip install kit",)),
    of("settings", "pip install -C flavour=sweet kit"),
    of("settings-with-a-plain-build-stored", "pip install -C flavour=sweet kit", before=("pip install kit", forget)),
    of("plain-with-a-build-of-settings-stored", "pip install kit", before=("pip install -C flavour=sweet kit",
           forget)),
    of("other-settings-stored", "pip install -C flavour=sour kit", before=("pip install -C flavour=sweet kit",
           forget)),
    of("settings-of-a-package", "pip install --config-settings-package kit:flavour=sweet kit",
           before=("pip install kit", forget)),
    of("settings-of-uv.toml", "pip install kit", settings='[config-settings]\nflavour = "sweet"\n'),
    of("settings-of-uv.toml-by-package", "pip install kit",
       settings='[config-settings-package]\nkit = { flavour = "sweet" }\n'),
    of("settings-of-the-project", "sync", files=project('"kit"',
           '[tool.uv]\nconfig-settings = { flavour = "sweet" }\n'),
       before=("pip install --no-config kit", forget)),
    of("settings-of-the-pip-section", "pip install kit",
       files=project("", '[tool.uv.pip]\nconfig-settings = { flavour = "sweet" }\n'),
       before=("pip install --no-config kit", forget)),
    of("settings-of-a-requirement", "pip install -r requirements.txt",
       files={"requirements.txt": 'kit --config-settings "flavour=sweet"\n'}, before=("pip install kit", forget)),
    of("variables-of-the-project", "sync",
       files=project('"kit"', '[tool.uv.extra-build-variables]\nkit = { FLAG = "cuda" }\n'),
       before=("pip install --no-config kit", forget)),
    of("requirements-of-the-project", "sync",
       files=project('"helped"', '[tool.uv.extra-build-dependencies]\nhelped = ["helper==1.0"]\n'),
       before=("pip install --no-config helped", forget)),
    of("no-isolation", "pip install helper==1.0", "pip install --no-build-isolation helped"),
    of("no-isolation-without-the-requirement", "pip install --no-build-isolation helped",
           before=("pip install helped", forget)),
    of("no-isolation-of-a-package", "pip install helper==1.0",
           "pip install --no-build-isolation-package helped helped"),
    of("no-isolation-of-a-variable", "pip install helper==1.0", "UV_NO_BUILD_ISOLATION=1 pip install helped",
       before=("pip install helped", forget)),
    of("no-isolation-of-a-variable-stored", "pip install helped",
       before=("pip install helper==1.0", "UV_NO_BUILD_ISOLATION=1 pip install helped", forget)),
    of("no-isolation-of-uv.toml", "pip install helper==1.0", "pip install helped",
       settings="[pip]\nno-build-isolation = true\n"),
    of("no-isolation-of-the-project", "pip install helper==1.0", "sync --inexact",
       files=project('"helped"', '[tool.uv]\nno-build-isolation-package = ["helped"]\n'),
       before=("pip install --no-config helped", forget)),
    of("constraint", "pip install --build-constraint limits.txt helped", files={"limits.txt": "helper==1.0\n"},
       before=("pip install helped", forget)),
    of("constraint-of-a-variable", "UV_BUILD_CONSTRAINT=limits.txt pip install helped",
       files={"limits.txt": "helper==1.0\n"}, before=("pip install helped", forget)),
    of("constraint-of-a-variable-stored", "pip install helped", files={"limits.txt": "helper==1.0\n"},
       before=("UV_BUILD_CONSTRAINT=limits.txt pip install helped", forget)),
    of("constraint-of-the-project", "sync",
       files=project('"helped"', '[tool.uv]\nbuild-constraint-dependencies = ["helper==1.0"]\n'),
       before=("pip install --no-config helped", forget)),
    of("constraint-of-uv.toml", "pip install helped", settings='build-constraint-dependencies = ["helper==1.0"]\n'),
    of("folder", f"FLAG=cuda pip install --reinstall --no-cache --refresh {FOLDER}", setup=make_kit,
       before=(f"pip install {FOLDER}",)),
    of("editable", f"pip install -e {FOLDER}", setup=make_kit),
    of("sdist-by-its-url", "FLAG=cuda pip install --reinstall --no-cache --refresh <files main>/kit-1.0.tar.gz",
       before=("pip install <files main>/kit-1.0.tar.gz",)),
    of("sdist-by-its-path", "FLAG=cuda pip install --no-cache --refresh <folder main>/kit-1.0.tar.gz",
       before=("pip install <folder main>/kit-1.0.tar.gz",)),
    of("no-cache-of-uv.toml", "pip install helper", settings="no-cache = true\n"),
    of("no-cache-of-the-project", "sync", files=project('"helper"', "[tool.uv]\nno-cache = true\n")),
    of("large-files-of-git", "sync", setup=make_large_file_repository,
       files=project('"kit"', '[tool.uv.sources]\nkit = { git = "<uri elsewhere>/kit", lfs = true }\n')),
    of("large-files-of-git-as-pointers-afterwards", "sync", setup=make_large_file_repository,
       files=project('"kit"', '[tool.uv.sources]\nkit = { git = "<uri elsewhere>/kit" }\n'),
       before=("UV_GIT_LFS=1 sync",)),
]  # fmt: skip

ALWAYS = {
    "told-by-a-variable-afterwards", "told-by-a-variable-with-a-build-stored", "no-isolation-of-a-variable",
    "constraint-of-a-variable", "settings-of-uv.toml", "settings-of-the-project", "large-files-of-git",
}  # fmt: skip

KNOWN_TO_FAIL: set[str] = {
    "sdist-by-its-url",
    "told-by-a-variable-afterwards",
    "told-by-a-variable-and-reinstalled-alone",
    "told-by-a-variable-with-a-build-stored",
    "told-in-a-project",
    "told-in-a-project-by-the-package",
    "told-nothing-with-a-told-build-stored",
}
"""If a build from source must be new, or is private, each call of uv that needs it fetches its source.

uv alone fetches it once. The environments are equal.
"""


@parameters(ROWS, KNOWN_TO_FAIL, each=32, always=ALWAYS)
def test_a_build_is_the_one_that_was_asked_for(bench: Bench, row: Row) -> None:
    """The environment has the build that uv makes with the same settings, whatever was built before."""
    bench.assert_same(row)

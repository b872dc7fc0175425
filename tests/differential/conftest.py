"""Fixtures that the rows of a module share: the counting server, and uv's answers about the interpreter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.differential.harness import Bench
from tests.support.indexes import CountingServer, counting_server
from tests.support.machines import Machine


@pytest.fixture(scope="session")
def interpreter_answers(tmp_path_factory: pytest.TempPathFactory, interpreter: Path) -> Path:
    """Return a cache of uv with its answers about the interpreter, and nothing else."""
    folder = tmp_path_factory.mktemp("knows-the-interpreter")
    cache = folder / "cache"
    Machine(folder, folder / "store", cache).uv(
        "venv", "-q", "--no-config", "--python", interpreter, folder / "environment", folder=folder
    )
    return cache


@pytest.fixture(scope="module")
def server() -> Iterator[CountingServer]:
    """Return the server of a module's indexes."""
    with counting_server() as made:
        yield made


@pytest.fixture
def bench(tmp_path: Path, server: CountingServer, interpreter: Path, interpreter_answers: Path) -> Bench:
    """Return the bench that runs a row."""
    return Bench(tmp_path, server, interpreter, interpreter_answers)

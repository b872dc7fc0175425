"""A customer: a user who installs from an index of their own on the loopback device, with an empty cache of uv."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.indexes import served
from tests.support.projects import write_simple_index
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True)
class Customer(Workbench):
    """A user whose wheels come from the index at `url`."""

    url: str = ""

    @classmethod
    @contextmanager
    def with_index(cls, workbench: Workbench, slow: Mapping[str, float] | None = None) -> Iterator[Self]:
        """Yield the customer while the index is served. It takes some seconds to send the files that are `slow`."""
        machine = replace(workbench.machine, uv_cache=workbench.folder / "uv-cache")
        with served(workbench.folder / "pages", slow=slow) as url:
            yield cls.like(workbench, machine=machine, url=url)

    @property
    def index(self) -> tuple[str | Path, ...]:
        """Return the options that name the index."""
        return ("--default-index", f"{self.url}simple")

    @property
    def source(self) -> tuple[str | Path, ...]:
        """Return the options that name the index and the Python."""
        return (*self.index, "--python", self.interpreter)

    def publish(self, *wheels: Wheel) -> None:
        """Put wheels on the index."""
        self.supply(wheels)
        self.write_pages()

    def write_pages(self) -> None:
        """Write the pages of the index anew, with the hashes of the files."""
        write_simple_index(self.folder / "pages" / "simple", self.wheelhouse, hashes=True)

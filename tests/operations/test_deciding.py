"""The first decision is made without a lock, while other processes may change the environment."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Sequence

import pytest

from pepip.errors import UvError
from pepip.model import Installed
from pepip.operations import deciding, venvs
from pepip.operations.deciding import ChangeJob, Work
from pepip.operations.reporting import Progress
from pepip.store.root import Store
from pepip.uv.request import Request
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [Wheel(name, "1.0", files={f"{name}/__init__.py": ""}) for name in ("drum", "horn")]


def job_that_fails(meanwhile: Callable[[], None]) -> ChangeJob:
    """Return a job in which something happens while uv works, and then uv fails."""

    def decide(present: Sequence[Installed], call_meanwhile: Callable[[], None]) -> Work:
        call_meanwhile()
        meanwhile()
        raise UvError("uv pip install failed", output="error: Failed to read `METADATA`")

    return ChangeJob(Request(), decide, _install_nothing, lambda *_: iter(()))


def _install_nothing(work: Work) -> Generator[Progress, None, None]:
    del work
    yield from ()


@pytest.mark.parametrize("is_changed", [True, False])
def test_uv_is_asked_again_only_if_the_environment_has_changed(workbench: Workbench, *, is_changed: bool) -> None:
    """Where files have no locks, uv reads an environment while another process removes distributions."""
    workbench.install("drum", "horn")
    store = Store(str(workbench.store))
    environment = venvs.open_environment(str(workbench.environment), store)

    def meanwhile() -> None:
        if is_changed:
            shutil.rmtree(workbench.site_packages / "drum-1.0.dist-info")

    job = job_that_fails(meanwhile)
    if is_changed:
        assert deciding.decide_first(store, job, environment, lambda: None) is None
    else:
        with pytest.raises(UvError, match="uv pip install failed"):
            deciding.decide_first(store, job, environment, lambda: None)

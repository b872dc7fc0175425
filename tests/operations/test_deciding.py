"""The first decision is made without a lock, while other processes may change the environment."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Sequence

import pytest

from pepip.cli import output
from pepip.errors import UvError
from pepip.model import Installed
from pepip.operations import apply, deciding, venvs
from pepip.operations.deciding import ChangeJob, Work
from pepip.operations.reporting import Progress
from pepip.store.root import Store
from pepip.uv.dry_run_output import Changes
from pepip.uv.request import Request
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [Wheel(name, "1.0", files={f"{name}/__init__.py": ""}) for name in ("drum", "horn")]


FAILURE = UvError("uv pip install failed", output="error: Failed to read `METADATA`")


def job_that_fails(meanwhile: Callable[[], None]) -> ChangeJob:
    """Return a job in which something happens while uv works, and then uv fails."""

    def decide(present: Sequence[Installed], call_meanwhile: Callable[[], None]) -> Work:
        call_meanwhile()
        meanwhile()
        raise FAILURE

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


def test_uv_is_asked_until_nobody_disturbs_it(workbench: Workbench) -> None:
    """Another process removes one distribution after the other, and uv fails each time."""
    workbench.install("drum", "horn")
    store = Store(str(workbench.store))
    left = ["drum", "horn"]

    def decide(present: Sequence[Installed], call_meanwhile: Callable[[], None]) -> Work:
        call_meanwhile()
        if not left:
            return Work(Changes((), ()), [], [])
        shutil.rmtree(workbench.site_packages / f"{left.pop()}-1.0.dist-info")
        raise FAILURE

    job = ChangeJob(Request(), decide, _install_nothing, lambda *_: iter(()))
    change = apply.carry_out(store, str(workbench.environment), make=lambda: False, job=lambda _: job)

    done = output.follow(change, output.Reporter(verbosity=-1))

    assert done.removed == ()
    assert left == []


def test_a_question_is_asked_again_after_a_disturbance(workbench: Workbench) -> None:
    """For a preview, uv reads the environment, while another process removes a distribution."""
    workbench.install("drum", "horn")
    environment = venvs.open_environment(str(workbench.environment), Store(str(workbench.store)))
    metadata = workbench.site_packages / "drum-1.0.dist-info"

    def ask() -> str:
        if metadata.exists():
            shutil.rmtree(metadata)
            raise FAILURE
        return "answer"

    assert deciding.undisturbed(environment, ask) == "answer"

    with pytest.raises(UvError, match="uv pip install failed"):
        deciding.undisturbed(environment, _fail)


def _fail() -> str:
    raise FAILURE

"""A pytest plugin that delays messages and workers of the app at random, to find what depends on their order.

`pytest -p tests.support.delays tests/tui` loads it. `PEPIP_TEST_SEED` sets the seed of the delays. They are longer
than those of a busy machine, so not every failure is a fault of the app: some tests press a key without waiting.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from typing import Any

from textual.message import Message
from textual.message_pump import MessagePump
from textual.worker import Worker

_RANDOM = random.Random(int(os.environ.get("PEPIP_TEST_SEED", "0")))
_LONGEST_SECONDS = 0.05

_dispatch = MessagePump._dispatch_message
_run_threaded = Worker._run_threaded


async def _dispatch_late(pump: MessagePump, message: Message) -> None:
    chance = _RANDOM.random()
    if chance < 0.05:
        await asyncio.sleep(_RANDOM.random() * _LONGEST_SECONDS)  # the other widgets go on
    elif chance < 0.07:
        time.sleep(_RANDOM.random() * _LONGEST_SECONDS)  # only the threads go on
    elif chance < 0.2:
        await asyncio.sleep(0)
    await _dispatch(pump, message)


async def _run_late(worker: Worker[Any]) -> Any:
    await _sleep_sometimes()
    result = await _run_threaded(worker)
    await _sleep_sometimes()
    return result


async def _sleep_sometimes() -> None:
    if _RANDOM.random() < 0.4:
        await asyncio.sleep(_RANDOM.random() * 3 * _LONGEST_SECONDS)


def pytest_configure() -> None:
    """Delay all messages and workers of this process from now on."""
    MessagePump._dispatch_message = _dispatch_late  # type: ignore[method-assign]
    Worker._run_threaded = _run_late  # type: ignore[method-assign]

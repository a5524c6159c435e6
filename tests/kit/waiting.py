"""Waiting for what has no event of its own: a bounded look every few milliseconds."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

LOOK_AGAIN_S: Final = 0.01


async def until(condition: Callable[[], bool], what: str, within_s: float = 5.0) -> float:
    """Wait until a condition holds; returns the seconds it took. Raises AssertionError naming `what`."""
    began_at = time.monotonic()
    while not condition():
        waited_s = time.monotonic() - began_at
        assert waited_s < within_s, f"not within {within_s} s: {what}"
        await asyncio.sleep(LOOK_AGAIN_S)
    return time.monotonic() - began_at

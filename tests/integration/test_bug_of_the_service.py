"""A bug that ends the whole service ends it alone: callers stay in its Asterisk, and its next start has them back."""

from pathlib import Path

import pytest

from callcenter.companions.process import is_alive, read_pid
from tests.kit.everywhere import WAITER
from tests.kit.hotline import VIP
from tests.kit.own_asterisk import own_asterisk
from tests.kit.parts import CHECKOUT, RealAsterisk
from tests.kit.service import END_S
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

# Python reads this module before anything else: one of the vital tasks is another one, which has a bug.
PLANTED = """
import asyncio
import pathlib
from callcenter import notify

async def faulty():
    while not pathlib.Path({when!r}).exists():
        await asyncio.sleep(0.05)
    raise RuntimeError("a bug, planted")

notify.feed_watchdog = faulty
"""


async def test_a_bug_in_a_vital_task_drops_nobody_and_the_next_start_has_the_caller_back(
    asterisk: RealAsterisk, tmp_path: Path, database_url: str
) -> None:
    planted, when = tmp_path / "planted", tmp_path / "now"
    planted.mkdir()
    (planted / "sitecustomize.py").write_text(PLANTED.format(when=str(when)))
    async with own_asterisk(asterisk, tmp_path, database_url) as (service, trunk, pid_file):
        await service.start(PYTHONPATH=f"{planted}:{CHECKOUT}")
        its_asterisk = read_pid(pid_file)
        waiting = trunk.call(VIP, caller=WAITER)
        (queued,) = await service.until_waiting(1)
        when.touch()
        await until(lambda: service.process.returncode is not None, "the bug ended the service", END_S)
        assert service.process.returncode != 0
        assert "a bug, planted" in service.said
        assert is_alive(its_asterisk, service.instance)
        assert waiting.is_up
        await service.start()
        (kept,) = await service.until_waiting(1)
        assert (kept["contact_id"], read_pid(pid_file)) == (queued["contact_id"], its_asterisk)
        await waiting.hang_up()
        await service.until_over()
        assert await service.stop() == 0
        assert not is_alive(its_asterisk, service.instance), "who is asked to end, ends what it started"

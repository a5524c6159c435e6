"""Phones that Asterisk remembers from before its restart, and that come back under another address."""

import tempfile
from pathlib import Path

from tests.kit.hotline import open_hotline
from tests.kit.parts import DEMO_SITE, plan_for, running
from tests.kit.waiting import until


async def test_a_phone_that_comes_back_after_a_restart_of_asterisk_is_offered_calls(
    database_url: str, var: Path
) -> None:
    # Asterisk keeps registrations over its restart; the phone's old address answers nobody any more.
    plan = plan_for(Path(tempfile.mkdtemp(prefix="phones-")), "phones", prompts_dir=DEMO_SITE / "prompts")
    async with running(plan) as asterisk:
        async with asterisk.phone("agent01") as former:
            await former.register()
            former.unplug()
        await asterisk.companion.stop()
        await asterisk.companion.start()
        async with open_hotline(var, asterisk, database_url) as hotline, asterisk.phone("agent01") as phone:
            await hotline.log_in(phone, "agent01")
            await until(lambda: hotline.ready("agent01"), "agent01 stays ready", within_s=5.0)

"""A caller who gave up before our death and calls again after it: their age is still theirs."""

from pathlib import Path

import pytest

from callcenter.contact.model import Phase
from tests.kit.hotline import NOBODY, VIP, brisk_site, open_hotline, without_announcement
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration


async def test_who_gave_up_before_a_death_of_ours_and_calls_again_has_the_age_they_had(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    site = without_announcement(brisk_site())
    async with open_hotline(var, asterisk, database_url, site) as before:
        await before.log_out_all()
        call = trunk.call(VIP, caller=NOBODY)
        first = await before.until_phase(Phase.QUEUED)
        await call.hang_up()
        await before.until_ended()
        await before.kill()
    async with open_hotline(var, asterisk, database_url, site) as after:
        again = trunk.call(VIP, caller=NOBODY)
        second = await after.until_phase(Phase.QUEUED)
        (view,) = [view for queue in after.center.floor.snapshot().queues for view in queue.waiting]
        assert view.entered.contact_id == second.contact_id != first.contact_id
        assert (view.comeback, view.entered.entered_at) == (True, first.queued_at)
        await after.kill()  # while they wait again
    async with open_hotline(var, asterisk, database_url, site) as after:
        await after.until_phase(Phase.QUEUED)
        (view,) = [view for queue in after.center.floor.snapshot().queues for view in queue.waiting]
        assert (view.entered.contact_id, view.entered.entered_at) == (second.contact_id, first.queued_at)
        await until(lambda: after.center.telephony.leases_held == 1, "the caller's lease is held again")
        await again.hang_up()
        await after.nothing_left()

"""The audit with a real witness: calls on a real Asterisk, its own account of them, and the service killed between."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from callcenter.audit import Report, audit_events, witnessed_in
from callcenter.clock import AnchoredClock
from callcenter.companions.postgres import PostgresCompanion
from callcenter.contact.model import Phase
from callcenter.db.evidence import journal_evidence
from tests.kit.behaviour import Answer
from tests.kit.hotline import AGENT_HZ, NOBODY, VIP, brisk_site, open_hotline, without_announcement
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration


async def audited(cel: Path, journal: Path, url: str, from_at: float) -> Report:
    now = AnchoredClock().now()
    report = Report(from_at, now, now)
    witness = await asyncio.to_thread(witnessed_in, cel, from_at, now)
    await audit_events(url, "n1", report, journal_evidence(journal), witness)
    return report


async def test_served_abandoned_and_orphaned_callers_are_all_accounted_for(
    tmp_path: Path,
    asterisk: RealAsterisk,
    postgres: PostgresCompanion,
    trunk: Phone,
    phones: Mapping[str, Phone],
) -> None:
    url = await postgres.database("audit_on_asterisk")
    site, journal = without_announcement(brisk_site()), tmp_path / "main" / "journal.sqlite"
    from_at = AnchoredClock().now()
    agent = phones["agent01"]
    agent.behaviour = Answer(tone_hz=AGENT_HZ)
    async with open_hotline(tmp_path, asterisk, url, site) as hotline:
        gives_up = trunk.call(VIP, caller=NOBODY)
        await hotline.until_phase(Phase.QUEUED)
        await gives_up.hang_up()
        await hotline.until_ended()
        await hotline.log_in(agent, "agent01")
        call, _ = await hotline.talk(trunk, agent)
        await call.hang_up()
        await hotline.until_ended()
        await hotline.log_out_all()
        left_alone = trunk.call(VIP, caller=NOBODY)
        await hotline.until_phase(Phase.QUEUED)
        await hotline.kill()
    await left_alone.hang_up()  # nobody of ours sees it
    await until(lambda: cel_says(asterisk.companion.cel_path, "LINKEDID_END", 3, from_at), "three callers are gone")

    broken = await audited(asterisk.companion.cel_path, journal, url, from_at)
    assert [finding.rule for finding in broken.findings] == ["I2"], broken.findings
    assert "is gone, and it is not closed" in broken.findings[0].detail
    assert broken.callers_witnessed == 3

    async with open_hotline(tmp_path, asterisk, url, site) as hotline:
        await hotline.until_ended()
        await hotline.nothing_left()
    mended = await audited(asterisk.companion.cel_path, journal, url, from_at)
    assert mended.findings == [], "the reconcile closed what nobody saw"
    assert (mended.contacts, mended.open, mended.notes) == (3, 0, [])


def cel_says(path: Path, kind: str, count: int, from_at: float) -> bool:
    found = witnessed_in(path, from_at, from_at + 3600.0) or []
    return sum(one.kind == kind and one.at >= from_at for one in found) >= count

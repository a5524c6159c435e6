"""Twenty callers at once over four agents, with real audio from SIPp: all served, in order, nobody rung twice."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from callcenter.db.queries import EventRow
from tests.integration.conftest import Figure
from tests.kit.hotline import MENU, Hotline, data, one, outcomes, types
from tests.kit.ports import free_port
from tests.kit.registration import register_team
from tests.kit.sipp import SippRun, agent_uas, caller_menu
from tests.kit.tones import read_wav, rms_db
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

TEAM = ("agent01", "agent02", "agent03", "agent08")  # all of them know products and Mandarin
KNOWN = ("0910000001", "0910000002", "0910000004", "0910000008")  # platinum, vip, basic, basic
CALLERS = (*(f"09120000{number:02}" for number in range(1, 17)), *KNOWN)
SPOKEN_DB = -45.0
ECHO_SAMPLES_MAX = 1_600  # 0.2 s there and back
MOMENT_SAMPLES = 800  # 0.1 s: short enough to have no jitter in it
MOMENTS = 4
ALIKE = 0.9

Sounding = NDArray[np.float64]


async def test_twenty_callers_over_four_agents_are_all_served_in_order(
    hotline: Hotline, tmp_path: Path, figure: Figure
) -> None:
    asterisk, port = hotline.asterisk, free_port()
    passwords = {agent: asterisk.companion.sip_password(agent) for agent in TEAM}
    await register_team(passwords, asterisk.sip_address, port=port)
    agents = agent_uas(asterisk.sip_address, port=port, ring_s=0.1, talk_s=1.0)
    rows = [(caller, "1") for caller in CALLERS]
    callers = caller_menu(asterisk.sip_address, MENU, rows, welcome_s=0.3, talk_s=40.0, rate=20.0)
    async with SippRun(agents, tmp_path / "agents") as phones:
        for agent in TEAM:
            hotline.center.floor.log_in(agent)
        await until(lambda: all(map(hotline.ready, TEAM)), "the team is ready")
        async with SippRun(callers, tmp_path / "callers") as run:
            served = await run.succeed()
        await hotline.nothing_left(within_s=10.0)
        answered = await phones.finish()
    assert (served.succeeded, served.failed, served.hung_up_on) == (20, 0, 20)
    assert (answered.answered, answered.failed) == (20, 0)
    stories = await hotline.stories()
    assert len(stories) == 20
    for story in stories:
        assert data(story[-1])["end_state"] == "agent"
        assert [outcome for _, outcome in outcomes(story)] == ["accepted"]
        waited_s = one(story, "talk.started").at - one(story, "queue.entered").at
        figure("wait in the queue, s", waited_s)
    heard = [echoed(hotline.center.recordings_dir, story) for story in stories]
    assert False not in heard
    assert heard.count(True) >= 10
    nobody_with_two_offers(stories)
    first_in_first_out_within_a_tier(stories)
    assert hotline.center.switchboard.strays == 0
    assert not [name for name in hotline.center.telephony.counts if name.startswith("failed")]


def echoed(recordings_dir: Path, story: Sequence[EventRow]) -> bool | None:
    """Whether one of the loudest moments on the caller's side of the recording comes back on the agent's side.

    None when the caller said nothing: the voice that SIPp plays has pauses as long as these talks.
    """
    files = data(one(story, "recording.started"))
    spoken, heard = (
        read_wav(recordings_dir / str(files[side]))[1][:, 0].astype(np.float64)
        for side in ("caller_file", "agent_file")
    )
    starts = range(0, len(spoken) - MOMENT_SAMPLES - ECHO_SAMPLES_MAX, MOMENT_SAMPLES)
    loudest = sorted(starts, key=lambda at: -rms_db(spoken[at : at + MOMENT_SAMPLES]))[:MOMENTS]
    if rms_db(spoken[loudest[0] : loudest[0] + MOMENT_SAMPLES]) < SPOKEN_DB:
        return None
    return any(
        _likeness(spoken[at : at + MOMENT_SAMPLES], heard[back : back + MOMENT_SAMPLES]) > ALIKE
        for at in loudest
        for back in range(at, at + ECHO_SAMPLES_MAX)
    )


def _likeness(this: Sounding, other: Sounding) -> float:
    """Normalised correlation: 1 for equal sounds of any loudness, about 0 for strangers."""
    loudness = float(np.linalg.norm(this)) * float(np.linalg.norm(other))
    return float(this @ other) / max(loudness, 1.0)


def nobody_with_two_offers(stories: Sequence[Sequence[EventRow]]) -> None:
    """Each agent's work on one contact, from its offer to the end of the wrap-up, ends before the next offer."""
    spans = defaultdict(list)
    for story in stories:
        offer = one(story, "offer.made")
        spans[data(offer)["agent_id"]].append((offer.at, one(story, "wrap_up.ended").at))
    assert set(spans) == set(TEAM)
    for agent_id, worked in spans.items():
        worked.sort()
        for (_, ended_at), (offered_at, _) in pairwise(worked):
            assert ended_at <= offered_at, agent_id


def first_in_first_out_within_a_tier(stories: Sequence[Sequence[EventRow]]) -> None:
    """Who entered earlier was offered earlier, among callers of one value tier; nobody prefers an agent here."""
    entered = defaultdict(list)
    for story in stories:
        assert types(story).count("queue.entered") == 1
        joined = one(story, "queue.entered")
        entered[data(joined)["value_tier"]].append((joined.position, one(story, "offer.made").position))
    assert set(entered) == {"platinum", "vip", "standard", "basic"}
    for tier, positions in entered.items():
        offered = [offer for _, offer in sorted(positions)]
        assert offered == sorted(offered), tier

"""Both sides hear each other at once, and the recording proves it: caller left, agent right, nothing else."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from callcenter.contact.model import Phase
from callcenter.contact.signals import CommandFailed
from callcenter.db.queries import EventRow
from recordings.stereo import Span, open_stereo
from tests.integration.conftest import Figure
from tests.kit.behaviour import Answer, RingForEver
from tests.kit.callee import IncomingCall
from tests.kit.caller import OutgoingCall
from tests.kit.hotline import (
    AGENT_HZ,
    CALLER_HZ,
    NOBODY,
    VIP,
    Hotline,
    brisk_site,
    data,
    hears_only,
    ms,
    one,
    open_hotline,
    types,
    without_announcement,
)
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.tones import level_db_at, read_wav, tones_in

pytestmark = pytest.mark.integration

FOREIGN_HZ = 1000.0  # another talk's caller
SILENT_DB = -50.0
FALLBACK_S = 3.0  # so long a caller is in the fallback: Asterisk writes 2 s of audio at a time


def recorded_s(story: Sequence[EventRow], folder: Path) -> float:
    """The length of the audio that was recorded of a contact, once its file is closed."""
    started = data(one(story, "recording.started"))
    return open_stereo(folder, str(started["caller_file"]), str(started["agent_file"])).duration_s


def talked_s(story: Sequence[EventRow]) -> float:
    """How long the talk was, hold included."""
    return float(str(data(one(story, "recording.stopped"))["duration_s"]))


@pytest.fixture
async def music_at_once(var: Path, asterisk: RealAsterisk, database_url: str) -> AsyncIterator[Hotline]:
    """The call center with a VIP hotline that leads to music without an announcement."""
    async with open_hotline(var, asterisk, database_url, without_announcement(brisk_site())) as running:
        await running.log_out_all()
        yield running


async def _answered_at_once(call: OutgoingCall, desk: IncomingCall, figure: Figure, what: str) -> None:
    """The agent picks up: both hear each other and nothing else within a second."""
    desk.speak_tone(AGENT_HZ)
    desk.answer()
    # What is heard is judged by the last 0.2 s, so the figures are late by nearly that.
    heard_at = await hears_only(call, AGENT_HZ, within_s=1.0)
    figure(
        f"answer during {what} → caller hears only the agent (0.2 s of it), ms", ms(desk.times.answered_at, heard_at)
    )
    await hears_only(desk, CALLER_HZ, within_s=1.0)


async def test_the_recording_has_the_caller_left_the_agent_right_and_the_length_of_the_talk(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone], tmp_path: Path
) -> None:
    for agent_id, hz in (("agent01", AGENT_HZ), ("agent02", FOREIGN_HZ)):
        phones[agent_id].behaviour = Answer(tone_hz=hz)
        await hotline.log_in(phones[agent_id], agent_id)
    call, desk = await hotline.talk(trunk, phones["agent01"])
    # A second talk beside it, whose tones must not be in the first one's recording.
    other = trunk.call(VIP, caller="0912345679", tone_hz=FOREIGN_HZ)
    await other.hears(FOREIGN_HZ)
    # The stretch with both tones is what the recording is judged by.
    await asyncio.sleep(1.5)
    for heard, own in ((call, CALLER_HZ), (desk, AGENT_HZ)):
        assert all(abs(peak.hz - own) > 20 and abs(peak.hz - FOREIGN_HZ) > 20 for peak in heard.heard())
    await call.hang_up()
    await other.hang_up()
    await hotline.nothing_left()
    story, _ = await hotline.stories()
    started = data(one(story, "recording.started"))
    recording_id = str(started["recording_id"])
    contact_id = story[0].stream.removeprefix("contact/")
    assert recording_id == f"{contact_id}.r1"
    for side in ("caller", "agent"):
        assert Path(str(started[f"{side}_file"])).name == f"{recording_id}.{side}.wav"
    audio = open_stereo(hotline.center.recordings_dir, str(started["caller_file"]), str(started["agent_file"]))
    stereo = tmp_path / "stereo.wav"
    stereo.write_bytes(b"".join(audio.read(Span(0, audio.length - 1))))
    assert tones_in(stereo, 0) == {int(CALLER_HZ)}
    assert tones_in(stereo, 1) == {int(AGENT_HZ)}
    _, samples = read_wav(stereo)
    for channel, foreign in ((0, AGENT_HZ), (1, CALLER_HZ), (0, FOREIGN_HZ), (1, FOREIGN_HZ)):
        assert level_db_at(samples[:, channel], foreign) < SILENT_DB
    talk_s = data(one(story, "talk.ended"))["talk_s"]
    assert audio.duration_s == pytest.approx(talk_s, abs=0.5)
    assert data(one(story, "recording.stopped"))["duration_s"] == pytest.approx(audio.duration_s, abs=0.5)
    (row,) = await hotline.center.queries.recordings(contact_id)
    assert row.recording_id == recording_id


async def test_whom_no_agent_can_be_joined_with_is_not_recorded_on_in_the_fallback(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    await hotline.log_in(phones["agent01"], "agent01")
    call, desk = await hotline.talk(trunk, phones["agent01"])
    contact = await hotline.until_phase(Phase.TALKING)
    assert contact.talk is not None
    refused = CommandFailed("Join", contact.talk.bridge_id, "500")
    hotline.center.switchboard.signal(contact.talk.bridge_id, refused)
    await desk.ended()
    await call.hears_sound()  # the fallback asks for patience
    await asyncio.sleep(FALLBACK_S)
    assert call.is_up
    await call.hang_up()
    await hotline.nothing_left()
    await hotline.written()
    story = await hotline.story(contact.contact_id)
    assert recorded_s(story, hotline.center.recordings_dir) <= talked_s(story) + FALLBACK_S / 2


async def test_an_answer_cuts_the_announcement_at_once(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone], figure: Figure
) -> None:
    agent = phones["agent01"]
    agent.behaviour = RingForEver()
    await hotline.log_in(agent, "agent01")
    call = trunk.call(VIP, caller=NOBODY, tone_hz=CALLER_HZ)
    desk = await agent.next_call()
    await call.hears_sound()
    contact = await hotline.until_phase(Phase.CONNECTING)
    assert contact.playback_id is not None, "the announcement plays while the phone rings"
    await _answered_at_once(call, desk, figure, "announcement")
    await call.hang_up()
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    assert float(str(data(one(story, "queue.left"))["wait_s"])) < 4.0, "the announcement was heard to its end"


async def test_an_answer_cuts_the_music_at_once(
    music_at_once: Hotline, trunk: Phone, phones: Mapping[str, Phone], figure: Figure
) -> None:
    agent = phones["agent01"]
    agent.behaviour = RingForEver()
    await music_at_once.log_in(agent, "agent01")
    call = trunk.call(VIP, caller=NOBODY, tone_hz=CALLER_HZ)
    desk = await agent.next_call()
    await call.hears_sound()
    await _answered_at_once(call, desk, figure, "music")
    await call.hang_up()
    await music_at_once.nothing_left()
    (story,) = await music_at_once.stories()
    assert "talk.started" in types(story)

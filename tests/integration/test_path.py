"""The main job: a caller is served end to end on real Asterisk, and every step is in the database."""

from collections.abc import Mapping

from callcenter.contact.model import Phase
from tests.kit.behaviour import Answer
from tests.kit.hotline import Hotline, types
from tests.kit.phone import Phone


async def test_a_caller_is_served_end_to_end_and_the_whole_story_is_in_the_database(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    agent = phones["agent01"]
    agent.behaviour = Answer(after_s=0.3, tone_hz=700.0)
    await hotline.log_in(agent, "agent01")
    call = trunk.call("0800000100", caller="0910000003")
    await call.answered()
    call.speak_tone(400.0)
    await call.hears_sound()
    await call.press("1")
    await hotline.until_phase(Phase.TALKING)
    desk = await agent.next_call()
    await desk.hears(400.0)
    await call.hears(700.0)
    await call.hang_up()
    await desk.ended()
    await hotline.until_ended(within_s=20.0)
    contact = await hotline.latest()
    story = await hotline.story(contact.contact.contact_id)
    assert types(story)[0] == "contact.started"
    assert types(story)[-13:] == [
        "queue.entered",
        "offer.made",
        "offer.ringing",
        "offer.settled",
        "queue.left",
        "talk.started",
        "recording.started",
        "recording.stopped",
        "talk.ended",
        "caller.left",
        "wrap_up.started",
        "wrap_up.ended",
        "contact.ended",
    ]
    assert contact.contact.end_state == "agent"
    await hotline.nothing_left()

"""Whatever a network sends as a call, the caller gets the default treatment, and the contact is recorded."""

from collections.abc import Mapping

import pytest

from callcenter.contact.model import Phase
from tests.kit.behaviour import RingForEver
from tests.kit.hotline import NOBODY, VIP, Hotline, data
from tests.kit.phone import Phone

pytestmark = pytest.mark.integration

SHOWN_MAX = 64


@pytest.mark.parametrize(
    ("caller", "known_as"),
    [
        ("anonymous", None),
        ("+4930123456", "+4930123456"),
        ("0012125550123", "+12125550123"),
        ("not-a-number", None),
        ("%00%0d%0aInjected", None),
        ("9" * 200, None),
        ("x'*(1)$&=;DROP", None),
        ("1", None),
        ("0910000001", "+886910000001"),
    ],
    ids=["anonymous", "foreign", "foreign with 00", "letters", "escapes", "too long", "markup", "short", "customer"],
)
async def test_any_caller_number_is_served_and_only_a_real_one_is_kept_as_a_number(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone], caller: str, known_as: str | None
) -> None:
    agent = phones["agent01"]
    agent.behaviour = RingForEver()
    await hotline.log_in(agent, "agent01")
    call = trunk.call(VIP, caller=caller)
    await call.answered()
    desk = await agent.next_call()
    assert "\r" not in desk.caller
    assert "<" not in desk.display
    await call.hang_up()
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    started = data(story[0])
    assert started["caller"] == known_as
    assert len(str(started["caller_shown"])) <= SHOWN_MAX


@pytest.mark.parametrize("dialed", ["0800999999", "nobody", "911", "+886800000100", "9" * 120, "a%20b", "*98#"])
async def test_an_unknown_dialed_number_gets_the_default_hotline(hotline: Hotline, trunk: Phone, dialed: str) -> None:
    call = trunk.call(dialed, caller=NOBODY)
    await call.answered()
    contact = await hotline.until_phase(Phase.IVR)
    assert contact.cursor is not None
    assert contact.cursor.flow == "main"
    await call.hears_sound()
    await call.hang_up()
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    assert len(str(data(story[0])["dialed"])) <= SHOWN_MAX
    assert data(story[-1])["end_state"] == "abandoned_ivr"


@pytest.mark.parametrize(
    "display",
    [
        "<script>alert(1)</script>",
        "林小姐 😀 👩‍👩‍👧‍👦",
        "a\x01\x02\x1b[31mred\x7f",
        "$" + "{SHELL(id)}",
        "'; DROP TABLE contact;--",
        "x" * 3_000,
        "\\\\ \\u0000 %s %n",
    ],
    ids=["markup", "emoji", "control characters", "dialplan", "sql", "3 kB", "escapes"],
)
async def test_any_display_name_is_cut_and_cleaned_and_breaks_nothing(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone], display: str
) -> None:
    agent = phones["agent01"]
    agent.behaviour = RingForEver()
    await hotline.log_in(agent, "agent01")
    call = trunk.call(VIP, caller=NOBODY, display=display)
    await call.answered()
    desk = await agent.next_call()
    assert len(desk.display) <= 80
    assert not any(ord(character) < 32 for character in desk.display)
    assert "<" not in desk.display
    await call.hang_up()
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    shown = str(data(story[0])["caller_shown"])
    assert len(shown) <= SHOWN_MAX
    assert not any(ord(character) < 32 for character in shown)


@pytest.mark.parametrize("kilobytes", [2, 20, 60])
async def test_a_huge_header_breaks_nothing_and_the_next_caller_is_served(
    hotline: Hotline, trunk: Phone, kilobytes: int
) -> None:
    # A datagram can't carry more than 65,507 bytes. What is too much for Asterisk it drops or refuses.
    huge = trunk.call(VIP, caller=NOBODY, extra_headers=(("X-Junk", "j" * kilobytes * 1_000),))
    ordinary = trunk.call(VIP, caller="0912000009")
    await ordinary.answered()
    await ordinary.hears_sound()
    for call in (ordinary, huge):
        if call.is_up:
            await call.hang_up()
        else:
            call.cut()
    await hotline.nothing_left()
    callers = [data(story[0])["caller"] for story in await hotline.stories()]
    assert "+886912000009" in callers


async def test_datagrams_that_are_no_calls_break_nothing(hotline: Hotline, trunk: Phone) -> None:
    for junk in (
        b"\0" * 500,
        b"INVITE",
        b"INVITE sip:x SIP/2.0\r\n\r\n",
        b"\xff\xfe" * 3000,
        b"SIP/2.0 200 OK\r\n\r\n",
    ):
        trunk.send_raw(junk)
    call = trunk.call(VIP, caller=NOBODY)
    await call.answered()
    await call.hang_up()
    await hotline.nothing_left()
    assert len(await hotline.stories()) == 1

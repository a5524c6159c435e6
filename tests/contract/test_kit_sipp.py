"""The kit's SIPp scenarios proved on a real Asterisk with the plain dialplan."""

from pathlib import Path

import pytest

from tests.kit.parts import RealAsterisk
from tests.kit.ports import free_port
from tests.kit.registration import register_team
from tests.kit.sipp import SippFailed, SippRun, agent_register, agent_uas, caller_direct, caller_menu

pytestmark = pytest.mark.integration

CALLERS = [f"09100000{number:02}" for number in range(1, 7)]


async def test_each_caller_presses_the_digit_of_its_row_after_the_welcome(
    plain_asterisk: RealAsterisk, tmp_path: Path
) -> None:
    # The dialplan lets stay who presses 3, and hangs up on the others.
    rows = [(caller, digit) for caller, digit in zip(CALLERS, "334339", strict=True)]
    plan = caller_menu(plain_asterisk.sip_address, "press3", rows, welcome_s=0.3, talk_s=1.5)
    async with SippRun(plan, tmp_path) as run:
        result = await run.succeed()
    assert (result.succeeded, result.hung_up_on) == (6, 2)


async def test_a_refused_call_fails_with_the_reason_in_the_text(plain_asterisk: RealAsterisk, tmp_path: Path) -> None:
    plan = caller_direct(plain_asterisk.sip_address, "nobody", CALLERS[:1], talk_s=0.5)
    async with SippRun(plan, tmp_path) as run:
        with pytest.raises(SippFailed, match="404"):
            await run.succeed()


async def test_sipp_agents_behind_one_port_answer_callers_and_echo_what_they_say(
    plain_asterisk: RealAsterisk, tmp_path: Path
) -> None:
    port = free_port()
    team = {agent: plain_asterisk.companion.sip_password(agent) for agent in ("agent04", "agent05")}
    await register_team(team, plain_asterisk.sip_address, port=port)
    agents = agent_uas(plain_asterisk.sip_address, port=port, ring_s=0.2, talk_s=1.0)
    callers = caller_direct(plain_asterisk.sip_address, "agent04", CALLERS[:3], talk_s=10.0)
    async with SippRun(agents, tmp_path / "agents") as phones, plain_asterisk.trunk() as caller:
        async with SippRun(callers, tmp_path / "callers") as run:
            call = caller.call("agent05", tone_hz=400)
            await call.hears(400)
            await call.ended()
            assert call.ended_by == "them"
            assert (await run.succeed()).succeeded == 3
        ringing = caller.call("agent04")
        await ringing.ringing()
        await ringing.hang_up()
        short = caller.call("agent05")
        await short.answered()
        await short.hang_up()
        result = await phones.finish()
    assert result.answered == 5
    assert result.failed == 0


async def test_a_sipp_agent_registers_with_digest_and_not_without(plain_asterisk: RealAsterisk, tmp_path: Path) -> None:
    password = plain_asterisk.companion.sip_password("agent06")
    plan = agent_register(plain_asterisk.sip_address, "agent06", password, port=free_port())
    async with SippRun(plan, tmp_path / "right") as run:
        await run.succeed()
    wrong = agent_register(plain_asterisk.sip_address, "agent06", "wrong", port=free_port())
    async with SippRun(wrong, tmp_path / "wrong") as run:
        with pytest.raises(SippFailed, match="401"):
            await run.succeed()


async def test_leaving_a_run_ends_its_process_and_a_cut_off_call_is_no_success(
    plain_asterisk: RealAsterisk, tmp_path: Path
) -> None:
    async with plain_asterisk.phone("agent07") as phone:
        await phone.register()
        plan = caller_direct(plain_asterisk.sip_address, "agent07", CALLERS[:1], talk_s=60.0)
        async with SippRun(plan, tmp_path) as run:
            desk = await phone.next_call()
            await desk.answered()
        result = await run.wait()
    assert (result.succeeded, result.expected) == (0, 1)
    assert not result.clean

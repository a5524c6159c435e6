"""A caller whom a flow connects with a phone outside: allowed, rung, answered or not, and parted."""

from dataclasses import replace

import msgspec
import pytest

from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import signals as sig
from callcenter.contact.dial_policy import DialPolicy, why_no_transfer
from callcenter.contact.machine import advance, fail, resume
from callcenter.contact.model import Contact, Phase
from callcenter.contact.plan import Plan
from ivr.model import OutsideNode
from tests.contacts import BRANCH, CALLER, ID, PHONE, PLAN, after, steps, types

NUMBER = "+886212345678"
BRIDGE = f"{ID}.b1"
ANSWERED = sig.OutsideAnswered(PHONE)
POLICY = DialPolicy(("+886",), ("+886204",), extensions=("20", "31"))


def stored(contact: Contact) -> Contact:
    """The contact as a new process finds it in the journal."""
    return msgspec.json.decode(msgspec.json.encode(contact), type=Contact)


def node(contact: Contact) -> str:
    """Where the caller is in the flow."""
    assert contact.cursor is not None
    return contact.cursor.node


def test_the_phone_is_rung_and_the_caller_hears_it() -> None:
    (step,) = steps(hotline=BRANCH)
    assert step.commands == (
        ask.TakeCall(CALLER, ID),
        ask.StartRinging(CALLER),
        ask.DialOutside(PHONE, ID, CALLER, NUMBER, BRANCH, 20.0),
    )
    assert types([step])[-2:] == ["ivr.asked", "transfer.dialed"]
    assert step.contact.phase is Phase.IVR


def test_who_is_answered_is_joined_at_once_and_recorded_as_the_flow_says() -> None:
    step = steps(ANSWERED, hotline=BRANCH)[-1]
    assert step.commands[:3] == (ask.StopRinging(CALLER), ask.Join(BRIDGE, (CALLER, PHONE)), ask.CapLease(CALLER))
    assert isinstance(step.commands[3], ask.StartRecording)
    assert types([step]) == ["ivr.answered", "ivr.left", "transfer.answered", "recording.started"]
    answered = step.events[2]
    assert answered == ev.TransferAnswered(PHONE, NUMBER, 10.0, BRIDGE)
    assert (step.contact.phase, step.contact.timer_at) == (Phase.OUTSIDE, None)


def test_who_declined_recording_is_not_recorded() -> None:
    contact = replace(after(hotline=BRANCH), recording_consent=False)
    step = advance(contact, ANSWERED, PLAN, 110.0)
    assert not [command for command in step.commands if isinstance(command, ask.StartRecording)]


@pytest.mark.parametrize(
    ("ended", "outcome", "leads_to"),
    [
        (sig.OutsideLegEnded(PHONE, 17, 486), "busy", "busy"),
        (sig.OutsideLegEnded(PHONE, 21, 603), "rejected", "busy"),
        (sig.OutsideLegEnded(PHONE, 19, 480), "no_answer", "failed"),
        (sig.OutsideLegEnded(PHONE, 1, 404), "unreachable", "failed"),
        (sig.CommandFailed("DialOutside", PHONE, "unreachable"), "unreachable", "failed"),
        (sig.CommandFailed("DialOutside", PHONE, "500"), "failed", "failed"),
    ],
)
def test_a_phone_that_is_not_answered_leads_on_in_the_flow(ended: sig.Signal, outcome: str, leads_to: str) -> None:
    step = steps(ended, hotline=BRANCH)[-1]
    assert step.commands[0] == ask.StopRinging(CALLER)
    (failed,) = [event for event in step.events if isinstance(event, ev.TransferFailed)]
    assert failed.outcome == outcome
    assert node(step.contact) == leads_to
    assert step.contact.outside is None


def test_a_phone_of_which_nobody_tells_is_let_go_in_time() -> None:
    rings = after(hotline=BRANCH)
    assert rings.timer_at == 135.0
    step = advance(rings, sig.TimerDue(), PLAN, 135.0)
    assert step.commands[:2] == (ask.HangUp(PHONE), ask.StopRinging(CALLER))
    assert step.contact.phase is Phase.QUEUED
    late = advance(step.contact, ANSWERED, PLAN, 136.0)
    assert late.commands == (ask.HangUp(PHONE),)


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (replace(PLAN, dial_out=None), "no_dial_out"),
        (replace(PLAN, dial_out=DialPolicy(("+81",))), "not_allowed"),
        (replace(PLAN, dial_out=DialPolicy(("+886",), ("+8862",))), "not_allowed"),
        (replace(PLAN, held_back="1 trunk is free, 1 kept for callers"), "no_trunk"),
    ],
)
def test_what_may_not_be_dialed_is_not_and_the_flow_goes_on(plan: Plan, why: str) -> None:
    (step,) = steps(hotline=BRANCH, plan=plan)
    assert not [command for command in step.commands if isinstance(command, ask.DialOutside | ask.StartRinging)]
    assert ev.TransferRefused(NUMBER, why) in step.events
    assert step.contact.phase is Phase.QUEUED


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (NUMBER, None),
        ("+886204123", "not_allowed"),
        ("+1555123456", "not_allowed"),
        ("2001", None),
        ("31", None),
        ("4001", "not_allowed"),
        ("0212345678", "no_number"),
        ("+", "no_number"),
        ("sip:boss@example", "no_number"),
        ("2001\n", "no_number"),
        ("", "no_number"),
    ],
)
def test_numbers_go_by_country_and_extensions_by_their_own_beginnings(number: str, why: str | None) -> None:
    assert why_no_transfer(POLICY, number) == why
    assert why_no_transfer(DialPolicy(("+886",)), "2001") == "not_allowed"


def test_the_phone_shows_the_sites_number_or_the_callers_where_the_flow_says_so() -> None:
    flow = PLAN.flows["branch"]
    office = flow.nodes["office"]
    assert isinstance(office, OutsideNode)
    shows = replace(flow, nodes={**flow.nodes, "office": replace(office, shows_caller=True)})
    shown = []
    for plan in (
        replace(PLAN, dial_out=replace(POLICY, caller_id="0212340000")),
        replace(PLAN, flows={**PLAN.flows, "branch": shows}),
    ):
        (step,) = steps(hotline=BRANCH, plan=plan)
        shown += [command.shown for command in step.commands if isinstance(command, ask.DialOutside)]
    assert shown == ["0212340000", "+886910000001"]


# --- the end ---


def test_the_caller_who_hangs_up_while_it_rings_stops_it() -> None:
    step = steps(sig.CallerLeft("caller"), hotline=BRANCH)[-1]
    assert ask.HangUp(PHONE) in step.commands
    assert types([step]) == ["transfer.failed", "ivr.left", "caller.left", "contact.ended"]


@pytest.mark.parametrize(
    ("signal", "let_go", "by"),
    [
        (sig.CallerLeft("caller"), PHONE, "caller"),
        (sig.OutsideLegEnded(PHONE, 16), CALLER, "outside"),
        (sig.CallerLeft("agent"), PHONE, "outside"),  # as a witness tells it
    ],
)
def test_whoever_hangs_up_ends_the_contact(signal: sig.Signal, let_go: str, by: str) -> None:
    step = steps(ANSWERED, signal, hotline=BRANCH)[-1]
    assert step.commands == (ask.HangUp(let_go), ask.DropBridge(BRIDGE))
    assert types([step]) == ["recording.stopped", "transfer.ended", "caller.left", "contact.ended"]
    assert (step.contact.end_state, step.contact.ended_by) == ("transferred", by)
    assert step.contact.phase is Phase.ENDED


def test_who_is_taken_to_the_fallback_is_not_recorded_there() -> None:
    step = steps(ANSWERED, sig.CallerLeft("fallback"), hotline=BRANCH)[-1]
    assert ask.StopRecording(f"{ID}.r1", CALLER) in step.commands


def test_a_talk_without_its_bridge_ends_and_the_caller_is_cared_for() -> None:
    step = steps(ANSWERED, sig.CommandFailed("Join", BRIDGE, "500"), hotline=BRANCH)[-1]
    assert ask.HangUp(PHONE) in step.commands
    assert ask.SendToFallback(CALLER) in step.commands
    assert step.contact.end_state == "failed"


@pytest.mark.parametrize("history", [(), (ANSWERED,)])
def test_a_bug_lets_the_phone_go_and_sends_the_caller_to_the_fallback(history: tuple[sig.Signal, ...]) -> None:
    step = fail(after(*history, hotline=BRANCH), "a bug", PLAN, 120.0)
    assert ask.HangUp(PHONE) in step.commands
    assert ask.SendToFallback(CALLER) in step.commands
    assert step.contact.phase is Phase.ENDED


# --- a restart ---


def test_a_phone_that_rang_as_the_service_died_is_let_go_and_rung_again() -> None:
    step = resume(stored(after(hotline=BRANCH)), PLAN, 200.0)
    assert ask.HangUp(PHONE) in step.commands
    (dialed,) = [command for command in step.commands if isinstance(command, ask.DialOutside)]
    assert dialed.leg_id == f"{ID}.x2"
    assert types([step])[:2] == ["contact.resumed", "transfer.failed"]


def test_a_talk_goes_on_over_a_restart_and_is_joined_if_it_was_not() -> None:
    talks = stored(after(ANSWERED, hotline=BRANCH))
    step = resume(talks, PLAN, 200.0)
    assert (step.commands, step.contact.phase) == ((), Phase.OUTSIDE)
    apart = advance(talks, sig.LegsApart(PHONE), PLAN, 200.0)
    assert ask.Join(BRIDGE, (CALLER, PHONE)) in apart.commands

"""What a reconcile finds: each difference between our contacts and Asterisk is a signal that must have been lost."""

from dataclasses import replace

from callcenter.contact import signals as sig
from callcenter.contact.model import Phase
from callcenter.ports import CallerAtTheDoor, ChannelEnded, ChannelSeen
from callcenter.reconcile import compare, gone, witnessed
from tests.contacts import (
    AGENT_WAITS,
    BOTH_RINGING,
    BRANCH,
    CALLED,
    CALLER,
    DIALED,
    HISTORIES,
    ID,
    OFFER,
    OTHER_OFFER,
    PHONE,
    PROMISED,
    RINGING,
    TALKING,
    after,
)

BRIDGE = f"{ID}.b1"


def caller(**changes: object) -> ChannelSeen:
    seen = ChannelSeen(CALLER, ID, "caller", in_stasis=True, up=True, dialed="0800000200", caller="0910000001")
    return replace(seen, **changes)  # type: ignore[arg-type]


def leg(**changes: object) -> ChannelSeen:
    seen = ChannelSeen(OFFER, ID, "agent", in_stasis=True, up=True, dialed="", caller="")
    return replace(seen, **changes)  # type: ignore[arg-type]


def test_when_everything_is_as_believed_nothing_is_found() -> None:
    assert compare([after(*TALKING)], [caller(), leg()], [BRIDGE]).count == 0
    assert compare([after()], [caller()], []).count == 0


def test_a_caller_who_vanished_has_left_and_nobody_knows_who_ended_it() -> None:
    assert compare([after()], [], []).lost == [(ID, sig.CallerLeft("unknown"))]


def test_a_caller_whom_the_dialplan_took_went_to_the_fallback() -> None:
    found = compare([after()], [caller(in_stasis=False)], [])
    assert found.lost == [(ID, sig.CallerLeft("fallback"))]
    assert found.arrivals == []


def test_a_ringing_phone_that_was_answered_meanwhile_is_told() -> None:
    found = compare([after(*RINGING)], [caller(), leg()], [])
    assert found.lost == [(ID, sig.AgentAnswered(OFFER))]


def test_of_several_phones_that_rang_each_is_told_of_what_became_of_it() -> None:
    found = compare([after(*BOTH_RINGING)], [caller(), leg(channel_id=OTHER_OFFER)], [])
    assert found.lost == [(ID, sig.AgentLegEnded(OFFER)), (ID, sig.AgentAnswered(OTHER_OFFER))]
    assert found.stray_legs == []


def test_a_ringing_phone_that_rings_still_is_no_difference() -> None:
    assert compare([after(*RINGING)], [caller(), leg(in_stasis=False, up=False)], []).count == 0


def test_a_ringing_phone_that_stopped_is_told() -> None:
    assert compare([after(*RINGING)], [caller()], []).lost == [(ID, sig.AgentLegEnded(OFFER))]


def test_an_agent_who_hung_up_meanwhile_is_told_after_the_caller_who_did_too() -> None:
    found = compare([after(*TALKING)], [], [BRIDGE])
    assert found.lost == [(ID, sig.CallerLeft("unknown")), (ID, sig.AgentLegEnded(OFFER))]


def test_what_asterisk_tells_of_the_ends_is_heard_in_the_order_in_which_they_came() -> None:
    talking = after(*TALKING)
    found = compare([talking], [], [BRIDGE])
    assert gone(found, [talking]) == {CALLER: talking.last_at, OFFER: talking.last_at}
    agent_first = {CALLER: ChannelEnded(60.0, "agent", 16), OFFER: ChannelEnded(50.0, "caller", 17)}
    assert witnessed(found, [talking], agent_first) == [
        (ID, sig.AgentLegEnded(OFFER, 17), 50.0),
        (ID, sig.CallerLeft("agent", 16), 60.0),
    ]


def test_whose_end_nobody_can_tell_has_left_now() -> None:
    talking = after(*TALKING)
    found = compare([talking], [], [BRIDGE])
    assert witnessed(found, [talking], {OFFER: ChannelEnded(50.0, "caller", 16)}) == [
        (ID, sig.AgentLegEnded(OFFER, 16), 50.0),
        (ID, sig.CallerLeft("unknown"), None),
    ]
    assert [late.at for late in witnessed(found, [talking], {})] == [None, None]


def test_a_caller_in_our_hands_whom_no_contact_knows_is_an_arrival() -> None:
    stranger = caller(channel_id="channel-9", contact_id="")
    found = compare([], [stranger], [])
    assert found.arrivals == [CallerAtTheDoor("channel-9", "0800000200", "0910000001", "", answered=True)]


def test_legs_and_bridges_of_no_live_contact_are_strays() -> None:
    found = compare([], [leg()], [BRIDGE])
    assert (found.stray_legs, found.stray_bridges) == ([OFFER], [BRIDGE])


def test_a_contact_in_wrap_up_has_nobody_on_the_line_to_miss() -> None:
    hotline, history = HISTORIES[Phase.WRAP_UP]
    assert compare([after(*history, hotline=hotline)], [], []).count == 0


def test_two_who_should_talk_and_are_not_in_their_bridge_are_told_so() -> None:
    talking = after(*TALKING)
    joined, apart = {"bridge_id": BRIDGE}, {"bridge_id": ""}
    assert compare([talking], [caller(**joined), leg(**joined)], [BRIDGE]).count == 0
    for ours, theirs in ((apart, apart), (joined, apart), (apart, joined)):
        found = compare([talking], [caller(**ours), leg(**theirs)], [BRIDGE])
        assert found.lost == [(ID, sig.LegsApart(OFFER))]
    gone = compare([talking], [caller(in_stasis=False, **apart), leg(**apart)], [])
    assert gone.lost == [(ID, sig.CallerLeft("fallback"))]


def called(**changes: object) -> ChannelSeen:
    """The leg of a customer whom we call, as it rings."""
    seen = ChannelSeen(CALLED, ID, "customer", in_stasis=False, up=False, dialed="", caller="")
    return replace(seen, **changes)  # type: ignore[arg-type]


def test_a_customer_who_is_being_called_and_the_agent_who_waits_are_looked_for() -> None:
    waiting = after(*AGENT_WAITS)
    assert compare([waiting], [called(), leg()], []).count == 0
    assert compare([waiting], [called(in_stasis=True, up=True), leg()], []).lost == [(ID, sig.CustomerAnswered(CALLED))]
    assert compare([waiting], [leg()], []).lost == [(ID, sig.CustomerLegEnded(CALLED))]
    assert compare([waiting], [called()], []).lost == [(ID, sig.AgentLegEnded(OFFER))]


def test_who_waits_to_be_called_back_has_nobody_on_the_line_to_miss() -> None:
    assert compare([after(*PROMISED)], [], []).count == 0


def test_a_called_customer_of_no_contact_is_a_stray_and_one_who_picked_up_a_caller() -> None:
    assert compare([], [called(in_stasis=True)], []).stray_legs == [CALLED]
    there = after(*DIALED, sig.CustomerAnswered(CALLED))
    assert compare([there], [called(in_stasis=True)], []).count == 0
    assert compare([there], [], []).lost == [(ID, sig.CallerLeft("unknown"))]


# --- a phone outside ---


def phone(**changes: object) -> ChannelSeen:
    return leg(**{"channel_id": PHONE, "role": "outside", **changes})


def test_a_phone_outside_that_rings_or_talks_as_believed_is_no_difference() -> None:
    assert compare([after(hotline=BRANCH)], [caller(), phone(in_stasis=False, up=False)], []).count == 0
    talks = after(sig.OutsideAnswered(PHONE), hotline=BRANCH)
    assert compare([talks], [caller(bridge_id=BRIDGE), phone(bridge_id=BRIDGE)], [BRIDGE]).count == 0


def test_a_phone_outside_that_was_answered_ended_or_never_joined_is_told() -> None:
    rings, talks = after(hotline=BRANCH), after(sig.OutsideAnswered(PHONE), hotline=BRANCH)
    assert compare([rings], [caller(), phone()], []).lost == [(ID, sig.OutsideAnswered(PHONE))]
    assert compare([rings], [caller()], []).lost == [(ID, sig.OutsideLegEnded(PHONE))]
    assert compare([talks], [caller()], [BRIDGE]).lost == [(ID, sig.OutsideLegEnded(PHONE))]
    assert compare([talks], [caller(bridge_id=""), phone(bridge_id="")], []).lost == [(ID, sig.LegsApart(PHONE))]


def test_a_phone_outside_of_nobody_is_let_go_and_its_end_is_told_as_asterisk_tells_it() -> None:
    assert compare([], [phone()], []).stray_legs == [PHONE]
    talks = after(sig.OutsideAnswered(PHONE), hotline=BRANCH)
    found = compare([talks], [caller()], [BRIDGE])
    assert gone(found, [talks]).keys() == {PHONE}
    (late,) = witnessed(found, [talks], {PHONE: ChannelEnded(150.0, "caller", 16)})
    assert (late.signal, late.at) == (sig.OutsideLegEnded(PHONE, cause=16), 150.0)


def test_by_what_a_recogniser_hears_is_nobodys_once_the_contact_asks_for_it_no_more() -> None:
    ears = [caller(channel_id=f"{ID}.{kind}1", role="ear") for kind in "sm"]
    listening = replace(after(), listening_id=f"{ID}.l1")
    assert compare([listening], [caller(), *ears], [f"{ID}.l1"]).count == 0
    found = compare([replace(listening, listening_id=f"{ID}.l2")], [caller(), *ears], [f"{ID}.l1"])
    assert (found.stray_legs, found.stray_bridges) == ([f"{ID}.s1", f"{ID}.m1"], [f"{ID}.l1"])

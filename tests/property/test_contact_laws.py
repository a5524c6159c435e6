"""Laws of the contact machine: they hold for whatever Asterisk and the floor may say, in whatever order."""

from dataclasses import dataclass, field
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import signals as sig
from callcenter.contact.draft import Step
from callcenter.contact.machine import TABLE, advance
from callcenter.contact.model import Contact, Phase
from tests.contacts import AGENT, ID, MENU, PLAN, VIP, arrival, gapless, offer, types

LEGS = st.sampled_from([f"{ID}.o{n}" for n in range(1, 4)])
PLAYBACKS = st.sampled_from([f"{ID}.p{n}" for n in range(1, 5)])
COMMANDS = st.sampled_from(["Say", "RingDesk", "Join", "StartRecording", "StartMusic", "TakeCall"])

SIGNALS: st.SearchStrategy[sig.Signal] = st.one_of(
    st.builds(sig.CallerLeft, st.sampled_from(["caller", "system", "fallback"]), st.integers(0, 127)),
    st.builds(sig.DigitPressed, st.sampled_from("0123456789*#")),
    st.builds(sig.PromptEnded, PLAYBACKS, st.booleans()),
    st.builds(sig.OfferWithdrawn, LEGS, st.sampled_from(["no_answer", "rescinded", "failed"])),
    st.builds(sig.AgentRinging, LEGS),
    st.builds(sig.AgentAnswered, LEGS),
    st.builds(sig.AgentLegEnded, LEGS, st.sampled_from([0, 16, 17, 19, 21]), st.sampled_from([0, 480, 486, 603])),
    st.builds(sig.AgentHeld, LEGS),
    st.builds(sig.AgentResumed, LEGS),
    st.builds(
        sig.CommandFailed, COMMANDS, st.one_of(LEGS, PLAYBACKS, st.just(f"{ID}.b1")), st.just("?"), st.booleans()
    ),
    st.just(sig.TimerDue()),
    st.just(sig.WrapUpOver(AGENT)),
    st.integers(1, 3).map(offer),
)


@dataclass
class History:
    """A contact's steps under signals it may hear; those its phase can't hear are left out."""

    made: list[Step] = field(default_factory=list)

    @classmethod
    def of(cls, hotline: str, signals: list[sig.Signal]) -> "History":
        history = cls([arrival(hotline)])
        for n, signal in enumerate(signals, 1):
            contact = history.made[-1].contact
            if (contact.phase, type(signal)) in TABLE:
                history.made.append(advance(contact, signal, PLAN, 100.0 + n))
        return history


histories = st.builds(History.of, st.sampled_from([MENU, VIP]), st.lists(SIGNALS, max_size=40))


@given(histories)
def test_ended_is_for_ever_and_says_nothing_more(history: History) -> None:
    for before, after in pairwise(history.made):
        if before.contact.phase is Phase.ENDED:
            assert after.contact.phase is Phase.ENDED
            assert after.events == ()


@given(histories)
def test_seq_is_gapless_and_the_last_event_counts_them_all(history: History) -> None:
    assert gapless(history.made)
    ended = [event for step in history.made for event in step.events if isinstance(event, ev.ContactEnded)]
    assert len(ended) == (history.made[-1].contact.phase is Phase.ENDED)
    if ended:
        assert ended[0].seq_total == len(types(history.made))


@given(histories)
def test_an_offer_settles_once(history: History) -> None:
    settled = [e.offer_id for s in history.made for e in s.events if isinstance(e, ev.OfferSettled)]
    made = [e.offer_id for s in history.made for e in s.events if isinstance(e, ev.OfferMade)]
    assert len(settled) <= len(made)
    for offer_id in set(settled):
        assert settled.count(offer_id) <= made.count(offer_id)


@given(histories)
def test_no_resource_id_is_used_twice_for_a_bridge_a_playback_or_a_recording(history: History) -> None:
    asked = [command for step in history.made for command in step.commands]
    for kind, name in ((ask.Join, "bridge_id"), (ask.Say, "playback_id"), (ask.StartRecording, "recording_id")):
        ids = [getattr(command, name) for command in asked if isinstance(command, kind)]
        assert len(ids) == len(set(ids))


@given(histories)
def test_wait_talk_and_hold_fit_into_the_visit(history: History) -> None:
    contact = history.made[-1].contact
    assert min(contact.wait_s, contact.talk_s, contact.hold_s) >= 0.0
    assert contact.wait_s + contact.talk_s + contact.hold_s <= 40.0 + 1e-6


@given(histories)
def test_whoever_answered_is_let_go_when_the_contact_is_over(history: History) -> None:
    contact = history.made[-1].contact
    if contact.phase in {Phase.WRAP_UP, Phase.ENDED}:
        joined = {leg for s in history.made for c in s.commands if isinstance(c, ask.Join) for leg in c.channel_ids[1:]}
        let_go = {c.channel_id for s in history.made for c in s.commands if isinstance(c, ask.HangUp)}
        left = {leg for leg in joined if leg not in let_go}
        assert len(left) <= 1  # at most the agent who hung up themselves
        assert contact.channel_id == ""


@given(histories)
def test_a_contact_read_back_from_the_journal_is_the_contact(history: History) -> None:
    contact = history.made[-1].contact
    assert msgspec.json.decode(msgspec.json.encode(contact), type=Contact) == contact

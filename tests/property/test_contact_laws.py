"""Laws of the contact machine: they hold for whatever Asterisk and the floor may say, in whatever order."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeVar

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import signals as sig
from callcenter.contact.comfort import Comfort, Told
from callcenter.contact.draft import Step
from callcenter.contact.exit_steps import MOVES_MAX
from callcenter.contact.ivr_events import Misheard
from callcenter.contact.machine import TABLE, advance
from callcenter.contact.model import Contact, Phase
from ivr.listening import MISHEARD_MAX
from ivr.model import MenuNode
from routing.model import Exit, ExitKind
from tests.contacts import (
    AGENT,
    AGENT_WAITS,
    BRANCH,
    CALLBACK,
    DIALED,
    GOODBYE,
    ID,
    MENU,
    PHONE,
    PLAN,
    PROMISED,
    VIP,
    VOICEMAIL,
    arrival,
    diverted,
    gapless,
    offer,
    types,
)

COMFORT = Comfort(first_s=2.0, every_s=3.0, position=True, wait=True, messages=("a", "b"), key_prompts=("c",))
LOOKED_AFTER = replace(
    PLAN,
    queues={name: replace(queue, comfort=COMFORT if name != "orders" else None) for name, queue in PLAN.queues.items()},
)

QUEUES = st.sampled_from(["vip", "vip", "product", "orders"])
EXITS = st.sampled_from(
    [*(Exit(ExitKind.QUEUE, queue) for queue in ("vip", "product", "orders")), GOODBYE, VOICEMAIL, CALLBACK]
)
LEGS = st.sampled_from([f"{ID}.o{n}" for n in range(1, 4)])
PLAYBACKS = st.sampled_from([f"{ID}.p{n}" for n in range(1, 5)])
PHONES = st.sampled_from([PHONE, f"{ID}.x2"])
CALLED = st.sampled_from([f"{ID}.c{n}" for n in range(1, 3)])
COMMANDS = st.sampled_from(
    ["Say", "RingDesk", "DialOut", "DialOutside", "Join", "StartRecording", "StartMusic", "TakeCall"]
)

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
        sig.CommandFailed,
        COMMANDS,
        st.one_of(LEGS, CALLED, PLAYBACKS, PHONES, st.just(f"{ID}.b1")),
        st.just("?"),
        st.booleans(),
    ),
    st.builds(sig.CallbackDue, st.integers(1, 3)),
    st.builds(sig.CallbackOver, st.sampled_from(["expired", "unreached", "refused", "returned"])),
    st.builds(sig.CustomerAnswered, CALLED),
    st.builds(sig.CustomerLegEnded, CALLED, st.sampled_from([0, 16, 17, 19, 21]), st.sampled_from([0, 480, 486])),
    st.just(sig.TimerDue()),
    st.just(sig.WrapUpOver(AGENT)),
    st.sampled_from([AGENT, "agent02"]).map(lambda agent_id: offer(1, agent_id)),
    st.builds(diverted, EXITS, QUEUES),
    st.builds(sig.StepTaken, QUEUES, st.integers(0, 3), st.just("time"), st.just("en")),
    st.builds(sig.Estimated, st.integers(1, 9), st.none() | st.floats(0, 60), st.none() | st.floats(60, 600)),
)


WAITS = st.none() | st.floats(0, 600)
TOLD = st.builds(
    lambda position, one, two: Told(position, *sorted((one, two))) if one and two else Told(position, None, None),
    *(st.integers(1, 9), WAITS, WAITS),
)
OUTSIDE: st.SearchStrategy[sig.Signal] = st.one_of(
    st.builds(sig.OutsideAnswered, PHONES),
    st.builds(sig.OutsideLegEnded, PHONES, st.sampled_from([0, 16, 17, 19, 21]), st.sampled_from([0, 480, 486])),
    st.builds(sig.LegsApart, PHONES),
)
HEARD: st.SearchStrategy[sig.Signal] = st.builds(
    sig.SpeechHeard,
    st.sampled_from([f"{ID}.l{n}" for n in range(1, 4)]),
    st.sampled_from(["matched", "no_match", "away", "began"]),
    st.sampled_from(["word", "?"]),
)
SIGNALS = st.one_of(
    SIGNALS, SIGNALS, OUTSIDE, HEARD, st.builds(sig.WaitTold, st.none() | TOLD, st.none() | st.just("overtaken"))
)

_MAIN = LOOKED_AFTER.flows["main"]
_MENU = _MAIN.nodes["menu"]
assert isinstance(_MENU, MenuNode)
_HEARING = replace(_MAIN, nodes={**_MAIN.nodes, "menu": replace(_MENU, speech={"zh-TW": {"word": "1"}})})
# The site, whose menu may be answered by voice.
LISTENING = replace(LOOKED_AFTER, flows={**LOOKED_AFTER.flows, "main": _HEARING})

E = TypeVar("E")
C = TypeVar("C")
WITHOUT_OFFERS = set(Phase) - {Phase.CONNECTING, Phase.DIALING}


@dataclass
class History:
    """A contact's steps under the signals it may hear; those its phase can't hear are left out.

    The floor gives every offer a new id, so an offer here always is the contact's next.
    """

    made: list[Step] = field(default_factory=list)
    heard: list[sig.Signal] = field(default_factory=list)
    at: list[float] = field(default_factory=lambda: [100.0])

    @classmethod
    def of(cls, hotline: str, signals: list[sig.Signal]) -> "History":
        history = cls([arrival(hotline, plan=LISTENING)])
        for n, signal in enumerate(signals, 1):
            contact = history.made[-1].contact
            if isinstance(signal, sig.OfferProposed):
                signal = offer(contact.offers_made + 1, signal.agent_id, 100.0 + n)  # noqa: PLW2901
            if (contact.phase, type(signal)) in TABLE:
                history.heard.append(signal)
                history.at.append(100.0 + n)
                history.made.append(advance(contact, signal, LISTENING, 100.0 + n))
        return history

    def events(self, kind: type[E]) -> list[E]:
        """The events of this type, in order."""
        return [event for step in self.made for event in step.events if isinstance(event, kind)]

    def asked(self, kind: type[C]) -> list[C]:
        """The commands of this type, in order."""
        return [command for step in self.made for command in step.commands if isinstance(command, kind)]


BEGINNINGS: list[tuple[sig.Signal, ...]] = [(), (), PROMISED, DIALED, AGENT_WAITS]
histories = st.builds(
    lambda hotline, first, rest: History.of(hotline, [*first, *rest]),
    st.sampled_from([MENU, VIP, VIP, BRANCH]),
    st.sampled_from(BEGINNINGS),
    st.lists(SIGNALS, max_size=40),
)


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


@given(
    st.builds(
        lambda rest: History.of(MENU, [sig.PromptEnded(f"{ID}.p1"), *rest]),
        st.lists(st.one_of(SIGNALS, HEARD, HEARD, st.just(sig.TimerDue())), max_size=20),
    )
)
def test_a_caller_is_listened_to_once_at_a_time_and_only_in_the_flow(history: History) -> None:
    listening: str | None = None
    begun: list[str] = []
    misheard = 0
    for step in history.made:
        misheard += sum(isinstance(event, Misheard) for event in step.events)
        for command in step.commands:
            if isinstance(command, ask.StopListening):
                assert command.listening_id == listening
                listening = None
            elif isinstance(command, ask.Listen):
                assert listening is None
                assert misheard < MISHEARD_MAX
                listening = command.listening_id
                begun.append(listening)
        assert step.contact.listening_id == listening
        assert listening is None or step.contact.phase is Phase.IVR
    assert begun
    assert len(set(begun)) == len(begun)


@given(histories)
def test_an_offer_settles_once(history: History) -> None:
    settled = [event.offer_id for event in history.events(ev.OfferSettled)]
    made = [event.offer_id for event in history.events(ev.OfferMade)]
    assert len(set(settled)) == len(settled)
    pending = {each.offer_id for each in history.made[-1].contact.offers}
    assert set(settled) | pending == set(made)
    assert not pending & set(settled)


@given(histories)
def test_a_contact_is_connecting_exactly_while_offers_are_in_hand(history: History) -> None:
    for step in history.made:
        contact = step.contact
        assert (contact.phase is Phase.CONNECTING) == bool(contact.offers)
        assert (contact.connecting_at is not None) == bool(contact.offers)
        assert (contact.talk is not None) == (contact.phase in {Phase.TALKING, Phase.HELD})


@given(histories)
def test_at_most_one_talk_begins_and_every_other_agent_who_answered_waited_for_the_customer_in_vain(
    history: History,
) -> None:
    accepted = [event.offer_id for event in history.events(ev.OfferSettled) if event.outcome == "accepted"]
    talks = [event.offer_id for event in history.events(ev.TalkStarted)]
    waited = [event.attempt for event in history.events(ev.CallbackDialed) if event.agent_id is not None]
    refused = len(history.events(ev.CallbackRefused))
    assert len(talks) <= 1
    assert set(talks) <= set(accepted)
    assert len(accepted) <= max(1, len(waited) + len(talks) + refused)
    assert [each.offer_id for each in history.asked(ask.SettleOffer) if each.outcome == "accepted"] == accepted


@given(histories)
def test_a_phone_that_was_rung_is_answered_let_go_or_has_ended_by_itself(history: History) -> None:
    if history.made[-1].contact.phase in WITHOUT_OFFERS:
        rung = {command.leg_id for command in history.asked(ask.RingDesk)}
        joined = {leg for command in history.asked(ask.Join) for leg in command.channel_ids[1:]}
        let_go = {command.channel_id for command in history.asked(ask.HangUp)}
        ended = {each.leg_id for each in history.heard if isinstance(each, sig.AgentLegEnded)}
        failed = {each.resource_id for each in history.heard if isinstance(each, sig.CommandFailed)}
        assert rung <= joined | let_go | ended | failed


@given(histories)
def test_a_phone_outside_is_talked_with_by_a_caller_on_the_line_or_let_go(history: History) -> None:
    contact = history.made[-1].contact
    rung = {command.leg_id for command in history.asked(ask.DialOutside)}
    let_go = {command.channel_id for command in history.asked(ask.HangUp)}
    ended = {each.leg_id for each in history.heard if isinstance(each, sig.OutsideLegEnded)}
    failed = {each.resource_id for each in history.heard if isinstance(each, sig.CommandFailed)}
    if contact.outside is None:
        assert rung <= let_go | ended | failed
    else:
        assert contact.channel_id
        assert contact.phase is (Phase.IVR if contact.outside.joined_at is None else Phase.OUTSIDE)
    dialed, settled = len(history.events(ev.TransferDialed)), history.events(ev.TransferFailed)
    assert dialed == len(settled) + len(history.events(ev.TransferEnded)) + (contact.outside is not None)


@given(histories)
def test_the_floor_hears_of_every_offer_that_ended_without_its_doing(history: History) -> None:
    told = {command.offer_id for command in history.asked(ask.SettleOffer)}
    for event in history.events(ev.OfferSettled):
        assert event.offer_id in told or event.outcome in {"no_answer", "rescinded", "failed"}


@given(histories)
def test_a_contact_is_in_one_queue_at_a_time_and_moved_on_a_limited_number_of_times(history: History) -> None:
    walk = [e for s in history.made for e in s.events if isinstance(e, ev.QueueEntered | ev.QueueLeft)]
    assert all(isinstance(event, ev.QueueEntered) == (n % 2 == 0) for n, event in enumerate(walk))
    assert all(a.queue == b.queue for a, b in zip(walk[::2], walk[1::2], strict=False))
    assert [event.moves for event in history.events(ev.QueueEntered)] == list(range(len(walk[::2])))
    assert history.made[-1].contact.moves <= MOVES_MAX
    assert len(history.events(ev.QueueEstimated)) <= len(walk[::2])


@given(histories)
def test_moves_never_change_the_age_and_the_step_clock_never_exceeds_the_wait(history: History) -> None:
    entering = history.asked(ask.EnterQueue)
    assert len({command.entered_at for command in entering}) <= 1
    assert all(command.callback or command.clock_s == 0.0 for command in entering)
    for step, at in zip(history.made, history.at, strict=True):
        contact = step.contact
        if contact.phase is Phase.QUEUED:
            assert contact.queued_at is not None
            assert 0.0 <= contact.rang_s <= at - contact.queued_at


@given(histories)
def test_who_waits_on_the_line_hears_music_or_a_prompt_and_the_next_thing_told_is_not_far(history: History) -> None:
    for step, at in zip(history.made, history.at, strict=True):
        contact = step.contact
        if contact.phase in {Phase.QUEUED, Phase.CONNECTING} and contact.channel_id:
            assert contact.music_on == (contact.playback_id is None)
            looked_after = contact.queue != "orders" and contact.callback is None
            assert (contact.timer_at is not None) == (looked_after and contact.music_on)
            assert contact.timer_at is None or contact.timer_at <= at + COMFORT.every_s


@given(histories)
def test_nobody_is_on_the_line_exactly_while_a_callback_is_awaited_or_the_contact_is_over(history: History) -> None:
    for step in history.made:
        contact = step.contact
        away = contact.phase in {Phase.CALLBACK, Phase.DIALING, Phase.WRAP_UP, Phase.ENDED}
        if contact.phase is not Phase.CONNECTING:  # agents are asked in either case
            assert (contact.channel_id == "") == away
        assert contact.channel_id or away or contact.callback is not None
        rings = contact.callback is not None and contact.callback.leg_id is not None
        assert rings == (contact.phase is Phase.DIALING)


@given(histories)
def test_a_customer_is_dialed_once_at_a_time_and_every_attempt_comes_to_an_end(history: History) -> None:
    dialed = [event.leg_id for event in history.events(ev.CallbackDialed)]
    ended = [event.leg_id for event in history.events(ev.CallbackFailed) if event.outcome != "cut_off"]
    cut_off = [event.leg_id for event in history.events(ev.CallbackFailed) if event.outcome == "cut_off"]
    answered = [event.leg_id for event in history.events(ev.CallbackAnswered)]
    pending = [history.made[-1].contact.callback.leg_id] if history.made[-1].contact.phase is Phase.DIALING else []  # type: ignore[union-attr]
    assert len(set(dialed)) == len(dialed)
    assert len(set(cut_off)) == len(cut_off)
    assert set(cut_off) <= set(answered), "only who picked up can be cut off"
    assert sorted(dialed) == sorted([*ended, *answered, *(leg for leg in pending if leg)])
    told = [each.outcome.value for each in history.asked(ask.TellDialed) if each.outcome.value != "refused"]
    assert told.count("failed") == len(ended)
    assert told.count("answered") == len(answered)


@given(histories)
def test_what_was_waited_in_each_queue_adds_up_to_the_wait(history: History) -> None:
    waited = sum(event.wait_s for event in history.events(ev.QueueLeft))
    assert abs(history.made[-1].contact.wait_s - waited) < 1e-6


@given(histories)
def test_no_resource_id_is_used_twice_for_a_bridge_a_playback_or_a_recording(history: History) -> None:
    asked = [command for step in history.made for command in step.commands]
    for kind, name in ((ask.Say, "playback_id"), (ask.StartRecording, "recording_id")):
        ids = [getattr(command, name) for command in asked if isinstance(command, kind)]
        assert len(ids) == len(set(ids))
    joined = {(command.bridge_id, command.channel_ids) for command in asked if isinstance(command, ask.Join)}
    assert len(joined) == len({bridge_id for bridge_id, _ in joined}), "the same two may be joined again"


@given(histories)
def test_nobody_is_recorded_in_the_fallback(history: History) -> None:
    for step in history.made:
        ended = [event.recording_id for event in step.events if isinstance(event, ev.RecordingStopped)]
        left = any(isinstance(event, ev.CallerGone) and event.ended_by == "fallback" for event in step.events)
        sent = any(isinstance(command, ask.SendToFallback) for command in step.commands)
        stopped = [command.recording_id for command in step.commands if isinstance(command, ask.StopRecording)]
        assert stopped == (ended if left or sent else [])


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

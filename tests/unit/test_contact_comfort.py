"""Waiting callers are told how they stand, with music between, and nothing waits for it."""

from dataclasses import replace

import msgspec
import pytest

from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import signals as sig
from callcenter.contact.comfort import Comfort, Told
from callcenter.contact.dial_policy import DialPolicy
from callcenter.contact.draft import Step
from callcenter.contact.machine import advance, resume
from callcenter.contact.model import Contact, Phase
from callcenter.contact.plan import Plan
from routing.model import Exit, ExitKind
from tests.contacts import CALLBACK, CALLER, ID, OFFER, PLAN, RINGING, VIP, diverted, offer, steps

COMFORT = Comfort(first_s=5.0, every_s=30.0, position=True, wait=True, messages=("a", "b"), key_prompts=("press_star",))
TOLD = sig.WaitTold(Told(3, 130.0, 290.0))
SAID = (
    *("wait_place", "num_ordinal", "num_3", "wait_in_line"),
    *("wait_between", "num_2_of", "wait_to", "num_5", "dur_minutes"),
    *("a", "press_star"),
)
DUE = sig.TimerDue()


def with_comfort(comfort: Comfort = COMFORT, plan: Plan = PLAN, announcement: tuple[str, ...] = ()) -> Plan:
    """The plan whose VIP queue looks after who waits."""
    vip = replace(plan.queues["vip"], comfort=comfort)
    hotline = replace(plan.hotlines[VIP], announcement=announcement)
    return replace(plan, queues={**plan.queues, "vip": vip}, hotlines={**plan.hotlines, VIP: hotline})


def made(*signals: sig.Signal, plan: Plan | None = None) -> Step:
    """The last step of the contact in the VIP queue under these signals, ten seconds apart, the arrival at 100."""
    return steps(*signals, plan=plan or with_comfort())[-1]


def told(step: Step) -> ev.QueueTold:
    """What the caller was told."""
    (event,) = [event for event in step.events if isinstance(event, ev.QueueTold)]
    return event


def test_who_begins_to_wait_hears_music_and_is_told_after_a_while() -> None:
    assert made().contact.timer_at == 105.0
    assert made().commands[-1] == ask.StartMusic(CALLER, "default")
    asked = made(DUE)
    assert asked.commands == (ask.TellWait(ID),)
    assert asked.contact.timer_at == 140.0
    assert asked.events == ()


def test_they_are_told_place_wait_a_message_and_the_key_in_place_of_the_music() -> None:
    step = made(DUE, TOLD)
    assert step.commands == (ask.StopMusic(CALLER), ask.Say(CALLER, f"{ID}.p1", SAID, "zh-TW"))
    assert told(step) == ev.QueueTold("vip", 3, 130.0, 290.0, None, SAID)
    over = advance(step.contact, sig.PromptEnded(f"{ID}.p1"), with_comfort(), 130.0)
    assert over.commands == (ask.StartMusic(CALLER, "default"),)
    assert (step.contact.timer_at, over.contact.timer_at) == (None, 160.0)


def test_a_timer_that_fires_late_while_a_prompt_is_said_tells_nothing() -> None:
    step = made(DUE, plan=with_comfort(announcement=("welcome",)))
    assert (step.commands, step.contact.timer_at) == ((), None)
    rings = made(*RINGING, DUE, plan=with_comfort(announcement=("welcome",)))
    assert (rings.commands, rings.contact.timer_at) == ((), None)


def test_messages_come_in_turn() -> None:
    first = made(DUE, TOLD, sig.PromptEnded(f"{ID}.p1"))
    again = made(DUE, TOLD, sig.PromptEnded(f"{ID}.p1"), DUE, TOLD)
    assert first.contact.times_told == 1
    assert told(again).prompts[-2:] == ("b", "press_star")


def test_without_place_and_wait_nobody_is_asked() -> None:
    step = made(DUE, plan=with_comfort(Comfort(messages=("a",))))
    assert told(step) == ev.QueueTold("vip", None, None, None, None, ("a",))


def test_of_a_wait_without_an_end_only_the_place_is_told() -> None:
    only = replace(COMFORT, messages=(), key_prompts=())
    step = made(DUE, sig.WaitTold(Told(1, None, None)), plan=with_comfort(only))
    assert told(step).prompts == ("wait_next",)


def test_who_has_nothing_to_be_told_hears_the_music_on() -> None:
    only = replace(COMFORT, messages=(), key_prompts=())
    step = made(DUE, sig.WaitTold(None), plan=with_comfort(only))
    assert (step.commands, step.events) == ((), ())
    assert step.contact.music_on


@pytest.mark.parametrize("plan", [replace(PLAN, dial_out=None), replace(PLAN, dial_out=DialPolicy(("+81",)))])
def test_no_key_is_offered_to_whom_nobody_may_call(plan: Plan) -> None:
    assert told(made(DUE, TOLD, plan=with_comfort(plan=plan))).prompts == SAID[:-1]


def test_after_the_announcement_of_the_hotline_there_is_music_first() -> None:
    plan = with_comfort(announcement=("welcome",))
    assert made(plan=plan).contact.timer_at is None
    over = made(sig.PromptEnded(f"{ID}.p1"), plan=plan)
    assert over.commands == (ask.StartMusic(CALLER, "default"),)
    assert over.contact.timer_at == 115.0


def test_a_prompt_that_can_not_be_played_gives_way_to_music() -> None:
    step = made(DUE, TOLD, sig.CommandFailed("Say", f"{ID}.p1", "500"))
    assert step.commands == (ask.StartMusic(CALLER, "default"),)


# --- nothing waits for it ---


def test_an_offer_is_made_while_they_are_told_and_the_answer_cuts_it() -> None:
    ringing = made(DUE, TOLD, *RINGING)
    assert ringing.contact.playback_id == f"{ID}.p1"
    talking = advance(ringing.contact, sig.AgentAnswered(OFFER), with_comfort(), 160.0)
    assert talking.commands[1:3] == (
        ask.StopSaying(CALLER, f"{ID}.p1"),
        ask.Join(f"{ID}.b1", (CALLER, OFFER), cut_prompt=True),
    )
    assert talking.contact.timer_at is None


def test_while_a_phone_rings_nothing_is_told_and_the_next_time_comes() -> None:
    left_out = made(*RINGING, DUE)
    assert (left_out.commands, left_out.events, left_out.contact.timer_at) == ((), (), 160.0)
    crossed = made(DUE, offer(), TOLD)
    assert (crossed.commands, crossed.events) == ((), ())


@pytest.mark.parametrize(
    "way_out", [sig.DigitPressed("*"), diverted(), diverted(CALLBACK), diverted(Exit(ExitKind.VOICEMAIL))]
)
def test_who_leaves_the_queue_is_told_nothing_more(way_out: sig.Signal) -> None:
    gone = made(DUE, TOLD, way_out)
    assert gone.contact.phase is not Phase.QUEUED
    assert ask.StopSaying(CALLER, f"{ID}.p1") in gone.commands
    later = advance(gone.contact, TOLD, with_comfort(), 200.0)
    assert (later.commands, later.events) == ((), ())


def test_another_queue_tells_what_it_tells_from_the_beginning() -> None:
    moved = made(DUE, TOLD, sig.PromptEnded(f"{ID}.p1"), diverted(Exit(ExitKind.QUEUE, "orders")))
    assert (moved.contact.timer_at, moved.contact.told) == (None, None)
    back = advance(moved.contact, diverted(Exit(ExitKind.QUEUE, "vip"), "orders"), with_comfort(), 200.0)
    assert back.contact.timer_at == 205.0


def test_whom_we_called_is_among_the_first_and_told_nothing() -> None:
    history = (diverted(CALLBACK), sig.PromptEnded(f"{ID}.p1"), sig.CallbackDue(1), sig.CustomerAnswered(f"{ID}.c1"))
    waits = made(*history)
    assert (waits.contact.phase, waits.contact.timer_at) == (Phase.QUEUED, None)
    over = advance(waits.contact, sig.PromptEnded(f"{ID}.p2"), with_comfort(), 150.0)
    assert over.contact.timer_at is None


# --- a wait that rose, and a restart ---


def test_what_is_worse_than_before_says_why() -> None:
    first = made(DUE, TOLD, sig.PromptEnded(f"{ID}.p1"), DUE)
    worse = sig.WaitTold(Told(4, 130.0, 290.0), "overtaken")
    assert told(advance(first.contact, worse, with_comfort(), 150.0)).because == "overtaken"
    better = sig.WaitTold(Told(2, 60.0, 100.0), "overtaken")
    assert told(advance(first.contact, better, with_comfort(), 150.0)).because is None


def stored(contact: Contact) -> Contact:
    """The contact as a new process finds it in the journal."""
    return msgspec.json.decode(msgspec.json.encode(contact), type=Contact)


def test_after_a_restart_the_floor_hears_what_the_caller_was_told_and_it_is_told_again() -> None:
    again = resume(stored(made(DUE, TOLD).contact), with_comfort(), 200.0)
    (entering,) = [command for command in again.commands if isinstance(command, ask.EnterQueue)]
    assert (entering.told, entering.entered_at) == (TOLD.told, 100.0)
    assert ask.StopSaying(CALLER, f"{ID}.p1") in again.commands
    assert ask.StartMusic(CALLER, "default") in again.commands
    assert again.contact.timer_at == 230.0


def test_a_restart_in_the_music_keeps_the_time_of_the_next() -> None:
    again = resume(stored(made(DUE, TOLD, sig.PromptEnded(f"{ID}.p1")).contact), with_comfort(), 131.0)
    assert again.contact.timer_at == 160.0
    assert ask.StartMusic(CALLER, "default") in again.commands

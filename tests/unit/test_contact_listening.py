"""A contact whose flow listens: each listening has an id of its own, ends with what it was for, and is heard once."""

from dataclasses import replace

import msgspec

from callcenter.contact import commands as ask
from callcenter.contact import signals as sig
from callcenter.contact.draft import Step
from callcenter.contact.machine import advance, fail, resume
from callcenter.contact.model import Contact, Phase, ear_channels
from callcenter.contact.plan import HotlinePlan
from ivr import turn as ivr
from ivr.model import Flow, MenuNode, QueueNode
from tests.contacts import CALLER, ID, MENU, PLAN, arrival

_MENU = MenuNode(("menu",), {"1": "orders", "2": "product"}, "product", speech={"zh-TW": {"訂單": "1"}})
FLOW = Flow("talk", "1", "menu", {"menu": _MENU, "orders": QueueNode("orders"), "product": QueueNode("product")})
TALK = replace(PLAN, flows={"talk": FLOW}, hotlines={MENU: HotlinePlan(MENU, "talk", None, "zh-TW")})
WANTED = ivr.Listen("zh-TW", ("訂單",))
FIRST, SECOND = f"{ID}.l1", f"{ID}.l2"


def begun() -> Step:
    return arrival(MENU, plan=TALK)


def after(*signals: sig.Signal) -> Step:
    """The step of the last of these signals, each a second after the one before."""
    step = begun()
    for n, signal in enumerate(signals, 1):
        step = advance(step.contact, signal, TALK, 100.0 + n)
    return step


def listening(step: Step) -> list[ask.Command]:
    return [each for each in step.commands if isinstance(each, ask.Listen | ask.StopListening)]


def test_a_menu_that_listens_asks_for_it_under_an_id_of_its_own() -> None:
    step = begun()
    assert listening(step) == [ask.Listen(ID, FIRST, CALLER, WANTED)]
    assert step.contact.listening_id == FIRST
    assert ear_channels(FIRST) == (f"{ID}.s1", f"{ID}.m1")


def test_what_was_said_leads_on_and_the_listening_ends() -> None:
    step = after(sig.SpeechHeard(FIRST, "matched", "訂單"))
    assert listening(step) == [ask.StopListening(FIRST)]
    assert (step.contact.phase, step.contact.queue, step.contact.listening_id) == (Phase.QUEUED, "orders", None)
    assert [event.type for event in step.events][:1] == ["ivr.spoken"]


def test_a_second_try_is_a_second_listening_and_the_first_one_is_not_heard_any_more() -> None:
    again = after(sig.SpeechHeard(FIRST, "no_match"))
    assert listening(again) == [ask.StopListening(FIRST), ask.Listen(ID, SECOND, CALLER, WANTED)]
    late = advance(again.contact, sig.SpeechHeard(FIRST, "matched", "訂單"), TALK, 110.0)
    assert (late.contact, late.events, late.commands) == (again.contact, (), ())


def test_whatever_ends_the_flow_ends_the_listening() -> None:
    for end in (sig.DigitPressed("1"), sig.CallerLeft("caller")):
        assert listening(after(end)) == [ask.StopListening(FIRST)]
    failed = fail(begun().contact, "a bug", TALK, 101.0)
    assert listening(failed) == [ask.StopListening(FIRST)]
    assert failed.contact.listening_id is None


def test_after_a_restart_the_old_listening_is_cleared_and_a_new_one_begins() -> None:
    left = msgspec.json.decode(msgspec.json.encode(begun().contact), type=Contact)
    step = resume(left, TALK, 200.0)
    assert listening(step) == [ask.StopListening(FIRST), ask.Listen(ID, SECOND, CALLER, WANTED)]


def test_a_flow_that_starts_over_listens_anew() -> None:
    newer = replace(TALK, flows={"talk": replace(FLOW, version="2")})
    step = advance(begun().contact, sig.PromptEnded(f"{ID}.p1"), newer, 101.0)
    assert listening(step) == [ask.StopListening(FIRST), ask.Listen(ID, SECOND, CALLER, WANTED)]
    deaf = replace(FLOW, version="2", nodes={**FLOW.nodes, "menu": replace(_MENU, speech={})})
    step = advance(begun().contact, sig.PromptEnded(f"{ID}.p1"), replace(TALK, flows={"talk": deaf}), 101.0)
    assert listening(step) == [ask.StopListening(FIRST)]


def test_a_word_that_comes_after_the_flow_changes_nothing() -> None:
    queued = after(sig.DigitPressed("1"))
    late = advance(queued.contact, sig.SpeechHeard(FIRST, "matched", "訂單"), TALK, 110.0)
    assert (late.contact, late.events, late.commands) == (queued.contact, (), ())

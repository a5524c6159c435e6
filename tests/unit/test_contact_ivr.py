"""The contact in a flow: consent, surveys, what is asked of the world, and a flow that the site has no more."""

from dataclasses import replace

import msgspec

from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import signals as sig
from callcenter.contact.dial_policy import DialPolicy
from callcenter.contact.draft import Step
from callcenter.contact.machine import advance, arrive, resume
from callcenter.contact.model import Contact, Phase, card_shown
from callcenter.contact.plan import HotlinePlan, Plan
from ivr.expression import Type
from ivr.expression_text import parse_expression
from ivr.model import (
    CallbackNode,
    CollectNode,
    ConsentNode,
    Flow,
    Question,
    QueueNode,
    Scale,
    SurveyNode,
    TransferNode,
    Variable,
    VoicemailNode,
)
from ivr.turn import ComparePin, LookUp
from ivr.world_model import AuthenticateNode, Lookup, LookupNode
from tests.contacts import AGENT, CALLER, ID, MENU, OFFER, PLAN, arrival, offer, types

CONSENT = Flow(
    "consent",
    "1",
    "ask",
    {"ask": ConsentNode(("may_we_record",), "queue", "queue"), "queue": QueueNode("product")},
    "queue",
)
SURVEY = Flow(
    "survey",
    "1",
    "ask",
    {
        "ask": SurveyNode("after", tuple(Question(f"q{n}", ("q",), Scale.LIKERT) for n in (1, 2)), "queue"),
        "queue": QueueNode("product"),
    },
)
ACCOUNT = Flow(
    "account",
    "1",
    "ask",
    {"ask": CollectNode(("account",), "account", "queue", "queue", digits_max=3), "queue": QueueNode("product")},
    variables={"account": Variable(Type.DIGITS), "tries": Variable(Type.NUMBER, 2)},
)


def plan_with(flow: Flow) -> Plan:
    """The site, its hotline leading into this flow."""
    hotlines = {**PLAN.hotlines, MENU: HotlinePlan(MENU, flow.id, None, "zh-TW")}
    return replace(PLAN, hotlines=hotlines, flows={**PLAN.flows, flow.id: flow})


def course(plan: Plan, *signals: sig.Signal) -> list[Step]:
    arrived = arrive(sig.Arrival(ID, CALLER, MENU, MENU, None, ""), plan, 100.0)
    made = [arrived]
    for n, signal in enumerate(signals, 1):
        made.append(advance(made[-1].contact, signal, plan, 100.0 + n))
    return made


def answered(plan: Plan, key: str) -> list[Step]:
    heard = sig.PromptEnded(f"{ID}.p1")
    return course(plan, heard, sig.DigitPressed(key), offer(), sig.AgentRinging(OFFER), sig.AgentAnswered(OFFER))


def test_who_declines_is_not_recorded_and_who_accepts_is() -> None:
    plan = plan_with(CONSENT)
    assert "recording.started" in types(answered(plan, "1"))
    declined = answered(plan, "2")
    assert declined[-1].contact.phase is Phase.TALKING
    assert "recording.started" not in types(declined)
    (event,) = [event for step in declined for event in step.events if isinstance(event, ev.Consented)]
    assert (event.given, event.by) == (False, "key")


def test_who_hangs_up_in_a_survey_leaves_what_they_answered() -> None:
    made = course(plan_with(SURVEY), sig.DigitPressed("4"), sig.CallerLeft("caller"))
    told = [event for step in made for event in step.events]
    assert ev.SurveyAnswered("ask", "after", "q1", "likert", 4) in told
    assert ev.SurveyEnded("ask", "after", "partial", 1) in told
    assert types(made)[-4:] == ["survey.ended", "ivr.left", "caller.left", "contact.ended"]


def test_what_was_keyed_is_an_attribute_for_the_rules() -> None:
    contact = course(plan_with(ACCOUNT), *(sig.DigitPressed(key) for key in "123"))[-1].contact
    assert contact.phase is Phase.QUEUED
    assert contact.cursor is not None
    assert contact.cursor.variables == {"account": "123", "tries": 2}


# The site changed while we were away


def test_a_caller_whose_flow_is_gone_starts_over_where_their_number_leads_now() -> None:
    before = arrival(MENU).contact
    after = plan_with(SURVEY)
    after = replace(after, flows={"survey": SURVEY})
    for step in (resume(before, after, 200.0), advance(before, sig.DigitPressed("1"), after, 200.0)):
        assert step.contact.phase is Phase.IVR
        assert step.contact.cursor is not None
        assert step.contact.cursor.flow == "survey"
        assert "ivr.flow_restarted" in [event.type for event in step.events]
        assert any(isinstance(command, ask.Say) for command in step.commands)


def test_a_caller_whose_number_leads_to_a_queue_now_waits_there() -> None:
    before = arrival(MENU).contact
    after = replace(PLAN, flows={}, hotlines={MENU: HotlinePlan(MENU, None, "vip", "zh-TW")})
    step = resume(before, after, 200.0)
    assert step.contact.phase is Phase.QUEUED
    assert step.contact.queue == "vip"
    assert [event.type for event in step.events][:2] == ["contact.resumed", "ivr.left"]


def test_a_caller_whose_number_is_gone_too_is_given_to_the_fallback_where_a_person_is() -> None:
    before = arrival(MENU).contact
    after = replace(PLAN, flows={}, hotlines={})
    step = advance(before, sig.TimerDue(), after, 200.0)
    assert step.contact.phase is Phase.ENDED
    assert ask.SendToFallback(CALLER) in step.commands
    assert [event.type for event in step.events] == ["ivr.left", "caller.left", "contact.ended"]
    left = advance(before, sig.CallerLeft("caller"), after, 200.0)
    assert left.contact.phase is Phase.ENDED
    assert AGENT not in str(left.commands)


# What a flow asks of the world

ORDER = Flow(
    "order",
    "1",
    "who",
    {
        "who": AuthenticateNode(("pin",), "find", "queue", "queue", digits_max=4),
        "find": LookupNode(Lookup.ORDER, "queue", "message", "queue", {"account": "number"}, within_s=9.0),
        "queue": QueueNode("product"),
        "message": VoicemailNode(),
    },
    "queue",
    variables={"account": Variable(Type.TEXT)},
)
OWNER = sig.CustomerCard("c1", "林", "vip", "en", last_agent=AGENT)
ASKED_PIN: tuple[sig.Signal, ...] = (*(sig.DigitPressed(key) for key in "2580"),)
PROVED: tuple[sig.Signal, ...] = (*ASKED_PIN, sig.WorldAnswered(1, "verified", customer=OWNER))


def known_at_the_door(*signals: sig.Signal) -> list[Step]:
    """The owner calls from their own number, known by it as somebody of the lowest tier."""
    plan, stranger = plan_with(ORDER), sig.CustomerCard("c1", "林", "basic", None)
    made = [arrive(sig.Arrival(ID, CALLER, MENU, MENU, "+886910000001", "", stranger), plan, 100.0)]
    for n, signal in enumerate(signals, 1):
        made.append(advance(made[-1].contact, signal, plan, 100.0 + n))
    return made


def world(step: Step) -> ask.AskWorld:
    (command,) = [each for each in step.commands if isinstance(each, ask.AskWorld)]
    return command


def test_what_a_flow_asks_goes_out_with_the_step_that_remembers_it() -> None:
    step = known_at_the_door(*ASKED_PIN)[-1]
    assert world(step) == ask.AskWorld(ID, 1, ComparePin("c1", "2580"), 3.0, "+886910000001")
    assert ev.Asked("who", 1, "pin") in step.events
    assert "2580" not in repr(step.contact) + repr(step.events) + repr(step.commands)


def test_who_has_proved_who_they_are_is_served_as_that_customer() -> None:
    made = known_at_the_door(*PROVED, sig.WorldAnswered(2, "found", {"number": "A1"}))
    assert world(made[-2]).inquiry == LookUp("order", None, "c1")
    contact = made[-1].contact
    assert contact.phase is Phase.QUEUED
    assert (contact.verified_by, contact.value_tier, contact.customer) == ("pin", "vip", OWNER)
    assert card_shown(contact)["verified_by"] == "pin"
    assert ev.CustomerVerified("who", "c1", "pin") in made[-2].events
    (entering,) = [each for each in made[-1].commands if isinstance(each, ask.EnterQueue)]
    assert entering.value_tier == 1


def test_who_proved_to_be_somebody_whose_card_we_do_not_have_is_not_taken_for_the_owner_of_the_number() -> None:
    who = ORDER.nodes["who"]
    nodes = {"start": LookupNode(Lookup.CUSTOMER, "who", "queue", "queue", by=parse_expression("'12345'")), "who": who}
    claimed = replace(ORDER, start="start", nodes={**ORDER.nodes, **nodes})
    plan = plan_with(claimed)
    made = arrive(
        sig.Arrival(ID, CALLER, MENU, MENU, None, "", sig.CustomerCard("c1", "林", "basic", None)), plan, 100.0
    )
    found = sig.WorldAnswered(1, "found", {"customer_id": "c2"})
    for signal in (found, *ASKED_PIN, sig.WorldAnswered(2, "verified")):
        made = advance(made.contact, signal, plan, 101.0)
    assert world(made).inquiry == LookUp("order", None, "c2")
    assert made.contact.verified_by is None
    assert made.contact.customer is not None
    assert made.contact.customer.customer_id == "c1"


def test_an_answer_nobody_waits_for_changes_nothing_and_nobody_is_verified_by_it() -> None:
    for late in (sig.WorldAnswered(7, "verified", customer=OWNER), sig.WorldAnswered(1, "verified", customer=OWNER)):
        made = known_at_the_door(late)
        assert made[-1].contact.verified_by is None
        assert made[-1].contact.value_tier == "basic"
        assert made[-1].events == ()
    gone = known_at_the_door(*ASKED_PIN, sig.CallerLeft("caller"), sig.WorldAnswered(1, "verified", customer=OWNER))
    assert gone[-1].commands == ()
    assert gone[-1].events == ()


def test_who_waits_for_an_answer_hears_music_that_stops_with_it() -> None:
    plan = plan_with(ORDER)
    before = known_at_the_door(*PROVED)[-1].contact
    waiting = advance(before, sig.TimerDue(), plan, 107.0)
    assert waiting.commands == (ask.StartMusic(CALLER, "default"),)
    assert waiting.contact.timer_at == 105.0 + 9.0
    answered = advance(waiting.contact, sig.WorldAnswered(2, "none"), plan, 108.0)
    assert answered.commands == (ask.StopMusic(CALLER), ask.SendToVoicemail(CALLER))
    assert (answered.contact.phase, answered.contact.end_state) == (Phase.ENDED, "voicemail")
    assert [event.type for event in answered.events][-3:] == ["ivr.left", "caller.left", "contact.ended"]


def test_a_contact_that_was_waiting_for_an_answer_survives_a_restart_and_asks_again() -> None:
    plan = plan_with(ORDER)
    waiting = advance(known_at_the_door(*PROVED)[-1].contact, sig.TimerDue(), plan, 107.0).contact
    kept = msgspec.json.decode(msgspec.json.encode(waiting), type=Contact)
    assert kept == waiting
    step = resume(kept, plan, 200.0)
    assert step.commands[:2] == (ask.StopMusic(CALLER), world(step))
    assert world(step).request == 2
    answered = advance(step.contact, sig.WorldAnswered(2, "found", {"number": "A1"}), plan, 201.0)
    assert answered.contact.phase is Phase.QUEUED


def test_a_transfer_waits_for_its_agent_whomever_the_customer_had_before() -> None:
    transfer = TransferNode("product", parse_expression("'agent02'"), wait_s=45.0)
    made = course(plan_with(Flow("to", "1", "to", {"to": transfer}, None)))
    (entering,) = [each for each in made[-1].commands if isinstance(each, ask.EnterQueue)]
    assert (entering.preferred_agent, entering.preferred_wait_s) == ("agent02", 45.0)


CALL_BACK = Flow("call", "1", "call", {"call": CallbackNode("product")}, None)


def called_back(caller: str | None) -> Step:
    plan = replace(plan_with(CALL_BACK), dial_out=DialPolicy(allow=("+886",)), callback_prompts=("we_call_you",))
    return arrive(sig.Arrival(ID, CALLER, MENU, MENU, caller, ""), plan, 100.0)


def test_a_flow_promises_a_callback_without_an_agent_being_offered_anybody_meanwhile() -> None:
    step = called_back("+886910000001")
    assert step.contact.phase is Phase.GOODBYE
    assert [event.type for event in step.events][-4:] == [
        "ivr.left",
        "queue.entered",
        "queue.left",
        "callback.promised",
    ]
    assert [type(command) for command in step.commands] == [ask.TakeCall, ask.Say]
    plan = replace(plan_with(CALL_BACK), dial_out=DialPolicy(allow=("+886",)))
    gone = advance(step.contact, sig.CallerLeft("caller"), plan, 101.0)
    assert gone.contact.phase is Phase.CALLBACK
    (entering,) = [each for each in gone.commands if isinstance(each, ask.EnterQueue)]
    assert entering.callback


def test_whom_nobody_may_call_waits_in_the_queue_instead() -> None:
    step = called_back(None)
    assert step.contact.phase is Phase.QUEUED
    assert [event.type for event in step.events][-2:] == ["callback.refused", "queue.entered"]
    assert [type(command) for command in step.commands] == [ask.TakeCall, ask.EnterQueue, ask.StartMusic]

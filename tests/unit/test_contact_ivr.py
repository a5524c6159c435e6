"""The contact in a flow: consent, surveys, and a flow that the site has no more."""

from dataclasses import replace

from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import signals as sig
from callcenter.contact.draft import Step
from callcenter.contact.machine import advance, arrive, resume
from callcenter.contact.model import Phase
from callcenter.contact.plan import HotlinePlan, Plan
from ivr.expression import Type
from ivr.model import CollectNode, ConsentNode, Flow, Question, QueueNode, Scale, SurveyNode, Variable
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

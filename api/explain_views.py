"""Explanations in the API's words: numbers with the site's names, and the same as sentences."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from api.explain_schemas import (
    AdmissionBody,
    AheadBody,
    CardBody,
    CourseBody,
    EstimateBody,
    ExclusionBody,
    ExplanationBody,
    HotlineBody,
    OfferWhy,
    PromiseBody,
    ReachBody,
    RuleBody,
    WayBody,
    WayOutBody,
)
from api.live_views import closing_body, finite, tier_name
from api.masking import masked_name, masked_phone
from api.schemas import instant, instant_or_none
from callcenter.config.numbers import e164
from callcenter.config.site import Site
from callcenter.contact.exit_steps import exit_text
from callcenter.contact.signals import CustomerCard
from callcenter.db.queries import EventRow
from callcenter.foresight import Course, Foresight
from ivr.reach import Way
from ivr.turn import HangUp, ToCallback, ToOutside, ToQueue, ToVoicemail
from routing.acd.explain import Explanation
from routing.acd.ladder import Rung
from routing.requirement import show
from routing.waiting.estimate import Estimate, Promise

REASONS_SAID: Final = 3
NOT_TOLD: Final = "not told: another agent's customer"


def explanation_body(found: Explanation, site: Site, *, known: bool = True) -> ExplanationBody:
    """A contact's place, with its summary; `known`: the viewer may read whom the customer prefers."""
    return ExplanationBody(
        summary=summary(found),
        situation=found.situation,
        queue=found.queue,
        value_tier=tier_name(site, found.value_tier),
        wait_s=_rounded(found.wait_s),
        step_clock_s=_rounded(found.clock_s),
        score=_rounded(found.score),
        overdue=found.overdue,
        step=found.step,
        requires=found.requires,
        next_change_s=None if found.next_change_s is None else _rounded(found.next_change_s),
        preferred_agent=found.preferred_agent if known else None,
        candidates=list(found.candidates),
        ahead_total=found.ahead_total,
        ahead=[
            AheadBody(
                contact_id=each.contact_id,
                value_tier=tier_name(site, each.value_tier),
                wait_s=_rounded(each.wait_s),
                score=_rounded(each.score),
                overdue=each.overdue,
            )
            for each in found.ahead
        ],
        excluded=[
            ExclusionBody(reason=each.reason, agents=each.agents, examples=list(each.examples))
            for each in found.excluded
        ],
        turned_away=found.turned_away,
        estimate=None if found.estimate is None else estimate_body(found.estimate),
    )


def estimate_body(estimate: Estimate) -> EstimateBody:
    """A forecast; waits without an end are null."""
    p50_s, p90_s = finite(estimate.p50_s), finite(estimate.p90_s)
    return EstimateBody(position=estimate.position, p50_s=p50_s, p90_s=p90_s)


def promise_body(promise: Promise) -> PromiseBody | None:
    """What was told; None if nothing was."""
    told = promise.told
    if told is None:
        return None
    p50_s, p90_s = finite(told.p50_s), finite(told.p90_s)
    return PromiseBody(position=told.position, p50_s=p50_s, p90_s=p90_s, rose_because=promise.rose_because)


_CALLBACK = {
    "to_call": "is called back soon",
    "dialing": "is being called",
    "resting": "could not be reached",
    "held_back": "is called as soon as more trunks are free than are kept for others",
}


def summary(found: Explanation) -> str:
    """Why not yet, or who would be asked, in a sentence or two."""
    if found.turned_away is not None:
        return f"The queue would not take it: {found.turned_away}."
    match found.situation:
        case "offered":
            return "A phone rings for it."
        case "to_call" | "dialing" | "resting" | "held_back":
            return f"A callback: the customer {_CALLBACK[found.situation]}."
        case "would_enter" if found.candidates:
            return f"It would be offered to {found.candidates[0]} at once."
        case _:
            ahead = f"{found.ahead_total} of its queue are served before. " if found.ahead_total else ""
            return f"No ready agent may serve it. {ahead}{_reasons(found)}{_widens(found)}".strip()


def _reasons(found: Explanation) -> str:
    """What keeps the agents away, the commonest reason first."""
    said = [f"{each.agents} agents: {each.reason}" for each in found.excluded[:REASONS_SAID]]
    if len(found.excluded) > REASONS_SAID:
        said.append(f"{len(found.excluded) - REASONS_SAID} reasons more")
    return f"{'; '.join(said)}. " if said else ""


def _widens(found: Explanation) -> str:
    return "" if found.next_change_s is None else f"Its reach changes in {found.next_change_s:.0f} s."


# --- without a call -----------------------------------------------------------------------------------------------


def hotline_body(foresight: Foresight, dialed: str, site: Site) -> HotlineBody:
    """Where the number leads; one in any spelling of a configured number is configured."""
    hotline = foresight.hotline
    configured = dialed in site.hotlines or e164(dialed, site.region) in site.dialed_e164
    return HotlineBody(dialed=hotline.dialed, configured=configured, flow=hotline.flow, queue=hotline.queue)


def admission_body(foresight: Foresight, site: Site, in_use: int) -> AdmissionBody:
    """Whether a trunk is left for the caller."""
    admission = foresight.admission
    if admission is None:
        return AdmissionBody(accepted=True, why="the site sets no limit", trunks=None, in_use=in_use, reserve=0)
    return AdmissionBody(
        accepted=admission.accepted, why=admission.why, trunks=site.trunks, in_use=in_use, reserve=admission.reserve
    )


def way_body(way: Way) -> WayBody:
    """A way through the flow."""
    match way.exit:
        case ToQueue(queue) | ToCallback(queue):
            return WayBody(keys=way.keys, language=way.language, queue=queue, end_state=None)
        case HangUp(end_state) | ToVoicemail(end_state) | ToOutside(end_state):
            return WayBody(keys=way.keys, language=way.language, queue=None, end_state=end_state)


def card_body(card: CustomerCard, phone: str | None, *, known: bool) -> CardBody:
    """The customer; for a viewer who does not know them, what GET /v1/customers would show, and no more."""
    return CardBody(
        customer_id=card.customer_id,
        name=card.name if known else masked_name(card.name),
        phone=phone if known else masked_phone(phone),
        value_tier=card.value_tier,
        language=card.language,
        segment=card.segment if known else None,
        preferred_agent=card.preferred_agent if known else None,
        last_agent=card.last_agent if known else None,
        case_owner=card.case_owner if known else None,
        open_case=card.open_case if known else None,
        at_risk=card.at_risk if known else None,
        usage=card.usage if known else None,
    )


def course_body(course: Course, site: Site, *, known: bool) -> CourseBody:
    """What would follow in one queue; `known`: the viewer may read what the rules looked at."""
    queue = site.queues[course.entering.queue]
    return CourseBody(
        keys=course.keys,
        entered=course.entered,
        language=course.language,
        rules=rule_bodies(course.decided.trace if course.decided else (), known=known),
        queue=queue.queue,
        value_tier=course.value_tier,
        requires=show(course.requires),
        preferred_agent=course.entering.preferred_agent if known else None,
        preferred_wait_s=course.entering.preferred_wait_s,
        closed=[closing_body(each) for each in course.closed],
        reach=[_reach_body(rung, course.ladder.spill_s) for rung in course.ladder.rungs],
        experienced_until_s=course.ladder.spill_s or None,
        backup_after_s=list(course.ladder.delays),
        way_out=None
        if queue.exit_to is None
        else WayOutBody(to=exit_text(queue.exit_to), after_s=course.ladder.exit_at_s),
        would_enter=explanation_body(course.explanation, site, known=known),
    )


def _reach_body(rung: Rung, spill_s: float) -> ReachBody:
    experienced = rung.experienced if rung.at_s < spill_s else None
    return ReachBody(
        after_s=rung.at_s,
        step=rung.step,
        requires=rung.text,
        experienced=None if experienced is None else show(experienced),
        skip_if_unstaffed=rung.skip,
    )


def rule_bodies(trace: Iterable[Mapping[str, Any]], *, known: bool = True) -> list[RuleBody]:
    """How the rules fared. The conditions quote the customer's record, so not everybody is told them."""
    return [
        RuleBody(
            rule=each["rule"],
            matched=each["matched"],
            why=each["why"] if known or not each["why"] else NOT_TOLD,
            effects=list(each["effects"]) if known else [],
            without_effect=list(each["without_effect"]) if known else [],
        )
        for each in trace
    ]


# --- what was stored ----------------------------------------------------------------------------------------------


def offers_of(events: Sequence[EventRow]) -> list[OfferWhy]:
    """The contact's offers in order, each with its trace and how it settled."""
    settled = {event.data["offer_id"]: event for event in events if event.type == "offer.settled"}
    return [_offer(event, settled.get(event.data["offer_id"])) for event in events if event.type == "offer.made"]


def rules_of(events: Sequence[EventRow]) -> list[RuleBody]:
    """How the rules fared as the contact was routed; none for a site without rules."""
    traces = [event.data["trace"] for event in events if event.type == "routing.decided"]
    return rule_bodies(traces[-1]) if traces else []


def _offer(made: EventRow, settled: EventRow | None) -> OfferWhy:
    data = made.data
    return OfferWhy(
        offer_id=data["offer_id"],
        agent_id=data["agent_id"],
        queue=data["queue"],
        made_at=instant(made.at),
        outcome=None if settled is None else settled.data["outcome"],
        settled_at=instant_or_none(None if settled is None else settled.at),
        ring_s=None if settled is None else settled.data["ring_s"],
        summary=offer_summary(data["agent_id"], data["trace"]),
        trace=dict(data["trace"]),
    )


def offer_summary(agent_id: str, trace: Mapping[str, Any]) -> str:
    """Why this agent, in a sentence."""
    heads = len(trace.get("heads", ()))
    compared = f"first of {heads} ready agents compared" if heads > 1 else "the only ready agent looked at"
    match trace.get("why"):
        case "arrival":
            return f"The contact began to wait; {agent_id} was {compared}."
        case "affinity":
            return f"{agent_id} is its preferred agent and was ready."
        case "step":
            return f"Its reach widened (requires {trace['requires']}); {agent_id} was {compared}."
        case "agent_free":
            among = f"it came first of {heads} contacts compared" if heads > 1 else "it was the only one to serve"
            overdue = ", being overdue" if trace.get("overdue") else f", with a score of {trace['score']:.1f}"
            return f"{agent_id} became ready and {among}{overdue}."
        case "rematch":
            return f"The lines were matched anew; {agent_id} was {compared}."
        case _:
            return "The reason was not recorded."


def _rounded(value: float) -> float:
    return round(value, 3)

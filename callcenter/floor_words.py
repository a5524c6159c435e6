"""The floor's words: what contacts ask as inputs of the ACD, what the ACD decides as bodies of events."""

from collections.abc import Mapping, Sequence
from math import inf, isfinite
from typing import Any

from callcenter.contact import commands as ask
from callcenter.contact import signals as sig
from callcenter.contact.comfort import Told
from routing import messages as acd
from routing.waiting.estimate import Estimate, Promise


def concern(decisions: Sequence[acd.Decision], contact_id: str) -> bool:
    """Whether the contact was offered or diverted."""
    return any(isinstance(each, acd.MakeOffer | acd.Diverted) and each.contact_id == contact_id for each in decisions)


def entered(command: ask.EnterQueue) -> acd.Entered:
    """The contact that asks to be taken into a queue, as the ACD is told of it."""
    return acd.Entered(
        contact_id=command.contact_id,
        queue=command.queue,
        requires=command.requires,
        value_tier=command.value_tier,
        entered_at=command.entered_at,
        preferred_agent=command.preferred_agent,
        preferred_wait_s=command.preferred_wait_s,
        customer_id=command.customer_id,
        clock_s=command.clock_s,
        offers_made=command.offers_made,
        callback=command.callback,
        so_far=command.so_far,
    )


def estimated(estimate: Estimate) -> sig.Estimated:
    """What lies ahead of a contact as it enters."""
    return sig.Estimated(estimate.position, _end(estimate.p50_s), _end(estimate.p90_s), _end(estimate.mean_s))


def wait_told(promise: Promise | None) -> sig.WaitTold:
    """What a contact is told of its wait, by its promise; nothing while it has none."""
    if promise is None or promise.told is None:
        return sig.WaitTold(None)
    told = promise.told
    return sig.WaitTold(Told(told.position, _end(told.p50_s), _end(told.p90_s)), promise.rose_because)


def forecast(told: Told) -> Estimate:
    """What a caller heard of their wait, as the estimate that it was; the median stands for the mean."""
    p50_s, p90_s = (inf if wait_s is None else wait_s for wait_s in (told.p50_s, told.p90_s))
    return Estimate(told.position, p50_s, p90_s, p50_s)


def _end(wait_s: float) -> float | None:
    """A wait without an end is None."""
    return wait_s if isfinite(wait_s) else None


def agent_body(change: acd.AgentChanged) -> Mapping[str, Any]:
    """What `agent.changed` says: the whole state after the change."""
    requested = change.requested_next
    return {
        "agent_id": change.agent_id,
        "presence": change.presence,
        "aux_code": change.aux_code,
        "activity": change.activity,
        "since": change.since,
        "contact_id": change.contact_id,
        "cause": change.cause,
        "requested_next": None
        if requested is None
        else {"presence": requested.presence, "aux_code": requested.aux_code},
        "reachable": change.reachable,
    }

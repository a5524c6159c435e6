"""The floor's words: what contacts ask as inputs of the ACD, what the ACD decides as bodies of events."""

from collections.abc import Mapping, Sequence
from typing import Any

from callcenter.contact import commands as ask
from routing import messages as acd


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

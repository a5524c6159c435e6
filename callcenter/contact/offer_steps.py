"""The contact's offers: each rings one desk and settles once; several may ring at the same time, one is answered.

While at least one rings the contact is connecting. Whoever picks up first wins (`queue_steps.agent_answered`); the
others are let go, and who picks up even later finds nobody.
"""

from dataclasses import replace

from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import signals as sig
from callcenter.contact.draft import Draft
from callcenter.contact.model import OfferInHand, Phase, card_shown

# Q.850 causes and SIP statuses of an agent's leg that ended unanswered (ASTERISK.md §2.5, §3.7). A 480 or 408 before
# the phone rang means that nobody is there; after it rang, that nobody picked up.
_BUSY = (17, 486)
_REJECTED = (21, 603)
_UNREACHABLE_CAUSES = frozenset({1, 2, 3, 20, 27, 38})
_UNREACHABLE_SIP = frozenset({404, 410, 502, 503})
_SILENT = frozenset({408, 480})


def offer_proposed(draft: Draft, signal: sig.OfferProposed) -> None:
    """The floor found an agent: record why, show the card, ring the desk; those that ring already ring on."""
    contact = draft.contact
    assert contact.queue is not None
    assert contact.offer(signal.offer_id) is None, "an offer is made once"
    made = OfferInHand(signal.offer_id, signal.agent_id, signal.made_at, signal.expires_at)
    draft.become(
        phase=Phase.CONNECTING,
        connecting_at=draft.now if contact.connecting_at is None else contact.connecting_at,
        offers_made=contact.offers_made + 1,
        offers=(*contact.offers, made),
    )
    draft.remember(
        ev.OfferMade(
            offer_id=signal.offer_id,
            agent_id=signal.agent_id,
            queue=contact.queue,
            expires_at=signal.expires_at,
            card=card_shown(contact),
            trace=signal.trace,
        )
    )
    draft.ask(
        ask.RingDesk(
            leg_id=signal.offer_id,
            agent_id=signal.agent_id,
            contact_id=contact.contact_id,
            caller_channel=contact.channel_id,
            caller=contact.caller or "anonymous",
            display=contact.customer.name if contact.customer else contact.caller_shown,
            ring_s=signal.expires_at - signal.made_at,
            auto_answer=draft.plan.queue(contact.queue).auto_answer,
        )
    )


def offer_too_late(draft: Draft, signal: sig.OfferProposed) -> None:
    """The floor proposed before it heard that the caller had left."""
    draft.ask(ask.SettleOffer(signal.offer_id, "caller_gone"))


def agent_ringing(draft: Draft, signal: sig.AgentRinging) -> None:
    """The phone rings (180, then perhaps 183: only the first is news)."""
    offer = draft.contact.offer(signal.leg_id)
    if offer is not None and not offer.ringing:
        ringing = replace(offer, ringing=True)
        draft.become(offers=tuple(ringing if each is offer else each for each in draft.contact.offers))
        draft.remember(ev.OfferRinging(offer_id=offer.offer_id, agent_id=offer.agent_id))


def release_late_leg(draft: Draft, signal: sig.AgentAnswered) -> None:
    """Somebody picked up as we took the offer away: their leg is let go, their phone logs no missed call."""
    draft.ask(ask.HangUp(signal.leg_id, "answered_elsewhere"))


def agent_leg_ended(draft: Draft, signal: sig.AgentLegEnded) -> None:
    """The offered phone refused, was busy, or could not be reached: the next agent, at once."""
    offer = draft.contact.offer(signal.leg_id)
    if offer is not None:
        outcome = outcome_of(signal.cause, signal.sip, rang=offer.ringing)
        settle(draft, offer, outcome, cause=signal.cause, sip=signal.sip)
        draft.ask(ask.SettleOffer(offer.offer_id, outcome))


def desk_not_rung(draft: Draft, signal: sig.CommandFailed) -> None:
    """The desk could not be rung: the next agent, at once; or the caller was gone, and their leg says so too."""
    offer = draft.contact.offer(signal.resource_id)
    if offer is not None:
        outcome = "caller_gone" if signal.gone else "unreachable"
        settle(draft, offer, outcome)
        draft.ask(ask.SettleOffer(offer.offer_id, outcome))


def offer_withdrawn(draft: Draft, signal: sig.OfferWithdrawn) -> None:
    """The floor took the offer back (ring time over, or a rule): stop that phone; the caller keeps the place."""
    offer = draft.contact.offer(signal.offer_id)
    if offer is not None:
        settle(draft, offer, signal.outcome)
        draft.ask(ask.HangUp(offer.offer_id, "no_answer"))


def let_go(draft: Draft, outcome: str, reason: str) -> None:
    """Every offer in hand settles alike, and its phone stops; `reason` is what the phone is told (see HangUp)."""
    for offer in draft.contact.offers:
        settle(draft, offer, outcome)
        draft.ask(ask.HangUp(offer.offer_id, reason))


def settle(draft: Draft, offer: OfferInHand, outcome: str, cause: int = 0, sip: int = 0) -> None:
    """The offer ends; with the last one the contact is back in the queue, and its step clock runs again."""
    contact = draft.contact
    assert offer in contact.offers, "an offer settles once"
    draft.become(offers=tuple(each for each in contact.offers if each is not offer))
    draft.remember(
        ev.OfferSettled(
            offer_id=offer.offer_id,
            agent_id=offer.agent_id,
            outcome=outcome,
            ring_s=draft.now - offer.made_at,
            cause=cause,
            sip=sip,
        )
    )
    if not contact.offers:
        assert contact.connecting_at is not None
        rang_s = contact.rang_s + draft.now - contact.connecting_at
        waiting = Phase.QUEUED if contact.channel_id else Phase.CALLBACK
        draft.become(phase=waiting, connecting_at=None, rang_s=rang_s)


def outcome_of(cause: int, sip: int, *, rang: bool) -> str:
    """What an unanswered leg's end says about the offer: busy, rejected, unreachable, no_answer or failed."""
    if sip in _BUSY or cause in _BUSY:
        return "busy"
    if sip in _REJECTED or cause in _REJECTED:
        return "rejected"
    if sip in _UNREACHABLE_SIP or cause in _UNREACHABLE_CAUSES or (sip in _SILENT and not rang):
        return "unreachable"
    if sip in _SILENT or cause in {18, 19}:
        return "no_answer"
    return "failed"

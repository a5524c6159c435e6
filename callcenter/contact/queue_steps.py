"""The contact in a queue: it waits with music, is offered to agents one after the other, and keeps its age."""

from collections.abc import Sequence
from dataclasses import replace

from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import signals as sig
from callcenter.contact.draft import Draft
from callcenter.contact.model import OfferInHand, Phase, card_shown
from callcenter.contact.talk_steps import start_talk

# Q.850 causes and SIP statuses of an agent's leg that ended unanswered (ASTERISK.md §2.5, §3.7). A 480 or 408 before
# the phone rang means that nobody is there; after it rang, that nobody picked up.
_BUSY = (17, 486)
_REJECTED = (21, 603)
_UNREACHABLE_CAUSES = frozenset({1, 2, 3, 20, 27, 38})
_UNREACHABLE_SIP = frozenset({404, 410, 502, 503})
_SILENT = frozenset({408, 480})


def enter_queue(draft: Draft, queue: str, announcement: Sequence[str] = (), music_class: str | None = None) -> None:
    """The caller begins to wait: an announcement, then music; the floor hears of it at once."""
    contact = draft.contact
    plan = draft.plan.queues[queue]
    draft.become(
        phase=Phase.QUEUED,
        queue=queue,
        queued_at=draft.now,
        music_class=music_class or plan.music_class,
        timer_at=None,
    )
    entering = _entering(draft)
    draft.remember(
        ev.QueueEntered(
            queue=queue,
            needs=entering.needs,
            value_tier=contact.value_tier,
            preferred_agent=entering.preferred_agent,
        )
    )
    draft.ask(entering)
    if announcement:
        draft.say(announcement, contact.language)
    else:
        _start_music(draft)


def resume(draft: Draft) -> None:
    """Back in the queue after a restart of ours, with the age it had; a phone that still rings is let go."""
    offer = draft.contact.offer
    if offer is not None:
        _settle(draft, "rescinded")
        draft.ask(ask.HangUp(offer.offer_id, "normal"))
    draft.become(phase=Phase.QUEUED)
    draft.ask(_entering(draft))
    if draft.contact.playback_id is not None:
        draft.stop_saying()
        _start_music(draft)


def announcement_ended(draft: Draft, signal: sig.PromptEnded) -> None:
    """The announcement was heard, or failed: music from here on."""
    if signal.playback_id == draft.contact.playback_id:
        draft.become(playback_id=None)
        _start_music(draft)


def command_failed(draft: Draft, signal: sig.CommandFailed) -> None:
    """An announcement that can't be played gives way to music; a desk that can't be rung, to the next agent."""
    contact = draft.contact
    if signal.command == "Say" and not signal.gone and signal.resource_id == contact.playback_id:
        draft.become(playback_id=None)
        _start_music(draft)
    elif signal.command == "RingDesk" and contact.offer and contact.offer.offer_id == signal.resource_id:
        outcome = "caller_gone" if signal.gone else "unreachable"
        _settle(draft, outcome)
        draft.become(phase=Phase.QUEUED)
        draft.ask(ask.SettleOffer(signal.resource_id, outcome))


def offer_proposed(draft: Draft, signal: sig.OfferProposed) -> None:
    """The floor found an agent: record why, show the card, ring the desk."""
    contact = draft.contact
    assert contact.queue is not None
    draft.become(
        phase=Phase.CONNECTING,
        offers_made=contact.offers_made + 1,
        offer=OfferInHand(signal.offer_id, signal.agent_id, signal.made_at, signal.expires_at),
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
        )
    )


def offer_too_late(draft: Draft, signal: sig.OfferProposed) -> None:
    """The floor proposed before it heard that the caller had left."""
    draft.ask(ask.SettleOffer(signal.offer_id, "caller_gone"))


def agent_ringing(draft: Draft, signal: sig.AgentRinging) -> None:
    """The phone rings (180, then perhaps 183: only the first is news)."""
    offer = draft.contact.offer
    if offer is not None and offer.offer_id == signal.leg_id and not offer.ringing:
        draft.become(offer=replace(offer, ringing=True))
        draft.remember(ev.OfferRinging(offer_id=offer.offer_id, agent_id=offer.agent_id))


def agent_answered(draft: Draft, signal: sig.AgentAnswered) -> None:
    """The offered agent picked up: the wait is over."""
    offer = draft.contact.offer
    if offer is None or offer.offer_id != signal.leg_id:
        release_late_leg(draft, signal)
        return
    _settle(draft, "accepted")
    _leave(draft, "answered")
    start_talk(draft, agent_id=offer.agent_id, leg_id=offer.offer_id)


def release_late_leg(draft: Draft, signal: sig.AgentAnswered) -> None:
    """Somebody picked up as we took the offer away: their leg is let go, their phone logs no missed call."""
    draft.ask(ask.HangUp(signal.leg_id, "answered_elsewhere"))


def agent_leg_ended(draft: Draft, signal: sig.AgentLegEnded) -> None:
    """The offered phone refused, was busy, or could not be reached: the next agent, at once."""
    offer = draft.contact.offer
    if offer is not None and offer.offer_id == signal.leg_id:
        outcome = outcome_of(signal.cause, signal.sip, rang=offer.ringing)
        _settle(draft, outcome, cause=signal.cause, sip=signal.sip)
        draft.become(phase=Phase.QUEUED)
        draft.ask(ask.SettleOffer(offer.offer_id, outcome))


def offer_withdrawn(draft: Draft, signal: sig.OfferWithdrawn) -> None:
    """The floor took the offer back (ring time over, or a rule): stop that phone; the caller keeps the place."""
    offer = draft.contact.offer
    if offer is not None and offer.offer_id == signal.offer_id:
        _settle(draft, signal.outcome)
        draft.become(phase=Phase.QUEUED)
        draft.ask(ask.HangUp(offer.offer_id, "no_answer"))


def caller_left(draft: Draft, signal: sig.CallerLeft) -> None:
    """The caller gave up, or Asterisk took them to the fallback; a ringing phone stops."""
    contact = draft.contact
    if contact.offer is not None:
        draft.ask(ask.HangUp(contact.offer.offer_id, "no_answer"))
        draft.ask(ask.SettleOffer(contact.offer.offer_id, "caller_gone"))
        _settle(draft, "caller_gone")
    draft.ask(ask.LeaveQueue(contact.contact_id))
    _leave(draft, "abandoned" if signal.by == "caller" else signal.by)
    draft.caller_leaves(by=signal.by, end_state="abandoned_queue", cause=signal.cause)
    draft.close()


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


def _entering(draft: Draft) -> ask.EnterQueue:
    contact = draft.contact
    assert contact.queue is not None
    assert contact.queued_at is not None
    return ask.EnterQueue(
        contact_id=contact.contact_id,
        queue=contact.queue,
        needs={contact.language: 1, **draft.plan.queues[contact.queue].needs},
        value_tier=draft.plan.tiers[contact.value_tier],
        entered_at=contact.queued_at,
        preferred_agent=contact.customer.last_agent if contact.customer else None,
        offers_made=contact.offers_made,
    )


def _start_music(draft: Draft) -> None:
    contact = draft.contact
    assert contact.music_class is not None
    draft.become(music_on=True)
    draft.ask(ask.StartMusic(contact.channel_id, contact.music_class))


def _settle(draft: Draft, outcome: str, cause: int = 0, sip: int = 0) -> None:
    offer = draft.contact.offer
    assert offer is not None, "an offer settles once"
    draft.become(offer=None)
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
    if outcome == "accepted":
        draft.ask(ask.SettleOffer(offer.offer_id, outcome))


def _leave(draft: Draft, outcome: str) -> None:
    contact = draft.contact
    assert contact.queue is not None
    assert contact.queued_at is not None
    wait_s = draft.now - contact.queued_at
    draft.become(wait_s=contact.wait_s + wait_s)
    draft.remember(ev.QueueLeft(queue=contact.queue, outcome=outcome, wait_s=wait_s))

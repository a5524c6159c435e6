"""The contact in a queue: routed by the customer's record, it waits with music and keeps its age until it is answered.

What the rules decided holds for the whole wait. A contact that is moved on by rule is not routed again, or a rule
could undo the move; it keeps its age and what is required, and has waited for its preferred agent long enough.
"""

from collections.abc import Sequence
from dataclasses import replace

from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import offer_steps
from callcenter.contact import signals as sig
from callcenter.contact.comfort import Comfort
from callcenter.contact.draft import Draft
from callcenter.contact.model import Contact, Phase
from callcenter.contact.talk_steps import start_talk
from ivr.expression import as_text
from routing.model import KEPT_S_MAX, SoFar
from routing.requirement import All, Held, Requirement, both, parse, show
from routing.rules import Facts, decide


def enter_queue(
    draft: Draft,
    queue: str,
    announcement: Sequence[str] = (),
    music_class: str | None = None,
    preferred: tuple[str, float] | None = None,
    *,
    on_the_line: bool = True,
) -> None:
    """The caller begins to wait, in this queue or where the rules say: an announcement, then music.

    `preferred` is an agent to wait for, and for how many seconds, whomever the rules name. Who will not wait
    `on_the_line` hears nothing, and the floor hears of them when they are gone (`callback_steps.wait`).
    """
    queue = _route(draft, queue)
    if preferred is not None:
        draft.become(preferred_agent=preferred[0], preferred_wait_s=preferred[1])
    draft.become(waiting_since=draft.now)
    _join(draft, queue, music_class or draft.plan.queue(queue).music_class)
    if not on_the_line:
        return
    draft.ask(entering(draft))
    if announcement:
        draft.say(announcement, draft.contact.language)
    else:
        _wait_with_music(draft)


def move(draft: Draft, queue: str) -> None:
    """A rule moved the contact on: the caller hears what they heard, or the other queue's music."""
    before = draft.contact.music_class
    draft.become(moves=draft.contact.moves + 1, preferred_wait_s=0.0, callback=None)
    _join(draft, queue, draft.plan.queue(queue).music_class)
    draft.ask(entering(draft))
    if draft.contact.music_on:
        draft.become(timer_at=_told_next_at(draft))
        if draft.contact.music_class != before:
            stop_music(draft)
            start_music(draft)


def resume(draft: Draft) -> None:
    """Back in the queue after a restart of ours, with the age it had; phones that still ring are let go."""
    offer_steps.let_go(draft, "rescinded", "normal")
    draft.become(phase=Phase.QUEUED)
    draft.ask(entering(draft))
    if draft.contact.playback_id is not None:
        draft.stop_saying()
        _wait_with_music(draft)
    elif draft.contact.music_on:
        start_music(draft)  # again: we may have died before it was asked for


def prompt_ended(draft: Draft, signal: sig.PromptEnded) -> None:
    """An announcement was heard, or failed."""
    if signal.playback_id == draft.contact.playback_id:
        draft.become(playback_id=None)
        _wait_with_music(draft)


def comfort_of(draft: Draft) -> Comfort | None:
    """What the caller is told while they wait; None: nothing, as for whom we called, who are among the first."""
    contact = draft.contact
    if contact.queue is None or contact.callback is not None:
        return None
    return draft.plan.queue(contact.queue).comfort


def command_failed(draft: Draft, signal: sig.CommandFailed) -> None:
    """An announcement that can't be played gives way to music; a desk that can't be rung, to the next agent."""
    if signal.command == "Say" and not signal.gone and signal.resource_id == draft.contact.playback_id:
        draft.become(playback_id=None)
        _wait_with_music(draft)
    elif signal.command == "RingDesk":
        offer_steps.desk_not_rung(draft, signal)


def step_taken(draft: Draft, signal: sig.StepTaken) -> None:
    """The contact's reach changed; nothing is asked of anybody, it is only remembered."""
    if signal.queue == draft.contact.queue:
        draft.remember(ev.QueueStepTaken(signal.queue, signal.step, signal.why, signal.requires))


def estimated(draft: Draft, signal: sig.Estimated) -> None:
    """The forecast as the contact entered; one that is told again after a restart of ours is no forecast of that."""
    contact = draft.contact
    if not contact.estimated:
        assert contact.queue is not None
        draft.become(estimated=True)
        told = ev.QueueEstimated(contact.queue, signal.position, signal.p50_s, signal.p90_s, signal.mean_s)
        draft.remember(told)


def agent_answered(draft: Draft, signal: sig.AgentAnswered) -> None:
    """An offered agent picked up: the wait is over, and the phones of the others stop."""
    offer = draft.contact.offer(signal.leg_id)
    if offer is None:
        offer_steps.release_late_leg(draft, signal)
        return
    offer_steps.settle(draft, offer, "accepted")
    draft.ask(ask.SettleOffer(offer.offer_id, "accepted"))
    offer_steps.let_go(draft, "rescinded", "answered_elsewhere")
    leave(draft, "answered")
    start_talk(draft, agent_id=offer.agent_id, leg_id=offer.offer_id)


def caller_left(draft: Draft, signal: sig.CallerLeft) -> None:
    """The caller gave up, or Asterisk took them to the fallback; ringing phones stop."""
    if not draft.contact.channel_id:
        return  # whom we let go, to call them back
    for offer in draft.contact.offers:
        draft.ask(ask.HangUp(offer.offer_id, "no_answer"), ask.SettleOffer(offer.offer_id, "caller_gone"))
        offer_steps.settle(draft, offer, "caller_gone")
    draft.ask(ask.LeaveQueue(draft.contact.contact_id))
    leave(draft, "abandoned" if signal.by == "caller" else signal.by)
    draft.caller_gave_up(signal, "abandoned_queue")
    draft.close()


def leave(draft: Draft, outcome: str, *, why: str | None = None, exit_to: str | None = None) -> None:
    """The contact is in the queue no more; what it waited there adds to its wait. Who is called back left before."""
    contact = draft.contact
    if contact.callback is not None:
        return
    assert contact.queue is not None
    assert contact.queued_at is not None
    wait_s = draft.now - contact.queued_at
    draft.become(wait_s=contact.wait_s + wait_s, timer_at=None)
    draft.remember(ev.QueueLeft(queue=contact.queue, outcome=outcome, wait_s=wait_s, why=why, exit_to=exit_to))


def start_music(draft: Draft) -> None:
    """Music from now on."""
    contact = draft.contact
    assert contact.music_class is not None
    draft.become(music_on=True)
    draft.ask(ask.StartMusic(contact.channel_id, contact.music_class))


def stop_music(draft: Draft) -> None:
    """Silence, if there was music."""
    if draft.contact.music_on:
        draft.become(music_on=False)
        draft.ask(ask.StopMusic(draft.contact.channel_id))


def _wait_with_music(draft: Draft) -> None:
    """Music from now on, until it is time to tell the caller how they stand."""
    draft.become(timer_at=_told_next_at(draft))
    start_music(draft)


def _told_next_at(draft: Draft) -> float | None:
    comfort = comfort_of(draft)
    if comfort is None:
        return None
    return draft.now + (comfort.every_s if draft.contact.times_told else comfort.first_s)


def _route(draft: Draft, queue: str) -> str:
    """Let the site's rules look at the customer's record; returns the queue that they lead to."""
    plan = draft.plan
    routing = decide(plan.rules, _facts(draft.contact, queue))
    assert routing.queue in plan.queues, f"the site's check lets no rule name queue {routing.queue!r}"
    assert routing.value_tier in plan.tiers, f"the site's check lets no rule name tier {routing.value_tier!r}"
    draft.become(
        value_tier=routing.value_tier,
        requires=show(routing.requires),
        preferred_agent=routing.preferred_agent,
        preferred_wait_s=routing.preferred_wait_s,
    )
    if plan.rules:
        draft.remember(
            ev.RoutingDecided(
                queue=routing.queue,
                value_tier=routing.value_tier,
                requires=draft.contact.requires,
                preferred_agent=routing.preferred_agent,
                preferred_wait_s=routing.preferred_wait_s,
                trace=[entry.as_dict() for entry in routing.trace],
            )
        )
    return routing.queue


def _facts(contact: Contact, queue: str) -> Facts:
    facts = Facts(
        dialed=contact.hotline,
        queue=queue,
        language=contact.language,
        value_tier=contact.value_tier,
        attributes={name: as_text(value) for name, value in contact.cursor.variables.items()} if contact.cursor else {},
    )
    customer = contact.customer
    if customer is None:
        return facts
    return replace(
        facts,
        customer_id=customer.customer_id,
        segment=customer.segment,
        preferred_agent=customer.preferred_agent,
        last_agent=customer.last_agent,
        case_owner=customer.case_owner,
        open_case=customer.open_case,
        at_risk=customer.at_risk,
        usage=customer.usage,
    )


def _join(draft: Draft, queue: str, music_class: str) -> None:
    """The contact is in this queue from now on; the floor is still to be told."""
    draft.become(
        phase=Phase.QUEUED,
        queue=queue,
        queued_at=draft.now,
        rang_s=0.0,
        estimated=False,
        music_class=music_class,
        timer_at=None,
        told=None,
        times_told=0,
    )
    contact = draft.contact
    requires = both(draft.plan.queue(queue).requires, entering(draft).requires)
    draft.remember(
        ev.QueueEntered(
            queue=queue,
            needs=_needs(requires),
            value_tier=contact.value_tier,
            preferred_agent=contact.preferred_agent,
            requires=show(requires),
            preferred_wait_s=contact.preferred_wait_s,
            moves=contact.moves,
        )
    )


def entering(draft: Draft) -> ask.EnterQueue:
    """What tells the floor that the contact waits in its queue, as it stands: with its age, clock and callback."""
    contact = draft.contact
    assert contact.queue is not None
    assert contact.queued_at is not None
    customer_id = contact.customer.customer_id if contact.customer else contact.caller and f"tel:{contact.caller}"
    return ask.EnterQueue(
        contact_id=contact.contact_id,
        queue=contact.queue,
        requires=both(Held(contact.language), parse(contact.requires)),
        value_tier=draft.plan.rank(contact.value_tier),
        entered_at=contact.queued_at if contact.waiting_since is None else contact.waiting_since,
        preferred_agent=contact.preferred_agent,
        preferred_wait_s=contact.preferred_wait_s,
        customer_id=customer_id,
        clock_s=max(0.0, draft.now - contact.queued_at - contact.rang_s),
        offers_made=contact.offers_made,
        callback=contact.callback is not None and not contact.channel_id,
        so_far=_so_far(draft),
        told=contact.told if contact.callback is None else None,
        slot_begin=contact.callback.slot[0] if contact.callback is not None and contact.callback.slot else None,
    )


def _so_far(draft: Draft) -> SoFar | None:
    """How far we are with calling back, by the rules of today."""
    contact = draft.contact
    if contact.callback is None or contact.queue is None:
        return None
    rules, callback = draft.plan.queue(contact.queue).callback, contact.callback
    begin, end = callback.slot or (None, callback.promised_at)
    retry_at = begin if callback.failed_at is None else callback.failed_at + rules.retry_s
    return SoFar(callback.attempts, min(end + rules.expires_s, callback.promised_at + KEPT_S_MAX), retry_at)


def _needs(requires: Requirement) -> dict[str, int]:
    """The skills that must be held, without alternatives, and their least levels; 1 where any level will do."""
    parts = requires.parts if isinstance(requires, All) else (requires,)
    return {part.skill: max(1, part.least) for part in parts if isinstance(part, Held)}

"""The contact that is called back: the line is let go, the place is kept, and the customer is dialed when it is time.

Theory. A promise begins as the caller hears it (phase goodbye) and is kept from the moment their line is free: the
contact enters its queue anew, with its age and step clock, as one without anybody on the line (phase callback). Then
the floor decides. Customer first, it says when to dial; who picks up waits on in the queue, among the first. Agent
first, it offers the contact like any other; the agent who answers hears music while the customer's phone rings (phase
dialing), and both are joined as the customer picks up. An attempt that fails leads back to phase callback, until the
floor says that the callback is over: nobody reached, too late, or the customer called again by themselves.

The queue's visit ends with the promise (`queue.left`, outcome callback): what comes later is no wait on the line.
"""

from dataclasses import replace

from callcenter.contact import callback_events as ev
from callcenter.contact import commands as ask
from callcenter.contact import offer_steps, queue_steps
from callcenter.contact import signals as sig
from callcenter.contact.dial_policy import why_not
from callcenter.contact.draft import Draft
from callcenter.contact.model import Callback, Phase
from callcenter.contact.talk_steps import start_talk
from routing.messages import DialOutcome

# Asterisk ends an attempt after the policy's ring time; our own timer is for the case that nobody tells us.
TOLD_S = 10.0


def may_promise(draft: Draft, queue: str) -> bool:
    """Whether the caller can be called back; if not it is remembered why."""
    number = draft.contact.caller
    why = why_not(draft.plan.dial_out, number)
    if why is not None:
        draft.remember(ev.CallbackRefused(queue, number, why))
    return why is None


def promise(draft: Draft, why: str, slot: tuple[float, float] | None = None) -> None:
    """The caller, who has just left the queue, will be called back; they are still to be told and let go."""
    contact = draft.contact
    assert contact.queue is not None
    assert contact.caller is not None, "who can't be called back is promised nothing"
    before = contact.callback
    draft.become(callback=before or Callback(promised_at=draft.now, number=contact.caller, slot=slot))
    begin, end = slot or (None, None)
    draft.remember(ev.CallbackPromised(contact.queue, contact.caller, why, begin, end))


def wait(draft: Draft) -> None:
    """The line is free: from now on the contact waits without its caller."""
    contact = draft.contact
    assert contact.queue is not None
    draft.become(phase=Phase.CALLBACK, channel_id="", playback_id=None, music_on=False, timer_at=None)
    draft.remember(ev.CallbackWaiting(contact.queue))
    draft.ask(queue_steps.entering(draft))


def due(draft: Draft, _: sig.CallbackDue) -> None:
    """Customer first: an agent is free, or will be by the time they pick up."""
    _dial(draft, agent_id=None, agent_leg=None)


def agent_answered(draft: Draft, signal: sig.AgentAnswered) -> None:
    """An offered agent picked up: they talk with the caller, or wait for the customer to pick up."""
    contact = draft.contact
    offer = contact.offer(signal.leg_id)
    if contact.channel_id or offer is None:
        queue_steps.agent_answered(draft, signal)
        return
    offer_steps.settle(draft, offer, "accepted")
    draft.ask(ask.SettleOffer(offer.offer_id, "accepted"))
    offer_steps.let_go(draft, "rescinded", "answered_elsewhere")
    if draft.plan.held_back or why_not(draft.plan.dial_out, _callback(draft).number) is not None:
        draft.ask(ask.HangUp(offer.offer_id))  # the floor takes the answer for the time to dial, and hears why not
        return
    assert contact.music_class is not None
    draft.ask(ask.StartMusic(offer.offer_id, contact.music_class))
    _dial(draft, agent_id=offer.agent_id, agent_leg=offer.offer_id)


def another_answered(draft: Draft, signal: sig.AgentAnswered) -> None:
    """A second phone was picked up as the customer's rings: let go. Of the first one, Up and StasisStart both tell."""
    callback = _callback(draft)
    if callback.agent_leg != signal.leg_id:
        draft.ask(ask.HangUp(signal.leg_id, "answered_elsewhere"))


def customer_answered(draft: Draft, signal: sig.CustomerAnswered) -> None:
    """The customer picked up: joined with the agent who waited for them, or among the first in the queue."""
    callback = _callback(draft)
    if callback.leg_id != signal.leg_id:
        release_late_customer(draft, signal)
        return
    agent_id, agent_leg = callback.agent_id, callback.agent_leg
    draft.remember(ev.CallbackAnswered(callback.attempts, signal.leg_id, draft.now - callback.promised_at))
    draft.become(
        phase=Phase.QUEUED,
        channel_id=signal.leg_id,
        timer_at=None,
        callback=replace(callback, leg_id=None, agent_id=None, agent_leg=None),
    )
    draft.ask(ask.TellDialed(draft.contact.contact_id, DialOutcome.ANSWERED))
    if agent_id is not None and agent_leg is not None:
        draft.ask(ask.StopMusic(agent_leg))
        start_talk(draft, agent_id=agent_id, leg_id=agent_leg)
        return
    draft.ask(ask.HoldLease(signal.leg_id))
    if draft.plan.called_back_prompts:
        draft.say(draft.plan.called_back_prompts, draft.contact.language)
    else:
        queue_steps.start_music(draft)


def caller_left(draft: Draft, signal: sig.CallerLeft) -> None:
    """Who waits on the line left. Whom we had called and who was cut off by no will of theirs is called again."""
    contact = draft.contact
    if contact.callback is None or not contact.channel_id or signal.by != "system":
        queue_steps.caller_left(draft, signal)
        return
    callback = contact.callback
    draft.remember(ev.CallbackFailed(callback.attempts, contact.channel_id, "cut_off", signal.cause))
    offer_steps.let_go(draft, "caller_gone", "no_answer")
    draft.ask(ask.LeaveQueue(contact.contact_id, abandoned=False))
    _rest(draft, attempts=callback.attempts, failed_at=draft.now)
    wait(draft)


def release_late_customer(draft: Draft, signal: sig.CustomerAnswered) -> None:
    """They picked up as we gave the attempt up."""
    if signal.leg_id != draft.contact.channel_id:
        draft.ask(ask.HangUp(signal.leg_id))


def customer_not_reached(draft: Draft, signal: sig.CustomerLegEnded) -> None:
    """Their phone was busy, was refused, rang out, or could not be reached."""
    if _callback(draft).leg_id == signal.leg_id:
        outcome = offer_steps.outcome_of(signal.cause, signal.sip, rang=True)
        _attempt_failed(draft, outcome, cause=signal.cause, sip=signal.sip)


def command_failed(draft: Draft, signal: sig.CommandFailed) -> None:
    """The trunk took no call of ours."""
    if signal.command == "DialOut" and _callback(draft).leg_id == signal.resource_id:
        _attempt_failed(draft, "unreachable" if signal.reason == "unreachable" else "failed")


def time_is_up(draft: Draft, _: sig.TimerDue) -> None:
    """The end of the attempt was never told."""
    leg_id = _callback(draft).leg_id
    assert leg_id is not None
    draft.ask(ask.HangUp(leg_id, "no_answer"))
    _attempt_failed(draft, "no_answer")


def agent_left(draft: Draft, signal: sig.AgentLegEnded) -> None:
    """The agent who waited for the customer hung up: nobody would be there as they pick up."""
    callback = _callback(draft)
    if callback.agent_leg == signal.leg_id:
        assert callback.leg_id is not None
        draft.become(callback=replace(callback, agent_leg=None))
        draft.ask(ask.HangUp(callback.leg_id, "no_answer"))
        _attempt_failed(draft, "agent_gone")


def over(draft: Draft, signal: sig.CallbackOver) -> None:
    """The floor gave the callback up, and has forgotten the contact."""
    _end(draft, signal.why, signal.taken_up_by)


def diverted(draft: Draft, signal: sig.Diverted) -> None:
    """The queue in which they were to be called back is gone; nobody is there who could be sent elsewhere."""
    if signal.queue == draft.contact.queue:
        _end(draft, "queue_gone", None)


def resume(draft: Draft) -> None:
    """After a restart of ours: phones that still ring are let go, and it waits on with the age it had.

    An attempt that was cut off so does not count: the customer is tried again when it is time.
    """
    callback = _callback(draft)
    offer_steps.let_go(draft, "rescinded", "normal")
    if callback.leg_id is not None:
        draft.remember(ev.CallbackFailed(callback.attempts, callback.leg_id, "restarted"))
        _let_go(draft)
        _rest(draft, attempts=callback.attempts - 1, failed_at=callback.failed_at)
    draft.ask(ask.TellDialed(draft.contact.contact_id, DialOutcome.FAILED))  # frees the agent who waited
    draft.ask(queue_steps.entering(draft))


def give_up(draft: Draft) -> None:
    """Our service of this contact ends: the customer's phone stops, and the agent who waited is free."""
    callback = _callback(draft)
    _let_go(draft)
    if callback.agent_id is not None:
        draft.ask(ask.FinishTalk(draft.contact.contact_id, callback.agent_id, 0.0))
    _rest(draft, attempts=callback.attempts, failed_at=draft.now)


def _dial(draft: Draft, *, agent_id: str | None, agent_leg: str | None) -> None:
    """Ring the customer's phone, if the number may still be dialed."""
    contact, policy, callback = draft.contact, draft.plan.dial_out, _callback(draft)
    why = why_not(policy, callback.number)
    if policy is None or why is not None:
        assert contact.queue is not None
        draft.remember(ev.CallbackRefused(contact.queue, callback.number, why or "no_dial_out"))
        draft.ask(ask.TellDialed(contact.contact_id, DialOutcome.REFUSED))
        return
    if draft.plan.held_back is not None:
        assert contact.queue is not None
        draft.remember(ev.CallbackHeldBack(contact.queue, draft.plan.held_back))
        draft.ask(ask.TellDialed(contact.contact_id, DialOutcome.HELD_BACK))
        return
    dials_made = contact.dials_made + 1
    leg_id = f"{contact.contact_id}.c{dials_made}"
    shown = policy.caller_id or contact.hotline
    attempts = callback.attempts + 1
    draft.become(
        phase=Phase.DIALING,
        dials_made=dials_made,
        timer_at=draft.now + policy.ring_s + TOLD_S,
        callback=replace(callback, attempts=attempts, leg_id=leg_id, agent_id=agent_id, agent_leg=agent_leg),
    )
    draft.remember(ev.CallbackDialed(attempts, leg_id, callback.number, shown, agent_id))
    draft.ask(ask.DialOut(leg_id, contact.contact_id, callback.number, shown, contact.hotline, policy.ring_s))


def _attempt_failed(draft: Draft, outcome: str, cause: int = 0, sip: int = 0) -> None:
    """Back to waiting; the floor says when to try again, or that it is over."""
    callback = _callback(draft)
    assert callback.leg_id is not None
    draft.remember(ev.CallbackFailed(callback.attempts, callback.leg_id, outcome, cause, sip))
    if callback.agent_leg is not None:
        draft.ask(ask.HangUp(callback.agent_leg))
    _rest(draft, attempts=callback.attempts, failed_at=draft.now)
    draft.ask(ask.TellDialed(draft.contact.contact_id, DialOutcome.FAILED))


def _rest(draft: Draft, *, attempts: int, failed_at: float | None) -> None:
    """Nobody rings and nobody waits on a phone."""
    callback = _callback(draft)
    rested = replace(callback, attempts=attempts, failed_at=failed_at, leg_id=None, agent_id=None, agent_leg=None)
    draft.become(phase=Phase.CALLBACK, timer_at=None, callback=rested)


def _end(draft: Draft, why: str, taken_up_by: str | None) -> None:
    """Nobody is on the line and nothing rings: the contact's book is closed."""
    draft.remember(ev.CallbackOver(why, taken_up_by))
    returned = why == "returned"
    end_state = "callback_returned" if returned else "callback_failed"
    draft.caller_leaves(by="caller" if returned else "system", end_state=end_state)
    draft.close()


def _let_go(draft: Draft) -> None:
    """The customer's phone stops ringing, and the agent who waits for them is let go; if there is either."""
    callback = _callback(draft)
    for leg_id in (callback.leg_id, callback.agent_leg):
        if leg_id is not None:
            draft.ask(ask.HangUp(leg_id))


def _callback(draft: Draft) -> Callback:
    callback = draft.contact.callback
    assert callback is not None, "only who was promised a call is called back"
    return callback

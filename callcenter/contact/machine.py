"""The contact machine: one total table, and the step it makes of a signal.

Theory. A contact lives through ivr, queued, connecting (phones ring), talking, held, wrap-up, ended; whom no queue
serves hears a goodbye. Who is promised a callback hears so (goodbye), waits without being on the line (callback, or
connecting while an agent is asked), and is dialed (dialing); `callback_steps` has the theory of that. A flow may lead
to a phone outside (outside): `outside_steps`.

Signals come from two sides that do not know each other: Asterisk (the caller's and the agents' legs) and the floor
(offers, steps, ways out, wrap-up). They cross on the way, so most phases hear things that were true a millisecond ago.
Each such pair is a *race*: it has a name in the table and does nothing, or lets go of a leg that came too late. A pair
that is not in the table can't happen unless we have a bug: `advance` asserts, and the session fails that one contact.

Several phones may ring for one contact. The first answer wins: its offer is accepted, the others are rescinded and
their legs let go, here and on the floor, which says so too: that crosses, and is a race.

Whoever leaves first ends the talk. The caller's visit ends with `caller.left`; the contact itself only after the
agent's wrap-up, so that its record carries the whole work.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard

from callcenter.contact import (
    callback_steps,
    comfort_steps,
    exit_steps,
    ivr_steps,
    offer_steps,
    outside_steps,
    queue_steps,
    talk_steps,
)
from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import signals as sig
from callcenter.contact.draft import Draft, Handler, Step
from callcenter.contact.model import Contact, Phase
from callcenter.contact.plan import Plan


@dataclass(frozen=True, slots=True)
class Race:
    """A pair of phase and signal that may meet and changes nothing; the text says how they come to meet."""

    how: str


Cell = Handler | Race

_LATE_LEG = Race("the leg of an offer that has settled; its hang-up is under way")
_OUR_HANG_UP = Race("the leg ended because we hung it up")
_STALE_TIMER = Race("the timer was replaced as it fired")
_LATE_PROMPT = Race("a prompt that we cut short reports its end")
_KEY_AFTER_FLOW = Race("a key pressed as the flow was left; nothing listens here")
_CROSSED_OFFER = Race("the floor withdrew the offer as it settled by itself")
_CROSSED_RULE = Race("a rule of the queue came up as the contact left it")
_CROSSED_ESTIMATE = Race("the contact was offered or moved on before the floor came to its estimate")
_ANSWER_AFTER_FLOW = Race("what a flow asked was answered after the caller had left it, or when nobody waited any more")
_CLEAN_UP_LOST = Race("what we wanted to end had ended by itself")
_CROSSED_CALLBACK = Race("the floor decided about the callback as our service of it broke off")
_TOLD_TWICE = Race("the customer's leg is told of by an event and by a reconcile, or its end by two events")
_WORD_AFTER_FLOW = Race("a recogniser understood the caller as they left the flow")

_IVR, _QUEUED, _CONNECTING = Phase.IVR, Phase.QUEUED, Phase.CONNECTING
_TALKING, _HELD, _GOODBYE = Phase.TALKING, Phase.HELD, Phase.GOODBYE
_CALLBACK, _DIALING = Phase.CALLBACK, Phase.DIALING
_WRAP_UP, _ENDED = Phase.WRAP_UP, Phase.ENDED

_ON_THE_LINE: Mapping[tuple[Phase, type[sig.Signal]], Cell] = {
    (_IVR, sig.CallerLeft): ivr_steps.caller_left,
    (_IVR, sig.DigitPressed): ivr_steps.digit_pressed,
    (_IVR, sig.PromptEnded): ivr_steps.prompt_ended,
    (_IVR, sig.CommandFailed): ivr_steps.command_failed,
    (_IVR, sig.TimerDue): ivr_steps.time_is_up,
    (_IVR, sig.WorldAnswered): ivr_steps.world_answered,
    (_IVR, sig.SpeechHeard): ivr_steps.speech_heard,
    (_IVR, sig.OutsideAnswered): ivr_steps.outside_answered,
    (_IVR, sig.OutsideLegEnded): ivr_steps.outside_not_reached,
    (_QUEUED, sig.CallerLeft): callback_steps.caller_left,
    (_QUEUED, sig.DigitPressed): exit_steps.key_pressed,
    (_QUEUED, sig.PromptEnded): queue_steps.prompt_ended,
    (_QUEUED, sig.OfferProposed): offer_steps.offer_proposed,
    (_QUEUED, sig.OfferWithdrawn): _CROSSED_OFFER,
    (_QUEUED, sig.StepTaken): queue_steps.step_taken,
    (_QUEUED, sig.Diverted): exit_steps.diverted,
    (_QUEUED, sig.Estimated): queue_steps.estimated,
    (_QUEUED, sig.WaitTold): comfort_steps.wait_told,
    (_QUEUED, sig.AgentRinging): _LATE_LEG,
    (_QUEUED, sig.AgentAnswered): offer_steps.release_late_leg,
    (_QUEUED, sig.AgentLegEnded): _OUR_HANG_UP,
    (_QUEUED, sig.AgentHeld): _LATE_LEG,
    (_QUEUED, sig.AgentResumed): _LATE_LEG,
    (_QUEUED, sig.CommandFailed): queue_steps.command_failed,
    (_QUEUED, sig.TimerDue): comfort_steps.due,
    (_QUEUED, sig.CustomerAnswered): _TOLD_TWICE,
    (_QUEUED, sig.CustomerLegEnded): _TOLD_TWICE,
    (_CONNECTING, sig.CallerLeft): callback_steps.caller_left,
    (_CONNECTING, sig.DigitPressed): _KEY_AFTER_FLOW,
    (_CONNECTING, sig.PromptEnded): queue_steps.prompt_ended,
    (_CONNECTING, sig.OfferProposed): offer_steps.offer_proposed,
    (_CONNECTING, sig.OfferWithdrawn): offer_steps.offer_withdrawn,
    (_CONNECTING, sig.StepTaken): queue_steps.step_taken,
    (_CONNECTING, sig.Diverted): exit_steps.diverted,
    (_CONNECTING, sig.Estimated): _CROSSED_ESTIMATE,
    (_CONNECTING, sig.AgentRinging): offer_steps.agent_ringing,
    (_CONNECTING, sig.AgentAnswered): callback_steps.agent_answered,
    (_CONNECTING, sig.AgentLegEnded): offer_steps.agent_leg_ended,
    (_CONNECTING, sig.AgentHeld): _LATE_LEG,
    (_CONNECTING, sig.AgentResumed): _LATE_LEG,
    (_CONNECTING, sig.CommandFailed): queue_steps.command_failed,
    (_CONNECTING, sig.TimerDue): comfort_steps.leave_out,
    (_CONNECTING, sig.CustomerAnswered): callback_steps.release_late_customer,
    (_CONNECTING, sig.CustomerLegEnded): _TOLD_TWICE,
    (_TALKING, sig.CallerLeft): talk_steps.caller_left,
    (_TALKING, sig.DigitPressed): Race("keys pressed while talking are for the agent's ear"),
    (_TALKING, sig.PromptEnded): _LATE_PROMPT,
    (_TALKING, sig.OfferWithdrawn): _CROSSED_OFFER,
    (_TALKING, sig.StepTaken): _CROSSED_RULE,
    (_TALKING, sig.Diverted): _CROSSED_RULE,
    (_TALKING, sig.Estimated): _CROSSED_ESTIMATE,
    (_TALKING, sig.AgentRinging): Race("the phone's 180 was overtaken by its 200, or by another phone's"),
    (_TALKING, sig.AgentAnswered): talk_steps.another_answered,
    (_TALKING, sig.AgentLegEnded): talk_steps.agent_left,
    (_TALKING, sig.AgentHeld): talk_steps.agent_held,
    (_TALKING, sig.AgentResumed): Race("a phone may say unhold without a hold"),
    (_TALKING, sig.LegsApart): talk_steps.join_again,
    (_TALKING, sig.CommandFailed): talk_steps.command_failed,
    (_TALKING, sig.TimerDue): _STALE_TIMER,
    (_TALKING, sig.CustomerAnswered): _TOLD_TWICE,
    (_TALKING, sig.CustomerLegEnded): _TOLD_TWICE,
    (_HELD, sig.CallerLeft): talk_steps.caller_left,
    (_HELD, sig.DigitPressed): Race("keys pressed while held; nothing listens here"),
    (_HELD, sig.PromptEnded): _LATE_PROMPT,
    (_HELD, sig.OfferWithdrawn): _CROSSED_OFFER,
    (_HELD, sig.StepTaken): _CROSSED_RULE,
    (_HELD, sig.Diverted): _CROSSED_RULE,
    (_HELD, sig.Estimated): _CROSSED_ESTIMATE,
    (_HELD, sig.AgentRinging): Race("the phone's 180 was overtaken by its 200, or by another phone's"),
    (_HELD, sig.AgentAnswered): talk_steps.another_answered,
    (_HELD, sig.AgentLegEnded): talk_steps.agent_left,
    (_HELD, sig.AgentHeld): Race("a phone may repeat its hold"),
    (_HELD, sig.AgentResumed): talk_steps.agent_resumed,
    (_HELD, sig.LegsApart): talk_steps.join_again,
    (_HELD, sig.CommandFailed): talk_steps.command_failed,
    (_HELD, sig.TimerDue): _STALE_TIMER,
    (_HELD, sig.CustomerAnswered): _TOLD_TWICE,
    (_HELD, sig.CustomerLegEnded): _TOLD_TWICE,
}

# The caller talks with a phone outside, to which their flow has led them.
_OUTSIDE_TALK: Mapping[type[sig.Signal], Cell] = {
    sig.CallerLeft: outside_steps.caller_left,
    sig.OutsideLegEnded: outside_steps.outside_left,
    sig.LegsApart: outside_steps.join_again,
    sig.CommandFailed: outside_steps.command_failed,
    sig.DigitPressed: Race("keys pressed while talking are for the other's ear"),
    sig.PromptEnded: _LATE_PROMPT,
    sig.TimerDue: _STALE_TIMER,
}

# Nobody is on the line: the customer is to be called back, or their phone rings.
_AWAY: Mapping[tuple[Phase, type[sig.Signal]], Cell] = {
    (_CALLBACK, sig.OfferProposed): offer_steps.offer_proposed,
    (_CALLBACK, sig.StepTaken): queue_steps.step_taken,
    (_CALLBACK, sig.Diverted): callback_steps.diverted,
    (_CALLBACK, sig.CallbackDue): callback_steps.due,
    (_CALLBACK, sig.CallbackOver): callback_steps.over,
    (_CALLBACK, sig.AgentAnswered): offer_steps.release_late_leg,
    (_CALLBACK, sig.AgentLegEnded): _OUR_HANG_UP,
    (_CALLBACK, sig.CustomerAnswered): callback_steps.release_late_customer,
    (_CALLBACK, sig.CustomerLegEnded): _OUR_HANG_UP,
    (_CALLBACK, sig.CommandFailed): _CLEAN_UP_LOST,
    (_CALLBACK, sig.TimerDue): _STALE_TIMER,
    (_DIALING, sig.StepTaken): _CROSSED_RULE,
    (_DIALING, sig.Diverted): _CROSSED_RULE,
    (_DIALING, sig.CallbackDue): Race("agent first: the agent's answer began the attempt that the floor asks for"),
    (_DIALING, sig.AgentAnswered): callback_steps.another_answered,
    (_DIALING, sig.AgentLegEnded): callback_steps.agent_left,
    (_DIALING, sig.CustomerAnswered): callback_steps.customer_answered,
    (_DIALING, sig.CustomerLegEnded): callback_steps.customer_not_reached,
    (_DIALING, sig.CommandFailed): callback_steps.command_failed,
    (_DIALING, sig.TimerDue): callback_steps.time_is_up,
}

_NOBODY_ON_THE_LINE: Mapping[type[sig.Signal], Cell] = {
    sig.CallerLeft: _OUR_HANG_UP,
    sig.DigitPressed: Race("a key pressed as the line was let go"),
    sig.PromptEnded: _LATE_PROMPT,
    sig.OfferWithdrawn: _CROSSED_OFFER,
    sig.Estimated: _CROSSED_ESTIMATE,
    sig.AgentRinging: _LATE_LEG,
    sig.AgentHeld: _LATE_LEG,
    sig.AgentResumed: _LATE_LEG,
    sig.WrapUpOver: Race("the agent who waited for the customer is free again: there was no talk to wrap up"),
}

# The contact waits for nobody any more: what the floor or an agent's leg still says was on its way as it left.
_WAIT_OVER: Mapping[type[sig.Signal], Cell] = {
    sig.OfferProposed: offer_steps.offer_too_late,
    sig.OfferWithdrawn: _CROSSED_OFFER,
    sig.StepTaken: _CROSSED_RULE,
    sig.Diverted: _CROSSED_RULE,
    sig.Estimated: _CROSSED_ESTIMATE,
    sig.AgentRinging: _LATE_LEG,
    sig.AgentAnswered: offer_steps.release_late_leg,
    sig.AgentLegEnded: _OUR_HANG_UP,
    sig.AgentHeld: _LATE_LEG,
    sig.AgentResumed: _LATE_LEG,
    sig.CustomerAnswered: callback_steps.release_late_customer,
    sig.CustomerLegEnded: _OUR_HANG_UP,
}

_GOING: Mapping[type[sig.Signal], Cell] = {
    **_WAIT_OVER,
    sig.CallerLeft: exit_steps.caller_left,
    sig.DigitPressed: Race("keys pressed during the goodbye; nothing listens here"),
    sig.PromptEnded: exit_steps.prompt_ended,
    sig.CommandFailed: exit_steps.say_failed,
    sig.TimerDue: exit_steps.time_is_up,
}

# Nobody is on the line any more: whatever still arrives was on its way when the caller or the agent left.
_NOBODY_LEFT: Mapping[type[sig.Signal], Cell] = {
    **_WAIT_OVER,
    sig.CallerLeft: _OUR_HANG_UP,
    sig.DigitPressed: Race("a key pressed as the caller left"),
    sig.PromptEnded: _LATE_PROMPT,
    sig.CommandFailed: _CLEAN_UP_LOST,
    sig.TimerDue: _STALE_TIMER,
    sig.CallbackDue: _CROSSED_CALLBACK,
    sig.CallbackOver: _CROSSED_CALLBACK,
}

TABLE: Mapping[tuple[Phase, type[sig.Signal]], Cell] = {
    **_ON_THE_LINE,
    **{(phase, heard): cell for phase in (_CALLBACK, _DIALING) for heard, cell in _NOBODY_ON_THE_LINE.items()},
    **_AWAY,
    **{(Phase.OUTSIDE, heard): cell for heard, cell in _OUTSIDE_TALK.items()},
    **{(phase, sig.OutsideAnswered): outside_steps.release_late_leg for phase in Phase if phase is not _IVR},
    **{(phase, sig.OutsideLegEnded): _OUR_HANG_UP for phase in Phase if phase not in {_IVR, Phase.OUTSIDE}},
    **{(_GOODBYE, heard): cell for heard, cell in _GOING.items()},
    **{(phase, heard): cell for phase in (_WRAP_UP, _ENDED) for heard, cell in _NOBODY_LEFT.items()},
    **{(phase, sig.WorldAnswered): _ANSWER_AFTER_FLOW for phase in Phase if phase is not _IVR},
    **{(phase, sig.SpeechHeard): _WORD_AFTER_FLOW for phase in Phase if phase is not _IVR},
    **{(phase, sig.WaitTold): _CROSSED_ESTIMATE for phase in Phase if phase not in {_IVR, _QUEUED, Phase.OUTSIDE}},
    (_WRAP_UP, sig.WrapUpOver): talk_steps.wrap_up_over,
    (_ENDED, sig.WrapUpOver): Race("the contact failed and was closed while its agent wrapped up"),
}


def arrive(arrival: sig.Arrival, plan: Plan, now: float) -> Step:
    """The first step of a contact: answer, and into the flow or the queue that the dialed number leads to.

    A caller who is refused is never answered; their contact is over with this step.
    """
    hotline = plan.hotlines[arrival.hotline]
    draft = Draft(newcomer(arrival, plan, now), plan, now)
    contact = draft.contact
    draft.remember(
        ev.ContactStarted(
            direction="inbound",
            channel="voice",
            channel_id=arrival.channel_id,
            caller=arrival.caller,
            caller_shown=arrival.caller_shown,
            dialed=arrival.dialed,
            customer_id=contact.customer.customer_id if contact.customer else None,
            value_tier=contact.value_tier,
            language=contact.language,
        )
    )
    if arrival.refused is not None:
        _turn_away(draft, arrival.refused)
        return draft.step()
    draft.ask(ask.TakeCall(arrival.channel_id, arrival.contact_id))
    if hotline.flow is not None:
        ivr_steps.enter_flow(draft, hotline.flow)
    else:
        assert hotline.queue is not None, "the site's check gives every hotline a flow or a queue"
        queue_steps.enter_queue(draft, hotline.queue, hotline.announcement)
    return draft.step()


def newcomer(arrival: sig.Arrival, plan: Plan, now: float) -> Contact:
    """The contact at the door: who calls, of which value tier, spoken to in which language; nothing has happened."""
    hotline = plan.hotlines[arrival.hotline]
    customer = arrival.customer
    value_tier = customer.value_tier if customer and customer.value_tier in plan.tiers else plan.default_tier
    language = hotline.language
    if customer is not None and customer.language in plan.languages:
        language = customer.language
    return Contact(
        contact_id=arrival.contact_id,
        channel_id=arrival.channel_id,
        dialed=arrival.dialed,
        caller=arrival.caller,
        caller_shown=arrival.caller_shown,
        customer=customer,
        value_tier=value_tier,
        language=language,
        started_at=now,
        phase=Phase.IVR if hotline.flow else Phase.QUEUED,
        hotline=hotline.dialed,
    )


def advance(contact: Contact, signal: sig.Signal, plan: Plan, now: float) -> Step:
    """What this signal does to this contact. Pure: the same arguments give the same step."""
    cell = TABLE.get((contact.phase, type(signal)))
    assert cell is not None, f"{type(signal).__name__} can't reach a contact in phase {contact.phase}"
    if _unanswered(signal, contact):
        return fail(contact, f"the call could not be answered: {signal.reason}", plan, now)
    if isinstance(cell, Race):
        return Step(contact)
    draft = Draft(contact, plan, now)
    if isinstance(signal, sig.TimerDue):
        draft.become(timer_at=None)
    cell(draft, signal)
    return draft.step()


def resume(contact: Contact, plan: Plan, now: float) -> Step:
    """The first step of a contact that an earlier process of ours left behind; its caller is still there.

    IVR and goodbye: the current prompt again. Queue and callback: same place and age. Talk: untouched. Wrap-up: over,
    for nobody timed it.
    """
    draft = Draft(contact, plan, now)
    draft.remember(ev.ContactResumed(phase=contact.phase.value))
    match contact.phase:
        case Phase.IVR:
            ivr_steps.resume(draft)
        case Phase.QUEUED | Phase.CONNECTING if contact.channel_id:
            queue_steps.resume(draft)
        case Phase.QUEUED | Phase.CONNECTING | Phase.CALLBACK | Phase.DIALING:
            callback_steps.resume(draft)
        case Phase.GOODBYE:
            exit_steps.resume(draft)
        case Phase.WRAP_UP:
            assert contact.agent_id is not None
            talk_steps.wrap_up_over(draft, sig.WrapUpOver(contact.agent_id))
        case Phase.TALKING | Phase.HELD | Phase.OUTSIDE | Phase.ENDED:
            pass
    if draft.contact.phase in {Phase.IVR, Phase.QUEUED, Phase.GOODBYE}:
        draft.ask(ask.HoldLease(contact.channel_id))
    return draft.step()


def _turn_away(draft: Draft, why: str) -> None:
    """Busy, before the call is answered: it costs the caller nothing, and no trunk for longer than this."""
    draft.remember(ev.ContactBlocked(why=why))
    draft.ask(ask.HangUp(draft.contact.channel_id, "congestion"))
    draft.caller_leaves(by="system", end_state="blocked")
    draft.close()


def _unanswered(signal: sig.Signal, contact: Contact) -> TypeGuard[sig.CommandFailed]:
    """Whether Asterisk refused to answer the call of a caller who is still there."""
    return (
        isinstance(signal, sig.CommandFailed)
        and signal.command == "TakeCall"
        and not signal.gone
        and contact.channel_id != ""
    )


def fail(contact: Contact, reason: str, plan: Plan, now: float) -> Step:
    """We can't go on with this contact: whoever is on the line goes to the fallback, the books are closed."""
    draft = Draft(contact, plan, now)
    draft.remember(ev.ContactFailed(reason=reason))
    offer_steps.let_go(draft, "failed", "normal")
    if contact.phase in {Phase.QUEUED, Phase.CONNECTING, Phase.CALLBACK, Phase.DIALING}:
        draft.ask(ask.LeaveQueue(contact.contact_id))
    if contact.phase is Phase.DIALING:
        callback_steps.give_up(draft)
    outside_steps.give_up(draft)
    draft.stop_listening()
    parted = contact.talk is not None
    if contact.talk is not None:
        draft.ask(ask.HangUp(contact.talk.leg_id))
        talk_steps.stop_recording(draft)
        talk_steps.end_talk(draft)
    if contact.channel_id:
        draft.stop_saying()  # else Asterisk would let it end first
        draft.ask(ask.SendToFallback(contact.channel_id))
    if contact.end_state is None:
        draft.caller_leaves(by="system", end_state="failed")
    if contact.agent_id is not None and contact.phase is not Phase.ENDED:
        draft.ask(ask.FinishTalk(contact.contact_id, contact.agent_id, 0.0, dropped=parted))
    if contact.phase is not Phase.ENDED:
        draft.close()
    return draft.step()

"""The contact in its IVR flow: keys and prompt ends go to the interpreter, its turns become our events and commands."""

from collections.abc import Callable, Mapping
from typing import Any, assert_never

from callcenter.contact import commands as ask
from callcenter.contact import exit_steps, outside_steps, slot_steps
from callcenter.contact import ivr_events as ev
from callcenter.contact import signals as sig
from callcenter.contact.draft import Draft
from callcenter.contact.model import Contact, Phase
from callcenter.contact.plan import Plan
from callcenter.contact.queue_steps import enter_queue, stop_music
from ivr import interpreter
from ivr import turn as ivr

MUSIC_CLASS = "default"  # while the world is asked


_EVENTS: Mapping[str, Callable[..., ev.IvrEvent]] = {
    "node_entered": ev.NodeEntered,
    "keyed": ev.Keyed,
    "spoken": ev.Spoken,
    "misheard": ev.Misheard,
    "reprompted": ev.Reprompted,
    "exhausted": ev.Exhausted,
    "consented": ev.Consented,
    "survey_invited": ev.SurveyInvited,
    "survey_answered": ev.SurveyAnswered,
    "survey_ended": ev.SurveyEnded,
    "asked": ev.Asked,
    "answered": ev.Answered,
    "identified": ev.CustomerIdentified,
    "verified": ev.CustomerVerified,
}


def enter_flow(draft: Draft, flow_id: str) -> None:
    """The caller begins a flow at its start node."""
    flow = draft.plan.flows[flow_id]
    draft.become(phase=Phase.IVR, ivr_entered_at=draft.now)
    draft.remember(ev.IvrEntered(flow=flow.id, flow_version=flow.version))
    _take(draft, interpreter.enter(flow, _facts(draft), draft.now))


def digit_pressed(draft: Draft, signal: sig.DigitPressed) -> None:
    """A key: the interpreter decides what it means at this node."""
    _turn(draft, ivr.Digit(signal.digit))


def prompt_ended(draft: Draft, signal: sig.PromptEnded) -> None:
    """The current prompt ended; the end of one that a key cut short is nobody's business any more."""
    if signal.playback_id == draft.contact.playback_id:
        draft.become(playback_id=None)
        _turn(draft, ivr.PromptEnded())


def world_answered(draft: Draft, signal: sig.WorldAnswered) -> None:
    """What the flow asked is answered. Who has proved who they are is served as that customer from here on."""
    contact, cursor, customer = draft.contact, draft.contact.cursor, signal.customer
    awaited = cursor is not None and cursor.asked_at is not None and cursor.requests == signal.request
    if awaited and customer is not None:
        tier = customer.value_tier if customer.value_tier in draft.plan.tiers else contact.value_tier
        draft.become(customer=customer, value_tier=tier)
    _turn(draft, ivr.Answered(signal.request, signal.outcome, signal.values, signal.why))


def speech_heard(draft: Draft, signal: sig.SpeechHeard) -> None:
    """A recogniser understood the caller, or did not; one that nobody asked any more is not heard."""
    if signal.listening_id == draft.contact.listening_id:
        _turn(draft, ivr.SpeechHeard(signal.outcome, signal.said))


def time_is_up(draft: Draft, _: sig.TimerDue) -> None:
    """The caller keyed nothing in time."""
    _turn(draft, ivr.TimeIsUp())


def caller_left(draft: Draft, signal: sig.CallerLeft) -> None:
    """The caller hung up in the flow; what they answered of a survey stays."""
    cursor = draft.contact.cursor
    flow = draft.plan.flows.get(cursor.flow) if cursor is not None else None
    if cursor is not None and flow is not None:
        draft.remember(*map(_event, interpreter.leave(flow, cursor, _facts(draft), draft.now)))
    outside_steps.let_go(draft, "caller_gone")
    _leave(draft, "caller_left")
    draft.caller_gave_up(signal, "abandoned_ivr")
    draft.close()


def outside_answered(draft: Draft, signal: sig.OutsideAnswered) -> None:
    """The phone outside that the flow has ring was picked up."""
    outside = draft.contact.outside
    if outside is None or outside.leg_id != signal.leg_id:
        outside_steps.release_late_leg(draft, signal)
    else:
        _turn(draft, ivr.Answered(outside.request, "answered"))


def outside_not_reached(draft: Draft, signal: sig.OutsideLegEnded) -> None:
    """It was busy, rang out, or could not be reached: the flow goes on."""
    outside = draft.contact.outside
    if outside is not None and outside.leg_id == signal.leg_id:
        told = outside_steps.failed(draft, outside_steps.outcome_of(signal), signal.cause, signal.sip)
        _turn(draft, ivr.Answered(outside.request, told))


def command_failed(draft: Draft, signal: sig.CommandFailed) -> None:
    """What can't be played or dialed must not strand the caller: the flow goes on as if it had been said, or failed."""
    outside = draft.contact.outside
    if signal.command == "DialOutside" and outside is not None and outside.leg_id == signal.resource_id:
        outside_steps.failed(draft, "unreachable" if signal.reason == "unreachable" else "failed")
        _turn(draft, ivr.Answered(outside.request, "failed"))
    if signal.command == "Say" and not signal.gone and signal.resource_id == draft.contact.playback_id:
        draft.become(playback_id=None)
        _turn(draft, ivr.PromptEnded())


def resume(draft: Draft) -> None:
    """After a restart of ours: what was being said or asked is said and asked again; a flow that is gone is left."""
    cursor = draft.contact.cursor
    if cursor is None:
        return
    draft.stop_saying()
    draft.stop_listening()
    stop_music(draft)
    outside_steps.let_go(draft, "restarted")
    flow = draft.plan.flows.get(cursor.flow)
    if flow is None:
        _flow_gone(draft, cursor)
    else:
        _take(draft, interpreter.resume(flow, cursor, _facts(draft), draft.now))


def facts_of(contact: Contact, plan: Plan) -> ivr.Facts:
    """What a flow may know of a contact."""
    customer = contact.customer
    return ivr.Facts(
        language=contact.language,
        value_tier=contact.value_tier,
        known=customer is not None,
        calendars=plan.calendars,
        open_case=customer is not None and customer.open_case,
        open_order=customer is not None and customer.open_order,
        at_risk=customer is not None and customer.at_risk,
        zone=plan.zone,
        customer_id=customer.customer_id if customer is not None else None,
        verified=contact.verified_by is not None,
    )


def _turn(draft: Draft, heard: ivr.Input | ivr.SpeechHeard) -> None:
    cursor = draft.contact.cursor
    assert cursor is not None, "a contact in a flow has a cursor"
    flow = draft.plan.flows.get(cursor.flow)
    if flow is None:
        _flow_gone(draft, cursor)
    else:
        _take(draft, interpreter.step(flow, cursor, heard, _facts(draft), draft.now))


def _flow_gone(draft: Draft, cursor: ivr.Cursor) -> None:
    """The site has the caller's flow no more (it changed while we were away): they start over where their number leads.

    A number that leads nowhere any more leaves the fallback dialplan, which finds them a person.
    """
    contact = draft.contact
    hotline = draft.plan.hotlines.get(contact.hotline)
    flow = draft.plan.flows.get(hotline.flow) if hotline is not None and hotline.flow is not None else None
    draft.stop_saying()
    stop_music(draft)
    if flow is not None:
        draft.remember(ev.FlowRestarted(node=cursor.node, flow_version=flow.version))
        _take(draft, interpreter.enter(flow, _facts(draft), draft.now))
    elif hotline is not None and hotline.queue in draft.plan.queues:
        assert hotline.queue is not None
        _leave(draft, "queue")
        enter_queue(draft, hotline.queue, hotline.announcement)
    else:
        _leave(draft, "flow_gone")
        draft.ask(ask.SendToFallback(contact.channel_id))
        draft.caller_leaves(by="system", end_state="failed")
        draft.close()


def _take(draft: Draft, turn: ivr.Turn) -> None:
    consent = draft.contact.recording_consent if turn.cursor.consent is None else turn.cursor.consent
    draft.become(cursor=turn.cursor, timer_at=turn.timer_at, recording_consent=consent)
    draft.remember(*map(_event, turn.notes))
    _remember_proof(draft, turn)
    if turn.cursor.language != draft.contact.language:
        draft.become(language=turn.cursor.language)
        draft.remember(ev.LanguageChosen(language=turn.cursor.language))
    answers = [answer for action in turn.actions if (answer := _act(draft, action)) is not None]
    if not turn.cursor.listening:
        draft.stop_listening()  # though a flow that starts over does not say so
    if not (turn.cursor.asked_at is not None or isinstance(turn.exit, ivr.ToOutside)):
        outside_steps.let_go(draft, "no_answer")  # the flow waits for it no longer
    if answers:
        _turn(draft, answers[-1])
        return
    match turn.exit:
        case ivr.ToQueue(queue, music_class, announcement, agent, agent_wait_s):
            _leave(draft, "queue")
            draft.stop_saying()
            preferred = None if agent is None else (agent, agent_wait_s)
            enter_queue(draft, queue, announcement, music_class, preferred)
        case ivr.ToCallback(queue, slot):
            _leave(draft, "callback")
            draft.stop_saying()
            exit_steps.call_back(draft, queue, slot)
        case ivr.ToOutside():
            _leave(draft, "transfer")
            outside_steps.join(draft)
        case ivr.ToVoicemail():
            _leave(draft, "voicemail")
            exit_steps.take_a_message(draft)
        case ivr.HangUp():
            _leave(draft, "hang_up")
            draft.ask(ask.HangUp(draft.contact.channel_id))
            draft.caller_leaves(by="system", end_state=turn.exit.end_state)
            draft.close()
        case None:
            pass


def _remember_proof(draft: Draft, turn: ivr.Turn) -> None:
    """How the caller proved to be the contact's customer; that they are another, whose card we lack, is none of it."""
    customer = draft.contact.customer
    for note in turn.notes:
        if note.what == "verified" and customer is not None and customer.customer_id == note.detail["customer_id"]:
            draft.become(verified_by=str(note.detail["by"]))
    if not turn.cursor.verified:
        draft.become(verified_by=None)


def _act(draft: Draft, action: ivr.Action) -> ivr.Answered | None:
    """Do what a turn asks for; the answer to what is asked, if it is known already: that it can't be."""
    match action:
        case ivr.Say(prompts, language):
            stop_music(draft)
            draft.say(prompts, language)
        case ivr.StopSaying():
            draft.stop_saying()
        case ivr.Listen():
            draft.listen(action)
        case ivr.StopListening():
            draft.stop_listening()
        case ivr.StartMusic():
            draft.become(music_on=True)
            draft.ask(ask.StartMusic(draft.contact.channel_id, MUSIC_CLASS))
        case ivr.StopMusic():
            stop_music(draft)
        case ivr.Ask(request, inquiry, within_s):
            contact = draft.contact
            draft.ask(ask.AskWorld(contact.contact_id, request, inquiry, within_s, contact.caller))
        case ivr.Dial():
            return outside_steps.dial(draft, action)
        case ivr.AskSlots() | ivr.BookSlot():
            return slot_steps.ask_floor(draft, action)
        case _:
            assert_never(action)
    return None


def _event(note: ivr.Note) -> ev.IvrEvent:
    detail: Mapping[str, Any] = note.detail
    if note.what == "flow_restarted":
        return ev.FlowRestarted(node=note.node, flow_version=detail["version"])
    return _EVENTS[note.what](node=note.node, **detail)


def _leave(draft: Draft, exit_: str) -> None:
    contact = draft.contact
    assert contact.ivr_entered_at is not None, "who leaves a flow has entered it"
    draft.stop_listening()
    node = contact.cursor.node if contact.cursor else ""
    draft.remember(ev.IvrLeft(exit=exit_, node=node, ivr_s=draft.now - contact.ivr_entered_at))


def _facts(draft: Draft) -> ivr.Facts:
    return facts_of(draft.contact, draft.plan)

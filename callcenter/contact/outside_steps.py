"""The caller whom a flow connects with a phone outside: it rings, they talk, and the contact ends with that.

Theory. While the phone rings the contact is in its flow (phase ivr), which waits for the outcome; the caller hears it
ring. Answered, both are joined (phase outside), and whoever hangs up first ends the contact. Not answered, the flow
goes on. The caller is ours all the while: at every end of theirs the phone is let go.
"""

from dataclasses import replace

from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import offer_steps
from callcenter.contact import signals as sig
from callcenter.contact.dial_policy import why_no_transfer
from callcenter.contact.draft import Draft
from callcenter.contact.model import Outside, Phase
from ivr import turn as ivr
from recordings.naming import recording_files

# What a flow hears of an attempt that was told as one of these; of all others, that it failed.
_TOLD = {"busy": "busy", "rejected": "busy", "no_answer": "no_answer"}


def dial(draft: Draft, action: ivr.Dial) -> ivr.Answered | None:
    """Ring the phone, the caller hearing that; or say that it may not be dialed, and why."""
    contact, policy = draft.contact, draft.plan.dial_out
    why = why_no_transfer(policy, action.number)
    if policy is None or why is not None:
        why = why or "no_dial_out"
        draft.remember(ev.TransferRefused(action.number, why))
        return ivr.Answered(action.request, "failed", why=why)
    if draft.plan.held_back is not None:
        draft.remember(ev.TransferRefused(action.number, "no_trunk"))
        return ivr.Answered(action.request, "failed", why="no_trunk")
    dials_made = contact.dials_made + 1
    leg_id = f"{contact.contact_id}.x{dials_made}"
    shown = policy.caller_id or contact.hotline
    if action.shows_caller and contact.caller is not None:
        shown = contact.caller
    ringing = Outside(leg_id, action.number, action.request, draft.now, action.recorded)
    draft.become(dials_made=dials_made, outside=ringing)
    draft.remember(ev.TransferDialed(leg_id, action.number, shown))
    draft.ask(
        ask.StartRinging(contact.channel_id),
        ask.DialOutside(leg_id, contact.contact_id, contact.channel_id, action.number, shown, action.ring_s),
    )
    return None


def failed(draft: Draft, outcome: str, cause: int = 0, sip: int = 0) -> str:
    """The phone was not answered; returns what the flow hears of it."""
    outside = _outside(draft)
    draft.become(outside=None)
    draft.remember(ev.TransferFailed(outside.leg_id, outcome, cause, sip))
    draft.ask(ask.StopRinging(draft.contact.channel_id))
    return _TOLD.get(outcome, "failed")


def let_go(draft: Draft, outcome: str) -> None:
    """Nobody waits for the phone any more, if one rings: it stops."""
    outside = draft.contact.outside
    if outside is not None and outside.joined_at is None:
        draft.ask(ask.HangUp(outside.leg_id))
        failed(draft, outcome)


def outcome_of(signal: sig.OutsideLegEnded) -> str:
    """What the end of a leg that was not answered says."""
    return offer_steps.outcome_of(signal.cause, signal.sip, rang=True)


def join(draft: Draft) -> None:
    """The phone was answered: both are joined at once."""
    contact, outside = draft.contact, _outside(draft)
    made = contact.bridges_made + 1
    bridge_id = f"{contact.contact_id}.b{made}"
    joined = replace(outside, bridge_id=bridge_id, joined_at=draft.now)
    draft.become(phase=Phase.OUTSIDE, timer_at=None, bridges_made=made, outside=joined)
    draft.remember(ev.TransferAnswered(outside.leg_id, outside.number, draft.now - outside.dialed_at, bridge_id))
    draft.ask(
        ask.StopRinging(contact.channel_id),
        ask.Join(bridge_id, (contact.channel_id, outside.leg_id)),
        ask.CapLease(contact.channel_id),
    )
    if outside.recorded and contact.recording_consent is not False:
        _start_recording(draft)


def join_again(draft: Draft, signal: sig.LegsApart) -> None:
    """We died, or lost Asterisk, as we were about to join them: once more."""
    contact, outside = draft.contact, _outside(draft)
    assert outside.bridge_id is not None
    if outside.leg_id == signal.leg_id:
        draft.ask(
            ask.StopRinging(contact.channel_id),
            ask.Join(outside.bridge_id, (contact.channel_id, outside.leg_id)),
            ask.CapLease(contact.channel_id),
        )


def release_late_leg(draft: Draft, signal: sig.OutsideAnswered) -> None:
    """Somebody picked up as we let the phone go; of the one that is talked with, Up and a reconcile both tell."""
    outside = draft.contact.outside
    if outside is None or outside.leg_id != signal.leg_id:
        draft.ask(ask.HangUp(signal.leg_id))


def outside_left(draft: Draft, signal: sig.OutsideLegEnded) -> None:
    """Whom the caller talked with hung up: so do we, on the caller."""
    if _outside(draft).leg_id == signal.leg_id:
        draft.ask(ask.HangUp(draft.contact.channel_id))
        _part(draft, by="outside", cause=signal.cause)


def caller_left(draft: Draft, signal: sig.CallerLeft) -> None:
    """The caller hung up, or Asterisk took them to the fallback."""
    draft.ask(ask.HangUp(_outside(draft).leg_id))
    if signal.by == "fallback":
        _stop_recording(draft)
    # By Asterisk's own account, told late, whoever was joined with them is an agent.
    _part(draft, by="outside" if signal.by == "agent" else signal.by, cause=signal.cause)


def command_failed(draft: Draft, signal: sig.CommandFailed) -> None:
    """The talk goes on without its recording; without its bridge it does not."""
    outside = _outside(draft)
    if signal.command == "StartRecording" and outside.recording_id == signal.resource_id:
        draft.become(outside=replace(outside, recording_id=None))
        draft.remember(ev.RecordingFailed(recording_id=signal.resource_id, reason=signal.reason))
    elif signal.command == "Join" and not signal.gone:
        give_up(draft)
        draft.ask(ask.SendToFallback(draft.contact.channel_id))
        draft.caller_leaves(by="system", end_state="failed")
        draft.close()


def give_up(draft: Draft) -> None:
    """Our service of this contact ends: the phone is let go, whether it rings or is talked with."""
    outside = draft.contact.outside
    if outside is not None and outside.joined_at is not None:
        draft.ask(ask.HangUp(outside.leg_id))
        _stop_recording(draft)
        _end(draft)
    else:
        let_go(draft, "failed")


def _part(draft: Draft, *, by: str, cause: int) -> None:
    _end(draft)
    draft.caller_leaves(by=by, end_state="transferred", cause=cause)
    draft.close()


def _end(draft: Draft) -> None:
    """Sum up the talk: recording and bridge end with it."""
    outside = _outside(draft)
    assert outside.joined_at is not None
    assert outside.bridge_id is not None
    talk_s = draft.now - outside.joined_at
    if outside.recording_id is not None:
        draft.remember(ev.RecordingStopped(recording_id=outside.recording_id, duration_s=talk_s))
    draft.remember(ev.TransferEnded(outside.leg_id, talk_s))
    draft.ask(ask.DropBridge(outside.bridge_id))
    draft.become(outside=None)


def _start_recording(draft: Draft) -> None:
    contact, outside = draft.contact, _outside(draft)
    made = contact.recordings_made + 1
    recording_id = f"{contact.contact_id}.r{made}"
    files = recording_files(recording_id, draft.now)
    draft.become(recordings_made=made, outside=replace(outside, recording_id=recording_id))
    draft.remember(ev.RecordingStarted(recording_id, files.caller_file, files.agent_file, "always"))
    draft.ask(ask.StartRecording(recording_id, contact.channel_id, files.caller_file, files.agent_file))


def _stop_recording(draft: Draft) -> None:
    """The caller's channel outlives the talk: what they say to the dialplan is nobody's to record."""
    recording_id = _outside(draft).recording_id
    if recording_id is not None:
        draft.ask(ask.StopRecording(recording_id, draft.contact.channel_id))


def _outside(draft: Draft) -> Outside:
    outside = draft.contact.outside
    assert outside is not None, "only who is connected with a phone outside, or waits for it, has one"
    return outside

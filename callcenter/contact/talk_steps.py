"""The contact with an agent: joined, recorded, held, parted, wrapped up."""

from dataclasses import replace

from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import signals as sig
from callcenter.contact.draft import Draft
from callcenter.contact.model import Phase, Talk
from recordings.naming import recording_files

# Q.850: nobody hung up, the network failed: out of order, temporary failure, congestion, a timer expired.
_BROKE = frozenset({27, 38, 41, 42, 102})


def start_talk(draft: Draft, *, agent_id: str, leg_id: str) -> None:
    """Join caller and agent at once: what the caller hears is cut, not played out."""
    contact = draft.contact
    made = contact.bridges_made + 1
    bridge_id = f"{contact.contact_id}.b{made}"
    draft.become(
        phase=Phase.TALKING,
        agent_id=agent_id,
        bridges_made=made,
        talk=Talk(agent_id=agent_id, leg_id=leg_id, bridge_id=bridge_id, started_at=draft.now),
    )
    draft.remember(ev.TalkStarted(agent_id=agent_id, offer_id=leg_id, bridge_id=bridge_id))
    cut_prompt = contact.playback_id is not None
    draft.stop_saying()
    if contact.music_on:
        draft.become(music_on=False)
        draft.ask(ask.StopMusic(contact.channel_id))
    draft.ask(
        ask.Join(bridge_id, (contact.channel_id, leg_id), cut_prompt),
        ask.CapLease(contact.channel_id),
    )
    assert contact.queue is not None
    policy = draft.plan.queue(contact.queue).recording
    if policy == "always" and contact.recording_consent is not False:
        _start_recording(draft, policy)


def another_answered(draft: Draft, signal: sig.AgentAnswered) -> None:
    """A second phone was picked up as the first one was: let go. Of the first one, Up and StasisStart both tell."""
    talk = draft.contact.talk
    assert talk is not None
    if talk.leg_id != signal.leg_id:
        draft.ask(ask.HangUp(signal.leg_id, "answered_elsewhere"))


def agent_held(draft: Draft, signal: sig.AgentHeld) -> None:
    """The agent pressed hold."""
    talk = draft.contact.talk
    if talk is not None and talk.leg_id == signal.leg_id and talk.held_at is None:
        draft.become(phase=Phase.HELD, talk=replace(talk, held_at=draft.now))
        draft.remember(ev.HoldStarted(agent_id=talk.agent_id))


def agent_resumed(draft: Draft, signal: sig.AgentResumed) -> None:
    """The agent took the customer back."""
    talk = draft.contact.talk
    if talk is not None and talk.leg_id == signal.leg_id:
        _end_hold(draft)
        draft.become(phase=Phase.TALKING)


def join_again(draft: Draft, signal: sig.LegsApart) -> None:
    """We died, or lost Asterisk, as we were about to join them: all that was to follow the answer, once more."""
    contact = draft.contact
    talk = contact.talk
    if talk is None or talk.leg_id != signal.leg_id:
        return
    draft.ask(
        ask.StopMusic(contact.channel_id),
        ask.Join(talk.bridge_id, (contact.channel_id, talk.leg_id)),
        ask.CapLease(contact.channel_id),
    )


def agent_left(draft: Draft, signal: sig.AgentLegEnded) -> None:
    """The agent hung up: so do we, on the caller."""
    talk = draft.contact.talk
    if talk is not None and talk.leg_id == signal.leg_id:
        draft.ask(ask.HangUp(draft.contact.channel_id))
        _part(draft, by="agent", cause=signal.cause)


def caller_left(draft: Draft, signal: sig.CallerLeft) -> None:
    """The caller hung up, or Asterisk took them to the fallback: the agent's leg ends too."""
    talk = draft.contact.talk
    assert talk is not None
    draft.ask(ask.HangUp(talk.leg_id))
    if signal.by == "fallback":
        stop_recording(draft)
    _part(draft, by=signal.by, cause=signal.cause)


def command_failed(draft: Draft, signal: sig.CommandFailed) -> None:
    """A talk goes on without its recording; without its bridge it does not."""
    talk = draft.contact.talk
    assert talk is not None
    if signal.command == "StartRecording" and talk.recording_id == signal.resource_id:
        draft.become(talk=replace(talk, recording_id=None))
        draft.remember(ev.RecordingFailed(recording_id=signal.resource_id, reason=signal.reason))
    elif signal.command == "Join" and not signal.gone:
        # A leg that is gone reports its own end; any other refusal leaves two people in silence.
        stop_recording(draft)
        draft.ask(ask.HangUp(talk.leg_id), ask.SendToFallback(draft.contact.channel_id))
        _part(draft, by="system", cause=0)


def wrap_up_over(draft: Draft, signal: sig.WrapUpOver) -> None:
    """The agent is free again; the contact's book is closed."""
    contact = draft.contact
    assert contact.wrap_up_at is not None
    wrap_up_s = draft.now - contact.wrap_up_at
    draft.remember(ev.WrapUpEnded(agent_id=signal.agent_id, wrap_up_s=wrap_up_s))
    draft.close(wrap_up_s)


def stop_recording(draft: Draft) -> None:
    """The caller's channel outlives the talk: what they say to the dialplan is nobody's to record.

    A channel that is hung up takes its recording with it, so an ordinary end asks nothing.
    """
    talk = draft.contact.talk
    if talk is not None and talk.recording_id is not None:
        draft.ask(ask.StopRecording(talk.recording_id, draft.contact.channel_id))


def end_talk(draft: Draft) -> None:
    """Sum up the talk: hold, recording and bridge end with it."""
    _end_hold(draft)
    talk = draft.contact.talk
    assert talk is not None
    talk_s = draft.now - talk.started_at - talk.hold_s
    draft.become(talk=None, talk_s=draft.contact.talk_s + talk_s, hold_s=draft.contact.hold_s + talk.hold_s)
    if talk.recording_id is not None:
        draft.remember(ev.RecordingStopped(recording_id=talk.recording_id, duration_s=draft.now - talk.started_at))
    draft.remember(ev.TalkEnded(agent_id=talk.agent_id, talk_s=draft.contact.talk_s, hold_s=draft.contact.hold_s))
    draft.ask(ask.DropBridge(talk.bridge_id))


def _part(draft: Draft, *, by: str, cause: int) -> None:
    contact = draft.contact
    assert contact.talk is not None
    assert contact.queue is not None
    agent_id = contact.talk.agent_id
    wrap_up_s = draft.plan.queue(contact.queue).wrap_up_s
    end_talk(draft)
    draft.caller_leaves(by=by, end_state="agent", cause=cause)
    draft.become(phase=Phase.WRAP_UP, wrap_up_at=draft.now)
    draft.remember(ev.WrapUpStarted(agent_id=agent_id, wrap_up_s=wrap_up_s))
    dropped = by == "system" or cause in _BROKE
    draft.ask(ask.FinishTalk(contact.contact_id, agent_id, wrap_up_s, dropped))


def _end_hold(draft: Draft) -> None:
    talk = draft.contact.talk
    if talk is None or talk.held_at is None:
        return
    hold_s = draft.now - talk.held_at
    draft.become(talk=replace(talk, held_at=None, hold_s=talk.hold_s + hold_s))
    draft.remember(ev.HoldEnded(agent_id=talk.agent_id, hold_s=hold_s))


def _start_recording(draft: Draft, policy: str) -> None:
    contact = draft.contact
    assert contact.talk is not None
    made = contact.recordings_made + 1
    recording_id = f"{contact.contact_id}.r{made}"
    files = recording_files(recording_id, draft.now)
    draft.become(recordings_made=made, talk=replace(contact.talk, recording_id=recording_id))
    draft.remember(
        ev.RecordingStarted(
            recording_id=recording_id,
            caller_file=files.caller_file,
            agent_file=files.agent_file,
            policy=policy,
        )
    )
    draft.ask(ask.StartRecording(recording_id, contact.channel_id, files.caller_file, files.agent_file))

"""The ways out of a queue by rule: another queue, a voice message, or a goodbye; nobody is moved around for ever."""

from typing import assert_never

from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import offer_steps, queue_steps
from callcenter.contact import signals as sig
from callcenter.contact.draft import Draft
from callcenter.contact.model import Phase
from ivr.prompts import PROMPT_MAX_S
from routing.model import Exit, ExitKind

# Moves between queues in one visit; a site whose exits lead in a circle is refused, yet queues close at run time.
MOVES_MAX = 10


def diverted(draft: Draft, signal: sig.Diverted) -> None:
    """The floor let the contact go by rule: it leaves the queue and takes the way out."""
    contact = draft.contact
    if signal.queue != contact.queue:
        return  # it has moved on already
    exit_to, why = signal.exit_to, signal.why
    if exit_to.kind is ExitKind.QUEUE and contact.moves >= MOVES_MAX:
        exit_to, why = Exit(ExitKind.GOODBYE), "moves_max"
    offer_steps.let_go(draft, "rescinded", "normal")
    queue_steps.leave(draft, "diverted", why=why, exit_to=exit_text(exit_to))
    match exit_to.kind:
        case ExitKind.QUEUE:
            assert exit_to.queue is not None
            queue_steps.move(draft, exit_to.queue)
        case ExitKind.VOICEMAIL:
            _take_a_message(draft)
        case ExitKind.CALLBACK:
            draft.remember(ev.CallbackOffered(signal.queue, why))
            _say_goodbye(draft)
        case ExitKind.GOODBYE:
            _say_goodbye(draft)
        case _:
            assert_never(exit_to.kind)


def exit_text(exit_to: Exit) -> str:
    """The way out in the words of the site: queue:orders, callback, voicemail or goodbye."""
    return f"queue:{exit_to.queue}" if exit_to.kind is ExitKind.QUEUE else exit_to.kind.value


def resume(draft: Draft) -> None:
    """After a restart of ours: who knows what of the goodbye was heard, so it is said again."""
    _say_goodbye(draft)


def prompt_ended(draft: Draft, signal: sig.PromptEnded) -> None:
    """The goodbye was heard, or failed: the caller is let go."""
    if signal.playback_id == draft.contact.playback_id:
        draft.become(playback_id=None)
        _let_go(draft)


def say_failed(draft: Draft, signal: sig.CommandFailed) -> None:
    """A goodbye that can't be said; a caller who is gone tells so by themselves."""
    if signal.command == "Say" and not signal.gone and signal.resource_id == draft.contact.playback_id:
        draft.become(playback_id=None)
        _let_go(draft)


def time_is_up(draft: Draft, _: sig.TimerDue) -> None:
    """The end of the goodbye was never reported."""
    draft.stop_saying()
    _let_go(draft)


def caller_left(draft: Draft, signal: sig.CallerLeft) -> None:
    """The caller did not hear it out."""
    draft.caller_leaves(by=signal.by, end_state="closed", cause=signal.cause)
    draft.close()


def _say_goodbye(draft: Draft) -> None:
    """Say why nobody comes, then let go; at once where the site has no words for it."""
    draft.stop_saying()
    queue_steps.stop_music(draft)
    prompts = draft.plan.closed_prompts
    if prompts:
        draft.become(phase=Phase.GOODBYE, timer_at=draft.now + PROMPT_MAX_S * len(prompts))
        draft.say(prompts, draft.contact.language)
    else:
        _let_go(draft)


def _let_go(draft: Draft) -> None:
    draft.ask(ask.HangUp(draft.contact.channel_id))
    draft.caller_leaves(by="system", end_state="closed")
    draft.close()


def _take_a_message(draft: Draft) -> None:
    """Asterisk's dialplan records what the caller says; our part in the visit is over."""
    draft.stop_saying()
    queue_steps.stop_music(draft)
    draft.ask(ask.SendToVoicemail(draft.contact.channel_id))
    draft.caller_leaves(by="system", end_state="voicemail")
    draft.close()

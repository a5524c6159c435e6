"""The ways out of a queue: another one, a callback, a voice message or a goodbye; nobody is moved around for ever."""

from typing import assert_never

from callcenter.contact import callback_steps, offer_steps, queue_steps
from callcenter.contact import commands as ask
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
    if not contact.channel_id:
        offer_steps.let_go(draft, "rescinded", "normal")
        callback_steps.diverted(draft, signal)
        return
    exit_to, why = signal.exit_to, signal.why
    if exit_to.kind is ExitKind.QUEUE and contact.moves >= MOVES_MAX:
        exit_to, why = Exit(ExitKind.GOODBYE), "moves_max"
    offer_steps.let_go(draft, "rescinded", "normal")
    if exit_to.kind is ExitKind.CALLBACK and callback_steps.may_promise(draft, signal.queue):
        _to_callback(draft, why)
        return
    queue_steps.leave(draft, "diverted", why=why, exit_to=exit_text(exit_to))
    draft.become(callback=None)
    match exit_to.kind:
        case ExitKind.QUEUE:
            assert exit_to.queue is not None
            queue_steps.move(draft, exit_to.queue)
        case ExitKind.VOICEMAIL:
            take_a_message(draft)
        case ExitKind.GOODBYE | ExitKind.CALLBACK:
            _say_goodbye(draft)
        case _:
            assert_never(exit_to.kind)


def key_pressed(draft: Draft, signal: sig.DigitPressed) -> None:
    """Who waits may press the queue's key to be called back; other keys mean nothing here."""
    queue = draft.contact.queue
    assert queue is not None
    if signal.digit == draft.plan.queue(queue).callback_key and callback_steps.may_promise(draft, queue):
        draft.ask(ask.LeaveQueue(draft.contact.contact_id, abandoned=False))
        _to_callback(draft, "key")


def call_back(draft: Draft, queue: str, slot: tuple[float, float] | None = None) -> None:
    """A flow wants the caller to be called back from a queue, in a `slot` or in turn; whom nobody may call waits."""
    promised = callback_steps.may_promise(draft, queue)
    queue_steps.enter_queue(draft, queue, on_the_line=not promised)
    if promised:
        _to_callback(draft, "flow", slot)


def _to_callback(draft: Draft, why: str, slot: tuple[float, float] | None = None) -> None:
    """The caller will be called back: that ends their wait on the line."""
    queue_steps.leave(draft, "callback", why=why, exit_to=ExitKind.CALLBACK.value)
    callback_steps.promise(draft, why, slot)
    _say_goodbye(draft)


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
    if draft.contact.callback is not None:
        callback_steps.wait(draft)
        return
    draft.caller_leaves(by=signal.by, end_state="closed", cause=signal.cause)
    draft.close()


def _say_goodbye(draft: Draft) -> None:
    """Say why nobody comes, or that we call back; then let go, at once where the site has no words for it."""
    draft.stop_saying()
    queue_steps.stop_music(draft)
    promised = draft.contact.callback is not None
    prompts = draft.plan.callback_prompts if promised else draft.plan.closed_prompts
    if prompts:
        draft.become(phase=Phase.GOODBYE, timer_at=draft.now + PROMPT_MAX_S * len(prompts))
        draft.say(prompts, draft.contact.language)
    else:
        _let_go(draft)


def _let_go(draft: Draft) -> None:
    draft.ask(ask.HangUp(draft.contact.channel_id))
    if draft.contact.callback is not None:
        callback_steps.wait(draft)
        return
    draft.caller_leaves(by="system", end_state="closed")
    draft.close()


def take_a_message(draft: Draft) -> None:
    """Asterisk's dialplan records what the caller says; our part in the visit is over."""
    draft.stop_saying()
    queue_steps.stop_music(draft)
    draft.ask(ask.SendToVoicemail(draft.contact.channel_id))
    draft.caller_leaves(by="system", end_state="voicemail")
    draft.close()

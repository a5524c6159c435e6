"""Waiting callers are looked after: from time to time they are told how they stand, with music between.

Theory. As the music begins the contact's timer is set (`queue_steps`), so there is always music between. When it is due
the contact asks the floor for place and wait, the floor answers at once, and the caller hears it in place of the music.
Nothing waits for it: offers come and go meanwhile, and whoever answers cuts it like every prompt. While an agent's
phone rings it is left out, for the caller is about to hear them.
"""

from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import queue_steps
from callcenter.contact import signals as sig
from callcenter.contact.comfort import Comfort, Told, said
from callcenter.contact.dial_policy import why_not
from callcenter.contact.draft import Draft


def due(draft: Draft, _: sig.TimerDue) -> None:
    """It is time to tell the caller how they stand; or a timer of the flow they left fires late, as a prompt sounds."""
    comfort = queue_steps.comfort_of(draft)
    if comfort is None or not draft.contact.music_on:
        return
    draft.become(timer_at=draft.now + comfort.every_s)  # if there is nothing to tell now
    if comfort.foretells:
        draft.ask(ask.TellWait(draft.contact.contact_id))
    else:
        _tell(draft, comfort, None, None)


def leave_out(draft: Draft, _: sig.TimerDue) -> None:
    """An agent's phone rings: the next time, if they do not answer."""
    comfort = queue_steps.comfort_of(draft)
    if comfort is not None and draft.contact.music_on:
        draft.become(timer_at=draft.now + comfort.every_s)


def wait_told(draft: Draft, signal: sig.WaitTold) -> None:
    """The floor said how the contact stands."""
    comfort = queue_steps.comfort_of(draft)
    if comfort is not None and draft.contact.music_on:
        _tell(draft, comfort, signal.told, signal.because)


def _tell(draft: Draft, comfort: Comfort, told: Told | None, because: str | None) -> None:
    contact = draft.contact
    assert contact.queue is not None
    has_key = why_not(draft.plan.dial_out, contact.caller) is None
    prompts = said(comfort, contact.language, told, turn=contact.times_told, has_key=has_key)
    if not prompts:
        return
    rose = _rose(contact.told, told)
    draft.become(told=told or contact.told, times_told=contact.times_told + 1)
    draft.remember(
        ev.QueueTold(
            queue=contact.queue,
            position=None if told is None else told.position,
            p50_s=None if told is None else told.p50_s,
            p90_s=None if told is None else told.p90_s,
            because=because if rose else None,
            prompts=prompts,
        )
    )
    draft.become(timer_at=None)
    queue_steps.stop_music(draft)
    draft.say(prompts, contact.language)


def _rose(before: Told | None, now: Told | None) -> bool:
    """Whether the caller is told something worse than before."""
    if before is None or now is None:
        return False
    waits = ((before.p50_s, now.p50_s), (before.p90_s, now.p90_s))
    longer = any(then_s is not None and (now_s is None or now_s > then_s) for then_s, now_s in waits)
    return longer or now.position > before.position

"""A flow offers times for a callback: which there are is known from the queue's hours, which are free to the floor."""

from callcenter.contact import commands as ask
from callcenter.contact.dial_policy import why_not
from callcenter.contact.draft import Draft
from callcenter.contact.slots import slots
from ivr import turn as ivr


def ask_floor(draft: Draft, action: ivr.AskSlots | ivr.BookSlot) -> ivr.Answered | None:
    """Ask which times are free, or for one; whom nobody may call is offered none."""
    contact, plan = draft.contact, draft.plan
    queue = plan.queue(action.queue)
    hours = plan.calendars.get(queue.hours or "")
    why = why_not(plan.dial_out, contact.caller)
    if why is not None or queue.slots is None or hours is None:
        return ivr.Answered(action.request, "none", why=why or "no_slots")
    rules = queue.slots
    match action:
        case ivr.AskSlots(request):
            there = tuple(slots(rules, hours, plan.zone, draft.now))
            told = ask.TellSlots(contact.contact_id, request, queue.queue, there, rules.slot_max, rules.slots_offered)
            draft.ask(told)
        case ivr.BookSlot(request, _, begin):
            draft.ask(ask.BookSlot(contact.contact_id, request, queue.queue, begin, rules.slot_max))
    return None

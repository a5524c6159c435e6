"""Which callbacks are booked for which times, so that no time takes more than it may; asked and answered at once."""

from collections.abc import Iterator

from callcenter.contact import commands as ask
from callcenter.contact.signals import WorldAnswered


class Appointments:
    """Contacts by queue and the instant at which their time begins. What is over counts for nothing any more."""

    def __init__(self) -> None:
        self._booked: dict[tuple[str, float], set[str]] = {}
        self._of: dict[str, tuple[str, float]] = {}

    def answer(self, command: ask.TellSlots | ask.BookSlot) -> WorldAnswered:
        """The times that are free; or whether the one that was chosen is taken for this contact now."""
        match command:
            case ask.TellSlots():
                free = dict(self._free(command))
                return WorldAnswered(command.request, "found" if free else "none", free)
            case ask.BookSlot(contact_id, request, queue, begin, slot_max):
                self.forget(contact_id)
                full = self.count(queue, begin) >= slot_max
                if not full:
                    self.keep(contact_id, queue, begin)
                return WorldAnswered(request, "none" if full else "found")

    def keep(self, contact_id: str, queue: str, begin: float) -> None:
        """The contact is booked, whatever else is: it was promised."""
        self.forget(contact_id)
        self._of[contact_id] = (queue, begin)
        self._booked.setdefault((queue, begin), set()).add(contact_id)

    def forget(self, contact_id: str) -> None:
        """The contact is not to be called back any more, or was."""
        place = self._of.pop(contact_id, None)
        if place is not None:
            self._booked[place].discard(contact_id)
            if not self._booked[place]:
                del self._booked[place]

    def count(self, queue: str, begin: float) -> int:
        """How many are booked for the time of this queue that begins then."""
        return len(self._booked.get((queue, begin), ()))

    def _free(self, command: ask.TellSlots) -> Iterator[tuple[str, float]]:
        free = (slot for slot in command.slots if self.count(command.queue, slot[0]) < command.slot_max)
        for n, (begin, end) in zip(range(1, command.offered + 1), free, strict=False):
            yield from ((f"{n}.begin", begin), (f"{n}.end", end))

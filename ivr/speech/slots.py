"""What is said of a time for a callback: the day, from when to when, and the key that chooses it."""

from datetime import datetime
from zoneinfo import ZoneInfo

from ivr.prompts import Language, PromptId
from ivr.speech import speaker
from ivr.speech.rules import Prompts, Speaker

_NEEDED = ("num_", "time_", "slot_")


def say_slot(language: Language, zone: ZoneInfo, now: float, *, begin: float, end: float, key: int) -> Prompts:
    """The prompts that offer the time, by the wall clock of the zone; none in a language without rules.

    Requires a time of today or tomorrow; instants are seconds since the epoch.
    """
    rules = speaker(language)
    if rules is None:
        return ()
    first, last = datetime.fromtimestamp(begin, zone), datetime.fromtimestamp(end, zone)
    day: PromptId = "slot_today" if first.date() == datetime.fromtimestamp(now, zone).date() else "slot_tomorrow"
    return rules.slot(day, rules.time(first.hour, first.minute), rules.time(last.hour, last.minute), key)


def needed_for_slots(rules: Speaker) -> tuple[PromptId, ...]:
    """Every prompt that times for a callback may be offered with."""
    return tuple(prompt for prompt in rules.words if prompt.startswith(_NEEDED))

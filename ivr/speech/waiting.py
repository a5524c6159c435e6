"""What is said of a wait: a place in the line, and an interval in round minutes."""

import math
from bisect import bisect_left, bisect_right

from ivr.prompts import Language, PromptId
from ivr.speech import speaker
from ivr.speech.rules import Prompts, Speaker

MINUTE_S = 60.0

# Nobody wants to hear "between 23 and 38 minutes"; and what lies beyond the last of these has no end.
ROUND_MINUTES = (*range(11), 15, 20, 25, 30, 40, 50, 60)

_NEEDED = ("num_", "wait_", "dur_")


def say_place(language: Language, position: int) -> Prompts:
    """The prompts that say which place a caller has, 1 the next; none in a language without rules."""
    assert position >= 1
    rules = speaker(language)
    return () if rules is None else rules.place(position)


def say_wait(language: Language, p50_s: float, p90_s: float) -> Prompts:
    """The prompts that say the wait, 0 <= p50_s <= p90_s; none if it says nothing, or the language has no rules."""
    rules, (least, most) = speaker(language), interval(p50_s, p90_s)
    return () if rules is None or (least == 0 and most is None) else rules.wait(least, most)


def interval(p50_s: float, p90_s: float) -> tuple[int, int | None]:
    """The median and the P90 as minutes that people say, which lie around both; None: no end is named.

    A lower forecast never gives a higher interval. It begins at 60 minutes at most, and ends at 1 at least.
    """
    assert 0.0 <= p50_s <= p90_s
    least = ROUND_MINUTES[bisect_right(ROUND_MINUTES, p50_s / MINUTE_S) - 1]
    over = bisect_left(ROUND_MINUTES, max(p90_s / MINUTE_S, 1.0)) if math.isfinite(p90_s) else len(ROUND_MINUTES)
    return least, ROUND_MINUTES[over] if over < len(ROUND_MINUTES) else None


def needed_to_wait(rules: Speaker) -> tuple[PromptId, ...]:
    """Every prompt that places and waits may be said with."""
    return tuple(prompt for prompt in rules.words if prompt.startswith(_NEEDED))

"""What the callers of a queue are told while they wait, as prompts."""

from dataclasses import dataclass

from ivr.prompts import Language, PromptId
from ivr.speech.waiting import say_place, say_wait


@dataclass(frozen=True, slots=True)
class Comfort:
    """Told after `first_s` of music, then after every further `every_s` of it.

    In this order: the place in the line (`position`), the estimated wait as an interval (`wait`), one of the
    `messages`, in turn, and, to who can be called back, the `key_prompts`: which key to press for that.
    """

    first_s: float = 5.0
    every_s: float = 60.0
    position: bool = False
    wait: bool = False
    messages: tuple[PromptId, ...] = ()
    key_prompts: tuple[PromptId, ...] = ()

    @property
    def foretells(self) -> bool:
        """Whether anything is told that only the floor knows."""
        return self.position or self.wait


@dataclass(frozen=True, slots=True)
class Told:
    """A place in the line, 1 the next, and the wait that is still ahead: the median and P90, None: no end in sight."""

    position: int
    p50_s: float | None
    p90_s: float | None


def said(comfort: Comfort, language: Language, told: Told | None, *, turn: int, has_key: bool) -> tuple[PromptId, ...]:
    """The prompts of the announcement number `turn`, from 0; empty if there is nothing to tell now."""
    prompts: tuple[PromptId, ...] = ()
    if comfort.position and told is not None:
        prompts += say_place(language, told.position)
    if comfort.wait and told is not None and told.p50_s is not None and told.p90_s is not None:
        prompts += say_wait(language, told.p50_s, told.p90_s)
    if comfort.messages:
        prompts += (comfort.messages[turn % len(comfort.messages)],)
    return (*prompts, *comfort.key_prompts) if has_key else prompts

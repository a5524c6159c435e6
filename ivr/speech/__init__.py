"""Spoken values: a value becomes the prompts that say it, by each language's own rules.

A language is a module with a `SPEAKER`; a further one is written beside and named in SPEAKERS.
"""

from collections.abc import Mapping
from functools import lru_cache

from ivr.expression import Value
from ivr.prompts import Language, PromptId
from ivr.speech import en, zh_tw
from ivr.speech.rules import Speaker, Style, says

__all__ = ["SPEAKERS", "Speaker", "Style", "say", "speaker"]

SPEAKERS: Mapping[Language, Speaker] = {"zh-TW": zh_tw.SPEAKER, "en": en.SPEAKER}


def speaker(language: Language) -> Speaker | None:
    """The rules of a language, those of `en` for `en-GB`; None if nobody wrote them yet."""
    return SPEAKERS.get(language) or SPEAKERS.get(language.partition("-")[0])


@lru_cache(maxsize=4_096, typed=True)  # callers hear the same dates and sums again and again; typed: 1 is not True
def say(language: Language, style: Style, value: Value | None) -> tuple[PromptId, ...]:
    """The prompts that say the value; none where it is unset, has no such style or the language has no rules."""
    rules = speaker(language)
    return () if rules is None or value is None else says(rules, style, value)

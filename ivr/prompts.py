"""A prompt is an id; with a language it becomes audio. Values are said by rules over such ids (`speech`)."""

import re
from collections.abc import Iterable

PromptId = str
Language = str

# An id is a file name in disguise: nothing that could leave the folder, or that a file system folds.
_ID = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")

# What the dialplan says when the service does not (asterisk-config), so every site must have them.
SYSTEM_PROMPTS: tuple[PromptId, ...] = ("closed", "fallback_leave_message", "fallback_please_hold", "goodbye")

# The longest a prompt may last; the interpreter goes on after it even if the end is never reported.
PROMPT_MAX_S = 30.0


def is_prompt_id(text: str) -> bool:
    """True if the text is 1…64 lower-case letters, digits and underscores."""
    return _ID.fullmatch(text) is not None


def media(prompts: Iterable[PromptId], language: Language, sounds: str) -> list[str]:
    """The audio files of the prompts in order, without extension: `{sounds}/{language}/{id}`."""
    return [f"{sounds}/{language}/{prompt}" for prompt in prompts]

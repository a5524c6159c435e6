"""How it is written what may be said to a node instead of a key."""

from collections.abc import Mapping

from ivr.listening import MISHEARD_MAX, plain
from ivr.model import CollectNode
from ivr.reading import Reader, shown

PHRASES_MAX = 200
PHRASE_MAX = 100  # characters


def phrases(reader: Reader, choices: Mapping[str, str], tries_max: int) -> dict[str, dict[str, str]]:
    """A menu's `speech`: language → phrase → key."""
    if "speech" not in reader:
        return {}
    _leaves_a_try(reader, tries_max)
    by_language = reader.table("speech")
    return {language: _phrases(by_language, language, choices) for language in by_language.names}


def digits(reader: Reader, node: CollectNode) -> bool:
    """A collect's `speech`: whether its digits may be said."""
    if not reader.flag("speech", default=False):
        return False
    _leaves_a_try(reader, node.tries_max)
    if node.secret:
        reader.wrong("speech", "what is secret is not said aloud")
    if not node.interruptible:
        reader.wrong("speech", "whoever speaks interrupts, and these prompts are not interruptible")
    return True


def _leaves_a_try(reader: Reader, tries_max: int) -> None:
    if tries_max <= MISHEARD_MAX:
        reader.wrong("speech", f"needs tries_max of more than {MISHEARD_MAX}: one is left for the keys")


def _phrases(reader: Reader, language: str, choices: Mapping[str, str]) -> dict[str, str]:
    written = reader.text_map(language, required=True)
    if len(written) > PHRASES_MAX:
        reader.wrong(language, f"has {len(written)} phrases; at most {PHRASES_MAX} can be told apart")
    known: dict[str, str] = {}
    for phrase, key in written.items():
        at = f"{language}.{phrase[:PHRASE_MAX]}"
        if not plain(phrase) or len(phrase) > PHRASE_MAX:
            reader.wrong(at, f"a phrase has 1-{PHRASE_MAX} characters")
        elif key not in choices:
            reader.wrong(at, f"{shown(key)} is none of the menu's choices")
        elif known.setdefault(plain(phrase), key) != key:
            reader.wrong(at, "is said for another key already")
    return written

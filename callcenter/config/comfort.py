"""What the callers of a queue are told while they wait: `comfort` in queues.toml."""

from collections.abc import Iterator

from callcenter.config.fields import Names, prompts
from callcenter.config.model import Queue
from callcenter.contact.comfort import Comfort
from ivr.reading import Reader
from ivr.speech import speaker
from ivr.speech.waiting import needed_to_wait

EVERY_S_MIN, EVERY_S_MAX, FIRST_S_MAX = 10.0, 3_600.0, 3_600.0
_SHOWN_MAX = 3


def read_comfort(reader: Reader, names: Names) -> Comfort | None:
    """What is told, and when; None where the queue says nothing."""
    if "comfort" not in reader:
        return None
    table = reader.table("comfort")
    comfort = Comfort(
        first_s=table.number("first_s", 5.0, 0.0, FIRST_S_MAX),
        every_s=table.number("every_s", 60.0, EVERY_S_MIN, EVERY_S_MAX),
        position=table.flag("position", default=False),
        wait=table.flag("wait", default=False),
        messages=prompts(table, "messages", names.prompts),
        key_prompts=prompts(table, "key_prompts", names.prompts),
    )
    table.close()
    if not (comfort.foretells or comfort.messages or comfort.key_prompts):
        reader.wrong("comfort", "tells nothing; say position, wait, messages or key_prompts")
    for key, told in (("position", comfort.position), ("wait", comfort.wait)):
        if told:
            for sentence in _unspeakable(names):
                table.wrong(key, sentence)
    return comfort


def check_key(reader: Reader, queue: Queue) -> None:
    """A key that is announced must be one that does something."""
    if queue.comfort is not None and queue.comfort.key_prompts and queue.callback_key is None:
        reader.wrong("comfort.key_prompts", "announce a key, and none does anything here; callback.key names one")


def _unspeakable(names: Names) -> Iterator[str]:
    """Why places and waits can't be said in a language of the site."""
    for language, there in names.prompts.items():
        rules = speaker(language)
        if rules is None:
            yield f"can't be said in {language!r}: it has no rules for values"
            continue
        lacking = [prompt for prompt in needed_to_wait(rules) if prompt not in there]
        if lacking:
            more = f" and {len(lacking) - _SHOWN_MAX} more" if len(lacking) > _SHOWN_MAX else ""
            yield f"needs the prompts {', '.join(lacking[:_SHOWN_MAX])}{more} (in {language})"

"""What a queue tells its callers while they wait: read as meant, or refused with the path and the reason."""

from pathlib import Path

import pytest

from callcenter.blueprint import contact_plan
from callcenter.config.site import load_site
from callcenter.contact.comfort import Comfort
from ivr.speech import SPEAKERS
from ivr.speech.waiting import needed_to_wait
from tests.unit.test_site_callbacks import DEMO, DIAL_OUT, add, folder, mistakes  # noqa: F401

COMFORT = """
[later]
requires = "orders"
callback = { key = "1" }

[later.comfort]
first_s = 0
every_s = 45
position = true
wait = true
messages = ["to_agent", "welcome"]
key_prompts = ["other_language"]
"""


def speak(site: Path) -> None:
    """The words that places and waits are said with, in every language."""
    for language, rules in SPEAKERS.items():
        for prompt in needed_to_wait(rules):
            audio = (DEMO / "prompts" / language / "welcome_vip.wav").read_bytes()
            (site / "prompts" / language / f"{prompt}.wav").write_bytes(audio)


def test_a_queue_says_what_its_callers_are_told_and_when(folder: Path) -> None:  # noqa: F811
    add(folder, "site.toml", DIAL_OUT)
    add(folder, "queues.toml", COMFORT)
    speak(folder)
    site = load_site(folder)
    comfort = Comfort(0.0, 45.0, True, True, ("to_agent", "welcome"), ("other_language",))
    assert site.queues["later"].comfort == contact_plan(site).queue("later").comfort == comfort
    assert site.queues["orders"].comfort is None


def test_words_that_are_missing_in_a_language_are_named(folder: Path) -> None:  # noqa: F811
    add(folder, "site.toml", DIAL_OUT)
    add(folder, "queues.toml", COMFORT)
    speak(folder)
    (folder / "prompts" / "en" / "wait_and.wav").unlink()
    (folder / "prompts" / "zh-TW" / "to_agent.wav").unlink()
    found = mistakes(folder)
    assert "queues.later.comfort.position: needs the prompts wait_and (in en)" in found
    assert "queues.later.comfort.wait: needs the prompts wait_and (in en)" in found
    assert any(each.startswith("queues.later.comfort.messages: no such prompt 'to_agent'") for each in found)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("comfort = {}", "comfort: tells nothing; say position, wait, messages or key_prompts"),
        (
            'comfort = { key_prompts = ["welcome"] }',
            "comfort.key_prompts: announce a key, and none does anything here; callback.key names one",
        ),
        (
            'comfort = { messages = ["welcome"], every_s = 1 }',
            "comfort.every_s: must be",
        ),
        ('comfort = { message = ["welcome"] }', "comfort.message: "),
    ],
)
def test_what_can_not_be_meant_is_refused(folder: Path, text: str, mistake: str) -> None:  # noqa: F811
    add(folder, "queues.toml", f'\n[later]\nrequires = "orders"\n{text}\n')
    assert any(each.startswith(f"queues.later.{mistake}") for each in mistakes(folder))

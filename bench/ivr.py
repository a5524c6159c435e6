"""How many steps a second the IVR's interpreter does, and how soon after a key the next prompt is heard.

    .venv/bin/python -m bench.ivr [--visits N] [--rounds N]       the interpreter alone, in one process
    .venv/bin/python -m bench.ivr --asterisk [--callers N]        on real Asterisk too (ivr_keys.py); writes results

Two kinds of caller: one on the demo site's hotline (welcome, menu, a wrong key, another language, a queue), and one
who goes through a flow of every node that asks: language, consent, digits in a sub-flow, a survey, spoken values. A
step is one input to the interpreter (`enter` counts as one); the best round counts, for the machine is shared. Every
caller of the second kind hears the same sum, whose words are made once and kept (`speech.say`); with other sums each
time it is a fifth slower.
"""

import argparse
import asyncio
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from callcenter.config.settings import CHECKOUT
from callcenter.config.site import load_site
from ivr.check import Surroundings, check
from ivr.interpreter import Digit, Facts, Input, PromptEnded, TimeIsUp, enter, step
from ivr.model import Flow
from ivr.parse import parse
from ivr.speech import SPEAKERS
from ivr.sub_flows import link

TARGET_PER_S = 200_000
NOW = 1_763_604_000.0
SITE = load_site(CHECKOUT / "callcenter/config/demo_site")
FACTS = Facts("zh-TW", "vip", known=True, calendars=SITE.calendars, zone=SITE.zone)

_IDENTIFY: dict[str, object] = {
    "start": "ask",
    "variables": {"account": "digits"},
    "nodes": {
        "ask": {"type": "collect", "prompts": ["ask"], "into": "account", "digits_min": 4, "digits_max": 4}
        | {"next": "ok", "on_exhausted": "ok"},
        "ok": {"type": "return", "outcome": "done"},
    },
}
_EVERYTHING: dict[str, object] = {
    "start": "hours",
    "agent_node": "person",
    "variables": {"account": "digits", "balance": {"type": "number", "value": 12345.5}, "score": "number"},
    "nodes": {
        "hours": {"type": "schedule", "calendar": "always", "open": "language", "closed": "end"},
        "language": {"type": "language_choice", "prompts": ["ask"], "choices": {"1": "zh-TW", "2": "en"}}
        | {"next": "consent"},
        "consent": {"type": "consent", "prompts": ["ask"], "on_accepted": "identify", "on_declined": "identify"},
        "identify": {"type": "sub_flow", "flow": "identify", "outputs": {"account": "account"}}
        | {"outcomes": {"done": "known"}},
        "known": {"type": "branch", "otherwise": "end"}
        | {"cases": [{"when": "account starts with '12' and tier in ('vip', 'platinum')", "to": "tell"}]},
        "tell": {"type": "say", "prompts": ["ask", "{balance as money}"], "next": "survey"},
        "survey": {"type": "survey", "survey": "after", "next": "end"}
        | {"questions": [{"id": f"q{n}", "prompts": ["ask"], "scale": "likert", "into": "score"} for n in range(3)]},
        "end": {"type": "hang_up", "end_state": "self_service"},
        "person": {"type": "queue", "queue": "orders"},
    },
}


def everything() -> Flow:
    """The flow of every node that asks, checked and whole."""
    flows = {name: parse(source, name, "1") for name, source in (("main", _EVERYTHING), ("identify", _IDENTIFY))}
    prompts = {language: {"ask", *SPEAKERS[language].words} for language in SITE.languages}
    around = Surroundings(SITE.languages, SITE.value_tiers, SITE.queues, SITE.calendars, prompts, flows)
    assert [mistake for flow in flows.values() for mistake in check(flow, around)] == []
    return link(flows)["main"]


ENDED, SILENT = PromptEnded(), TimeIsUp()


def keys(text: str) -> tuple[Input, ...]:
    return tuple(Digit(key) for key in text)


HOTLINE = (ENDED, ENDED, *keys("7"), ENDED, *keys("9"), ENDED, *keys("2"))
SELF_SERVICE = (*keys("1"), ENDED, *keys("1"), ENDED, *keys("1234"), ENDED, ENDED, *keys("5"), ENDED, *keys("43"))


def visits(flow: Flow, heard: tuple[Input, ...], count: int) -> int:
    """Steps made by so many callers, each of whom must come to an exit with the last of their inputs."""
    for _ in range(count):
        turn = enter(flow, FACTS, NOW)
        for one in heard:
            assert turn.exit is None
            turn = step(flow, turn.cursor, one, FACTS, NOW)
        assert turn.exit is not None
    return count * (len(heard) + 1)


def best(work: Callable[[], int], rounds: int) -> float:
    """Steps per second of CPU time in the best of the rounds."""
    rates = []
    for _ in range(rounds):
        began = time.process_time()
        steps = work()
        rates.append(steps / (time.process_time() - began))
    return max(rates)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.ivr", description="Steps a second of the IVR's interpreter.")
    parser.add_argument("--visits", type=int, default=10_000, help="callers in a round (default 10000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the best counts (default 5)")
    parser.add_argument("--asterisk", action="store_true", help="measure keys on real Asterisk too, write results")
    parser.add_argument("--callers", type=int, default=20, help="with --asterisk: at the same time (default 20)")
    parser.add_argument("--presses", type=int, default=60, help="with --asterisk: keys of each caller (default 60)")
    given = parser.parse_args()
    courses = (("hotline", SITE.flows["main"], HOTLINE), ("every node", everything(), SELF_SERVICE))
    steps: list[dict[str, Any]] = []
    for name, flow, heard in courses:
        rate = best(lambda flow=flow, heard=heard: visits(flow, heard, given.visits), given.rounds)  # type: ignore[misc]
        print(f"{name:12} {rate:10,.0f} steps/s  {1e6 / rate:6.2f} µs a step  (target {TARGET_PER_S:,})")
        steps.append({"course": name, "steps_per_s": round(rate), "aim_per_s": TARGET_PER_S})
    if given.asterisk:
        print(_keys(given.callers, given.presses, steps).read_text())


def _keys(callers: int, presses: int, steps: Sequence[dict[str, Any]]) -> Path:
    """Measure keys on real Asterisk; the page that was written. Leaves nothing running."""
    from bench.ivr_keys import measure, report  # noqa: PLC0415 - needs the database's and telephony's parts

    var = CHECKOUT / "var" / f"bench-{time.monotonic_ns() % 10_000_000:07}"
    try:
        keys = asyncio.run(measure(var, callers, presses, lambda text: print(text, flush=True)))
    finally:
        shutil.rmtree(var, ignore_errors=True)
    return report(Path(__file__).parent / "results", keys, steps)


if __name__ == "__main__":
    main()

"""Our service killed, and handed over, with 20 calls up: who is dropped, how soon it is back, what is heard.

python -m bench.killed [--kills 50] [--handovers 20] [--writer-kills 200]: about 20 minutes; results/killed.json, .md
"""

import argparse
import asyncio
import json
import math
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.cpu import tree_cpu_s
from bench.machine import here
from bench.rounds import foreign_since
from callcenter.companions.postgres import PostgresCompanion
from callcenter.db.migrate import upgrade
from tests.database import journal_and_writer
from tests.integration.test_db_crash import all_is_there_once, service_killed_after
from tests.kit.api_clients import asking
from tests.kit.behaviour import Answer
from tests.kit.call import Call
from tests.kit.callee import IncomingCall
from tests.kit.hotline import AGENT_HZ, CALLER_HZ, MENU, VIP
from tests.kit.parts import AGENTS, DEMO_SITE, RealAsterisk, plan_for, running
from tests.kit.phone import Phone
from tests.kit.service import Service, service_on

RESULTS: Final = Path(__file__).parent / "results"
TALKING, QUEUED, CHOOSING = 8, 8, 4
KILLS_A_SET: Final = 5  # with the same 20 calls; longer, and callers in a menu would be asked whether they are there
RESTART_S: Final = 0.2  # RestartSec of the systemd unit
SETTLED_S: Final = 1.0
IN_CHARGE_S: Final = 30.0
LOOK_S: Final = 0.02
SKILLS: Final = "skills = { product = 5, orders = 5, activities = 5, vip = 5, zh-TW = 5, en = 5 }"


@dataclass
class Measured:
    """What came of a kind of end: kills, or handovers."""

    ends: int = 0
    dropped: int = 0
    places_lost: int = 0
    back_s: list[float] = field(default_factory=list)
    gaps_ms: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    slowest_request_s: float = 0.0

    def told(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "ends": self.ends,
            "callers": self.ends * (TALKING + QUEUED + CHOOSING),
            "dropped": self.dropped,
            "places_lost": self.places_lost,
            "back_p50_s": round(quantile(self.back_s, 0.5), 2),
            "back_p95_s": round(quantile(self.back_s, 0.95), 2),
            "gap_max_ms": round(max(self.gaps_ms, default=0.0), 1),
            "gap_p50_ms": round(quantile(self.gaps_ms, 0.5), 1),
            "answers": dict(self.answers),
            "slowest_request_s": round(self.slowest_request_s, 2),
        }


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of them do not exceed; NaN of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


class Calls:
    """Twenty calls: eight talk, eight wait, four choose from a menu."""

    def __init__(self, service: Service, trunk: Phone, phones: Mapping[str, Phone]) -> None:
        self._service = service
        self._trunk = trunk
        self._phones = phones
        self.talks: list[tuple[Call, IncomingCall]] = []
        self.others: list[Call] = []
        self.since_at = 0.0

    async def begin(self) -> None:
        """All of them are up, each where it belongs."""
        for n in range(TALKING):
            call = self._trunk.call(VIP, caller=f"09120010{n:02}", tone_hz=CALLER_HZ)
            desk = await self._desk_of(call)
            self.talks.append((call, desk))
        self.others = [self._trunk.call(VIP, caller=f"09120020{n:02}") for n in range(QUEUED)]
        self.others += [self._trunk.call(MENU, caller=f"09120030{n:02}") for n in range(CHOOSING)]
        await self._service.until_waiting(QUEUED)
        for other in self.others:
            await other.hears_sound()
        await asyncio.sleep(SETTLED_S)
        self.since_at = time.monotonic()

    async def _desk_of(self, call: Call) -> IncomingCall:
        """The agent's side of the call; agents answer one after the other, so it is the only one without a partner."""
        await call.hears(AGENT_HZ)
        taken = {desk for _, desk in self.talks}
        (desk,) = {
            each
            for phone in self._phones.values()
            for each in phone.calls
            if isinstance(each, IncomingCall) and each.is_up and each not in taken
        }
        return desk

    @property
    def up(self) -> int:
        """How many callers are on the line."""
        return sum(call.is_up for call in (*(call for call, _ in self.talks), *self.others))

    async def in_charge(self, places: Sequence[str]) -> bool:
        """Wait until the service knows all of them again; whether each who waits has the place they had."""
        deadline = time.monotonic() + IN_CHARGE_S
        while True:
            assert time.monotonic() < deadline, self._service.said[-4000:]
            if await self._service.status("/v1/readyz") == 200:
                waiting = [contact["contact_id"] for contact in await self._service.waiting()]
                agents = (await self._service.request("GET", "/v1/agents"))["items"]
                if len(waiting) == QUEUED and sum(agent["activity"] == "talking" for agent in agents) == TALKING:
                    return waiting == list(places)
            await asyncio.sleep(LOOK_S)

    def gaps_ms(self) -> list[float]:
        """The longest silence of each talk, both ways, that the speakers did not make themselves."""
        return [
            hearer.longest_gap_ms(self.since_at, speaker)
            for one, other in self.talks
            for hearer, speaker in ((one, other), (other, one))
        ]

    def cut(self) -> None:
        """The Asterisk they were on is gone: forget them, on both sides."""
        for call in (*self.others, *(side for talk in self.talks for side in talk)):
            if not call.is_over:
                call.cut()

    async def end(self) -> None:
        """Everybody hangs up; returns when nobody is left."""
        for call in (*self.others, *(call for call, _ in self.talks)):
            call.begin_hang_up()
        await asyncio.gather(*(desk.ended() for _, desk in self.talks))
        await self._service.until_over(20.0)


async def killed(service: Service) -> None:
    """Kill -9; a supervisor starts the next process a moment later."""
    await service.kill()
    await asyncio.sleep(RESTART_S)
    await service.start(ready=False)


async def handed_over(service: Service) -> None:
    """`callcenter restart` beside the running one; returns when the old one has ended."""
    former = service.process
    await service.start("restart", ready=False)
    assert await asyncio.wait_for(former.wait(), IN_CHARGE_S) == 0, service.said[-4000:]


async def rounds(service: Service, trunk: Phone, phones: Mapping[str, Phone], how: Any, count: int) -> Measured:
    """End the service `count` times, KILLS_A_SET times with the same calls."""
    measured = Measured()
    for first in range(0, count, KILLS_A_SET):
        calls = Calls(service, trunk, phones)
        await calls.begin()
        places = [contact["contact_id"] for contact in await service.waiting()]
        ends = min(KILLS_A_SET, count - first)
        async with AsyncExitStack() as stack:
            clients = await stack.enter_async_context(asking(service)) if how is handed_over else None
            for _ in range(ends):
                began_at = time.monotonic()
                await how(service)
                measured.places_lost += not await calls.in_charge(places)
                measured.back_s.append(time.monotonic() - began_at)
                await asyncio.sleep(SETTLED_S)
        if clients is not None:
            measured.answers += clients.answers
            measured.slowest_request_s = max(measured.slowest_request_s, clients.slowest_s)
        measured.ends += ends
        measured.dropped += TALKING + QUEUED + CHOOSING - calls.up
        measured.gaps_ms += calls.gaps_ms()
        await calls.end()
        _say(f"  {measured.told()}")
    return measured


async def writer_killed(url: str, folder: Path, kills: int) -> dict[str, Any]:
    """A journal with its writer, killed in the middle of batches; then all must be in the database, once."""
    chance, said = random.Random(20261122), set[tuple[str, int]]()
    for kill in range(kills):
        said |= await service_killed_after(folder / "journal", url, 1_000_000 * kill, chance.randrange(20, 1_500))
    async with journal_and_writer(folder / "journal", url) as (journal, writer):
        assert await writer.until(journal.position, 60.0)
    await all_is_there_once(url, said)
    return {"kills": kills, "events": len(said), "lost": 0, "doubled": 0}


@asynccontextmanager
async def parts(var: Path) -> AsyncIterator[tuple[RealAsterisk, PostgresCompanion]]:
    """Asterisk and PostgreSQL of our own."""
    postgres = PostgresCompanion(var=var / "db", instance="killed")
    try:
        await postgres.start()
        async with running(plan_for(var / "asterisk", "killed", prompts_dir=DEMO_SITE / "prompts")) as asterisk:
            yield asterisk, postgres
    finally:
        await postgres.stop()


async def measure(kills: int, handovers: int, writer_kills: int, var: Path) -> dict[str, Any]:
    """All of it."""
    async with parts(var) as (asterisk, postgres), AsyncExitStack() as stack:
        url = await postgres.database("writer_killed")
        await upgrade(url)
        writer = await writer_killed(url, var, writer_kills) if writer_kills else _last()["writer"]
        _say(f"writer: {writer}")
        (var / "service").mkdir()
        service = await stack.enter_async_context(
            service_on(asterisk, var / "service", await postgres.database("killed"))
        )
        everybody_can_do_everything(var / "service" / "site" / "agents.toml")
        trunk = await stack.enter_async_context(asterisk.trunk())
        phones = {agent: await stack.enter_async_context(asterisk.phone(agent)) for agent in AGENTS[:TALKING]}
        await service.start()
        for agent_id, phone in phones.items():
            phone.behaviour = Answer(tone_hz=AGENT_HZ)
            await phone.register()
            await service.log_in(agent_id)
        foreign = foreign_since(lambda: tree_cpu_s(os.getpid(), asterisk.companion.pid or 0, postgres.pid or 0))
        by_kill = await rounds(service, trunk, phones, killed, kills)
        by_handover = await rounds(service, trunk, phones, handed_over, handovers)
        share = foreign()
        stories = await service.stories()
        assert await service.stop() == 0
    return {
        "kills": by_kill.told(),
        "handovers": by_handover.told(),
        "writer": writer,
        "foreign": round(share, 3),
        "contacts_told_whole": len(stories),
    }


def _last() -> Mapping[str, Any]:
    """The result of the run before."""
    result: Mapping[str, Any] = json.loads((RESULTS / "killed.json").read_text())
    return result


def everybody_can_do_everything(path: Path) -> None:
    """Give each agent of the demo site all skills, so that it does not matter who is free."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("queues =")]
    path.write_text("\n".join(SKILLS if line.startswith("skills =") else line for line in lines) + "\n")


def page(result: Mapping[str, Any]) -> str:
    """The result to be read."""
    names = ("ends", "callers", "dropped", "places_lost", "back_p50_s", "back_p95_s", "gap_p50_ms", "gap_max_ms")
    heads = ("", "how often", "callers", "dropped", "places lost", "p50, s", "p95, s", "gap p50, ms", "gap max, ms")
    rows = [
        f"| {what} | " + " | ".join(str(result[key][name]) for name in names) + " |"
        for what, key in (("kill -9", "kills"), ("handover", "handovers"))
    ]
    handovers, writer, machine = result["handovers"], result["writer"], result["machine"]
    return "\n".join(
        [
            "# The service dies, or hands over, with 20 calls up",
            "",
            f"{TALKING} talk, {QUEUED} wait, {CHOOSING} choose from a menu.",
            f"{machine['cores']} cores, {machine['processor']}; others took {result['foreign']:.0%} of them meanwhile.",
            "",
            "| " + " | ".join(heads) + " |",
            "|" + "---|" * len(heads),
            *rows,
            "",
            "p50 and p95: from the kill, with the supervisor's 0.2 s, or from the command, until the service knows",
            "every call again. The gap is the longest between two packets of a talk that was not in what the other",
            "party's phone sent, by the kernel's time of each packet.",
            "",
            f"Requests over handovers: {handovers['answers']}, the slowest {handovers['slowest_request_s']} s.",
            "",
            f"A journal's writer killed {writer['kills']} times in the middle of batches: {writer['events']:,} events,",
            f"{writer['lost']} lost, {writer['doubled']} doubled.",
            "",
        ]
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(prog="bench.killed", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--handovers", type=int, default=20)
    parser.add_argument("--writer-kills", type=int, default=200, help="0: keep the last result of these")
    given = parser.parse_args()
    var = Path(tempfile.mkdtemp(prefix="killed-"))
    var.chmod(0o755)
    # As the systemd unit has it: a program that was started once is not translated anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(var / "pycache")
    try:
        result = asyncio.run(measure(given.kills, given.handovers, given.writer_kills, var))
    finally:
        shutil.rmtree(var, ignore_errors=True)
    result["machine"] = here()
    (RESULTS / "killed.json").write_text(json.dumps(result, indent=1) + "\n")
    (RESULTS / "killed.md").write_text(page(result))
    _say(page(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

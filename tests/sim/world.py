"""One run: the plan's people and faults around the model Asterisk and the real service, until all has ended."""

import contextvars
import hashlib
import logging
import random
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from callcenter.config.site import Site
from callcenter.db.stored import Stored
from tests.sim import checks
from tests.sim.asterisk import LEASE_S, Asterisk, Channel
from tests.sim.disk import Disk
from tests.sim.line import Line
from tests.sim.loop import Deadlock, VirtualLoop
from tests.sim.people import Caller, Customer, Desk
from tests.sim.plan import SAFETY_S, Fault, Odds, Plan
from tests.sim.service import Service, in_place
from tests.sim.site import sim_site

CALM_S = 700.0
"""How long everything may take to end, once the faults have stopped."""
LOOK_S = 1.0


@dataclass(slots=True)
class Result:
    """What came of a run: what must not be (`findings`), and a digest of all that happened."""

    findings: list[str] = field(default_factory=list)
    digest: str = ""
    contacts: int = 0
    types: Counter[str] = field(default_factory=Counter)
    events: int = 0
    lives: int = 0
    ended_at: float = 0.0


class World:
    """Everything there is in one run."""

    def __init__(self, plan: Plan, site: Site, folder: Path, loop: VirtualLoop) -> None:
        self.plan = plan
        self.site = site
        self.folder = folder
        self.loop = loop
        self.findings: dict[str, None] = {}
        rng = random.Random(f"world/{plan.seed}")
        self.asterisk = Asterisk()
        self.line = Line(self.asterisk, random.Random(rng.random()), plan.odds)
        self.disk = Disk(folder, random.Random(rng.random()))
        self.service = Service(self.line, self.disk, site, plan.seed, self.tell)
        self.desks = {agent.agent_id: Desk(agent, self.asterisk, self.service) for agent in plan.agents}
        self.callers = [Caller(caller, self.asterisk) for caller in plan.callers]
        self.customers = {f"+886{one.plan.number[1:]}": Customer(one) for one in self.callers if one.plan.number}
        self.watch = checks.Watch(self)
        self.asterisk.ring = self._ring
        self.asterisk.ring_customer = self._ring_customer
        self.asterisk.lapsed = self._lapsed
        self.line.on_request = self._requested
        self.line.lose = frozenset(fault.at for fault in plan.faults if fault.what == "lose_event")
        self.line.refuse = frozenset(fault.at for fault in plan.faults if fault.what == "refuse")
        self.disk.on_commit = self._committed
        self.calm = False
        self.asterisk_died_at: list[float] = []

    def tell(self, what: str, detail: str) -> None:
        """Something that must not be."""
        self.findings.setdefault(f"{what}: {detail}  [{self.loop.time():.3f} s]")

    async def run(self) -> None:
        """From the first second to the last caller's end."""
        self.loop.call_soon(self.service.start)
        for fault in self.plan.faults:
            if fault.what in _HAPPENS:
                self.loop.call_at(fault.at, _HAPPENS[fault.what], self, fault)
        await self._until(SAFETY_S)
        self._stop_faults()
        while not self._quiet():
            if self.loop.time() > SAFETY_S + CALM_S:
                self.tell("it does not end", self._who_is_left())
                break
            await self._until(self.loop.time() + LOOK_S)
        await self._until(self.loop.time() + 3.0)
        self.watch.at_the_end()

    async def _until(self, at: float) -> None:
        while self.loop.time() < at - 1e-6:
            waiting = self.loop.create_future()
            self.loop.call_at(min(at, self.loop.time() + LOOK_S), waiting.set_result, None)
            await waiting
            self.watch.look()

    def _stop_faults(self) -> None:
        self.calm = True
        self.line.odds = Odds()
        self.line.ami_there = True
        self.disk.slow_s = 0.0
        self.line.trouble()
        for desk in self.desks.values():
            desk.be_good()

    def _quiet(self) -> bool:
        center = self.service.up
        return (
            all(caller.done for caller in self.callers)
            and not self.asterisk.channels
            # One whose end was refused is dropped at the next look, which may be half a minute away.
            and not self.asterisk.bridges
            and center is not None
            and not list(center.switchboard.contacts)
            and center.telephony.in_flight == 0
        )

    def _who_is_left(self) -> str:
        channels = ", ".join(self.asterisk.channels)
        center = self.service.center
        contacts = [] if center is None else [f"{c.contact_id} {c.phase}" for c in center.switchboard.contacts]
        left = f"channels {channels or 'none'}; bridges {list(self.asterisk.bridges)}; contacts {contacts}"
        return f"{left}; service {'up' if self.service.up else 'away'}"

    def _ring(self, channel: Channel, desk: str) -> None:
        self.desks[desk].ring(channel)

    def _ring_customer(self, channel: Channel, number: str) -> None:
        self.customers[number].ring(channel)

    def _lapsed(self, channel: Channel) -> None:
        if self.service.up is not None and self.loop.time() - self.line.troubled_at > 2 * LEASE_S:
            self.tell("a lease lapsed beside a healthy service", channel.channel_id)

    # --- faults ----------------------------------------------------------------------------------------------------

    def _requested(self, number: int, when: str) -> None:
        what = "kill_request" if when == "before" else "kill_requested"
        self._due(what, number)

    def _committed(self, number: int, when: str) -> None:
        self._due("kill_commit" if when == "before" else "kill_committed", number)

    def _due(self, what: str, number: int) -> None:
        if self.calm:
            return
        for fault in self.plan.faults:
            if fault.what == what and fault.at == number:
                self.line.trouble()
                self.service.doom(fault.for_s)

    def kill_at(self, fault: Fault) -> None:
        """Our process dies."""
        self.line.trouble()
        self.service.kill(fault.for_s)

    def cut(self, _: Fault) -> None:
        """The event socket is lost."""
        self.line.cut()

    def half_open(self, _: Fault) -> None:
        """What Asterisk says is lost for a while."""
        self.line.go_half_open()

    def deaf(self, _: Fault) -> None:
        """The event socket is lost, and the next one is told nothing."""
        self.line.deafen_next()
        self.line.cut()

    def no_ami(self, fault: Fault) -> None:
        """AMI is away."""
        self.line.trouble()
        self.line.ami_there = False

        def there() -> None:
            self.line.ami_there = True

        self.loop.call_later(fault.for_s, there)

    def asterisk_dies(self, fault: Fault) -> None:
        """Asterisk dies, and is there again; the phones follow by and by."""
        if not self.asterisk.up:
            return
        self.asterisk_died_at.append(self.loop.time())
        self.line.cut()
        self.asterisk.die()

        def rise() -> None:
            self.line.trouble()
            self.asterisk.rise()
            for n, desk in enumerate(self.desks.values()):
                self.loop.call_later(0.3 + 0.7 * n, desk.register_again)

        self.loop.call_later(fault.for_s, rise)

    def slow_disk(self, fault: Fault) -> None:
        """Each commit takes long."""
        self.line.trouble()
        self.disk.slow_s = 0.4 * fault.for_s

        def fast() -> None:
            self.line.trouble()
            self.disk.slow_s = 0.0

        self.loop.call_later(3.0 * fault.for_s, fast)


_HAPPENS: Mapping[str, Callable[[World, Fault], None]] = {
    "kill_at": World.kill_at,
    "link": World.cut,
    "half_open": World.half_open,
    "deaf": World.deaf,
    "ami": World.no_ami,
    "asterisk": World.asterisk_dies,
    "disk": World.slow_disk,
}


def run(plan: Plan, *, folder: Path | None = None) -> Result:
    """Run a plan to its end; nothing is left behind."""
    place = Path(tempfile.mkdtemp(prefix="sim-", dir=folder or _memory()))
    try:
        return contextvars.Context().run(_run, plan, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _run(plan: Plan, folder: Path) -> Result:
    loop = VirtualLoop()
    site = sim_site()
    errors: list[str] = []
    result = Result()
    with in_place(), _listening(errors):
        try:
            world = loop.run_until_complete(_made(plan, site, folder, loop))
            loop.set_exception_handler(lambda _loop, told: errors.append(_of(told)))
            try:
                loop.run_until_complete(world.run())
            except Deadlock:
                world.tell("deadlock", "nothing is due, and something still waits")
            world.service.kill(1e9)
            story = world.watch.story()
        finally:
            loop.close()
    for error in errors:
        world.tell("a bug was logged", error)
    result.findings = list(world.findings)
    result.digest = _digest(story)
    result.contacts = sum(event.entry.type == "contact.started" for event in story)
    result.events = len(story)
    result.types = Counter(event.entry.type for event in story)
    result.lives = world.service.lives
    result.ended_at = loop.time()
    return result


async def _made(plan: Plan, site: Site, folder: Path, loop: VirtualLoop) -> World:
    return World(plan, site, folder, loop)


def _digest(story: list[Stored]) -> str:
    total = hashlib.sha256()
    for event in story:
        total.update(event.hash)
    return total.hexdigest()[:16]


def _of(told: Mapping[str, Any]) -> str:
    error = told.get("exception")
    return f"{told['message']}: {error!r}"


class _listening:  # noqa: N801 - used as a function
    """While this holds, what is logged as an error goes into the list, and nothing is printed."""

    def __init__(self, errors: list[str]) -> None:
        self._errors = errors

    def __enter__(self) -> None:
        self._before = structlog.get_config()
        structlog.configure(processors=[self._heard])
        self._disabled = logging.root.manager.disable
        logging.disable(logging.CRITICAL)

    def __exit__(self, *_: object) -> None:
        structlog.configure(**self._before)
        logging.disable(self._disabled)

    def _heard(self, _: Any, level: str, event: MutableMapping[str, Any]) -> Any:
        if level in {"error", "critical", "exception"} and event["event"] not in _EXPECTED:
            trace = traceback.format_exc(limit=-3) if event.get("exc_info") else ""
            self._errors.append(f"{event} {trace}")
        raise structlog.DropEvent


# The model writes no audio files, so the check of recordings finds every one of them missing.
_EXPECTED = frozenset({"recordings are at risk"})


def _memory() -> Path | None:
    """A file system in memory, where there is one: thousands of commits wait for no disk."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() else None

"""The scripts of `callcenter flow test` on real Asterisk: a phone presses the keys, Asterisk tells what it played.

Each conversation is played twice at once: here, and in virtual time by the rehearsal, which says what has to have
happened after each step. In the end what the caller heard is what the script says, and what is remembered of the visit
is, note by note, what the rehearsal noted.

A conversation's instant is the clock of its call center; its caller is a customer of their own, who dials a number of
their own. What no call can bring about is said by `undialable`.
"""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from api.cli.flow import facts_of
from callcenter.asterisk.ari import basic_auth
from callcenter.companions.asterisk import AsteriskCompanion
from callcenter.config.model import Customer
from callcenter.config.model import Hotline as Dialed
from callcenter.config.numbers import e164
from callcenter.config.site import Site
from callcenter.contact.model import Contact, Phase
from callcenter.db.queries import EventRow
from ivr.model import Flow
from ivr.rehearsal import _Player, play
from ivr.script import IN_FLOW, LEFT, Conversation, HangsUp, Hears, Keys, Script, Silence
from ivr.turn import Note, StopSaying, Turn
from tests.kit.call import Call
from tests.kit.hotline import Hotline, data, one, open_hotline, settings_for
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone

HEARS_S = 45.0
HAPPENS_S = 45.0
LOOK_S = 0.05

Part = tuple[str, Conversation]  # a flow, and a conversation with it

_witnesses = itertools.count(1)


def undialable(conversation: Conversation, site: Site, flow: str) -> str | None:
    """Why a phone can't hold this conversation; None if it can."""
    notes = play(site.flows[flow], conversation, facts_of(conversation, site)).notes
    caller = conversation.caller
    if conversation.given:
        return "variables are known before the call"
    if any(note.what == "asked" for note in notes):
        return "what the world answers, or that it does not, is in the script"
    if not caller.known and (caller.value_tier or site.default_value_tier) != site.default_value_tier:
        return f"a caller whom nobody knows is of tier {site.default_value_tier}"
    if not caller.known and (caller.open_case or caller.at_risk):
        return "a caller whom nobody knows has no case and is no risk"
    return None


@dataclass
class Witness:
    """What Asterisk played, by its own events: playback → its media in order, and whether it came to its end."""

    played: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    next: dict[str, str] = field(default_factory=dict)

    def take(self, event: Mapping[str, Any]) -> None:
        """One event of Asterisk."""
        playback = event.get("playback", {})
        match event.get("type"):
            case "PlaybackStarted":  # for each medium of a list; PlaybackContinuing tells that another follows
                self.played[playback["id"]].append(_prompt(playback["media_uri"]))
                self.next[playback["id"]] = _prompt(playback.get("next_media_uri", ""))

    def said(self) -> list[list[str]]:
        """What was played, one list for each playback, in order."""
        return list(self.played.values())

    def wrong(self, playback: str, prompts: Sequence[str], *, whole: bool = False) -> str:
        """What differs from these prompts in what was played so far, and what was to come next; empty if nothing does.

        `whole`: nothing may be missing.
        """
        played, following = self.played[playback], self.next.get(playback, "")
        heard = [*played, following] if following else played
        expected = list(prompts if whole or not following else prompts[: len(heard)])
        if heard != expected or (whole and following):
            return f"hears {heard} instead of {list(prompts)}"
        return ""


@asynccontextmanager
async def witness_of(companion: AsteriskCompanion) -> AsyncIterator[Witness]:
    """A second listener to everything that this Asterisk does.

    Each by a name of its own: Asterisk may take leave of one only after the next of that name has come, and of both.
    """
    witness = Witness()
    url = f"{companion.ari_url.replace('http', 'ws', 1)}/events?app=witness{next(_witnesses)}&subscribeAll=true"
    headers = {"Authorization": basic_auth(companion.ari_user, companion.ari_password)}
    async with aiohttp.ClientSession(headers=headers) as session, session.ws_connect(url) as socket:

        async def listen() -> None:
            async for message in socket:
                witness.take(message.json())

        listening = asyncio.create_task(listen(), name="witness")
        try:
            yield witness
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


class ShiftedClock:
    """A clock that stood at `at` when it was made."""

    def __init__(self, at: float) -> None:
        self._offset_s = at - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._offset_s + time.monotonic()


class Rehearsal(_Player):
    """The same conversation in virtual time; it counts what is said."""

    said = 0

    def __post_init__(self) -> None:
        self.cut: set[int] = set()
        super().__post_init__()

    def take(self, turn: Turn) -> None:
        before = len(self.unheard)
        if turn.exit is not None or any(isinstance(action, StopSaying) for action in turn.actions):
            self.cut.add(self.said)
        super().take(turn)
        self.said += len(self.unheard) - before

    @property
    def heard(self) -> int:
        """The number of the last saying that a `hears` took, from 1."""
        return self.said - len(self.unheard)


async def replay(
    scripts: Sequence[Script], site: Site, asterisk: RealAsterisk, database_url: str, var: Path
) -> Mapping[str, Sequence[str]]:
    """Every conversation as `flow: name`, and what went otherwise than written; requires that all are dialable.

    Those of one instant and one set of switches are held at the same time.
    """
    groups: dict[tuple[float, tuple[str, ...]], list[Part]] = defaultdict(list)
    for script in scripts:
        for conversation in script.conversations:
            groups[conversation.at, conversation.closed_now].append((script.flow, conversation))
    found: dict[str, Sequence[str]] = {}
    for n, ((at, _), together) in enumerate(groups.items()):
        staged, numbers = _stage(site, together)
        settings = settings_for(var / f"group{n}", node=f"replay{n}")
        clock = ShiftedClock(at)
        async with (
            witness_of(asterisk.companion) as witness,
            asterisk.trunk() as trunk,
            open_hotline(settings.var, asterisk, database_url, staged, settings, clock=clock) as live,
        ):
            await live.log_out_all()
            replayed = [
                _Replay(live, witness, trunk, staged, staged.flows[flow], conversation, *number).run()
                for (flow, conversation), number in zip(together, numbers, strict=True)
            ]
            for (flow, conversation), mistakes in zip(together, await asyncio.gather(*replayed), strict=True):
                found[f"{flow}: {conversation.name}"] = mistakes
            await live.nothing_left()
    return found


def _stage(site: Site, together: Sequence[Part]) -> tuple[Site, list[tuple[str, str]]]:
    """The site with a number and a caller for each conversation, all of one instant and one set of switches.

    Without rules for routing, which are not what a flow's test is about.
    """
    hotlines, customers = dict(site.hotlines), dict(site.customers)
    numbers = []
    for n, (flow, conversation) in enumerate(together):
        who, dialed = conversation.caller, f"08095500{n:02}"
        phone = f"{'0911' if who.known else '0912'}5500{n:02}"  # who was somebody's customer once stays in the database
        language = who.language or site.default_language
        hotlines[dialed] = Dialed(dialed, flow, None, language)
        if who.known:
            number = e164(phone, site.region)
            assert number is not None
            customers[f"replay{n}"] = Customer(
                customer_id=f"replay{n}",
                phone=number,
                name="Replay",
                value_tier=who.value_tier or site.default_value_tier,
                language=language,
                open_case=who.open_case,
                at_risk=who.at_risk,
            )
        numbers.append((dialed, phone))
    closed = together[0][1].closed_now
    calendars = {
        name: replace(calendar, closed_now=calendar.closed_now or name in closed)
        for name, calendar in site.calendars.items()
    }
    international = {number: dialed for dialed in hotlines if (number := e164(dialed, site.region))}
    staged = replace(
        site, hotlines=hotlines, customers=customers, calendars=calendars, dialed_e164=international, rules=()
    )
    return staged, numbers


@dataclass
class _Replay:
    live: Hotline
    witness: Witness
    trunk: Phone
    site: Site
    flow: Flow
    conversation: Conversation
    dialed: str
    caller: str

    async def run(self) -> list[str]:
        """What goes otherwise than written."""
        player = Rehearsal(self.flow, facts_of(self.conversation, self.site), self.conversation.at)
        call = self.trunk.call(self.dialed, caller=self.caller)
        mistakes: list[str] = []
        sayings: dict[int, Sequence[str]] = {}
        try:
            await call.answered()
            self.contact_id = await self.arrived()
            for n, step in enumerate(self.conversation.steps, 1):
                rehearsed = player.do(step)
                assert not rehearsed, f"the rehearsal goes otherwise too: step {n}: {rehearsed}"
                if isinstance(step, Hears):
                    sayings[player.heard] = step.prompts
                wrong = await self.do(step, call, player)
                if wrong:
                    return [f"step {n}: {wrong}"]
            player.let_prompts_end()
            mistakes += await self.ended_otherwise(player, call)
        finally:
            await call.hang_up()
        if self.conversation.exit.startswith("queue:") or self.conversation.exit in {IN_FLOW, LEFT}:
            player.cut.add(player.said)  # by our hanging up
        mistakes += [
            wrong
            for n, prompts in sayings.items()
            if (wrong := self.witness.wrong(self.playback(n), prompts, whole=n not in player.cut))
        ]
        await _until(lambda: self.contact_id not in {each.contact_id for each in self.contacts})
        await self.live.written()
        return mistakes + self.remembered_otherwise(await self.live.whole_story(self.contact_id), player.notes)

    async def do(self, step: object, call: Call, player: Rehearsal) -> str:
        match step:
            case Hears(prompts):
                playback = self.playback(player.heard)
                if not await _until(lambda: bool(self.witness.played[playback]), HEARS_S):
                    return f"nothing is said, but {list(prompts)} was expected"
                return self.witness.wrong(playback, prompts)
            case Keys(keys):
                await call.press(keys)
            case Silence():
                return await self.as_far_as(player)
            case HangsUp():
                if wrong := await self.as_far_as(player, but=1):
                    return wrong
                await call.hang_up()
        return ""

    async def as_far_as(self, player: Rehearsal, but: int = 0) -> str:
        """Wait until as much is remembered as the rehearsal noted, but for the last notes that the next step brings."""
        count = len([note for note in player.notes if note.what != "survey_ended"]) if but else len(player.notes)
        deadline = time.monotonic() + HAPPENS_S
        while (there := len(_notes(await self.live.center.queries.contact_events(self.contact_id)))) < count:
            if time.monotonic() > deadline:
                return f"{there} things happened in {HAPPENS_S:g} s, but {count} were expected"
            await asyncio.sleep(LOOK_S)
        return ""

    async def arrived(self) -> str:
        """The contact's id, once it is in the database."""
        deadline = time.monotonic() + HAPPENS_S
        while time.monotonic() < deadline:
            for event in await self.live.happened():
                if event.type == "contact.started" and data(event)["dialed"] == self.dialed:
                    return event.stream.removeprefix("contact/")
            await asyncio.sleep(LOOK_S)
        raise AssertionError(f"nobody arrived at {self.dialed}")

    @property
    def contacts(self) -> Sequence[Contact]:
        return self.live.contacts

    def playback(self, n: int) -> str:
        return f"{self.contact_id}.p{n}"

    async def ended_otherwise(self, player: Rehearsal, call: Call) -> list[str]:
        expected = self.conversation.exit
        if expected == LEFT:
            return []
        if wrong := await self.as_far_as(player):
            return [wrong]
        if expected == IN_FLOW:
            there = (self.contact_id, Phase.IVR) in {(each.contact_id, each.phase) for each in self.contacts}
            return [] if there else ["is in the flow no more"]
        if expected.startswith("queue:"):
            place = (self.contact_id, Phase.QUEUED, expected.removeprefix("queue:"))
            waits = await _until(lambda: place in {(each.contact_id, each.phase, each.queue) for each in self.contacts})
            return [] if waits else [f"does not wait in {expected}"]
        await call.ended(HAPPENS_S)
        await self.live.written()
        ended = one(await self.live.story(self.contact_id), "contact.ended")
        state = data(ended)["end_state"]
        return [] if state == expected else [f"ended with {state!r} instead of {expected!r}"]

    def remembered_otherwise(self, story: Sequence[EventRow], notes: Sequence[Note]) -> list[str]:
        happened = _notes(story)
        expected = [(note.what, {"node": note.node, **note.detail}) for note in notes]
        found = [
            f"what happened {n} was {there} instead of {noted}"
            for n, (there, noted) in enumerate(zip(happened, expected, strict=False), 1)
            if there != noted
        ][:1]
        if not found and len(happened) != len(expected):
            found = [f"{len(happened)} things happened instead of {len(expected)}: {happened[len(expected) :]}"]
        entered = data(one(story, "ivr.entered"))
        if (entered["flow"], entered["flow_version"]) != (self.flow.id, self.flow.version):
            found.append(f"the contact is stamped with {entered}")
        return found


def _notes(story: Sequence[EventRow]) -> list[tuple[str, dict[str, object]]]:
    """What is remembered of the visit, in the interpreter's words."""

    def each() -> Iterator[tuple[str, dict[str, object]]]:
        for event in story:
            kind, _, what = event.type.partition(".")
            if kind == "ivr" and what not in {"entered", "left"}:
                yield what, data(event)
            elif kind == "survey":
                yield f"survey_{what}", data(event)

    return list(each())


def _prompt(media_uri: str) -> str:
    return media_uri.rpartition("/")[2]


async def _until(condition: Any, within_s: float = HAPPENS_S) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(LOOK_S)
    return True

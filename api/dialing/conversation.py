"""One scripted conversation on a real call: a caller presses the keys, and everything is compared.

It is played twice at once: by telephone, and in virtual time by the rehearsal, which says what has to have happened
after each step. In the end what the caller heard is what the script says, and what is remembered of the visit is, note
by note, what the rehearsal noted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from api.dialing.callers import CallLost
from api.dialing.witness import Witness
from callcenter.contact.model import Contact, Phase
from callcenter.db.queries import ContactFilter, EventRow
from callcenter.runtime import CallCenter
from ivr.expression import Value
from ivr.model import Flow
from ivr.rehearsal import Player, play
from ivr.script import IN_FLOW, LEFT, Conversation, HangsUp, Hears, Keys, Says, Silence, Step, World
from ivr.turn import Facts, Note, StopSaying, Turn

HAPPENS_S: Final = 60.0  # real prompts last longer than those of the rehearsal
WRITTEN_S: Final = 30.0
LOOK_S: Final = 0.05
STORED: Final = 50  # of the latest contacts, more than are held at once


@dataclass(frozen=True, slots=True)
class Part:
    """A conversation with a flow; `facts` are what is known of its caller."""

    flow: Flow
    conversation: Conversation
    facts: Facts

    @property
    def name(self) -> str:
        """`flow: conversation`."""
        return f"{self.flow.id}: {self.conversation.name}"

    def undialable(self, default_tier: str) -> str | None:
        """Why no telephone can hold this conversation; None if one can. Strangers are of the tier `default_tier`."""
        caller = self.conversation.caller
        if self.conversation.given:
            return "variables are known before the call"
        played = play(self.flow, self.conversation, self.facts)
        if any(note.what == "asked" for note in played.notes):
            return "what the world answers, or that it does not, is in the script"
        if played.listened:
            return "what a recogniser understands is in the script"
        if not caller.known and (caller.value_tier or default_tier) != default_tier:
            return f"a caller whom nobody knows is of tier {default_tier}"
        if not caller.known and (caller.open_case or caller.open_order or caller.at_risk):
            return "a caller whom nobody knows has no case and no order and is no risk"
        return None


@dataclass(frozen=True, slots=True)
class Held:
    """How a conversation by telephone went: what differs from the script, and what is remembered of the visit."""

    mistakes: tuple[str, ...]
    notes: tuple[Note, ...]


class Telephone(Protocol):
    """The caller's end."""

    async def answered(self) -> None:
        """Wait until the hotline has answered. Raises CallLost."""

    async def press(self, keys: str) -> None:
        """Press keys one after the other. Raises CallLost."""

    async def ended(self, within_s: float) -> None:
        """Wait until the hotline hangs up. Raises CallLost."""

    def hang_up(self) -> None:
        """Hang up."""


class Rehearsal(Player):
    """The same conversation in virtual time; it counts what is said."""

    said = 0

    def __post_init__(self) -> None:
        self.cut: set[int] = set()
        super().__post_init__()

    def take(self, turn: Turn) -> None:
        """Obey the interpreter, and remember what was cut short."""
        before = len(self.unheard)
        if turn.exit is not None or any(isinstance(action, StopSaying) for action in turn.actions):
            self.cut.add(self.said)
        super().take(turn)
        self.said += len(self.unheard) - before

    @property
    def heard(self) -> int:
        """The number of the last saying that a `hears` took, from 1."""
        return self.said - len(self.unheard)


class ByTelephone:
    """A conversation about to be held by a caller who dials `dialed` at a running call center.

    What is to happen has `patience_s` to do so, longer than in virtual time.
    """

    def __init__(
        self,
        part: Part,
        center: CallCenter,
        witness: Witness,
        call: Telephone,
        dialed: str,
        patience_s: float = HAPPENS_S,
    ) -> None:
        self._part = part
        self._conversation = part.conversation
        self._center = center
        self._witness = witness
        self._call = call
        self._dialed = dialed
        self._patience_s = patience_s
        self._contact_id = ""

    async def hold(self) -> Held:
        """Hold it to the end."""
        try:
            return await self._held()
        except CallLost as lost:
            return Held((str(lost),), ())
        finally:
            self._call.hang_up()

    async def _held(self) -> Held:
        player = Rehearsal(self._part.flow, self._part.facts, self._conversation.at)
        await self._call.answered()
        if not await holds_within(self._arrived, self._patience_s):
            return Held((f"nobody arrived at {self._dialed}",), ())
        sayings: dict[int, Sequence[str]] = {}
        for n, step in enumerate(self._conversation.steps, 1):
            before_at = player.now
            wrong = player.do(step)  # what goes otherwise in virtual time already needs no telephone
            if isinstance(step, Hears):
                sayings[player.heard] = step.prompts
            wrong = wrong or await self._do(step, player, self._patience_s + player.now - before_at)
            if wrong:
                return Held((f"step {n}: {wrong}",), ())
        player.let_prompts_end()
        mistakes = await self._ended_otherwise(player)
        self._call.hang_up()
        if self._conversation.exit.startswith("queue:") or self._conversation.exit in {IN_FLOW, LEFT}:
            player.cut.add(player.said)  # by our hanging up
        mistakes += [
            wrong
            for n, prompts in sayings.items()
            if (wrong := self._witness.wrong(self._playback(n), prompts, whole=n not in player.cut))
        ]
        story = await self._story()
        return Held((*mistakes, *self._remembered_otherwise(story, player.notes)), tuple(_notes(story)))

    async def _do(self, step: Step, player: Rehearsal, within_s: float) -> str:
        match step:
            case Hears(prompts):
                playback = self._playback(player.heard)
                if not await holds_within(lambda: bool(self._witness.played[playback]), within_s):
                    return f"nothing is said, but {list(prompts)} was expected"
                return self._witness.wrong(playback, prompts)
            case Keys(keys):
                await self._call.press(keys)
            case Silence():
                return await self._as_far_as(player, within_s)
            case HangsUp():
                if wrong := await self._as_far_as(player, within_s, but_last=True):
                    return wrong
                self._call.hang_up()
            case World() | Says():
                raise AssertionError("no telephone brings this about: see undialable")
        return ""

    async def _as_far_as(self, player: Rehearsal, within_s: float, *, but_last: bool = False) -> str:
        """Wait until as much is remembered as the rehearsal noted; but for what the next step itself brings."""
        expected = [note for note in player.notes if not but_last or note.what != "survey_ended"]

        async def there() -> bool:
            return len(_notes(await self._events())) >= len(expected)

        if await holds_within(there, within_s):
            return ""
        happened = len(_notes(await self._events()))
        return f"{happened} things happened in {within_s:g} s, but {len(expected)} were expected"

    async def _ended_otherwise(self, player: Rehearsal) -> list[str]:
        expected = self._conversation.exit
        if expected == LEFT:
            return []
        if wrong := await self._as_far_as(player, self._patience_s):
            return [wrong]
        if expected == IN_FLOW:
            contact = self._contact()
            return [] if contact is not None and contact.phase is Phase.IVR else ["is in the flow no more"]
        if expected.startswith("queue:"):
            place = (Phase.QUEUED, expected.removeprefix("queue:"))

            def waits_there() -> bool:
                contact = self._contact()
                return contact is not None and (contact.phase, contact.queue) == place

            waits = await holds_within(waits_there, self._patience_s)
            return [] if waits else [f"does not wait in {place[1]}"]
        await self._call.ended(self._patience_s)
        ended = [event for event in await self._story() if event.type == "contact.ended"]
        state = ended[0].data["end_state"] if ended else "in the middle"
        return [] if state == expected else [f"ended with {state!r} instead of {expected!r}"]

    def _remembered_otherwise(self, story: Sequence[EventRow], notes: Sequence[Note]) -> list[str]:
        happened = _notes(story)
        found = [
            f"what happened {n} was {_said(there)} instead of {_said(noted)}"
            for n, (there, noted) in enumerate(zip(happened, notes, strict=False), 1)
            if _said(there) != _said(noted)
        ][:1]
        if not found and len(happened) != len(notes):
            found = [f"{len(happened)} things happened instead of {len(notes)}: {happened[len(notes) :]}"]
        flow = self._part.flow
        entered = [event.data for event in story if event.type == "ivr.entered"]
        if [(each["flow"], each["flow_version"]) for each in entered] != [(flow.id, flow.version)]:
            found.append(f"the contact is stamped with {entered}")
        failed = [event.data for event in story if event.type == "contact.failed"]
        return [*found, *(f"the contact failed: {each}" for each in failed)]

    async def _arrived(self) -> bool:
        """Whether somebody dialed our number, even if they are gone again."""
        found = [one.contact_id for one in self._center.switchboard.contacts if one.dialed == self._dialed]
        if not found:
            stored = (await self._center.queries.contacts(ContactFilter(), limit=STORED)).contacts
            found = [one.contact_id for one in stored if one.dialed == self._dialed]
        self._contact_id = found[0] if found else ""
        return bool(found)

    def _contact(self) -> Contact | None:
        live = self._center.switchboard.contacts
        return next((contact for contact in live if contact.contact_id == self._contact_id), None)

    async def _events(self) -> Sequence[EventRow]:
        return await self._center.queries.contact_events(self._contact_id)

    async def _story(self) -> Sequence[EventRow]:
        """All that is remembered of the visit, once it is over and in the database."""
        await holds_within(lambda: self._contact() is None, self._patience_s)
        await self._center.writer.until(self._center.journal.position, WRITTEN_S)
        return await self._events()

    def _playback(self, n: int) -> str:
        return f"{self._contact_id}.p{n}"


def _notes(story: Sequence[EventRow]) -> list[Note]:
    """What is remembered of the visit, in the interpreter's words."""

    def each() -> Iterator[Note]:
        for event in story:
            kind, _, what = event.type.partition(".")
            detail: dict[str, Value] = {name: value for name, value in event.data.items() if name != "node"}
            if kind == "ivr" and what not in {"entered", "left"}:
                yield Note(what, str(event.data["node"]), detail)
            elif kind == "survey":
                yield Note(f"survey_{what}", str(event.data["node"]), detail)

    return list(each())


def _said(note: Note) -> tuple[str, str, dict[str, object]]:
    return note.what, note.node, dict(note.detail)


async def holds_within(condition: Callable[[], bool] | Callable[[], Awaitable[bool]], within_s: float) -> bool:
    """Look again and again whether the condition holds; whether it did within the seconds given."""

    async def holds() -> bool:
        found = condition()
        return found if isinstance(found, bool) else await found

    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not await holds():
        if loop.time() > deadline:
            return False
        await asyncio.sleep(LOOK_S)
    return True

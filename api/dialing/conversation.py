"""One scripted conversation on a real call: a caller presses the keys, and everything is compared.

It is played twice at once: by telephone, and in virtual time by the rehearsal, which says what has to have happened
after each step. In the end what the caller heard is what the script says, and what is remembered of the visit is, note
by note, what the rehearsal noted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from api.dialing.abreast import Rehearsal
from api.dialing.answers import ScriptedAnswers
from api.dialing.callers import CallLost
from api.dialing.part import Held, Part
from api.dialing.playlist import Playlist
from api.dialing.recogniser import ScriptedRecogniser
from callcenter.contact.model import Contact, Phase
from callcenter.db.queries import ContactFilter, EventRow
from callcenter.runtime import CallCenter
from ivr.expression import Value
from ivr.script import IN_FLOW, LEFT, HangsUp, Hears, Keys, Says, Silence, Step, World
from ivr.turn import Note

HAPPENS_S: Final = 60.0  # real prompts last longer than those of the rehearsal
WRITTEN_S: Final = 30.0
LOOK_S: Final = 0.05
STORED: Final = 50  # of the latest contacts, more than are held at once


@dataclass(frozen=True, slots=True)
class Around:
    """What is around a call center that is dialed: who watches what it plays, and who answers it as the script says."""

    playlist: Playlist
    answers: ScriptedAnswers
    recogniser: ScriptedRecogniser


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


class ByTelephone:
    """A conversation about to be held by a caller who dials `dialed` at a running call center.

    What is to happen has `patience_s` to do so, longer than in virtual time.
    """

    def __init__(
        self,
        part: Part,
        center: CallCenter,
        around: Around,
        call: Telephone,
        dialed: str,
        patience_s: float = HAPPENS_S,
    ) -> None:
        self._part = part
        self._conversation = part.conversation
        self._center = center
        self._playlist, self._answers, self._recogniser = around.playlist, around.answers, around.recogniser
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
            cursor = player.turn.cursor
            wrong = await self._asked(cursor.requests) if cursor.asked_at is not None else ""
            wrong = wrong or player.do(step)  # what goes otherwise in virtual time already needs no telephone
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
            if (wrong := self._playlist.wrong(self._playback(n), prompts, whole=n not in player.cut))
        ]
        story = await self._story()
        return Held((*mistakes, *self._remembered_otherwise(story, player.notes)), tuple(_notes(story)))

    async def _do(self, step: Step, player: Rehearsal, within_s: float) -> str:
        match step:
            case Hears(prompts):
                playback = self._playback(player.heard)
                if not await holds_within(lambda: bool(self._playlist.played[playback]), within_s):
                    return f"nothing is said, but {list(prompts)} was expected"
                return self._playlist.wrong(playback, prompts)
            case Keys(keys):
                await self._call.press(keys)
            case Silence():
                return await self._as_far_as(player, within_s)
            case HangsUp():
                if wrong := await self._as_far_as(player, within_s, but_last=True):
                    return wrong
                self._call.hang_up()
            case World(outcome, values):
                return await self._answer(player, outcome, values)
            case Says(words):
                listening_id = f"{self._contact_id}.l{player.spoken_in}"
                if not await holds_within(lambda: self._recogniser.listens(listening_id), within_s):
                    return f"nobody listens to the caller in {within_s:g} s"
                self._recogniser.hear(listening_id, words)
        return ""

    async def _asked(self, request: int) -> str:
        """Wait until the call center asks the world for the `request`-th time."""

        def asked() -> bool:
            return self._answers.asked_s(self._contact_id, request) is not None

        there = await holds_within(asked, self._patience_s)
        return "" if there else f"nothing was asked in {self._patience_s:g} s"

    async def _answer(self, player: Rehearsal, outcome: str, values: Mapping[str, Value]) -> str:
        """Let the world answer, as long after the question as it did in virtual time."""
        request, after_s = player.answered
        if wrong := await self._asked(request):
            return wrong
        asked_s = self._answers.asked_s(self._contact_id, request)
        assert asked_s is not None
        await asyncio.sleep(asked_s + after_s - asyncio.get_running_loop().time())
        self._answers.answer(self._contact_id, outcome, values)
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
        if expected != "voicemail":  # whose line is open until they have said it
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
            if (kind == "ivr" and what not in {"entered", "left"}) or kind == "customer":
                yield Note(what, str(event.data["node"]), detail)
            elif kind == "survey":
                yield Note(f"survey_{what}", str(event.data["node"]), detail)

    return list(each())


def _said(note: Note) -> tuple[str, str, dict[str, object]]:
    """A note without the one thing that differs on the phone: how long an answer took."""
    return note.what, note.node, {name: value for name, value in note.detail.items() if name != "took_s"}


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

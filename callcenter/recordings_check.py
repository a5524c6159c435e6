"""Recordings are looked at after each talk, and the folder they go into before each: nothing is missing in silence.

Asterisk says nothing when a disk is full, so each recording's files are compared with the talk's interval
(`recordings.verify`), in a thread, one after the other. What was not looked at when we died is looked at when we are
back: it is a state in the journal from the recording's start on. The folders are looked at now and then; while the
first is not fit, recordings go to the second one, if there is one.
"""

import asyncio
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec
import structlog

from callcenter.clock import Clock
from callcenter.contact.model import Contact
from callcenter.db.projections import RecordingRow
from callcenter.errors import DatabaseError, JournalError
from callcenter.ports import Append, Entry, Journal, StateChange
from callcenter.recordings_folders import Folders
from recordings.folders import why_unfit
from recordings.naming import recording_files
from recordings.verify import Checked, Verdict, check

log = structlog.get_logger()

STREAM: Final = "recordings"
PENDING: Final = "recording/"
"""States of recordings that were not looked at yet are named so, with the recording's id behind."""
PENDING_MAX: Final = 50_000
UNCHECKED: Final = "unchecked"
LOOK_S: Final = 10.0
SETTLE_S: Final = (1.0, 5.0)
"""A file is closed a moment after its talk. So long after the talk we look, and once more if it is not as it should."""
DOUBT_S: Final = 300.0
"""For so long after a recording into it went wrong, the first folder is not recorded into."""

_encode = msgspec.json.Encoder(order="deterministic").encode


class _Started(msgspec.Struct):
    recording_id: str
    caller_file: str
    agent_file: str


class _Stopped(msgspec.Struct):
    recording_id: str
    duration_s: float


class _Failed(msgspec.Struct):
    recording_id: str


_started = msgspec.json.Decoder(_Started).decode
_stopped = msgspec.json.Decoder(_Stopped).decode
_failed = msgspec.json.Decoder(_Failed).decode


@dataclass(slots=True)
class Pending:
    """A recording that was not looked at yet. `second`: it was begun while recordings went to the second folder."""

    recording_id: str
    caller_file: str
    agent_file: str
    started_at: float
    second: bool = False


_pending = msgspec.json.Decoder(Pending).decode


@dataclass(slots=True)
class State:
    """How recording is: what became of recordings since the start, how many wait, and what is wrong with the folders.

    `second`: recordings go to the second folder now.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    pending: int = 0
    second: bool = False
    why: str = ""


class Rows(Protocol):
    """Recordings, as the database knows them."""

    async def recording(self, recording_id: str) -> RecordingRow | None:
        """One recording; raises DatabaseError."""


class Memory(Journal, Protocol):
    """The journal, with what it has kept for us."""

    async def last_seqs(self, prefix: str) -> dict[str, int]:
        """The highest seq of every stream whose name begins so."""


class RecordingsCheck:
    """Hears of recordings as they are committed, looks at them when their talk is over, and says where the next go.

    `rows` tell how long a recording should be, where we were dead as its talk ended.
    """

    def __init__(
        self,
        folders: Folders,
        clock: Clock,
        journal: Memory,
        rows: Rows,
        digest: Callable[[], str],
        *,
        settle_s: tuple[float, float] = SETTLE_S,
        look_s: float = LOOK_S,
    ) -> None:
        self.folders = folders
        self.state = State()
        self._clock = clock
        self._journal = journal
        self._digest = digest
        self._rows = rows
        self._settle_s = settle_s
        self._look_s = look_s
        self._seq = 0
        self._known: dict[str, Pending] = {}
        self._seen_to: dict[str, float] = {}  # recordings whose end nobody saw: they certainly ran until then
        self._seen_all_to = 0.0
        self._due: list[tuple[float, str, int, float | None]] = []  # when, which, how often looked, the talk's length
        self._doubt, self._doubt_until = "", 0.0
        self._second_unfit: str | None = "it was not looked at yet"
        self._woken = asyncio.Event()

    # --- at the start ---------------------------------------------------------------------------------------------

    async def restore(self, states: Mapping[str, bytes], left_behind: Iterable[Contact], lived_to: float) -> None:
        """Go on where the journal ends, with an event of `lived_to`.

        What is still being recorded is looked at after its talk, all else now.
        """
        self._seq = (await self._journal.last_seqs(STREAM)).get(STREAM, 0)
        self._seen_all_to = lived_to
        for stream, state in states.items():
            if stream.startswith(PENDING):
                try:
                    pending = _pending(state)
                except msgspec.MsgspecError:
                    log.exception("a recording of another version is not looked at", stream=stream)
                    continue
                self._known[pending.recording_id] = pending
        running = set()
        for talk in (contact.talk for contact in left_behind):
            if talk is None or talk.recording_id is None:
                continue
            running.add(talk.recording_id)
            if talk.recording_id not in self._known:  # we died before we had noted it
                files = recording_files(talk.recording_id, talk.started_at)
                self._note(Pending(talk.recording_id, files.caller_file, files.agent_file, talk.started_at))
        for recording_id in self._known.keys() - running:
            self._look_later(recording_id, self._settle_s[0], 0, None)
        self.state.pending = len(self._known)

    def unseen(self, contact_ids: Iterable[str]) -> None:
        """A reconcile found that these contacts lost a leg, and nobody can say when.

        After a start of ours, their talks lasted at least until the last event before; after a broken link, who knows.
        """
        ended = set(contact_ids)
        for recording_id in self._known:
            if recording_id.partition(".")[0] in ended:
                self._seen_to[recording_id] = self._seen_all_to
        self._seen_all_to = 0.0

    # --- while it runs --------------------------------------------------------------------------------------------

    def prefix(self) -> str:
        """What to put before a recording's file names, for Asterisk: nothing for the first folder."""
        second = self.folders.second
        return f"{second.in_asterisk}/" if self.state.second and second is not None else ""

    def heard(self, committed: Sequence[tuple[int, Entry]]) -> None:
        """Take these events, in order; those of other types cost a look at their type."""
        for _, entry in committed:
            match entry.type:
                case "recording.started":
                    body = _started(entry.data)
                    files = (body.caller_file, body.agent_file)
                    self._note(Pending(body.recording_id, *files, entry.at, self.state.second))
                case "recording.stopped":
                    stopped = _stopped(entry.data)
                    if stopped.recording_id in self._known:
                        self._look_later(stopped.recording_id, self._settle_s[0], 0, stopped.duration_s)
                case "recording.failed":
                    self._forget(_failed(entry.data).recording_id)
                case _:
                    pass

    async def run(self) -> None:
        """Look at folders and recordings, for ever: a vital task."""
        look_at = self._clock.now()
        while True:
            now = self._clock.now()
            if now >= look_at:
                await self._look_at_folders()
                look_at = self._clock.now() + self._look_s
            elif self._due and self._due[0][0] <= now:
                _, recording_id, looked, talk_s = heapq.heappop(self._due)
                await self._look_at(recording_id, looked, talk_s)
            else:
                next_at = min(look_at, self._due[0][0]) if self._due else look_at
                self._woken.clear()
                try:
                    async with asyncio.timeout(max(0.0, next_at - now)):
                        await self._woken.wait()
                except TimeoutError:
                    pass

    # --- one recording --------------------------------------------------------------------------------------------

    def _note(self, pending: Pending) -> None:
        if len(self._known) >= PENDING_MAX:
            log.error("a recording is not looked at: too many wait", recording_id=pending.recording_id)
            self.state.verdicts[UNCHECKED] += 1
            return
        self._known[pending.recording_id] = pending
        self.state.pending = len(self._known)
        self._append((), StateChange(PENDING + pending.recording_id, _encode(pending)))

    def _forget(self, recording_id: str) -> None:
        if self._known.pop(recording_id, None) is not None:
            self.state.pending = len(self._known)
            self._append((), StateChange(PENDING + recording_id, None))

    def _look_later(self, recording_id: str, after_s: float, looked: int, talk_s: float | None) -> None:
        heapq.heappush(self._due, (self._clock.now() + after_s, recording_id, looked, talk_s))
        self._woken.set()

    async def _look_at(self, recording_id: str, looked: int, talk_s: float | None) -> None:
        pending = self._known.get(recording_id)
        if pending is None:
            return
        again_s = self._settle_s[1]
        if talk_s is None:
            try:
                row = await self._rows.recording(recording_id)
            except DatabaseError:
                self._look_later(recording_id, again_s, looked, None)  # it knows, once it is back
                return
            talk_s = None if row is None else row.duration_s
            if talk_s is None and looked == 0:
                self._look_later(recording_id, again_s, 1, None)  # the writer may be behind
                return
        folders, least_s = self.folders, self._least_s(pending, talk_s)
        files = (pending.caller_file, pending.agent_file)
        found = await asyncio.to_thread(check, folders.first, folders.second_path, *files, least_s)
        if found.verdict is not Verdict.VERIFIED and looked == 0:
            self._look_later(recording_id, again_s, 1, talk_s)
            return
        self._decide(pending, found, least_s)

    def _least_s(self, pending: Pending, talk_s: float | None) -> float:
        """How long the recording must be, whoever saw how much of the talk; 0 if nobody can say."""
        seen_to = self._seen_to.get(pending.recording_id)
        if talk_s is None:
            return 0.0
        return talk_s if seen_to is None else max(0.0, min(talk_s, seen_to - pending.started_at))

    def _decide(self, pending: Pending, found: Checked, talk_s: float) -> None:
        del self._known[pending.recording_id]
        self._seen_to.pop(pending.recording_id, None)
        self.state.pending = len(self._known)
        self.state.verdicts[found.verdict.value] += 1
        second = found.second if found.verdict is not Verdict.MISSING else pending.second
        body = {
            "recording_id": pending.recording_id,
            "contact_id": pending.recording_id.partition(".")[0],
            "talk_s": round(talk_s, 3),
            "caller_s": found.caller_s,
            "agent_s": found.agent_s,
            "folder": _folder(second),
        }
        if found.verdict is not Verdict.VERIFIED:
            body["reason"] = found.reason
            log.warning("a recording does not hold its talk", verdict=found.verdict.value, **body)
            if found.reason != "silent" and not second:
                self._doubt_until = self._clock.now() + DOUBT_S
                self._doubt = f"recording {pending.recording_id} went wrong ({found.reason})"
                self._choose(self._doubt)
        self._tell(f"recording.{found.verdict.value}", body, StateChange(PENDING + pending.recording_id, None))

    # --- the folders ----------------------------------------------------------------------------------------------

    async def _look_at_folders(self) -> None:
        folders = self.folders
        # To go back there must be more room than it takes to stay, or we would go to and fro.
        wanted = folders.low_bytes * 2 if self.state.second else folders.low_bytes
        first = await asyncio.to_thread(why_unfit, folders.first, wanted)
        if folders.second is not None:
            self._second_unfit = await asyncio.to_thread(why_unfit, folders.second.path, folders.low_bytes)
        if first is None and self._clock.now() < self._doubt_until:
            first = self._doubt
        self._choose(first)

    def _choose(self, first: str | None) -> None:
        """Record into the first folder unless `first` says why not; then into the second, if that is fit."""
        go = first is not None and self.folders.second is not None and self._second_unfit is None
        why = "" if first is None else first
        if first is not None and not go:
            none = self.folders.second is None
            why += "; there is no second folder" if none else f"; and the second: {self._second_unfit}"
        if why and not self.state.why:
            log.error("recordings are at risk", folder=str(self.folders.first), why=why, second=go)
        elif self.state.why and not why:
            log.info("recordings are safe again", folder=str(self.folders.first))
        changed, self.state.second, self.state.why = go != self.state.second, go, why
        if changed:
            self._tell("recordings.diverted" if go else "recordings.returned", {"folder": _folder(go), "why": why})

    # --- the journal ----------------------------------------------------------------------------------------------

    def _tell(self, type_: str, body: Mapping[str, Any], *states: StateChange) -> None:
        self._seq += 1
        entry = Entry(STREAM, self._seq, self._clock.now(), type_, 1, _encode(body), self._digest(), "check")
        self._append((entry,), *states)

    def _append(self, entries: Sequence[Entry], *states: StateChange) -> None:
        try:
            self._journal.append(Append(entries, states))
        except JournalError as error:
            log.error("what became of a recording is not recorded", why=str(error))  # noqa: TRY400 - no bug


def _folder(second: bool) -> str:
    return "second" if second else "first"

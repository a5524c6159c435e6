"""Recordings are looked at once, whoever died meanwhile, and go where there is room; nothing goes wrong in silence."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callcenter.companions.errors import CompanionError
from callcenter.config.settings import load_settings
from callcenter.contact.model import Contact, Phase, Talk
from callcenter.db.projections import RecordingRow
from callcenter.ports import Append, Entry
from callcenter.recordings_check import DOUBT_S, RecordingsCheck
from callcenter.recordings_folders import Folders, SecondFolder, second_folder
from recordings.naming import recording_files
from tests.kit.tones import tone, write_wav
from tests.kit.waiting import until

AT = 1_795_000_000.0
ID = "c1.r1"
IN_ASTERISK = "/mnt/second"


@dataclass
class Memory:
    """A journal that forgets on power-off, and a clock that stands until it is set."""

    appended: list[Append] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)
    rows: dict[str, RecordingRow] = field(default_factory=dict)
    at: float = AT

    def now(self) -> float:
        return self.at

    def append(self, item: Append) -> None:
        self.appended.append(item)
        for change in item.states:
            if change.state is None:
                self.kept.pop(change.stream, None)
            else:
                self.kept[change.stream] = change.state

    async def last_seqs(self, prefix: str) -> dict[str, int]:
        seqs = [entry.seq for item in self.appended for entry in item.entries if entry.stream == prefix]
        return {prefix: max(seqs)} if seqs else {}

    async def recording(self, recording_id: str) -> RecordingRow | None:
        return self.rows.get(recording_id)

    @property
    def told(self) -> list[tuple[str, Mapping[str, Any]]]:
        """(type, body) of the events."""
        return [(each.type, msgspec.json.decode(each.data)) for item in self.appended for each in item.entries]


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    return Folders(tmp_path / "first", SecondFolder(tmp_path / "second", IN_ASTERISK), 1)


def checks(memory: Memory, folders: Folders) -> RecordingsCheck:
    return RecordingsCheck(folders, memory, memory, memory, lambda: "site-1", settle_s=(0.0, 0.0), look_s=3600.0)


@asynccontextmanager
async def at_work(memory: Memory, folders: Folders) -> AsyncIterator[RecordingsCheck]:
    checking = checks(memory, folders)
    await checking.restore(memory.kept, (), 0.0)
    task = asyncio.create_task(checking.run())
    try:
        yield checking
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def started(recording_id: str = ID, at: float = AT) -> Entry:
    files = recording_files(recording_id, at)
    body = {"recording_id": recording_id, "caller_file": files.caller_file, "agent_file": files.agent_file}
    return Entry("contact/c1", 1, at, "recording.started", 1, msgspec.json.encode(body), "site-1")


def stopped(recording_id: str = ID, duration_s: float = 60.0) -> Entry:
    body = {"recording_id": recording_id, "duration_s": duration_s}
    return Entry("contact/c1", 2, AT + duration_s, "recording.stopped", 1, msgspec.json.encode(body), "site-1")


def heard(checking: RecordingsCheck, *entries: Entry) -> None:
    checking.heard(list(enumerate(entries, 1)))


def recorded(folder: Path, recording_id: str = ID, seconds: float = 60.0) -> None:
    files = recording_files(recording_id, AT)
    for name in (files.caller_file, files.agent_file):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_wav(folder / name, [tone(400.0, seconds)])


async def looked_at(memory: Memory, count: int = 1) -> Mapping[str, Any]:
    """Wait for so many verdicts; the last one, with its type."""
    await until(lambda: len([1 for type_, _ in memory.told if type_.startswith("recording.")]) >= count, "a verdict")
    type_, body = [told for told in memory.told if told[0].startswith("recording.")][-1]
    return {**body, "type": type_}


def talking(recording_id: str = ID) -> Contact:
    talk = Talk("agent01", "c1.o1", "c1.b1", AT, recording_id=recording_id)
    return Contact("c1", "ch1", "100", None, "", None, "gold", "en", AT - 20.0, Phase.TALKING, talk=talk)


async def test_a_recording_that_holds_its_talk_is_verified(memory: Memory, folders: Folders) -> None:
    recorded(folders.first)
    async with at_work(memory, folders) as checking:
        heard(checking, started(), stopped())
        assert await looked_at(memory) == {
            "type": "recording.verified",
            "recording_id": ID,
            "contact_id": "c1",
            "talk_s": 60.0,
            "caller_s": 60.0,
            "agent_s": 60.0,
            "folder": "first",
        }
        assert (checking.state.verdicts["verified"], checking.state.pending) == (1, 0)
    assert memory.kept == {}, "nothing is left to look at"


@pytest.mark.parametrize(
    ("seconds", "type_", "reason"), [(20.0, "recording.truncated", "short"), (None, "recording.missing", "no_file")]
)
async def test_what_does_not_hold_its_talk_is_said_and_the_next_ones_go_to_the_second_folder(
    memory: Memory, folders: Folders, seconds: float | None, type_: str, reason: str
) -> None:
    if seconds is not None:
        recorded(folders.first, seconds=seconds)
    async with at_work(memory, folders) as checking:
        assert checking.prefix() == ""
        heard(checking, started(), stopped())
        found = await looked_at(memory)
        assert (found["type"], found["reason"], found["caller_s"]) == (type_, reason, seconds or 0.0)
        assert checking.prefix() == f"{IN_ASTERISK}/"
        assert checking.state.why == f"recording {ID} went wrong ({reason})"
        recorded(folders.second_path or folders.first, "c2.r1")
        heard(checking, started("c2.r1"), stopped("c2.r1"))
        assert (await looked_at(memory, 2))["folder"] == "second"
        memory.at += DOUBT_S + 1
        await checking._look_at_folders()
        assert (checking.prefix(), checking.state.why) == ("", "")
    assert [told[0] for told in memory.told if "recordings." in told[0]] == [
        "recordings.diverted",
        "recordings.returned",
    ]


async def test_a_silent_talk_is_said_and_blames_no_folder(memory: Memory, folders: Folders) -> None:
    files = recording_files(ID, AT)
    recorded(folders.first)
    for name in (files.caller_file, files.agent_file):
        write_wav(folders.first / name, [tone(400.0, 60.0) * 0])
    async with at_work(memory, folders) as checking:
        heard(checking, started(), stopped())
        assert (await looked_at(memory))["reason"] == "silent"
        assert (checking.prefix(), checking.state.why) == ("", "")


async def test_without_room_in_the_first_folder_recordings_go_to_the_second_and_come_back(
    memory: Memory, folders: Folders, tmp_path: Path
) -> None:
    async with at_work(memory, folders) as checking:
        folders.first.rename(tmp_path / "unmounted")
        await checking._look_at_folders()
        assert checking.prefix() == f"{IN_ASTERISK}/"
        assert "can't be written" in checking.state.why
        await checking._look_at_folders()
        (tmp_path / "unmounted").rename(folders.first)
        await checking._look_at_folders()
        assert checking.prefix() == ""
    types = [type_ for type_, _ in memory.told]
    assert types == ["recordings.diverted", "recordings.returned"], "said once each"


async def test_with_both_folders_unfit_or_no_second_one_it_stays_with_the_first_and_says_so(
    memory: Memory, folders: Folders, tmp_path: Path
) -> None:
    for case in (Folders(folders.first, None, 1 << 60), Folders(folders.first, folders.second, 1 << 60)):
        checking = checks(memory, case)
        await checking._look_at_folders()
        await checking._look_at_folders()
        assert checking.prefix() == ""
        assert checking.state.why.count("second") == 1
    assert memory.told == []


async def test_a_recording_that_never_began_is_not_looked_at(memory: Memory, folders: Folders) -> None:
    async with at_work(memory, folders) as checking:
        failed = Entry("contact/c1", 2, AT, "recording.failed", 1, b'{"recording_id":"c1.r1","reason":"gone"}', "")
        heard(checking, started(), failed, stopped())
        assert (checking.state.pending, memory.kept, memory.told) == (0, {}, [])


async def test_what_was_not_looked_at_is_looked_at_after_a_restart_with_the_length_that_the_database_knows(
    memory: Memory, folders: Folders
) -> None:
    heard(checks(memory, folders), started(), stopped())  # and it dies
    assert list(memory.kept) == [f"recording/{ID}"]
    recorded(folders.first, seconds=30.0)
    row = RecordingRow(ID, "c1", "n1", "agent01", AT, "", "", "always", 60.0, "done")
    memory.rows[ID] = row
    async with at_work(memory, folders):
        found = await looked_at(memory)
    assert (found["type"], found["talk_s"], found["caller_s"]) == ("recording.truncated", 60.0, 30.0)
    assert memory.kept == {}


async def test_a_talk_that_goes_on_over_a_restart_is_looked_at_when_it_is_over(
    memory: Memory, folders: Folders
) -> None:
    recorded(folders.first)
    checking = checks(memory, folders)
    await checking.restore({}, [talking()], 0.0)  # it died before it had noted the recording
    assert (checking.state.pending, list(memory.kept)) == (1, [f"recording/{ID}"])
    task = asyncio.create_task(checking.run())
    await asyncio.sleep(0.05)
    assert memory.told == []
    heard(checking, stopped())
    assert (await looked_at(memory))["type"] == "recording.verified"
    task.cancel()


@pytest.mark.parametrize(
    ("last_at", "seconds", "type_"),
    [
        (AT + 20.0, 25.0, "recording.verified"),  # they hung up while we were dead, some time after 20 s
        (AT + 40.0, 25.0, "recording.truncated"),  # we saw them talk for 40 s
        (0.0, 1.0, "recording.verified"),  # nobody can say
    ],
)
async def test_a_talk_whose_end_nobody_saw_must_be_there_as_far_as_it_was_seen(
    memory: Memory, folders: Folders, last_at: float, seconds: float, type_: str
) -> None:
    recorded(folders.first, seconds=seconds)
    checking = checks(memory, folders)
    await checking.restore({}, [talking()], last_at)
    checking.unseen(["c1"])
    task = asyncio.create_task(checking.run())
    heard(checking, stopped(duration_s=60.0))
    assert (await looked_at(memory))["type"] == type_
    task.cancel()


async def test_the_stream_of_recordings_counts_on_after_a_restart(memory: Memory, folders: Folders) -> None:
    for n in (1, 2):
        recorded(folders.first, f"c{n}.r1")
        async with at_work(memory, folders) as checking:
            heard(checking, started(f"c{n}.r1"), stopped(f"c{n}.r1"))
            await looked_at(memory, n)
    assert [entry.seq for item in memory.appended for entry in item.entries] == [1, 2]


def test_the_second_folder_must_be_one_that_asterisk_can_see(tmp_path: Path) -> None:
    first, root = tmp_path / "first", tmp_path / "root"
    first.mkdir()
    named: Callable[[Path], Any] = lambda path: load_settings(var=tmp_path, recordings_fallback=path)  # noqa: E731
    assert second_folder(load_settings(var=tmp_path), first, root=None) is None
    assert second_folder(named(tmp_path / "a"), first, root=None) == SecondFolder(tmp_path / "a", str(tmp_path / "a"))
    assert second_folder(named(root / "srv/b"), first, root=root) == SecondFolder(root / "srv/b", "/srv/b")
    with pytest.raises(CompanionError, match="sees nothing outside"):
        second_folder(named(tmp_path / "a"), first, root=root)
    (tmp_path / "file").touch()
    with pytest.raises(CompanionError, match="can't be made"):
        second_folder(named(tmp_path / "file" / "sub"), first, root=None)

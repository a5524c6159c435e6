"""A journal file that was damaged while we were down: put aside, salvaged, and never a word of it made up."""

import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from callcenter.db.journal_file import JOURNAL_STREAM, JournalFile
from callcenter.db.salvage import PAGE, sealed
from callcenter.db.stored import Stored
from callcenter.errors import JournalError
from callcenter.ports import Append, Entry, StateChange
from tests.database import AT

CONTACTS = 60
LATER = AT + 100.0


def contact_event(contact: int, seq: int, kind: str = "test.happened", size: int = 200) -> Entry:
    data = msgspec.json.encode({"n": seq, "text": "x" * size})
    return Entry(f"contact/{contact}", seq, AT + seq, kind, 1, data, "site-1", "why")


def filled(path: Path, *, close: bool = True) -> list[Stored]:
    """A journal of contacts, most of them live, with an agent's events between and one event of several pages."""
    file = JournalFile(path, "n1", AT)
    for n in range(CONTACTS):
        entries = [contact_event(n, seq) for seq in (1, 2, 3)]
        if n % 10 == 0:
            entries.append(contact_event(n, 4, "contact.ended"))
        if n == 7:
            entries.append(contact_event(n, 4, size=20_000))
        state = None if n % 10 == 0 else msgspec.json.encode({"seq": entries[-1].seq, "contact_id": str(n)})
        file.write([Append(entries[:1], (StateChange(f"contact/{n}", b'{"seq":1}'),))])
        file.write([Append(entries[1:], (StateChange(f"contact/{n}", state),))])
        agent = Entry("agent/ann", n + 1, AT + n, "agent.changed", 1, b"{}", "site-1")
        file.write([Append((agent,), (StateChange("agent/ann", b'{"presence":"available"}'),))])
    stored = file.read_after(0, 10_000)
    if close:
        file.close()
    else:  # as a killed process leaves it: much of it only in the log
        for ending in ("", "-wal"):
            shutil.copyfile(path.with_name(path.name + ending), path.with_name(f"killed{ending}"))
        file.close()
        for ending in ("", "-wal"):
            path.with_name(f"killed{ending}").replace(path.with_name(path.name + ending))
    return stored


def reopened(path: Path) -> tuple[JournalFile, list[Stored]]:
    file = JournalFile(path, "n1", LATER)
    return file, file.read_after(0, 10_000)


def patched(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as handle:
        handle.seek(offset)
        handle.write(content)


def middle_page(path: Path) -> int:
    return path.stat().st_size // PAGE // 2 * PAGE


def cut_in_half(path: Path) -> None:
    with path.open("r+b") as handle:
        handle.truncate(path.stat().st_size // 2 + 77)


def flip_a_bit_of_an_event(path: Path) -> None:
    content = path.read_bytes()
    patched(path, content.index(b"xxxxxxxx", middle_page(path)), b"y")


DAMAGES: dict[str, tuple[Callable[[Path], None], int]] = {
    "truncated": (cut_in_half, 40),
    "a bit flipped in an event": (flip_a_bit_of_an_event, 239),
    "a page of zeros": (lambda path: patched(path, middle_page(path), bytes(PAGE)), 200),
    "the first page gone": (lambda path: patched(path, 0, b"\xff" * PAGE), 200),
    "not a database any more": (lambda path: patched(path, 0, b"nonsense"), 241),
    "its own name changed": (lambda path: patched(path, 68, b"\0"), 241),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_put_aside_and_the_rest_goes_on(tmp_path: Path, damage: str) -> None:
    path, (spoil, at_least) = tmp_path / "j", DAMAGES[damage]
    told = filled(path)
    spoil(path)
    spoiled = path.read_bytes()
    file, read = reopened(path)
    assert file.quarantined is not None
    assert Path(file.quarantined.path).read_bytes() == spoiled, "nothing is thrown away"
    ours = [event for event in read if event.entry.stream != JOURNAL_STREAM]
    assert set(ours) <= set(told), "nothing is made up"
    assert len(ours) >= at_least
    assert file.quarantined.events >= len(ours)
    (notice,) = [event for event in read if event.entry.stream == JOURNAL_STREAM]
    assert notice.entry.type == "journal.quarantined"
    assert notice.position > told[-1].position
    assert file.epoch > told[-1].epoch
    file.close()
    again, _ = reopened(path)
    assert again.quarantined is None, "the successor is sound"
    again.close()


def test_states_that_are_not_older_than_their_events_are_salvaged(tmp_path: Path) -> None:
    path = tmp_path / "j"
    filled(path)
    patched(path, 0, b"nonsense")
    file, _ = reopened(path)
    states = file.live_states()
    live = {f"contact/{n}" for n in range(CONTACTS) if n % 10}
    assert set(states) == {*live, "agent/ann"}, "the ended ones stay ended"
    assert states["contact/7"] == b'{"seq":4,"contact_id":"7"}'
    assert states["contact/8"] == b'{"seq":3,"contact_id":"8"}'
    file.close()


def test_what_only_the_log_held_is_salvaged_too(tmp_path: Path) -> None:
    path = tmp_path / "j"
    told = filled(path, close=False)
    assert path.stat().st_size < 20 * PAGE, "the file itself has little of it"
    wal = path.with_name("j-wal")
    patched(wal, wal.stat().st_size // 2, b"\xff\xff\xff\xff")  # SQLite ignores the log from here on, silently
    file, read = reopened(path)
    assert file.quarantined is not None
    assert "log" in file.quarantined.flaw
    assert len(set(told) - set(read)) < 12, "all but a page"
    file.close()


def test_a_killed_process_leaves_a_sound_journal(tmp_path: Path) -> None:
    told = filled(tmp_path / "j", close=False)
    file, read = reopened(tmp_path / "j")
    assert file.quarantined is None
    assert read == told
    file.close()


def test_salvaged_events_keep_their_identity_and_new_ones_get_another_journals(tmp_path: Path) -> None:
    path = tmp_path / "j"
    told = filled(path)
    patched(path, 0, b"nonsense")
    file, read = reopened(path)
    old, new = file.births
    assert file.journal_of(told[0].position) == file.journal_of(told[-1].position) == old
    assert file.journal_of(read[-1].position) == new
    assert file.drained < told[0].position, "all of it is sent again, and meets its own hash"
    file.close()


def test_without_its_birth_an_agents_event_is_not_sent_under_a_false_one(tmp_path: Path) -> None:
    path = tmp_path / "j"
    filled(path)
    content = path.read_bytes()
    for _ in range(content.count(b'"births"')):
        patched(path, path.read_bytes().index(b'"births"'), b'"nothing')
    file, read = reopened(path)
    assert file.quarantined is not None
    assert {event.entry.stream.partition("/")[0] for event in read} == {"contact", JOURNAL_STREAM}
    file.close()


@pytest.mark.parametrize("done", ["building", "salvaged"])
def test_a_crash_while_salvaging_is_taken_up(tmp_path: Path, done: str) -> None:
    path = tmp_path / "j"
    told = filled(path)
    if done == "building":  # half a successor, and the damaged file still in place
        patched(path, 0, b"nonsense")
        path.with_name("j.building").write_bytes(b"half")
    else:  # a whole successor, and the damaged file not yet gone
        path.rename(path.with_name("j.salvaged"))
        path.write_bytes(b"damaged")
        path.with_name("j-wal").write_bytes(b"damaged too")
    file, read = reopened(path)
    assert set(told) <= set(read)
    file.close()


def test_a_file_that_is_gone_is_a_new_journal_above_the_lost_one(tmp_path: Path) -> None:
    told = filled(tmp_path / "j")
    (tmp_path / "j").unlink()
    file, read = reopened(tmp_path / "j")
    assert read == []
    assert file.position > told[-1].position
    file.close()


def test_a_newer_schema_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "j"
    filled(path)
    other = sqlite3.connect(path)
    other.execute("UPDATE meta SET value = 3 WHERE key = 'schema'")
    other.commit()
    other.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="has schema 3, this program writes schema 2; start the matching version"):
        reopened(path)
    assert path.read_bytes() == before


def test_the_first_schema_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "j"
    told = filled(path)
    other = sqlite3.connect(path)
    states = other.execute("SELECT stream, state FROM live_state").fetchall()
    other.executemany("UPDATE live_state SET state = ? WHERE stream = ?", [(state[4:], name) for name, state in states])
    other.execute("DELETE FROM meta")
    born = int(AT) << 20
    facts = [("node", "n1"), ("epoch", 5), ("born", born), ("drained", born), ("schema", 1)]
    other.executemany("INSERT INTO meta VALUES (?, ?)", facts)
    other.commit()
    other.close()
    file, read = reopened(path)
    assert file.quarantined is None
    assert read == told
    assert file.births == (born,)
    assert file.live_states()["contact/8"] == b'{"seq":3,"contact_id":"8"}'
    file.close()
    again, _ = reopened(path)
    assert sealed(b'{"seq":3,"contact_id":"8"}') in path.read_bytes()
    again.close()


def test_a_journal_that_may_not_be_written_is_refused_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j"
    filled(path)
    path.chmod(stat.S_IRUSR)
    before = path.read_bytes()
    connect = sqlite3.connect
    # Root may write anything: what a read-only file system says is said by SQLite's own read-only mode.
    monkeypatch.setattr(
        sqlite3, "connect", lambda name, **rest: connect(f"file:{name}?mode=ro&immutable=1", uri=True, **rest)
    )
    with pytest.raises(JournalError, match="check the folder's rights"):
        reopened(path)
    assert path.read_bytes() == before

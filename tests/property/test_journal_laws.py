"""Laws of the journal: whatever is appended, in whatever portions and however often reopened, it is the sequence."""

import itertools
import tempfile
from functools import cache
from pathlib import Path
from unittest.mock import patch

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.db import journal_reads
from callcenter.db.journal_file import JOURNAL_STREAM, JournalFile
from callcenter.db.stored import Stored, content_hash
from callcenter.errors import JournalError
from callcenter.ports import Append, Entry, StateChange

AT = 1_795_000_000.0
STREAMS = st.sampled_from(["contact/a", "contact/b", "agent/x", "site"])
STATES = st.none() | st.binary(max_size=20)
ITEMS = st.tuples(st.lists(STREAMS, max_size=4), st.lists(st.tuples(STREAMS, STATES), max_size=3))
# A portion is one transaction; None closes the file and opens it again.
PORTIONS = st.lists(st.none() | st.lists(ITEMS, min_size=1, max_size=70), max_size=8)


@given(PORTIONS)
@settings(max_examples=60, deadline=None)
def test_the_file_is_the_sequence_of_what_was_appended(
    portions: list[list[tuple[list[str], list[tuple[str, bytes | None]]]] | None],
) -> None:
    seqs = {stream: itertools.count(1) for stream in ("contact/a", "contact/b", "agent/x", "site")}
    expected: list[Entry] = []
    states: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = JournalFile(Path(folder) / "j", "n1", AT)
        born, epochs = file.births[0], [file.epoch]
        for portion in portions:
            if portion is None:
                file.close()
                file = JournalFile(Path(folder) / "j", "n1", AT)
                epochs.append(file.epoch)
                continue
            items: list[Append] = []
            for streams, changes in portion:
                entries = [Entry(stream, next(seqs[stream]), AT, "t", 1, b'{"x":1}', "s") for stream in streams]
                items.append(Append(entries, [StateChange(*change) for change in changes]))
                expected += entries
                for stream, state in changes:
                    states.pop(stream, None)
                    if state is not None:
                        states[stream] = state
            file.write(items)
        read = file.read_after(born, len(expected) + 1)
        assert [stored.entry for stored in read] == expected
        assert [stored.position for stored in read] == list(range(born + 1, born + 1 + len(expected)))
        assert all(stored.hash == content_hash(stored.entry) for stored in read)
        assert file.live_states() == states
        assert file.last_seqs("") == {entry.stream: entry.seq for entry in expected}
        assert epochs == sorted(set(epochs))
        file.close()


# What can happen to a file while nobody looks: bytes overwritten here and there, the end cut off.
WOUNDS = st.lists(st.tuples(st.floats(0.0, 1.0), st.binary(min_size=1, max_size=5_000)), min_size=1, max_size=3)


@cache
def written(ending: str) -> tuple[bytes, bytes, list[Stored], dict[str, set[bytes]]]:
    """A journal of some contacts and an agent: its file and its log, its events, and every state a stream ever had.

    With an `ending` it is as a killed process leaves it.
    """
    states: dict[str, set[bytes]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path, wal = Path(folder) / "j", Path(folder) / "j-wal"
        file = JournalFile(path, "n1", AT)
        for n in range(20):
            for seq in (1, 2, 3):
                entry = Entry(f"contact/{n}", seq, AT + seq, "test.happened", 1, b'{"x":"' + b"y" * 150 + b'"}', "s")
                state = b'{"seq":%d,"of":%d}' % (seq, n)
                states.setdefault(entry.stream, set()).add(state)
                file.write([Append((entry,), (StateChange(entry.stream, state),))])
            file.write([Append((Entry("agent/x", n + 1, AT, "agent.changed", 1, b"{}", "s"),))])
        stored = file.read_after(0, 1000)
        killed = path.read_bytes(), wal.read_bytes()
        file.close()
        return *(killed if ending else (path.read_bytes(), b"")), stored, states


@given(WOUNDS, st.sampled_from(["", "-wal"]), st.none() | st.floats(0.0, 1.0))
@settings(max_examples=50, deadline=None)
def test_however_a_file_is_damaged_nothing_false_is_read_and_nothing_is_lost_in_silence(
    wounds: list[tuple[float, bytes]], ending: str, cut: float | None
) -> None:
    whole, log, told, states = written(ending)
    content = bytearray(log if ending else whole)
    for place, bytes_ in wounds:
        start = int(place * (len(content) - 1))
        content[start : start + len(bytes_)] = bytes_[: len(content) - start]
    # A log that is cut off is a log that was never written to its end: nothing tells the one from the other.
    kept = len(content) if cut is None or ending else max(1, int(cut * len(content)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        path.write_bytes(whole)
        Path(f"{path}{ending}").write_bytes(content[:kept])
        try:
            file = JournalFile(path, "n1", AT + 10.0)
        except JournalError as refused:
            if "has schema" in str(refused) or "not a journal of ours" in str(refused):
                return
            raise
        read = [event for event in file.read_after(0, 1000) if event.entry.stream != JOURNAL_STREAM]
        # Position and epoch say where an event was kept, not what happened: its hash does not speak for them.
        contents = {(event.entry, event.hash) for event in told}
        assert {(event.entry, event.hash) for event in read} <= contents, "nothing is made up"
        assert len({event.position for event in read}) == len(read)
        assert all(state in states[stream] for stream, state in file.live_states().items())
        if not ending:
            assert len(read) == len(told) or file.quarantined is not None, "nothing is lost in silence"
        last = max((event.position for event in read), default=0)
        assert file.position >= last
        file.write([Append((Entry("contact/new", 1, AT, "t", 1, b"{}", "s"),))])
        assert file.read_after(last, 10)[-1].entry.stream == "contact/new"
        file.close()


TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
ENTRIES = st.builds(
    Entry,
    stream=TEXT.map("contact/{}".format),
    seq=st.integers(1, 2**40),
    at=st.floats(600_000_000.0, 250_000_000_000.0),
    type=TEXT,
    version=st.integers(0, 100),
    data=JSON.map(msgspec.json.encode),
    site=TEXT,
    cause=TEXT,
)


@given(st.lists(ENTRIES, max_size=20, unique_by=lambda entry: (entry.stream, entry.seq)), st.integers(0, 20))
@settings(max_examples=100, deadline=None)
def test_what_is_read_as_text_is_what_is_read_row_by_row(entries: list[Entry], limit: int) -> None:
    with tempfile.TemporaryDirectory() as folder, patch.object(journal_reads, "SPELLED_EVENTS", 7):
        file = JournalFile(Path(folder) / "j", "n1", AT)
        file.write([Append(entries)])
        texts = file.spelled_after(file.births[0], limit)
        assert [event for text in texts for event in journal_reads.read_spelled(text)] == file.read_after(
            file.births[0], limit
        )
        assert len(texts) == -(-min(limit, len(entries)) // 7)
        file.close()

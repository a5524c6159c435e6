"""Laws of the journal: whatever is appended, in whatever portions and however often reopened, it is the sequence."""

import itertools
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.db.journal_file import JournalFile, content_hash
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
        born, epochs = file.born, [file.epoch]
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

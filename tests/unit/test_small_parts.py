"""The small parts: clean text from the network, ids that sort by time, a clock that never goes back, file names."""

import subprocess
import sys
from itertools import pairwise

from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st

from callcenter.clock import AnchoredClock
from callcenter.db.migrate import config, newest
from callcenter.entropy import Entropy
from callcenter.switchboard import shown
from recordings.naming import recording_files


@given(st.text(max_size=500))
def test_text_of_the_network_is_short_and_holds_no_control_characters(raw: str) -> None:
    text = shown(raw)
    assert len(text) <= 64
    assert all(ord(character) >= 32 and not 0x7F <= ord(character) <= 0x9F for character in text)


def test_markup_is_kept_as_the_text_it_is() -> None:
    assert shown('<img onerror="x">王小明') == '<img onerror="x">王小明'


def test_contact_ids_sort_by_time_and_repeat_with_their_seed() -> None:
    instants = [1_763_760_000.0 + n / 100 for n in range(100)]
    first, second = Entropy(7), Entropy(7)
    ids = [first.contact_id(at) for at in instants]
    assert ids == sorted(ids)
    assert ids == [second.contact_id(at) for at in instants]
    assert all(contact_id[14] == "7" for contact_id in ids)
    assert len(set(ids)) == len(ids)


def test_a_stream_of_lots_does_not_depend_on_other_streams() -> None:
    alone, crowded = Entropy(7), Entropy(7)
    crowded.stream("other").random()
    assert alone.stream("jitter").random() == crowded.stream("jitter").random()


def test_the_clock_never_goes_back() -> None:
    clock = AnchoredClock()
    instants = [clock.now() for _ in range(1000)]
    assert all(a <= b for a, b in pairwise(instants))


def test_a_recordings_files_lie_in_the_utc_day_of_its_start() -> None:
    files = recording_files("0193.r1", 1_763_769_599.0)
    assert files.caller_file == "2025/11/21/0193.r1.caller.wav"
    assert files.agent_file == "2025/11/21/0193.r1.agent.wav"


def test_the_newest_migration_is_known_without_loading_alembic() -> None:
    assert newest() == ScriptDirectory.from_config(config()).get_current_head()
    program = "import sys, api.serving; print(*(name for name in ('alembic', 'numpy') if name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == [], "a start after a crash loads what calls need"

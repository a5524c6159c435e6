"""Whether a recording holds its talk: by its files alone, whatever Asterisk said of them."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings.folders import PROBE, make, why_unfit
from recordings.verify import SHORT_BY_S, SHORT_BY_SHARE, Checked, Verdict, check
from tests.kit.tones import tone, write_wav

CALLER, AGENT = "c.wav", "a.wav"


def recorded(folder: Path, caller_s: float, agent_s: float, *, hz: float = 400.0, level_db: float = -12.0) -> None:
    for name, seconds in ((CALLER, caller_s), (AGENT, agent_s)):
        write_wav(folder / name, [tone(hz, seconds, level_db)])


def silent(folder: Path, name: str, seconds: float) -> None:
    write_wav(folder / name, [tone(400.0, seconds) * 0])


def looked(folder: Path, talk_s: float, second: Path | None = None) -> Checked:
    return check(folder, second, CALLER, AGENT, talk_s)


def test_two_sides_as_long_as_the_talk_are_verified(tmp_path: Path) -> None:
    recorded(tmp_path, 60.0, 59.5)
    assert looked(tmp_path, 60.0) == Checked(Verdict.VERIFIED, "", 60.0, 59.5)


@pytest.mark.parametrize(("caller_s", "agent_s"), [(20.0, 60.0), (60.0, 20.0), (0.0, 0.0)])
def test_a_side_that_ends_before_the_talk_is_truncated(tmp_path: Path, caller_s: float, agent_s: float) -> None:
    recorded(tmp_path, caller_s, agent_s)
    assert looked(tmp_path, 60.0) == Checked(Verdict.TRUNCATED, "short", caller_s, agent_s)


@pytest.mark.parametrize("lacking", [(CALLER,), (AGENT,), (CALLER, AGENT)])
def test_a_side_that_is_not_there_is_missing(tmp_path: Path, lacking: tuple[str, ...]) -> None:
    recorded(tmp_path, 60.0, 60.0)
    for name in lacking:
        (tmp_path / name).unlink()
    assert looked(tmp_path, 60.0) == Checked(Verdict.MISSING, "no_file")


@pytest.mark.parametrize("content", [b"", b"RIFF", bytes(4096), b"RIFF\0\0\0\0WAVEfmt "])
def test_a_file_whose_head_is_no_wav_is_truncated(tmp_path: Path, content: bytes) -> None:
    recorded(tmp_path, 60.0, 60.0)
    (tmp_path / AGENT).write_bytes(content)
    found = looked(tmp_path, 60.0)
    assert (found.verdict, found.reason) == (Verdict.TRUNCATED, "unreadable")


def test_a_file_that_was_cut_while_it_was_written_counts_what_is_there_not_what_its_head_says(tmp_path: Path) -> None:
    recorded(tmp_path, 60.0, 60.0)
    whole = (tmp_path / AGENT).read_bytes()
    (tmp_path / AGENT).write_bytes(whole[: 44 + 16_000 * 10])
    assert looked(tmp_path, 60.0) == Checked(Verdict.TRUNCATED, "short", 60.0, 10.0)
    zeros = whole[:4] + bytes(4) + whole[8:40] + bytes(4) + whole[44:]  # Asterisk died before it wrote the sizes
    (tmp_path / AGENT).write_bytes(zeros)
    assert looked(tmp_path, 60.0).verdict is Verdict.VERIFIED


def test_a_talk_in_which_no_byte_is_heard_on_either_side_is_silent(tmp_path: Path) -> None:
    for name in (CALLER, AGENT):
        silent(tmp_path, name, 60.0)
    assert looked(tmp_path, 60.0) == Checked(Verdict.TRUNCATED, "silent", 60.0, 60.0)


def test_one_side_may_be_silent_and_so_may_a_talk_of_a_moment(tmp_path: Path) -> None:
    recorded(tmp_path, 60.0, 60.0)
    silent(tmp_path, AGENT, 60.0)
    assert looked(tmp_path, 60.0).verdict is Verdict.VERIFIED, "the agent was on mute"
    silent(tmp_path, CALLER, 2.0)
    silent(tmp_path, AGENT, 2.0)
    assert looked(tmp_path, 2.0).verdict is Verdict.VERIFIED


def test_a_word_at_the_end_of_a_long_silence_is_heard(tmp_path: Path) -> None:
    recorded(tmp_path, 60.0, 60.0)
    silent(tmp_path, AGENT, 600.0)
    write_wav(tmp_path / CALLER, [tone(400.0, 599.0) * 0])
    with (tmp_path / CALLER).open("ab") as file:
        file.write(b"\1\0" * 8000)
    # The head says 599 s, the file has a second more: what the head says is what is played.
    assert looked(tmp_path, 598.0).reason == "silent"
    samples = tone(400.0, 599.0) * 0
    samples[-1] = 7
    write_wav(tmp_path / CALLER, [samples])
    assert looked(tmp_path, 598.0).verdict is Verdict.VERIFIED


def test_a_recording_is_found_in_the_second_folder_and_after_it_was_moved_back(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    recorded(second, 60.0, 60.0)
    assert looked(first, 60.0).verdict is Verdict.MISSING
    assert looked(first, 60.0, second) == Checked(Verdict.VERIFIED, "", 60.0, 60.0, second=True)
    for name in (CALLER, AGENT):
        (second / name).rename(first / name)
    assert looked(first, 60.0, second) == Checked(Verdict.VERIFIED, "", 60.0, 60.0, second=False)
    assert looked(first, 60.0, tmp_path / "unmounted").verdict is Verdict.VERIFIED


@settings(max_examples=40, deadline=None)
@given(talk_s=st.floats(0.0, 40.0), caller_s=st.floats(0.0, 40.0), agent_s=st.floats(0.0, 40.0))
def test_verified_is_exactly_what_lacks_no_more_than_is_allowed(talk_s: float, caller_s: float, agent_s: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        recorded(Path(folder), caller_s, agent_s)
        found = looked(Path(folder), talk_s)
    allowed_s = SHORT_BY_S + talk_s * SHORT_BY_SHARE
    lacks_s = talk_s - min(found.caller_s, found.agent_s)
    if abs(lacks_s - allowed_s) > 0.001:
        assert (found.verdict is Verdict.VERIFIED) == (lacks_s < allowed_s)


def test_a_folder_is_unfit_without_room_or_when_nothing_can_be_written(tmp_path: Path) -> None:
    assert why_unfit(tmp_path, 1) is None
    assert list(tmp_path.iterdir()) == [], "the probe is gone"
    assert "are wanted" in str(why_unfit(tmp_path, 1 << 60))
    assert "can't be written" in str(why_unfit(tmp_path / "unmounted", 1))
    (tmp_path / PROBE).mkdir()
    assert "can't be written" in str(why_unfit(tmp_path, 1))


def test_a_folder_is_made_for_whom_the_first_belongs_to_and_one_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    make(tmp_path / "other" / "recordings", tmp_path)
    made = tmp_path / "other" / "recordings"
    assert (made.stat().st_uid, made.stat().st_gid) == (tmp_path.stat().st_uid, tmp_path.stat().st_gid)
    made.chmod(0o700)
    make(made, tmp_path)
    assert made.stat().st_mode & 0o777 == 0o700

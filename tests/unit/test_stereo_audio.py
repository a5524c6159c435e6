"""Recordings as audio: two mono files become stereo, any range of it, and no file outside the folder."""

import io
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.ranges import RangeUnsatisfiable, span_of
from recordings.stereo import AudioMissing, Span, StereoAudio, open_stereo

CALLER = np.arange(1, 40_001, dtype="<i2")
AGENT = -np.arange(1, 39_001, dtype="<i2")


def write_wav(path: Path, samples: "np.ndarray[tuple[int], np.dtype[np.int16]]", rate_hz: int = 8000) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.tobytes())


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recordings")
    write_wav(root / "caller.wav", CALLER)
    write_wav(root / "agent.wav", AGENT)
    return root


@pytest.fixture(scope="module")
def audio(recordings: Path) -> StereoAudio:
    return open_stereo(recordings, "caller.wav", "agent.wav")


def read(audio: StereoAudio, span: Span) -> bytes:
    return b"".join(audio.read(span))


def test_the_whole_is_a_stereo_wav_caller_left_agent_right_padded_with_silence(audio: StereoAudio) -> None:
    whole = read(audio, Span(0, audio.length - 1))
    assert len(whole) == audio.length
    with wave.open(io.BytesIO(whole)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        stereo = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    assert np.array_equal(stereo[:, 0], CALLER)
    assert np.array_equal(stereo[: len(AGENT), 1], AGENT)
    assert not stereo[len(AGENT) :, 1].any()
    assert audio.duration_s == 5.0


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_range_is_that_part_of_the_whole(audio: StereoAudio, data: st.DataObject) -> None:
    whole = read(audio, Span(0, audio.length - 1))
    first = data.draw(st.integers(0, audio.length - 1))
    last = data.draw(st.integers(first, min(audio.length - 1, first + 90_000)))
    assert read(audio, Span(first, last)) == whole[first : last + 1]


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-0", Span(0, 0)),
        ("bytes=10-", Span(10, 99)),
        ("bytes=10-1000", Span(10, 99)),
        ("bytes=-5", Span(95, 99)),
        ("bytes=-1000", Span(0, 99)),
        ("bytes=0-1,5-6", None),
        ("bytes=7-3", None),
        ("bytes=-", None),
        ("lines=1-2", None),
        ("bytes=" + "9" * 70_000, None),
    ],
)
def test_a_range_header_means_what_the_rfc_says(header: str | None, span: Span | None) -> None:
    assert span_of(header, 100) == span


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_outside_is_unsatisfiable(header: str) -> None:
    with pytest.raises(RangeUnsatisfiable):
        span_of(header, 100)


def test_a_recording_still_running_has_zero_sizes_in_its_header_and_plays_as_far_as_it_is(recordings: Path) -> None:
    raw = bytearray((recordings / "caller.wav").read_bytes())
    raw[4:8] = raw[40:44] = bytes(4)
    (recordings / "running.wav").write_bytes(raw)
    assert open_stereo(recordings, "running.wav", "agent.wav").frames == len(CALLER)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../outside.wav",
        "a/../../outside.wav",
        "missing.wav",
        "link.wav",
        "nul\0.wav",
        ".",
        "x" * 5000,
    ],
)
def test_a_file_name_never_leads_out_of_the_folder(recordings: Path, name: str) -> None:
    write_wav(recordings.parent / "outside.wav", CALLER)
    link = recordings / "link.wav"
    if not link.is_symlink():
        link.symlink_to(recordings.parent / "outside.wav")
    with pytest.raises(AudioMissing):
        open_stereo(recordings, name, "agent.wav")


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0\1\0", b"x" * 100]
)
def test_what_is_no_audio_is_said_to_be_none(recordings: Path, content: bytes) -> None:
    (recordings / "broken.wav").write_bytes(content)
    with pytest.raises(AudioMissing):
        open_stereo(recordings, "broken.wav", "agent.wav")


def test_two_sides_of_different_rates_are_refused(recordings: Path) -> None:
    write_wav(recordings / "wide.wav", AGENT, rate_hz=16_000)
    with pytest.raises(AudioMissing):
        open_stereo(recordings, "caller.wav", "wide.wav")

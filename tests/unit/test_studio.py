"""Studio recordings become prompts of one loudness and format, or are refused with the reason."""

import io
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callcenter.config.folder import _wrong_audio
from callcenter.recorded import TARGET_DBFS, BadRecording, Recording
from callcenter.studio import BYTES_MAX, PEAK_DBFS, RATE_HZ, _levelled, loudness_dbfs, studio


def speech(seconds: float = 2.0, level: float = 0.1, rate: int = 48_000) -> np.ndarray:
    """Something like speech: syllables of a tone with pauses between."""
    t = np.arange(int(seconds * rate)) / rate
    return level * np.sin(2 * np.pi * 300 * t) * (np.sin(2 * np.pi * 2 * t) > 0)


def wav(samples: np.ndarray, rate: int = 48_000, channels: int = 1) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as audio:
        audio.setnchannels(channels)
        audio.setsampwidth(2)
        audio.setframerate(rate)
        audio.writeframes((np.clip(samples, -1, 1) * 32_767).round().astype("<i2").tobytes())
    return out.getvalue()


def heard(recording: Recording) -> np.ndarray:
    with wave.open(io.BytesIO(recording.audio)) as audio:
        return np.frombuffer(audio.readframes(audio.getnframes()), "<i2") / 32_767


def hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.argmax(spectrum) * RATE_HZ / len(samples))


@pytest.mark.parametrize("kind", ["wav", "flac", "aiff"])
@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (48_000, 1), (96_000, 2)])
def test_a_recording_of_any_format_is_what_asterisk_plays_and_says_the_same(
    kind: str, rate: int, channels: int, tmp_path: Path
) -> None:
    source = tmp_path / "in.wav"
    source.write_bytes(wav(np.repeat(speech(rate=rate), channels), rate, channels))
    target = tmp_path / f"in.{kind}"
    if kind != "wav":
        subprocess.run(["sox", str(source), str(target)], check=True)
    made = studio(target.read_bytes())
    written = tmp_path / "out.wav"
    written.write_bytes(made.audio)
    assert _wrong_audio(written) is None
    assert made.loudness_dbfs == pytest.approx(TARGET_DBFS, abs=0.1)
    assert hz(heard(made)) == pytest.approx(300, abs=5)
    assert 1.5 < made.length_s < 2.3


@given(st.floats(-40, -12), st.floats(0.5, 5.0))
@example(db=-40.0, length_s=0.703125)  # most of it is under the gate before it is levelled
@example(db=-38.0, length_s=0.5625)
@settings(deadline=None, max_examples=40)
def test_however_loud_it_was_a_prompt_is_as_loud_as_the_others_unless_its_peak_forbids(
    db: float, length_s: float
) -> None:
    samples = speech(length_s, rate=RATE_HZ)
    samples *= 10 ** (db / 20) / np.abs(samples).max()
    made = _levelled(samples)
    assert made.peak_dbfs <= PEAK_DBFS + 0.01
    assert made.loudness_dbfs == pytest.approx(TARGET_DBFS, abs=0.1) or made.peak_dbfs == pytest.approx(
        PEAK_DBFS, abs=0.1
    )
    assert loudness_dbfs(heard(made)) == pytest.approx(made.loudness_dbfs, abs=0.1)


def test_the_loudness_of_a_tone_is_its_mean_power_and_pauses_do_not_count() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 400 * np.arange(RATE_HZ) / RATE_HZ)
    assert loudness_dbfs(tone) == pytest.approx(10 * np.log10(0.125), abs=0.01)
    pauses = np.concatenate((tone, np.zeros(5 * RATE_HZ), tone))
    assert loudness_dbfs(pauses) == pytest.approx(10 * np.log10(0.125), abs=0.05)
    assert loudness_dbfs(np.zeros(RATE_HZ)) is None


def test_a_peak_is_not_driven_over_full_scale_by_a_quiet_voice() -> None:
    samples = speech(level=0.01, rate=RATE_HZ)
    samples[4_000] = 0.9
    made = _levelled(samples)
    assert made.peak_dbfs == pytest.approx(PEAK_DBFS, abs=0.1)
    assert made.loudness_dbfs < TARGET_DBFS


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no aiff, flac, wav file"),
        (b"MZ\x90\x00 a program", "no aiff, flac, wav file"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt ", "can't read|makes no sense"),
        (b"fLaC" + bytes(1_000), "can't read|makes no sense|no audio"),
        (wav(np.zeros(48_000)), "nothing is to be heard"),
        (wav(speech(level=0.005)), "too quiet"),
        (wav(np.sign(speech()) * 1.0), "clipped"),
        (wav(speech(35.0, rate=8_000), 8_000), "longer than 30 s"),
        (wav(speech(rate=4_000), 4_000), "4000 Hz"),
        (wav(np.repeat(speech(), 6), 48_000, 6), "6 channels"),
        (b"RIFF" + bytes(BYTES_MAX), "more than"),
    ],
    ids=[
        "nothing",
        "a program",
        "half a head",
        "no flac",
        "silence",
        "quiet",
        "clipped",
        "long",
        "slow",
        "six",
        "huge",
    ],
)
def test_what_can_not_be_a_prompt_is_refused_with_the_reason(content: bytes, why: str) -> None:
    with pytest.raises(BadRecording, match=why):
        studio(content)


@given(st.binary(max_size=3_000))
@settings(deadline=None, max_examples=25)
def test_whatever_is_sent_as_a_wav_is_a_prompt_or_refused(noise: bytes) -> None:
    good = wav(speech(0.5, rate=8_000), 8_000)
    for content in (good[:44] + noise, good[:20] + noise, b"RIFF" + noise):
        try:
            made = studio(content)
        except BadRecording:
            continue
        assert made.peak_dbfs <= PEAK_DBFS + 0.01

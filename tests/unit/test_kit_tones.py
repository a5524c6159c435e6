"""The kit's ears: tones that are there are found, tones that are not there are not."""

from pathlib import Path

import numpy as np
import pytest

from tests.kit.g711 import ALAW, ULAW, Law
from tests.kit.tones import level_db_at, peaks, rms_db, tone, tone_spans, tones_in, write_wav


@pytest.mark.parametrize(
    ("law", "code", "level"), [(ALAW, 0xD5, 8), (ALAW, 0xAA, 32256), (ULAW, 0xFF, 0), (ULAW, 0x80, 32124)]
)
def test_g711_codes_mean_what_the_standard_says(law: Law, code: int, level: int) -> None:
    assert law.decode(bytes([code]))[0] == level
    assert law.encode(np.array([level], np.int16)) in {bytes([code]), bytes([code ^ 0x80])} or code == 0xD5


@pytest.mark.parametrize("law", [ALAW, ULAW])
def test_every_code_survives_decoding_and_encoding_as_the_same_level(law: Law) -> None:
    codes = bytes(range(256))
    assert np.array_equal(law.decode(law.encode(law.decode(codes))), law.decode(codes))


@pytest.mark.parametrize("law", [ALAW, ULAW])
def test_two_tones_through_g711_are_heard_with_their_levels_and_nothing_else(law: Law) -> None:
    both = tone(400, 0.5, -12.0) + tone(700, 0.5, -20.0)
    found = peaks(law.decode(law.encode(both)))
    assert [round(peak.hz) for peak in found] == [400, 700]
    assert found[0].level_db == pytest.approx(-12.0, abs=0.5)
    assert found[1].level_db == pytest.approx(-20.0, abs=0.5)


def test_silence_and_too_little_audio_have_no_tones() -> None:
    assert peaks(np.zeros(4000, np.int16)) == []
    assert peaks(tone(400, 0.02)) == []
    assert level_db_at(np.zeros(0, np.int16), 400) <= -100
    assert rms_db(np.zeros(800, np.int16)) <= -100


def test_loudness_of_a_tone_is_its_level() -> None:
    assert rms_db(tone(400, 0.5, -20.0)) == pytest.approx(-20.0, abs=0.1)


def test_a_forbidden_tone_is_far_below_a_spoken_one() -> None:
    spoken = tone(1000, 0.5)
    assert level_db_at(spoken, 1000) == pytest.approx(-12.0, abs=0.1)
    assert level_db_at(spoken, 700) < -80


def test_a_stereo_recording_is_judged_channel_by_channel(tmp_path: Path) -> None:
    silence = np.zeros(8000, np.int16)
    caller = np.concatenate([tone(400, 2.0), silence])
    agent = np.concatenate([silence, tone(700, 2.0)])
    path = write_wav(tmp_path / "stereo.wav", [caller, agent])
    assert tones_in(path, 0) == {400}
    assert tones_in(path, 1) == {700}
    assert tone_spans(path, 400, 0) == [(0.0, 2.0)]
    assert tone_spans(path, 700, 1) == [(1.0, 3.0)]
    assert tone_spans(path, 700, 0) == []


def test_a_click_of_a_tone_is_not_a_tone(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "short.wav", [np.concatenate([tone(400, 0.25), np.zeros(8000, np.int16)])])
    assert tones_in(path) == set()

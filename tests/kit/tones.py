"""Tones made and tones found: each party of a test has its own, so that hearing can be proved."""

import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.kit.g711 import ALAW, Law, Samples

RATE: Final = 8_000
FULL_SCALE: Final = 32_768.0
QUIET_DB: Final = -120.0
WINDOW_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Peak:
    """One frequency that stands out: `level_db` relative to a full-scale sine."""

    hz: float
    level_db: float


def tone(hz: float, duration_s: float, level_db: float = -12.0, rate: int = RATE) -> Samples:
    """A sine of `duration_s` seconds; whole Hertz and whole seconds repeat without a click."""
    at = np.arange(round(duration_s * rate)) / rate
    return np.round(np.sin(2 * np.pi * hz * at) * _amplitude(level_db) * FULL_SCALE).astype(np.int16)


def peaks(
    samples: NDArray[np.integer | np.floating],
    rate: int = RATE,
    floor_db: float = -45.0,
    range_db: float = 28.0,
) -> list[Peak]:
    """Frequencies at or above `floor_db` and within `range_db` of the strongest, strongest first, at most 16.

    Method: Hann window, greedy maxima of the spectrum with the main lobe of each (at least 20 Hz) put aside,
    parabolic interpolation of the logarithm. G.711 leaves harmonics some 35 dB down, below the default range.
    """
    count = len(samples)
    if count < rate // 20:
        return []
    window = np.hanning(count)
    spectrum = 2.0 * np.abs(np.fft.rfft(samples * window)) / (window.sum() * FULL_SCALE)
    levels = 20.0 * np.log10(np.maximum(spectrum, 1e-6))
    levels[0] = QUIET_DB
    lobe = max(4, round(20.0 * count / rate))
    rest, found = levels.copy(), list[Peak]()
    while len(found) < 16:
        top = int(np.argmax(rest))
        if rest[top] < floor_db or (found and rest[top] < found[0].level_db - range_db):
            break
        found.append(Peak(_refined(levels, top) * rate / count, float(rest[top])))
        rest[max(0, top - lobe) : top + lobe + 1] = QUIET_DB
    return found


def level_db_at(samples: NDArray[np.integer | np.floating], hz: float, rate: int = RATE) -> float:
    """Level of one frequency by Goertzel's sum over a Hann window: the sharp check for a forbidden tone."""
    if len(samples) == 0:
        return QUIET_DB
    window = np.hanning(len(samples))
    turn = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / rate)
    level = 2.0 * abs(np.sum(samples * window * turn)) / (window.sum() * FULL_SCALE)
    return float(20.0 * np.log10(max(level, 1e-6)))


def rms_db(samples: NDArray[np.integer | np.floating]) -> float:
    """Loudness relative to a full-scale sine; -120 for silence."""
    if len(samples) == 0:
        return QUIET_DB
    rms = float(np.sqrt(np.mean(np.square(samples.astype(np.float64))))) * np.sqrt(2.0) / FULL_SCALE
    return float(20.0 * np.log10(max(rms, 1e-6)))


def read_wav(path: Path) -> tuple[int, Samples]:
    """Sample rate and samples of a 16-bit wav file, shape (n, channels)."""
    with wave.open(str(path), "rb") as file:
        assert file.getsampwidth() == 2, f"{path.name} is not 16-bit"
        raw = np.frombuffer(file.readframes(file.getnframes()), np.dtype("<i2"))
        return file.getframerate(), raw.astype(np.int16).reshape(-1, file.getnchannels())


def write_wav(path: Path, channels: Sequence[Samples], rate: int = RATE) -> Path:
    """A 16-bit wav file with one channel per array; all of one length."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.stack(channels, axis=1).astype("<i2").tobytes())
    return path


def write_g711(path: Path, samples: Samples, law: Law = ALAW) -> Path:
    """A headerless G.711 file, as SIPp's rtp_stream plays it and Asterisk's .alaw/.ulaw formats hold it."""
    path.write_bytes(law.encode(samples))
    return path


def tones_in(path: Path, channel: int = 0, *, duration_s_min: float = 0.5, floor_db: float = -35.0) -> set[int]:
    """Tones of one channel in whole tens of Hertz: those that sound for `duration_s_min` altogether."""
    sounding: dict[int, float] = {}
    for _, piece, rate in _windows(path, channel):
        for peak in peaks(piece, rate, floor_db):
            hz = round(peak.hz / 10) * 10
            sounding[hz] = sounding.get(hz, 0.0) + len(piece) / rate
    return {hz for hz, duration_s in sounding.items() if duration_s >= duration_s_min}


def tone_spans(path: Path, hz: float, channel: int = 0, *, floor_db: float = -35.0) -> list[tuple[float, float]]:
    """Spans (from, to) in seconds where one tone sounds in a channel, exact to a window of 0.25 s."""
    spans: list[tuple[float, float]] = []
    for start_s, piece, rate in _windows(path, channel):
        if level_db_at(piece, hz, rate) < floor_db:
            continue
        end_s = start_s + len(piece) / rate
        if spans and abs(spans[-1][1] - start_s) < 1e-6:
            spans[-1] = (spans[-1][0], end_s)
        else:
            spans.append((start_s, end_s))
    return spans


def _windows(path: Path, channel: int) -> Iterator[tuple[float, Samples, int]]:
    rate, samples = read_wav(path)
    size = round(WINDOW_S * rate)
    for start in range(0, len(samples) - size + 1, size):
        yield start / rate, samples[start : start + size, channel], rate


def _refined(levels: NDArray[np.floating], top: int) -> float:
    if not 0 < top < len(levels) - 1:
        return float(top)
    left, middle, right = (float(levels[top + step]) for step in (-1, 0, 1))
    bend = left - 2.0 * middle + right
    return top + (0.5 * (left - right) / bend if bend else 0.0)


def _amplitude(level_db: float) -> float:
    return float(10.0 ** (level_db / 20.0))

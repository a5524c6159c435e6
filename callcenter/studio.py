"""A studio recording becomes what Asterisk plays: read by sox, looked at, brought to one loudness, mono 8 kHz 16 bit.

Loudness is that of speech, without its pauses: L = 10·log10(mean of x²) dBFS over frames of 20 ms, of which only those
count that lie above GATE_DBFS and at most GATE_BELOW_DB below the mean of these (the gates of ITU-R BS.1770-4, without
its K-weighting, which says little below 4 kHz). Every prompt is brought to TARGET_DBFS, where the rendered ones lie, as
far as its peak stays under PEAK_DBFS.
"""

import io
import shutil
import subprocess
import wave
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from callcenter.recorded import TARGET_DBFS, BadRecording, Recording
from ivr.prompts import PROMPT_MAX_S

BYTES_MAX: Final = 10_000_000  # 30 s of 48 kHz, 24 bit, two channels
SOX_S: Final = 20.0
RATE_HZ: Final = 8_000
FRAME: Final = 160
PEAK_DBFS: Final = -1.0
GATE_DBFS: Final = -50.0
GATE_BELOW_DB: Final = 10.0
GAIN_DB_MAX: Final = 25.0  # beyond it the noise of the room is what is heard
CLIPPED_SHARE: Final = 0.001
CLIPPED_RUN: Final = 3
SPEECH_S_MIN: Final = 0.1
PAD_S: Final = 0.1
CHANNELS_MAX: Final = 2
RATES_HZ: Final = (8_000, 96_000)

Samples = NDArray[np.float64]

_KINDS: Final = {b"RIFF": "wav", b"fLaC": "flac", b"FORM": "aiff"}  # by how the file begins


def studio(content: bytes) -> Recording:
    """The recording as a prompt. Raises BadRecording. Blocking, for at most twice SOX_S."""
    if len(content) > BYTES_MAX:
        raise BadRecording(f"it has {len(content)} bytes, more than {BYTES_MAX}")
    kind = _KINDS.get(content[:4])
    if kind is None:
        raise BadRecording(f"it is no {', '.join(sorted(_KINDS.values()))} file; save it as one of these")
    with TemporaryDirectory() as scratch:
        source = Path(scratch) / f"recording.{kind}"
        source.write_bytes(content)
        shape = tuple(_sox("--i", option, str(source)).decode().strip() for option in ("-r", "-c"))
        if not all(each.isdigit() for each in shape):
            raise BadRecording("its header makes no sense")
        rate, channels = (int(each) for each in shape)
        if not RATES_HZ[0] <= rate <= RATES_HZ[1] or not 1 <= channels <= CHANNELS_MAX:
            raise BadRecording(f"it has {channels} channels at {rate} Hz; use 1 or 2 at {RATES_HZ[0]}-{RATES_HZ[1]} Hz")
        _refuse_clipped(_samples(source, ()))
        samples = _samples(source, ("-r", str(RATE_HZ), "-c", "1"))
    return _levelled(samples)


def loudness_dbfs(samples: Samples) -> float | None:
    """The loudness of speech at RATE_HZ, as the head of this file has it; None of silence."""
    power = _frames(samples)
    loud = power[power >= 10 ** (GATE_DBFS / 10)]
    if not len(loud):
        return None
    speech = loud[loud >= loud.mean() * 10 ** (-GATE_BELOW_DB / 10)]
    return float(10 * np.log10(speech.mean()))


def _levelled(samples: Samples) -> Recording:
    before = loudness_dbfs(samples)
    if before is None:
        raise BadRecording("nothing is to be heard in it")
    if TARGET_DBFS - before > GAIN_DB_MAX:
        raise BadRecording(f"it is too quiet: {before:.1f} dBFS; record it nearer to {TARGET_DBFS:g} dBFS")
    spoken = np.flatnonzero(_frames(samples) >= 10 ** ((before - 30) / 10))  # what is left out is 30 dB below speech
    samples = samples[spoken[0] * FRAME : (spoken[-1] + 1) * FRAME]
    if len(samples) < SPEECH_S_MIN * RATE_HZ:
        raise BadRecording(f"it is shorter than {SPEECH_S_MIN:g} s")
    pad = np.zeros(int(PAD_S * RATE_HZ))
    samples = np.concatenate((pad, samples, pad))
    length_s = len(samples) / RATE_HZ
    if length_s > PROMPT_MAX_S:
        raise BadRecording(f"it lasts longer than {PROMPT_MAX_S:g} s, which is the most a prompt may last")
    gained = _nearer(_nearer(samples))  # louder, more of a quiet recording is above the gate
    after = loudness_dbfs(gained)
    assert after is not None
    return Recording(_wav(gained), length_s, before, after, _peak_dbfs(gained))


def _nearer(samples: Samples) -> Samples:
    """Brought to TARGET_DBFS by what is measured now, as far as the peak stays under PEAK_DBFS."""
    measured = loudness_dbfs(samples)
    assert measured is not None
    gain_db = min(TARGET_DBFS - measured, PEAK_DBFS - _peak_dbfs(samples))
    gained: Samples = samples * 10 ** (gain_db / 20)
    return gained


def _peak_dbfs(samples: Samples) -> float:
    return float(20 * np.log10(np.abs(samples).max()))


def _frames(samples: Samples) -> Samples:
    """The mean power of each frame of 20 ms; what does not fill the last one counts as silence."""
    padded = np.concatenate((samples, np.zeros(-len(samples) % FRAME)))
    power: Samples = (padded.reshape(-1, FRAME) ** 2).mean(axis=1)
    return power


def _refuse_clipped(samples: Samples) -> None:
    """Where several samples one after the other lie at full scale, the recording was too loud for its equipment."""
    full = (np.abs(samples) >= 0.99).astype(np.int8)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], full, [0]))))
    runs = edges[1::2] - edges[::2]
    clipped = int(runs[runs >= CLIPPED_RUN].sum())
    if clipped > CLIPPED_SHARE * len(samples):
        raise BadRecording(f"it is clipped: {clipped / len(samples):.1%} of it is at full scale; record it more softly")


def _samples(source: Path, shape: tuple[str, ...]) -> Samples:
    """The recording as sox reads it, at most as much of it as a prompt may have and a little more."""
    cut = ("trim", "0", f"{PROMPT_MAX_S * 2:g}")
    raw = _sox("-R", str(source), "-t", "raw", "-e", "floating-point", "-b", "32", "-L", *shape, "-", *cut)
    found = np.frombuffer(raw[: len(raw) // 4 * 4], "<f4").astype(np.float64)
    if not len(found) or not np.isfinite(found).all():
        raise BadRecording("no audio can be read from it")
    return found


def _sox(*arguments: str) -> bytes:
    program = shutil.which("sox")
    if program is None:
        raise BadRecording("sox is not installed on this machine; fix: apt-get install sox")
    try:
        done = subprocess.run(  # noqa: S603  our own program, a file name of ours
            (program, *arguments), capture_output=True, timeout=SOX_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BadRecording(f"it could not be read within {SOX_S:g} s") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise BadRecording(f"sox can't read it: {said[0].rpartition(': ')[2] if said else 'no reason given'}")
    return done.stdout


def _wav(samples: Samples) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(RATE_HZ)
        audio.writeframes((samples * 32_767).round().astype("<i2").tobytes())
    return out.getvalue()

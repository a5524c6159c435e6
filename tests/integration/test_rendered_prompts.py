"""Texts of any script as espeak-ng speaks them: audio that callers can be played, or a refusal that says why."""

from pathlib import Path

import pytest

from callcenter.prompts_render import Line, PromptsError, render
from tests.kit.tones import read_wav, rms_db

pytestmark = pytest.mark.integration

SPOKEN = [
    "您好,歡迎致電 👩‍👩‍👧‍👦 客服中心 😀",
    "مرحبا שלום Привет",
    "e\u0301" * 200,
    "𝓗𝓮𝓵𝓵𝓸 ﷺ",
    "\u202ehello\u202c",
    "<speak>hello<break time='60s'/></speak>",
    "--help; -w /tmp/x; $(reboot)",
    "9" * 500,
]


@pytest.mark.parametrize("voice", ["en", "zh-TW"])
@pytest.mark.parametrize("text", SPOKEN, ids=lambda text: ascii(text)[1:16])
def test_a_text_of_any_script_is_audio_for_the_telephone(voice: str, text: str, tmp_path: Path) -> None:
    render(Line(voice, "x", voice, text), tmp_path / "x.wav")
    rate, samples = read_wav(tmp_path / "x.wav")
    assert (rate, samples.shape[1]) == (8_000, 1)
    assert 0.3 < len(samples) / rate < 60.0
    assert rms_db(samples[:, 0]) > -40.0


@pytest.mark.parametrize("text", ["\u200b\u200b\u200b", "   ", "\ufeff"], ids=ascii)
def test_a_text_of_which_nothing_would_be_heard_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(PromptsError, match="en/x: nothing is heard of"):
        render(Line("en", "x", "en", text), tmp_path / "x.wav")
    assert list(tmp_path.iterdir()) == []

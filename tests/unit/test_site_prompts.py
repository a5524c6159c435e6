"""The texts of the demo site and the audio rendered from them belong together."""

from pathlib import Path

import pytest

import callcenter.config
from callcenter.prompts_render import Line, PromptsError, main, read_lines
from ivr.prompts import SYSTEM_PROMPTS, media

DEMO = Path(callcenter.config.__file__).parent / "demo_site"


def test_every_text_has_audio_and_every_audio_a_text() -> None:
    texts = {(line.language, line.prompt) for line in read_lines(DEMO / "prompts.toml")}
    audio = {(file.parent.name, file.stem) for file in (DEMO / "prompts").glob("*/*.wav")}
    assert texts == audio
    assert {(language, prompt) for language in ("zh-TW", "en") for prompt in SYSTEM_PROMPTS} <= texts


def test_the_offer_of_another_language_is_made_in_that_language() -> None:
    voices = {
        line.language: line.voice for line in read_lines(DEMO / "prompts.toml") if line.prompt == "other_language"
    }
    assert voices == {"zh-TW": "en", "en": "zh-TW"}


def test_the_media_of_prompts_are_their_files_in_order() -> None:
    assert media(("welcome", "menu"), "zh-TW", "/sounds") == ["/sounds/zh-TW/welcome", "/sounds/zh-TW/menu"]


def test_mistakes_in_texts_come_all_at_once(tmp_path: Path) -> None:
    file = tmp_path / "prompts.toml"
    file.write_text(
        '["../x"]\nen = "a"\n[b]\nfr = "b"\nen = ""\n[c]\nen = { voice = "en", txt = "c" }\n[d]\nen = "a\\u0000b"\n'
    )
    with pytest.raises(PromptsError) as refusal:
        read_lines(file)
    assert str(refusal.value).splitlines() == [
        "prompts: '../x' is not a prompt id (lower-case letters, digits, underscores)",
        "prompts.b.fr: no voice speaks 'fr'; there are zh-TW, en",
        "prompts.b.en: must be a text of 1-500 characters",
        "prompts.c.en.text: is missing",
        "prompts.c.en.txt: unknown key; did you mean 'text'?",
        "prompts.c.en: must be a text of 1-500 characters",
        "prompts.d.en: 'a\\x00b' has control characters, at which the voice stops",
    ]


def test_a_text_is_spoken_by_its_folders_voice_unless_it_names_one(tmp_path: Path) -> None:
    file = tmp_path / "prompts.toml"
    file.write_text('[a]\nen = "Hello"\nzh-TW = { voice = "en", text = "Hi" }\n')
    assert read_lines(file) == [Line("en", "a", "en", "Hello"), Line("zh-TW", "a", "en", "Hi")]


def test_a_missing_site_and_wrong_usage_are_told_by_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in ([], ["--help"], [str(tmp_path), "--agian"], [str(tmp_path), str(tmp_path)]):
        assert main(wrong) == 2
        assert "usage" in capsys.readouterr().err
    assert main([str(tmp_path)]) == 1
    assert "prompts.toml" in capsys.readouterr().err


def test_a_studio_recording_is_not_rendered_over_unless_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # so that nothing can be rendered
    (tmp_path / "prompts.toml").write_text('[welcome]\nen = "Hello."\n')
    studio = tmp_path / "prompts/en/welcome.wav"
    studio.parent.mkdir(parents=True)
    studio.write_bytes(b"from the studio")
    assert main([str(tmp_path)]) == 0
    assert studio.read_bytes() == b"from the studio"
    assert "left 1 that have audio" in capsys.readouterr().out
    assert main([str(tmp_path), "--again"]) == 1
    assert "espeak-ng is not installed" in capsys.readouterr().err

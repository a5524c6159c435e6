"""Renders a site's prompts.toml to audio: espeak-ng speaks, sox trims, levels and converts to 8 kHz mono 16 bit.

    python -m callcenter.prompts_render SITE_DIR [--speech] [--again]

What has audio already is left as it is: it may be a studio recording. With --again that is rendered, too.

With --speech also the words that values are said with (numbers, dates, money), in every language of prompts.toml that
has rules for them; a site needs them once a flow says a value.

Each table of prompts.toml is a prompt id with one text per language. A text in a language other than its folder's
is a table { voice = "en", text = "For English, press nine." }. Studio recordings replace files of the same name.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import wave
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from callcenter.errors import CallCenterError
from ivr.prompts import is_prompt_id
from ivr.reading import Reader, shown
from ivr.speech import speaker

RENDER_S_MAX = 60.0
TEXT_CHARS_MAX = 500

# Debian's `cmn` voice reads pinyin as English letters; `cmn-latn-pinyin` speaks. -b 1: UTF-8; -s: words a minute.
_VOICES = {
    "zh-TW": ("-v", "cmn-latn-pinyin", "-b", "1", "-s", "195", "-p", "55"),
    "en": ("-v", "en-us", "-b", "1", "-s", "170"),
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_PAD_S = 0.1
_TRIM = ("silence", "1", "0.01", "0.5%", "reverse")


class PromptsError(CallCenterError):
    """The prompts could not be rendered."""


@dataclass(frozen=True, slots=True)
class Line:
    """One text to speak: the folder it is for, its prompt id, and the language of its voice."""

    language: str
    prompt: str
    voice: str
    text: str


def read_lines(file: Path) -> list[Line]:
    """Every text of a prompts.toml, in its order; raises PromptsError with every mistake."""
    try:
        source = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PromptsError(f"{file}: {error}") from error
    mistakes: list[str] = []
    lines: list[Line] = []
    for prompt, table in Reader(source, "prompts", mistakes).tables():
        if not is_prompt_id(prompt):
            mistakes.append(f"prompts: {shown(prompt)} is not a prompt id (lower-case letters, digits, underscores)")
        for language in table.names:
            voice, text = language, source[prompt][language]
            if isinstance(text, dict):
                inner = table.table(language)
                voice, text = inner.text("voice"), inner.text("text")
                inner.close()
            if voice not in _VOICES:
                table.wrong(language, f"no voice speaks {shown(voice)}; there are {', '.join(_VOICES)}")
            elif not isinstance(text, str) or not 0 < len(text) <= TEXT_CHARS_MAX:
                table.wrong(language, f"must be a text of 1-{TEXT_CHARS_MAX} characters")
            elif _CONTROL.search(text):
                table.wrong(language, f"{shown(text)} has control characters, at which the voice stops")
            else:
                lines.append(Line(language, prompt, voice, text))
    if mistakes:
        raise PromptsError("\n".join(mistakes))
    return lines


def speech_lines(languages: Collection[str]) -> list[Line]:
    """The words that values are said with, of every language that has rules and a voice."""
    spoken = ((language, speaker(language)) for language in sorted(languages) if language in _VOICES)
    return [
        Line(language, prompt, language, text)
        for language, rules in spoken
        if rules is not None
        for prompt, text in rules.words.items()
    ]


def render(line: Line, target: Path) -> None:
    """Writes the audio of a line to `target`: silence trimmed to 0.1 s, peaks at -3 dB.

    Raises PromptsError, also if nothing is heard of the text.
    """
    with tempfile.TemporaryDirectory() as scratch:
        raw, done = Path(scratch) / "raw.wav", Path(scratch) / "done.wav"
        # The text travels on standard input, so that no text can be taken for an option.
        _run(("espeak-ng", *_VOICES[line.voice], "--stdin", "-w", str(raw)), line.text)
        shape = ("-r", "8000", "-c", "1", "-b", "16")
        _run(
            ("sox", "-R", str(raw), *shape, str(done), *_TRIM, *_TRIM, "norm", "-3", "pad", f"{_PAD_S}", f"{_PAD_S}"),
            "",
        )
        with wave.open(str(done)) as audio:
            if audio.getnframes() <= 2 * _PAD_S * audio.getframerate():
                raise PromptsError(f"{line.language}/{line.prompt}: nothing is heard of {shown(line.text)}")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(done, target)
        target.chmod(0o644)


def main(arguments: list[str]) -> int:
    """Renders the prompts of the site named on the command line; 0 if all went well, 2 for wrong usage."""
    folders = [argument for argument in arguments if not argument.startswith("-")]
    options = [argument for argument in arguments if argument.startswith("-")]
    if len(folders) != 1 or not {"--speech", "--again"}.issuperset(options):
        sys.stderr.write("usage: python -m callcenter.prompts_render SITE_DIR [--speech] [--again]\n")
        return 2
    site = Path(folders[0])
    try:
        lines = read_lines(site / "prompts.toml")
        if "--speech" in options:
            written = {(line.language, line.prompt) for line in lines}  # the site's own texts come first
            words = speech_lines({line.language for line in lines})
            lines += [word for word in words if (word.language, word.prompt) not in written]
        wanted = [(line, site / "prompts" / line.language / f"{line.prompt}.wav") for line in lines]
        missing = [(line, file) for line, file in wanted if "--again" in options or not file.exists()]
        for line, file in missing:
            render(line, file)
    except PromptsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"rendered {len(missing)} prompts into {site / 'prompts'}\n")
    if len(missing) < len(wanted):
        sys.stdout.write(f"left {len(wanted) - len(missing)} that have audio; --again renders these, too\n")
    return 0


def _run(command: tuple[str, ...], given: str) -> None:
    program = shutil.which(command[0])
    if program is None:
        raise PromptsError(f"{command[0]} is not installed; fix: apt-get install {command[0]}")
    try:
        subprocess.run(  # noqa: S603  our own fixed programs; the text is on standard input
            (program, *command[1:]), input=given.encode(), check=True, capture_output=True, timeout=RENDER_S_MAX
        )
    except subprocess.CalledProcessError as error:
        raise PromptsError(f"{command[0]} failed: {error.stderr.decode(errors='replace').strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise PromptsError(f"{command[0]} did not end within {RENDER_S_MAX:g} s") from error


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

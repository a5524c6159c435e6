"""A site's folder as raw data: TOML parsed, audio measured, everything hashed; what can't be read is a mistake.

The folder: site.toml, hotlines.toml, queues.toml, agents.toml; where wanted tiers.toml, rules.toml, calendars.toml
and customers.toml; flows/<id>.toml, prompts/<language>/<id>.wav, and prompts.toml, the texts the audio was rendered
from.
"""

import hashlib
import tomllib
import wave
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ivr.prompts import PROMPT_MAX_S, is_prompt_id
from ivr.reading import Reader, shown, suggest

FILE_BYTES_MAX = 8_000_000
RATE_HZ = 8_000

_REQUIRED = ("site", "hotlines", "queues", "agents")
_OPTIONAL = ("tiers", "rules", "calendars", "customers", "prompts")

# None stands for a file that can't be read: its mistake is said once, and nothing is said about what it would hold.
Table = Mapping[str, object] | None


@dataclass(slots=True)
class Folder:
    """What was read, and the mistakes so far, to which its readers add. `digest` is of every byte that was read."""

    path: Path
    mistakes: list[str] = field(default_factory=list)
    tables: dict[str, Table] = field(default_factory=dict)
    flows: dict[str, Table] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)  # flow → hash of its file
    prompts: dict[str, frozenset[str]] = field(default_factory=dict)  # language → prompts that have audio
    hashes: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that tell this content from any other."""
        return _hash("\n".join(sorted(self.hashes)).encode())

    def reader(self, stem: str) -> Reader:
        """A reader of one file; of an unreadable one, a reader whose mistakes nobody hears."""
        table = self.tables.get(stem)
        return Reader({}, stem, []) if table is None else Reader(table, stem, self.mistakes)

    def names(self, stem: str) -> Collection[str] | None:
        """The names a file defines; None if it could not be read."""
        table = self.tables.get(stem)
        return None if table is None else table.keys()


def read_folder(path: Path) -> Folder:
    """Every TOML file of the site. Never raises: what is wrong is among the mistakes."""
    folder = Folder(path)
    present = {file.stem: file for file in sorted(path.glob("*.toml"))}
    for stem in _REQUIRED:
        if stem not in present:
            folder.mistakes.append(f"{stem}.toml: is missing")
            folder.tables[stem] = None
    for stem in _OPTIONAL:
        folder.tables[stem] = {}
    for stem, file in present.items():
        if stem in (*_REQUIRED, *_OPTIONAL):
            folder.tables[stem] = _read_toml(folder, file, file.name)
        else:
            known = [f"{name}.toml" for name in (*_REQUIRED, *_OPTIONAL)]
            folder.mistakes.append(f"{file.name}: unknown file{suggest(file.name, known)}")
    for file in sorted((path / "flows").glob("*.toml")):
        folder.flows[file.stem] = _read_toml(folder, file, f"flows/{file.name}")
        folder.versions[file.stem] = folder.hashes[-1].split()[-1] if folder.flows[file.stem] is not None else ""
    return folder


def read_prompts(folder: Folder, languages: Collection[str]) -> None:
    """Finds and measures the audio of each language; wrong formats and names are mistakes."""
    for language in languages:
        if not (folder.path / "prompts" / language).is_dir():
            folder.mistakes.append(f"prompts/{language}: no such folder; every language needs its prompts")
            continue
        found = []
        for file in sorted((folder.path / "prompts" / language).glob("*.wav")):
            at = f"prompts/{language}/{file.name}"
            if not is_prompt_id(file.stem):
                folder.mistakes.append(f"{at}: {shown(file.stem)} is not a prompt id (lower-case letters, digits, _)")
            elif wrong := _wrong_audio(file):
                folder.mistakes.append(f"{at}: {wrong}")
            if content := _read(folder, file, at):
                folder.hashes.append(f"{at} {_hash(content)}")
            found.append(file.stem)
        folder.prompts[language] = frozenset(found)


def _read_toml(folder: Folder, file: Path, name: str) -> Table:
    content = _read(folder, file, name)
    if content is None:
        return None
    folder.hashes.append(f"{name} {_hash(content)}")
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        folder.mistakes.append(f"{name}: line {line}: is not UTF-8")
    except tomllib.TOMLDecodeError as error:
        folder.mistakes.append(f"{name}: {error}")  # the text ends in (at line 3, column 5)
    except RecursionError:
        folder.mistakes.append(f"{name}: is nested too deeply")
    return None


def _read(folder: Folder, file: Path, name: str) -> bytes | None:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            folder.mistakes.append(f"{name}: is larger than {FILE_BYTES_MAX} bytes")
            return None
        return file.read_bytes()
    except OSError as error:
        folder.mistakes.append(f"{name}: can't be read: {error.strerror}")
        return None


def _wrong_audio(file: Path) -> str | None:
    """What is wrong with a prompt's audio, or None."""
    try:
        with wave.open(str(file), "rb") as audio:
            shape = (audio.getnchannels(), audio.getframerate(), audio.getsampwidth())
            length_s = audio.getnframes() / max(1, audio.getframerate())
    except (OSError, EOFError, wave.Error) as error:
        return f"is no wav file: {str(error) or 'it ends early'}"
    if shape != (1, RATE_HZ, 2):
        return f"must be mono, {RATE_HZ} Hz, 16 bit, not {shape[0]} channels, {shape[1]} Hz, {8 * shape[2]} bit"
    if not 0 < length_s <= PROMPT_MAX_S:
        return f"must last up to {PROMPT_MAX_S:g} s, not {length_s:.1f} s"
    return None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]

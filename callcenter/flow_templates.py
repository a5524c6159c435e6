"""Templates: complete flows in two languages, with their conversations; a new flow of a site is made from one.

A template is a folder: template.toml (what it is, what it needs of a site), flow.toml, tests.toml and prompts.toml.
What it needs stands in flow and tests as `<name>` and is put in (`<flow>` is the new flow's id, `<tier>` the first of
its tiers); what it says is rendered where the site has no audio for it.
"""

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from callcenter.config.fields import ID
from callcenter.config.model import Site
from callcenter.config.numbers import e164
from callcenter.errors import CallCenterError
from callcenter.flow_files import write
from callcenter.prompts_render import Line, read_lines
from ivr.check import Surroundings, check
from ivr.graph import said
from ivr.model import Flow, Spoken
from ivr.parse import FlowError, parse
from ivr.reading import no_such
from ivr.speech import speaker
from ivr.speech.rules import needed

FOLDER: Final = Path(__file__).parent / "templates"
KINDS: Final = ("queue", "calendar", "tiers")

_NUMBER: Final = re.compile(r"\+?[0-9]{2,15}")

Render = Callable[[Line, Path], None]


@dataclass(frozen=True, slots=True)
class Need:
    """A name of the site that a template needs: of a queue, a calendar, or value tiers with commas between."""

    kind: str
    about: str


@dataclass(frozen=True, slots=True)
class Template:
    """A template; `lines` are its texts to speak, in every language that it has."""

    name: str
    about: str
    needs: Mapping[str, Need]
    flow: str
    tests: str
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class NewFlow:
    """A flow about to be added to a site: its texts, the audio that the site lacks, a number that leads to it."""

    flow_id: str
    flow: str
    tests: str
    lines: Sequence[Line]
    dialed: str | None = None


class TemplateError(CallCenterError):
    """No flow can be made of it; `mistakes` are all of them."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


def templates() -> Sequence[str]:
    """The names of all templates."""
    return sorted(file.parent.name for file in FOLDER.glob("*/template.toml"))


def template(name: str) -> Template:
    """A template; raises TemplateError if there is none of this name."""
    if name not in templates():
        raise TemplateError([no_such("template", name, templates())])
    folder = FOLDER / name
    head = tomllib.loads((folder / "template.toml").read_text(encoding="utf-8"))
    needs = {each: Need(**table) for each, table in head["needs"].items()}
    assert all(need.kind in KINDS for need in needs.values())
    flow, tests = ((folder / f"{file}.toml").read_text(encoding="utf-8") for file in ("flow", "tests"))
    return Template(name, head["about"], needs, flow, tests, read_lines(folder / "prompts.toml"))


def make(chosen: Template, flow_id: str, given: Mapping[str, str], site: Site, dialed: str | None = None) -> NewFlow:
    """The flow for this site; raises TemplateError with every mistake. Nothing is written."""
    mistakes = [*_wrong(chosen, flow_id, given, site), *_wrong_number(dialed, site)]
    if mistakes:
        raise TemplateError(mistakes)
    words = {name: _toml(chosen.needs[name], value) for name, value in given.items()}
    words |= {"flow": flow_id, "tier": given.get("tiers", "").partition(",")[0].strip()}
    text, tests = (_filled(part, words) for part in (chosen.flow, chosen.tests))
    try:
        flow = parse(tomllib.loads(text), flow_id, "draft")
    except FlowError as error:
        raise TemplateError(error.mistakes) from error
    lines = _lacking(chosen, flow, site)
    prompts = {
        language: {*there, *(line.prompt for line in lines if line.language == language)}
        for language, there in site.prompts.items()
    }
    flows = {**site.flows, flow_id: flow}
    around = Surroundings(site.languages, site.value_tiers, site.queues, site.calendars, prompts, flows)
    if found := check(flow, around):
        raise TemplateError(found)
    return NewFlow(flow_id, text, tests, lines, dialed)


def add(new: NewFlow, folder: Path, render: Render) -> Sequence[Path]:
    """Write the flow, its script, its texts, its audio and its number into the site's folder; what was written.

    All audio is rendered before the first file is written. Raises what `render` raises, or OSError.
    """
    with TemporaryDirectory() as scratch:
        made = []
        for n, line in enumerate(new.lines):
            render(line, Path(scratch) / f"{n}.wav")
            made.append((folder / "prompts" / line.language / f"{line.prompt}.wav", Path(scratch) / f"{n}.wav"))
        files = {target: audio.read_bytes() for target, audio in made}
    texts = folder / "prompts.toml"
    if new.lines:
        before = texts.read_text(encoding="utf-8") if texts.exists() else ""
        files[texts] = _with_texts(before, new.lines).encode()
    files[folder / "flows" / "tests" / f"{new.flow_id}.toml"] = new.tests.encode()
    files[folder / "flows" / f"{new.flow_id}.toml"] = new.flow.encode()
    if new.dialed is not None:
        hotlines = folder / "hotlines.toml"
        files[hotlines] = hotlines.read_bytes() + f'\n["{new.dialed}"]\nflow = "{new.flow_id}"\n'.encode()
    (folder / "flows").mkdir(exist_ok=True)
    for file, content in files.items():
        write(file, content)
    return list(files)


def _wrong(chosen: Template, flow_id: str, given: Mapping[str, str], site: Site) -> Sequence[str]:
    found = []
    if not ID.fullmatch(flow_id):
        found.append(f"{flow_id!r} can't be a flow's name; use 1-32 letters, digits, - and _")
    elif flow_id in site.flows or (site.folder / "flows" / f"{flow_id}.toml").exists():
        found.append(f"the site has a flow {flow_id!r} already")
    known = {"queue": site.queues, "calendar": site.calendars, "tiers": site.value_tiers}
    for name, need in chosen.needs.items():
        if name not in given:
            there = ", ".join(known[need.kind]) or "none"
            found.append(f"{name} is missing: {need.about}; the site has the {_plural(need.kind)} {there}")
        else:
            named = [each.strip() for each in given[name].split(",")] if need.kind == "tiers" else [given[name]]
            found += [no_such(need.kind, each, known[need.kind]) for each in named if each not in known[need.kind]]
    return [*found, *(no_such("need", name, chosen.needs) for name in given if name not in chosen.needs)]


def _wrong_number(dialed: str | None, site: Site) -> Sequence[str]:
    if dialed is None:
        return ()
    if not _NUMBER.fullmatch(dialed):
        return (f"{dialed!r} is no number to dial; use digits, after a + where you like",)
    taken = dialed if dialed in site.hotlines else site.dialed_e164.get(e164(dialed, site.region) or "")
    return () if taken is None else (f"{dialed} is a hotline already, as {taken}",)


def _plural(kind: str) -> str:
    return kind if kind.endswith("s") else f"{kind}s"


def _toml(need: Need, value: str) -> str:
    """A name as it stands in a flow; tiers as the words of an expression."""
    return ", ".join(f"'{each.strip()}'" for each in value.split(",")) if need.kind == "tiers" else value


def _filled(text: str, words: Mapping[str, str]) -> str:
    for name, word in words.items():
        text = text.replace(f"<{name}>", word)
    return text


def _lacking(chosen: Template, flow: Flow, site: Site) -> Sequence[Line]:
    """What the flow can say and the site has no audio for."""
    texts = {(line.language, line.prompt): line for line in chosen.lines}
    found: dict[tuple[str, str], Line] = {}
    for node in flow.nodes.values():
        for _, each in said(node):
            for language in site.languages:
                rules = speaker(language)
                if not isinstance(each, Spoken):
                    wanted = [texts[language, each]] if (language, each) in texts else []
                elif rules is not None:
                    wanted = [Line(language, word, language, rules.words[word]) for word in needed(rules, each.style)]
                else:
                    wanted = []
                found |= {(language, line.prompt): line for line in wanted if line.prompt not in site.prompts[language]}
    return list(found.values())


def _with_texts(before: str, lines: Sequence[Line]) -> str:
    """The site's prompts.toml with the texts of these lines; words of values are rendered without one."""
    there: dict[str, Any] = tomllib.loads(before)
    added: dict[str, list[str]] = {}
    for line in lines:
        if line.prompt in there:
            continue
        text = json.dumps(line.text, ensure_ascii=False)
        said_by = text if line.voice == line.language else f'{{ voice = "{line.voice}", text = {text} }}'
        added.setdefault(line.prompt, []).append(f"{line.language} = {said_by}")
    tables = "".join(f"\n[{prompt}]\n" + "".join(f"{row}\n" for row in rows) for prompt, rows in added.items())
    return before + tables

"""The files of a site, one reader each: a table becomes values, names are looked up, mistakes are collected."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from callcenter.config.model import (
    AGENT_ORDERS,
    RECORDING_POLICIES,
    Agent,
    Customer,
    Hotline,
    Queue,
)
from callcenter.config.numbers import e164, is_region
from ivr.calendar import Calendar, parse_calendar, parse_zone
from ivr.prompts import is_prompt_id
from ivr.reading import Reader, no_such, shown

PROFICIENCY_MAX = 5
NAME_CHARS_MAX = 100
RING_S_MAX, WRAP_UP_S_MAX, SL_S_MAX = 120.0, 3_600.0, 3_600.0

# These become SIP users, dialplan words and file names.
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_DIALED = re.compile(r"\+?[0-9*#]{1,20}")
_UTC = ZoneInfo("UTC")
_NOWHERE = "ZZ"  # the region in which only international numbers can be read


@dataclass(frozen=True, slots=True)
class Names:
    """The names that exist, by kind. None: their file or key was unreadable, so nothing is said about them."""

    languages: Collection[str] | None
    skills: Collection[str] | None
    value_tiers: Collection[str] | None
    hotlines: Collection[str] | None
    queues: Collection[str] | None
    agents: Collection[str] | None
    calendars: Collection[str] | None
    flows: Collection[str] | None
    prompts: Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Head:
    """site.toml: what holds for the whole site."""

    name: str
    region: str
    zone: ZoneInfo
    languages: tuple[str, ...]
    default_language: str
    skills: tuple[str, ...]
    value_tiers: tuple[str, ...]
    default_value_tier: str
    emergency_agents: tuple[str, ...]
    recording: str
    default_hotline: str


def read_head(reader: Reader) -> Head:
    """site.toml, but for the names it shares with other files (`check_head`)."""
    languages = _ids(reader, "languages")
    value_tiers = _ids(reader, "value_tiers")
    skills = _ids(reader, "skills")
    for language in languages if skills else ():
        if language not in skills:
            reader.wrong("skills", f"the language {shown(language)} must be a skill, so that agents can have it")
    head = Head(
        name=_person(reader, "name"),
        region=reader.text("region"),
        zone=parse_zone(reader, "time_zone") or _UTC,
        languages=languages,
        default_language=_known(reader, "default_language", "language", languages or None),
        skills=skills,
        value_tiers=value_tiers,
        default_value_tier=_known(reader, "default_value_tier", "value tier", value_tiers or None),
        emergency_agents=reader.texts("emergency_agents", ()),
        recording=reader.one_of("recording", RECORDING_POLICIES, "always"),
        default_hotline=reader.text("default_hotline"),
    )
    if head.region and not is_region(head.region):
        reader.wrong("region", f"no such region {shown(head.region)}; write two capitals such as 'TW'")
    reader.close()
    return head


def check_head(head: Head, names: Names, mistakes: list[str]) -> None:
    """What site.toml says of agents and hotlines."""
    agents = names.agents if names.agents is not None else head.emergency_agents
    unknown = [agent for agent in head.emergency_agents if agent not in agents]
    mistakes.extend(f"site.emergency_agents: {no_such('agent', agent, agents)}" for agent in unknown)
    dialed = head.default_hotline
    if dialed and names.hotlines is not None and dialed not in names.hotlines:
        mistakes.append(f"site.default_hotline: {no_such('hotline', dialed, names.hotlines)}")


def read_hotline(reader: Reader, dialed: str, head: Head, names: Names) -> Hotline:
    """One table of hotlines.toml."""
    if not _DIALED.fullmatch(dialed):
        reader.mistakes.append(f"{reader.path}: {shown(dialed)} can't be dialed; write digits")
    has_flow, has_queue = "flow" in reader, "queue" in reader
    if has_flow == has_queue:
        reader.mistakes.append(f"{reader.path}: needs exactly one of flow and queue")
    hotline = Hotline(
        dialed=dialed,
        flow=_known(reader, "flow", "flow", names.flows) if has_flow else None,
        queue=_known(reader, "queue", "queue", names.queues) if has_queue else None,
        language=_known(reader, "language", "language", names.languages, head.default_language),
        announcement=_prompts(reader, "announcement", names),
    )
    if hotline.announcement and has_flow:
        reader.wrong("announcement", "is for a hotline straight to a queue; a flow has its own")
    reader.close()
    return hotline


def read_queue(reader: Reader, queue: str, head: Head, names: Names) -> Queue:
    """One table of queues.toml."""
    _check_id(reader, queue)
    found = Queue(
        queue=queue,
        needs=_skills(reader, "needs", names),
        ring_s=reader.number("ring_s", 20.0, 1.0, RING_S_MAX),
        wrap_up_s=reader.number("wrap_up_s", 15.0, 0.0, WRAP_UP_S_MAX),
        agent_order=reader.one_of("agent_order", AGENT_ORDERS, "longest_idle"),
        music_class=reader.text("music_class", "default"),
        recording=reader.one_of("recording", RECORDING_POLICIES, head.recording or "always"),
        sl_s=reader.number("sl_s", 20.0, 1.0, SL_S_MAX),
    )
    if found.music_class and not ID.fullmatch(found.music_class):
        reader.wrong("music_class", f"{shown(found.music_class)} can't be a music class; use letters, digits, - and _")
    for language in found.needs:
        if language in head.languages:
            reader.wrong("needs", f"{shown(language)} is the caller's choice: every contact needs its own language")
    reader.close()
    return found


def read_agent(reader: Reader, agent_id: str, names: Names) -> Agent:
    """One table of agents.toml."""
    _check_id(reader, agent_id)
    agent = Agent(agent_id, _person(reader, "name"), _skills(reader, "skills", names))
    reader.close()
    return agent


def read_customer(reader: Reader, customer_id: str, head: Head, names: Names) -> Customer:
    """One table of customers.toml."""
    _check_id(reader, customer_id)
    customer = Customer(
        customer_id=customer_id,
        phone=reader.text("phone"),
        name=_person(reader, "name"),
        value_tier=_known(reader, "value_tier", "value tier", names.value_tiers, head.default_value_tier),
        language=_known(reader, "language", "language", names.languages) if "language" in reader else None,
        last_agent=_known(reader, "last_agent", "agent", names.agents) if "last_agent" in reader else None,
    )
    if customer.phone:
        number = e164(customer.phone, head.region if is_region(head.region) else _NOWHERE)
        if number is None:
            reader.wrong("phone", f"{shown(customer.phone)} is no number in E.164, such as '+886910000001'")
        elif number != customer.phone:
            reader.wrong("phone", f"must be E.164: write {number!r}")
    reader.close()
    return customer


def read_calendar(reader: Reader, name: str, zone: ZoneInfo) -> Calendar:
    """One table of calendars.toml."""
    _check_id(reader, name)
    return parse_calendar(reader, zone)


def uncovered(queues: Mapping[str, Queue], agents: Mapping[str, Agent], languages: Collection[str]) -> list[str]:
    """A mistake for each queue and language that no agent could ever serve: its callers would wait for ever."""
    mistakes = []
    for name, queue in queues.items():
        for language in languages:
            needs = {**queue.needs, language: 1}
            if not any(all(agent.skills.get(s, 0) >= n for s, n in needs.items()) for agent in agents.values()):
                mistakes.append(f"queues.{name}.needs: no agent has the skills to serve it in {language!r}")
    return mistakes


def _known(reader: Reader, key: str, kind: str, names: Collection[str] | None, default: str | None = None) -> str:
    """A name of its kind."""
    name = reader.text(key, default)
    if name and names is not None and name not in names:
        reader.wrong(key, no_such(kind, name, names))
    return name


def _check_id(reader: Reader, name: str) -> None:
    if not ID.fullmatch(name):
        reader.mistakes.append(f"{reader.path}: {shown(name)} can't be a name; use 1-32 letters, digits, - and _")


def _ids(reader: Reader, key: str) -> tuple[str, ...]:
    """A non-empty list of names."""
    names = reader.texts(key)
    for name in names:
        if not ID.fullmatch(name):
            reader.wrong(key, f"{shown(name)} can't be a name; use 1-32 letters, digits, - and _")
    return names


def _person(reader: Reader, key: str) -> str:
    """A name people read, in any script: printable, at most 100 characters."""
    text = reader.text(key)
    if len(text) > NAME_CHARS_MAX or not text.isprintable():
        reader.wrong(key, f"must be at most {NAME_CHARS_MAX} printable characters, not {shown(text)}")
    return text


def _skills(reader: Reader, key: str, names: Names) -> dict[str, int]:
    """A table skill → proficiency."""
    table = reader.table(key)
    for skill in table.names:
        if names.skills is not None and skill not in names.skills:
            reader.wrong(key, no_such("skill", skill, names.skills))
    return {skill: table.whole(skill, None, 1, PROFICIENCY_MAX) for skill in table.names}


def _prompts(reader: Reader, key: str, names: Names) -> tuple[str, ...]:
    prompts = reader.texts(key, ())
    for prompt in prompts:
        if not is_prompt_id(prompt):
            reader.wrong(key, f"{shown(prompt)} is not a prompt id (lower-case letters, digits, underscores)")
            continue
        for language, there in names.prompts.items():
            if prompt not in there:
                reader.wrong(key, f"{no_such('prompt', prompt, there)} (in {language})")
    return prompts

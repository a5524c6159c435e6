"""What the operator decided, as one frozen value: hotlines, queues, agents, customers, calendars, flows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from callcenter.config.numbers import e164
from callcenter.errors import CallCenterError
from ivr.calendar import Calendar
from ivr.model import Flow, FlowId, Language, PromptId

AGENT_ORDERS = ("longest_idle", "most_proficient")
RECORDING_POLICIES = ("always", "never")


class SiteError(CallCenterError):
    """The site can't be used; `mistakes` are all of them, each `path: sentence`."""

    def __init__(self, folder: Path, mistakes: tuple[str, ...]) -> None:
        count = f"{len(mistakes)} mistake{'s' if len(mistakes) != 1 else ''}"
        super().__init__("\n".join((f"the site in {folder} has {count}:", *(f"  {text}" for text in mistakes))))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Hotline:
    """A dialed number and what happens there: exactly one of `flow` and `queue` is set.

    `language` is spoken to callers of whom we know no other; `announcement` is said while a contact that goes
    straight to the queue already waits there.
    """

    dialed: str
    flow: FlowId | None
    queue: str | None
    language: Language
    announcement: tuple[PromptId, ...] = ()


@dataclass(frozen=True, slots=True)
class Queue:
    """How contacts wait and whom they are offered to.

    `needs` maps skills to the least proficiency (1…5). A contact needs, besides, the skill named like the
    language it is served in, at proficiency 1: whoever enters the contact into the queue adds it. `sl_s` is
    the threshold of "answered in time".
    """

    queue: str
    needs: Mapping[str, int]
    ring_s: float = 20.0
    wrap_up_s: float = 15.0
    agent_order: str = "longest_idle"
    music_class: str = "default"
    recording: str = "always"
    sl_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Agent:
    """A person who serves contacts; `skills` maps skills, languages among them, to proficiency 1…5."""

    agent_id: str
    name: str
    skills: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody we know before they call; `phone` is E.164. None: no wish known, nobody served them yet."""

    customer_id: str
    phone: str
    name: str
    value_tier: str
    language: Language | None = None
    last_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """The whole site, checked. `digest` tells its content apart and travels with every event.

    `value_tiers` are in order, the most valuable first: a tier's rank is its index. `skills` contains every
    language. `customers` are by customer id. `prompts` maps each language to the prompts that have audio,
    which lies in `prompts_dir/<language>/<id>.wav`. `dialed_e164` maps hotlines in E.164 to the spelling of
    the site.
    """

    folder: Path
    digest: str
    name: str
    region: str
    zone: ZoneInfo
    languages: tuple[Language, ...]
    default_language: Language
    skills: tuple[str, ...]
    value_tiers: tuple[str, ...]
    default_value_tier: str
    emergency_agents: tuple[str, ...]
    default_hotline: str
    hotlines: Mapping[str, Hotline]
    queues: Mapping[str, Queue]
    agents: Mapping[str, Agent]
    customers: Mapping[str, Customer]
    calendars: Mapping[str, Calendar]
    flows: Mapping[FlowId, Flow]
    prompts: Mapping[Language, frozenset[PromptId]]
    dialed_e164: Mapping[str, str]

    @property
    def prompts_dir(self) -> Path:
        """The folder with one folder of audio per language."""
        return self.folder / "prompts"

    def tier_rank(self, value_tier: str) -> int:
        """The rank of a value tier, 0 the most valuable; an unknown one ranks like the default."""
        known = value_tier if value_tier in self.value_tiers else self.default_value_tier
        return self.value_tiers.index(known)

    def hotline(self, dialed: str) -> Hotline:
        """The hotline of a number as the trunk sent it, in any spelling; the default one for an unknown number."""
        if dialed not in self.hotlines:
            number = e164(dialed, self.region)
            dialed = self.dialed_e164.get(number or "", self.default_hotline)
        return self.hotlines[dialed]

"""What the operator decided, as one frozen value: hotlines, queues, agents, customers, calendars, flows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from callcenter.config.numbers import e164
from callcenter.contact.comfort import Comfort
from callcenter.contact.dial_policy import DialPolicy
from callcenter.contact.slots import SlotRules
from callcenter.errors import CallCenterError
from ivr.calendar import Calendar
from ivr.model import Flow, FlowId, Language, PromptId
from routing.model import AgentOrder, CallbackRules, Exit, ExitKind, Limits, Loan, Membership, Step
from routing.policy import TierPolicy
from routing.requirement import ANYONE, Requirement, both, needing
from routing.rules import Rule

AGENT_ORDERS = tuple(order.value for order in AgentOrder)
RECORDING_POLICIES = ("always", "never")
UNLIMITED = Limits()
CALLBACK = CallbackRules()
GOODBYE = Exit(ExitKind.GOODBYE)


class SiteError(CallCenterError):
    """The site can't be used; `mistakes` are all of them, `warnings` what else is odd, each `path: sentence`."""

    def __init__(self, folder: Path, mistakes: tuple[str, ...], warnings: tuple[str, ...] = ()) -> None:
        count = f"{len(mistakes)} mistake{'s' if len(mistakes) != 1 else ''}"
        super().__init__("\n".join((f"the site in {folder} has {count}:", *(f"  {text}" for text in mistakes))))
        self.mistakes = mistakes
        self.warnings = warnings


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
    """How contacts wait and whom they are offered to; `routing.model.QueueRules` says what the numbers mean.

    `needs` maps skills to the least level (0…100), `requires` is a requirement besides. A contact requires, on top,
    the skill named like the language it is served in: whoever enters the contact into the queue adds it. `sl_s` is
    the threshold of "answered in time". `auto_answer` asks the agent's phone to pick up by itself.

    `hours` names the calendar outside which the queue takes nobody: newcomers go to `closed_exit`, those who wait
    then are served to the last (`closing` None) or go to `closing`. Without it the queue is always open.

    Who presses `callback_key` while they wait is called back, as `callback` says (None: no key does that). `comfort`
    is what callers are told while they wait; None: nothing. `slots` are the times that they can choose to be called
    back at; None: there are none.
    """

    queue: str
    needs: Mapping[str, int]
    ring_s: float = 20.0
    wrap_up_s: float = 15.0
    agent_order: str = "longest_idle"
    music_class: str = "default"
    recording: str = "always"
    sl_s: float = 20.0
    requires: Requirement = ANYONE
    steps: tuple[Step, ...] = (Step(),)
    exit_to: Exit | None = None
    exit_after_s: float = 0.0
    preferred_wait_s: float = 0.0
    ring_several: int = 1
    auto_answer: bool = False
    misses_max: int = 1
    no_answer_delay_s: float = 0.0
    reject_delay_s: float = 5.0
    busy_delay_s: float = 10.0
    fault_delay_s: float = 5.0
    limits: Limits = UNLIMITED
    loans: tuple[Loan, ...] = ()
    hours: str | None = None
    closing: Exit | None = None
    closed_exit: Exit = GOODBYE
    callback: CallbackRules = CALLBACK
    callback_key: str | None = None
    comfort: Comfort | None = None
    slots: SlotRules | None = None

    @property
    def requirement(self) -> Requirement:
        """What every contact of the queue requires in every step: `needs` and `requires`."""
        return both(needing(self.needs), self.requires)

    @property
    def exits(self) -> tuple[Exit, ...]:
        """Every way out of the queue by rule."""
        timed = (self.exit_to,) if self.exit_to is not None else ()
        closing = (self.closing,) if self.closing is not None else ()
        return (*timed, self.limits.otherwise, self.closed_exit, *closing)

    @property
    def calls_back(self) -> bool:
        """Whether somebody may be promised here that we call them back."""
        return self.callback_key is not None or any(each.kind is ExitKind.CALLBACK for each in self.exits)


@dataclass(frozen=True, slots=True)
class Agent:
    """A person who serves contacts; `skills` maps skills, languages among them, to levels 0…100.

    `queues` are their memberships; None: every queue whose requirement they meet.
    """

    agent_id: str
    name: str
    skills: Mapping[str, int]
    experience: int = 0
    team: str | None = None
    location: str | None = None
    weight: float = 1.0
    queues: Mapping[str, Membership] | None = None


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody we know before they call; `phone` is E.164. None: no wish known, nobody served them yet.

    `case_owner` is the agent who owns an open case of theirs; `usage` is their consumption in the site's own unit.
    """

    customer_id: str
    phone: str
    name: str
    value_tier: str
    language: Language | None = None
    last_agent: str | None = None
    segment: str | None = None
    preferred_agent: str | None = None
    case_owner: str | None = None
    open_case: bool = False
    at_risk: bool = False
    usage: float | None = None
    open_order: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """The whole site, checked. `digest` tells its content apart and travels with every event.

    `policy` has the value tiers in order, the most valuable first: a tier's rank is its index. `skills` contains every
    language. `rules` are walked in order as a contact is routed. `customers` are by customer id. `trunks` is how many
    calls the trunk carries, None: as many as come. A customer who calls again within `comeback_s` regains age and
    agent. `closed_prompts` are said to whom nobody serves now, `callback_prompts` to whom we will call back,
    `called_back_prompts` to whom we called and who waits for an agent. `dial_out` says what may be dialed, None:
    nothing. `prompts` maps each language to the prompts that have
    audio, which lies in `prompts_dir/<language>/<id>.wav`. `dialed_e164` maps hotlines in E.164 to the spelling of
    the site. `warnings` is what a checked site still leaves to wonder about, each `path: sentence`.
    """

    folder: Path
    digest: str
    name: str
    region: str
    zone: ZoneInfo
    languages: tuple[Language, ...]
    default_language: Language
    skills: tuple[str, ...]
    policy: TierPolicy
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
    rules: tuple[Rule, ...] = ()
    trunks: int | None = None
    outbound_counts: bool = True
    comeback_s: float = 600.0
    closed_prompts: tuple[PromptId, ...] = ()
    callback_prompts: tuple[PromptId, ...] = ()
    called_back_prompts: tuple[PromptId, ...] = ()
    dial_out: DialPolicy | None = None
    warnings: tuple[str, ...] = field(default=(), compare=False)

    @property
    def prompts_dir(self) -> Path:
        """The folder with one folder of audio per language."""
        return self.folder / "prompts"

    @property
    def value_tiers(self) -> tuple[str, ...]:
        """The names of the value tiers, the most valuable first."""
        return tuple(tier.name for tier in self.policy.tiers)

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

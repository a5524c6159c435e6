"""What the operator decided, as far as a contact needs it: a frozen view of the site."""

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from callcenter.contact.comfort import Comfort
from callcenter.contact.dial_policy import DialPolicy
from callcenter.contact.slots import SlotRules
from ivr.calendar import Calendar
from ivr.model import Flow
from routing.model import CallbackRules
from routing.requirement import ANYONE, Requirement
from routing.rules import Rule

USUAL_CALLBACK = CallbackRules()
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class HotlinePlan:
    """What happens when this number is dialed: a flow, or straight into a queue (with an announcement)."""

    dialed: str
    flow: str | None
    queue: str | None
    language: str
    announcement: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """How contacts wait in a queue and what becomes of them. `recording` is always or never.

    `requires` is what the queue asks of every agent; the ACD knows it by itself, here it is only told. With
    `auto_answer` the agent's phone is asked to pick up by itself. Who presses `callback_key` while they wait is called
    back as `callback` says. `comfort` is what callers are told meanwhile; None: nothing.
    `slots` says at which times within the calendar `hours` they can be, None: at none of their choice.
    """

    queue: str
    requires: Requirement = ANYONE
    music_class: str = "default"
    wrap_up_s: float = 15.0
    recording: str = "always"
    auto_answer: bool = False
    callback: CallbackRules = USUAL_CALLBACK
    callback_key: str | None = None
    comfort: Comfort | None = None
    slots: SlotRules | None = None
    hours: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The site as one value; `site` is its digest and goes into every event.

    `tiers` maps a value tier's name to its rank, 0 highest. `rules` are walked as a contact enters its first queue; a
    contact requires what they and the queue say and, besides, the skill named like the language it is served in.
    `closed_prompts` are said to a caller whom a queue does not serve, `callback_prompts` to one who will be called
    back, `called_back_prompts` to one who was called and waits for an agent; without any there is silence. `dial_out`
    None: nobody is called; `held_back`: why nobody is called for this contact just now. `zone` is the site's clock.
    """

    site: str
    hotlines: Mapping[str, HotlinePlan]
    queues: Mapping[str, QueuePlan]
    flows: Mapping[str, Flow]
    calendars: Mapping[str, Calendar]
    tiers: Mapping[str, int]
    default_tier: str
    languages: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    closed_prompts: tuple[str, ...] = ()
    callback_prompts: tuple[str, ...] = ()
    called_back_prompts: tuple[str, ...] = ()
    dial_out: DialPolicy | None = None
    held_back: str | None = None
    zone: ZoneInfo = _UTC

    def queue(self, queue: str) -> QueuePlan:
        """The queue's plan; a queue that the site no longer has, as if the operator had said nothing of it."""
        return self.queues.get(queue) or QueuePlan(queue)

    def rank(self, value_tier: str) -> int:
        """The rank of a value tier; one that the site no longer has ranks like the default."""
        return self.tiers.get(value_tier, self.tiers[self.default_tier])

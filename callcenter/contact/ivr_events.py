"""What we remember of a caller in a flow; events like the others (see `events`)."""

from dataclasses import dataclass
from typing import ClassVar

from callcenter.contact.event_body import Body


@dataclass(frozen=True, slots=True)
class IvrEntered(Body):
    """The caller entered an IVR flow."""

    type: ClassVar[str] = "ivr.entered"
    flow: str
    flow_version: str


@dataclass(frozen=True, slots=True)
class NodeEntered(Body):
    """The caller came to a node of the flow, from the node before by the way `by` (start and agent: the `0`, too).

    A node of a sub-flow is `flow/node`.
    """

    type: ClassVar[str] = "ivr.node_entered"
    node: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Keyed(Body):
    """The caller's keys were taken as the answer at a node; secret ones are asterisks."""

    type: ClassVar[str] = "ivr.keyed"
    node: str
    digits: str


@dataclass(frozen=True, slots=True)
class Spoken(Body):
    """What the caller said was taken as the answer at a node: a phrase that it listens for, or digits."""

    type: ClassVar[str] = "ivr.spoken"
    node: str
    said: str


@dataclass(frozen=True, slots=True)
class Misheard(Body):
    """A recogniser understood nothing; `why` is no_match, no_speech or away. After two `failures` only keys count."""

    type: ClassVar[str] = "ivr.misheard"
    node: str
    why: str
    failures: int


@dataclass(frozen=True, slots=True)
class Reprompted(Body):
    """A menu got no key or a wrong one, for the `tries`-th time; `why` is no_input, wrong_key or not_understood."""

    type: ClassVar[str] = "ivr.reprompted"
    node: str
    why: str
    tries: int


@dataclass(frozen=True, slots=True)
class Exhausted(Body):
    """A menu was asked as often as it may be; the caller goes on by its way out."""

    type: ClassVar[str] = "ivr.exhausted"
    node: str
    why: str


@dataclass(frozen=True, slots=True)
class FlowRestarted(Body):
    """The version of the flow that the caller was in is gone; they start over in this one."""

    type: ClassVar[str] = "ivr.flow_restarted"
    node: str
    flow_version: str


@dataclass(frozen=True, slots=True)
class Consented(Body):
    """The caller was asked whether the talk may be recorded; `by` is key, silence or agent (they asked for one)."""

    type: ClassVar[str] = "ivr.consented"
    node: str
    given: bool
    by: str


@dataclass(frozen=True, slots=True)
class SurveyInvited(Body):
    """The caller came to a survey of so many questions."""

    type: ClassVar[str] = "survey.invited"
    node: str
    survey: str
    questions: int


@dataclass(frozen=True, slots=True)
class SurveyAnswered(Body):
    """One question was answered: 1-5 (likert), 0-10 (nps), 1 or 0 (yes_no)."""

    type: ClassVar[str] = "survey.answered"
    node: str
    survey: str
    question: str
    scale: str
    answer: int


@dataclass(frozen=True, slots=True)
class SurveyEnded(Body):
    """The survey is over: complete, partial, unusable (nothing was answered) or declined."""

    type: ClassVar[str] = "survey.ended"
    node: str
    survey: str
    outcome: str
    answered: int


@dataclass(frozen=True, slots=True)
class Asked(Body):
    """A flow asked the world, for the `request`-th time: lookup, http, pin, or whether the caller was verified."""

    type: ClassVar[str] = "ivr.asked"
    node: str
    request: int
    what: str


@dataclass(frozen=True, slots=True)
class Answered(Body):
    """What became of it, after `took_s`: found, none, verified, wrong, locked or error, and `why`."""

    type: ClassVar[str] = "ivr.answered"
    node: str
    request: int
    what: str
    outcome: str
    why: str
    took_s: float


@dataclass(frozen=True, slots=True)
class CustomerIdentified(Body):
    """The caller says they are this customer, by a number they keyed; they have not proved it."""

    type: ClassVar[str] = "customer.identified"
    node: str
    customer_id: str


@dataclass(frozen=True, slots=True)
class CustomerVerified(Body):
    """The caller proved to be this customer: `by` pin, or recalled, for they had done so shortly before."""

    type: ClassVar[str] = "customer.verified"
    node: str
    customer_id: str
    by: str


@dataclass(frozen=True, slots=True)
class LanguageChosen(Body):
    """The caller's language is known from here on."""

    type: ClassVar[str] = "language.chosen"
    language: str


@dataclass(frozen=True, slots=True)
class IvrLeft(Body):
    """The caller left the flow after `ivr_s`, by queue, callback, voicemail, hang_up, caller_left or flow_gone."""

    type: ClassVar[str] = "ivr.left"
    exit: str
    node: str
    ivr_s: float


IvrEvent = (
    IvrEntered
    | NodeEntered
    | Keyed
    | Spoken
    | Misheard
    | Reprompted
    | Exhausted
    | FlowRestarted
    | Consented
    | SurveyInvited
    | SurveyAnswered
    | SurveyEnded
    | Asked
    | Answered
    | CustomerIdentified
    | CustomerVerified
    | LanguageChosen
    | IvrLeft
)

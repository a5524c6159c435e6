"""The nodes that ask the world (see `model` for what a flow is, `world` for what happens at them)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ivr.expression import Expression
from ivr.said import NodeId, Said


class Lookup(StrEnum):
    """What can be looked up in the database."""

    CUSTOMER = "customer"
    CASE = "case"
    ORDER = "order"
    ANSWERS = "answers"


@dataclass(frozen=True, slots=True)
class LookupNode:
    """Looks something up; `into` (variable → field) says what is kept of it. The caller waits `within_s` at most.

    A customer is found by their id, a telephone number or another identity that `by` is, without it by the number
    that calls; the caller is taken for them from then on. A case (`by` its number, else the newest that is open) and
    an order (by its number, else the newest) are always those of this customer, and so are the answers that they gave
    before and that are fresh. `wait_prompts` are said if it takes longer than a moment, then music plays.
    """

    lookup: Lookup
    next: NodeId
    on_none: NodeId
    on_error: NodeId
    into: Mapping[str, str] = field(default_factory=dict)
    by: Expression | None = None
    wait_prompts: tuple[Said, ...] = ()
    within_s: float = 3.0


@dataclass(frozen=True, slots=True)
class RememberNode:
    """Keeps answers of the customer (name → expression) for `fresh_s`, for a lookup of answers; goes on at once."""

    answers: Mapping[str, Expression]
    next: NodeId
    fresh_s: float


@dataclass(frozen=True, slots=True)
class HttpNode:
    """Sends a GET or, with a `body`, a POST; keeps what lies at the paths of the JSON answer (`into`: variable → path).

    A place in the url's path, {number}, is the value of that variable. 404 and 410 are `on_none`, without it and for
    whatever else goes wrong it is `on_error`. `credential` is the name of what the operator keeps to log in there.
    """

    url: str
    next: NodeId
    on_error: NodeId
    on_none: NodeId | None = None
    into: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Expression] = field(default_factory=dict)
    body: Mapping[str, Expression] | None = None
    credential: str | None = None
    wait_prompts: tuple[Said, ...] = ()
    within_s: float = 5.0


@dataclass(frozen=True, slots=True)
class AuthenticateNode:
    """Asks the customer for their PIN, in at most `tries_max` tries; who is verified already is not asked.

    `on_failed` is for who does not know it, is locked out or has none. With `fresh_s`, who was verified within that
    time from the same number is not asked either. Timing is as in CollectNode; `within_s` is the time to compare.
    """

    prompts: tuple[Said, ...]
    next: NodeId
    on_failed: NodeId
    on_error: NodeId
    digits_min: int = 4
    digits_max: int = 8
    fresh_s: float = 0.0
    tries_max: int = 3
    timeout_s: float = 5.0
    between_s: float = 3.0
    no_input_prompts: tuple[Said, ...] = ()
    wrong_prompts: tuple[Said, ...] = ()
    wait_prompts: tuple[Said, ...] = ()
    within_s: float = 3.0

"""Where an agent stands among the idle, for each agent order: a key that does not change while they are idle.

Smaller comes first. All keys end in `(ready_since, agent id)`, so each order is total and ties go to the longest
idle. Two of the measures move with time, in a way that lets idle agents keep their order:

- Occupancy forgets exponentially with `FORGET_S`: while idle, everybody's falls by the same factor, so the order of
  `ln(occupancy) + t / FORGET_S` stands still.
- Weighted shares are dealt by stride scheduling (Waldspurger and Weihl 1995): a contact moves its agent ahead by
  `1 / weight`, and who is least far ahead is next.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, inf, log
from typing import TYPE_CHECKING, TypeAlias

from routing.model import AgentOrder

if TYPE_CHECKING:
    from routing.acd.agents import Agent

FORGET_S = 1_800.0
"""After this long, an hour's work counts 1/e of what it counted."""

Standing: TypeAlias = tuple[float, float, str]
"""(measure, ready_since, agent id)."""

ORDER_KEPT: dict[AgentOrder, AgentOrder] = {
    **{order: order for order in AgentOrder},
    AgentOrder.MOST_PROFICIENT: AgentOrder.LONGEST_IDLE,
    AgentOrder.LEAST_PROFICIENT: AgentOrder.LONGEST_IDLE,
}
"""By which order the idle of one group are kept: within a group all are equally proficient."""


def standing(agent: Agent, order: AgentOrder) -> Standing:
    """The key of an idle agent for an order that `ORDER_KEPT` keeps."""
    measure = _MEASURES.get(order)
    return (0.0 if measure is None else measure(agent), agent.ready_since, agent.agent_id)


def _occupied(agent: Agent) -> float:
    occupancy = agent.occupancy
    return log(occupancy) + agent.occupancy_at / FORGET_S if occupancy > 0 else -inf


_MEASURES: dict[AgentOrder, Callable[[Agent], float]] = {
    AgentOrder.LEAST_OCCUPIED: _occupied,
    AgentOrder.FEWEST_CONTACTS: lambda agent: float(agent.contacts),
    AgentOrder.ROUND_ROBIN: lambda agent: float(agent.turn),
    AgentOrder.LINEAR: lambda agent: float(agent.place),
    AgentOrder.WEIGHTED: lambda agent: agent.stride,
}
"""What each order goes by before the longest idle; that one goes by nothing else."""


def after_work(occupancy: float, elapsed_s: float) -> float:
    """The occupancy after so long all busy; exponential forgetting keeps it in [0, 1]."""
    return 1.0 - (1.0 - occupancy) * exp(-elapsed_s / FORGET_S)


def after_rest(occupancy: float, elapsed_s: float) -> float:
    """The occupancy after so long all idle."""
    return occupancy * exp(-elapsed_s / FORGET_S)

"""agents.toml and customers.toml: who serves, and whom we know before they call."""

from callcenter.config.fields import Names, check_id, known, known_or_none, levels, spoken_name
from callcenter.config.head import Head
from callcenter.config.model import Agent, Customer
from callcenter.config.numbers import e164, is_region
from ivr.reading import Reader, no_such, shown
from routing.model import Membership
from routing.requirement import LEVEL_MAX

RANK_MAX = 100
DELAY_S_MAX = 3_600.0
WEIGHT_MIN, WEIGHT_MAX = 0.01, 100.0
USAGE_MAX = 1e12
_NOWHERE = "ZZ"  # the region in which only international numbers can be read


def read_agent(reader: Reader, agent_id: str, names: Names) -> Agent:
    """One table of agents.toml."""
    check_id(reader, agent_id)
    agent = Agent(
        agent_id=agent_id,
        name=spoken_name(reader, "name"),
        skills=levels(reader, "skills", names),
        experience=reader.whole("experience", 0, 0, LEVEL_MAX),
        team=known_or_none(reader, "team", "team", names.teams),
        location=known_or_none(reader, "location", "location", names.locations),
        weight=reader.number("weight", 1.0, WEIGHT_MIN, WEIGHT_MAX),
        queues=_memberships(reader, names) if "queues" in reader else None,
    )
    reader.close()
    return agent


def _memberships(reader: Reader, names: Names) -> dict[str, Membership]:
    """Queue → the agent's part in it; `{}` is rank 1 without delay."""
    table = reader.table("queues")
    memberships = {}
    for queue in table.names:
        if names.queues is not None and queue not in names.queues:
            reader.wrong("queues", no_such("queue", queue, names.queues))
        part = table.table(queue)
        memberships[queue] = Membership(
            rank=part.whole("rank", 1, 1, RANK_MAX), delay_s=part.number("delay_s", 0.0, 0.0, DELAY_S_MAX)
        )
        part.close()
    return memberships


def read_customer(reader: Reader, customer_id: str, head: Head, names: Names) -> Customer:
    """One table of customers.toml."""
    check_id(reader, customer_id)
    case_owner = known_or_none(reader, "case_owner", "agent", names.agents)
    customer = Customer(
        customer_id=customer_id,
        phone=reader.text("phone"),
        name=spoken_name(reader, "name"),
        value_tier=known(reader, "value_tier", "value tier", names.value_tiers, head.default_value_tier),
        language=known_or_none(reader, "language", "language", names.languages),
        last_agent=known_or_none(reader, "last_agent", "agent", names.agents),
        segment=known_or_none(reader, "segment", "segment", names.segments),
        preferred_agent=known_or_none(reader, "preferred_agent", "agent", names.agents),
        case_owner=case_owner,
        open_case=reader.flag("open_case", default=case_owner is not None),
        open_order=reader.flag("open_order", default=False),
        at_risk=reader.flag("at_risk", default=False),
        usage=reader.number("usage", None, 0.0, USAGE_MAX) if "usage" in reader else None,
    )
    if case_owner is not None and not customer.open_case:
        reader.wrong("case_owner", "owns an open case, but open_case is false")
    if customer.phone:
        number = e164(customer.phone, head.region if is_region(head.region) else _NOWHERE)
        if number is None:
            reader.wrong("phone", f"{shown(customer.phone)} is no number in E.164, such as '+886910000001'")
        elif number != customer.phone:
            reader.wrong("phone", f"must be E.164: write {number!r}")
    reader.close()
    return customer

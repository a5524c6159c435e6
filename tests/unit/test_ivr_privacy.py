"""Nothing personal is said before the caller has proved who they are: what the check refuses, and what it lets pass."""

import time
from typing import Any

import pytest

from ivr.check import Surroundings, check
from ivr.model import Flow
from ivr.parse import parse
from ivr.speech import SPEAKERS

PROMPTS = {"en": {"p", "yes", "no", *SPEAKERS["en"].words}}
AROUND = Surroundings(("en",), ("vip",), ("orders",), (), PROMPTS)
VARIABLES: dict[str, Any] = {"total": "number", "twice": "number", "many": "boolean", "code": "digits"}
END = {"type": "hang_up", "end_state": "self_service"}
PERSON = {"type": "queue", "queue": "orders"}
TELL = {"type": "say", "prompts": ["p", "{total as money}"], "next": "end"}

Table = dict[str, Any]


def lookup(to: str, what: str = "order", **more: Any) -> Table:
    found = {"order": {"total": "total"}}.get(what, {})
    return {"type": "lookup", "lookup": what, "into": found, "next": to, "on_none": "end", "on_error": "end", **more}


def who(to: str, on_failed: str = "person") -> Table:
    return {"type": "authenticate", "prompts": ["p"], "next": to, "on_failed": on_failed, "on_error": "person"}


def branch(*cases: tuple[str, str], otherwise: str) -> Table:
    return {"type": "branch", "cases": [{"when": when, "to": to} for when, to in cases], "otherwise": otherwise}


def flow(flow_id: str = "f", variables: Table | None = None, agent_node: str | None = "person", **nodes: Table) -> Flow:
    source: Table = {"start": "start", "variables": VARIABLES | (variables or {}), "nodes": {**nodes, "end": END}}
    if agent_node:
        source["agent_node"] = agent_node
        source["nodes"]["person"] = PERSON
    return parse(source, flow_id, "1")


def mistakes(made: Flow, *inner: Flow) -> list[str]:
    around = Surroundings(("en",), ("vip",), ("orders",), (), PROMPTS, flows={each.id: each for each in inner})
    return [each for each in check(made, around) if "unreachable" not in each]


def refused(made: Flow, *inner: Flow) -> str:
    (mistake,) = mistakes(made, *inner)
    return mistake


def test_what_was_looked_up_is_not_said_to_anybody() -> None:
    assert refused(flow(start=lookup("tell"), tell=TELL)) == (
        "nodes.tell.prompts: {total as money} is personal, and can be heard by who is not verified; "
        "put an authenticate before it, or declare the variable with personal = false"
    )


def test_what_another_system_said_is_not_said_to_anybody_either() -> None:
    web = {"type": "http", "url": "https://x.example/", "into": {"total": "t"}, "next": "tell", "on_error": "end"}
    assert "is personal" in refused(flow(start=web, tell=TELL))


def test_it_may_be_said_to_who_has_proved_who_they_are() -> None:
    assert mistakes(flow(start=who("find"), find=lookup("tell"), tell=TELL)) == []
    assert mistakes(flow(start=lookup("ask"), ask=who("tell"), tell=TELL)) == []


def test_a_way_around_the_proof_is_found() -> None:
    assert "nodes.tell.prompts" in refused(flow(start=lookup("ask"), ask=who("tell", on_failed="tell"), tell=TELL))


def test_what_is_declared_to_be_nobodys_secret_may_be_said() -> None:
    open_ = {"total": {"type": "number", "personal": False}}
    assert mistakes(flow(variables=open_, start=lookup("tell"), tell=TELL)) == []


def test_what_is_declared_to_be_personal_is_wherever_it_comes_from() -> None:
    collect = {"type": "collect", "prompts": ["p"], "into": "code", "next": "say", "on_exhausted": "person"}
    say = {"type": "say", "prompts": ["{code as digits}"], "next": "end"}
    assert mistakes(flow(start=collect, say=say)) == []
    secret = {"code": {"type": "digits", "personal": True}}
    assert "{code as digits} is personal" in refused(flow(variables=secret, start=collect, say=say))


def test_what_is_computed_from_it_is_personal_too() -> None:
    compute = {"type": "set", "set": {"twice": "total + total"}, "next": "tell"}
    tell = {"type": "say", "prompts": ["{twice as number}"], "next": "end"}
    assert "{twice as number} is personal" in refused(flow(start=lookup("compute"), compute=compute, tell=tell))


def test_a_prompt_on_one_side_of_a_branch_tells_as_much_as_a_value() -> None:
    asks = branch(("total > 100", "yes"), otherwise="no")
    yes, no = ({"type": "say", "prompts": [each], "next": "end"} for each in ("yes", "no"))
    assert refused(flow(start=lookup("ask"), ask=asks, yes=yes, no=no)) == (
        "nodes.ask: tells something personal by what is said at 'yes', to who is not verified; "
        "put an authenticate before it, or declare the variable with personal = false"
    )
    assert mistakes(flow(start=who("find"), find=lookup("ask"), ask=asks, yes=yes, no=no)) == []


def test_a_branch_that_only_chooses_a_queue_or_says_the_same_on_both_sides_tells_nothing() -> None:
    asks = branch(("total > 100", "end"), otherwise="person")
    assert mistakes(flow(start=lookup("ask"), ask=asks)) == []
    both = branch(("total > 100", "compute"), otherwise="say")
    compute = {"type": "set", "set": {"many": "true"}, "next": "say"}
    say = {"type": "say", "prompts": ["p"], "next": "end"}
    assert mistakes(flow(start=lookup("ask"), ask=both, compute=compute, say=say)) == []


def test_what_is_set_on_one_side_of_a_branch_is_as_personal_as_the_branch() -> None:
    asks = branch(("total > 100", "compute"), otherwise="then")
    compute = {"type": "set", "set": {"many": "true"}, "next": "then"}
    then = branch(("many", "yes"), otherwise="person")
    yes = {"type": "say", "prompts": ["yes"], "next": "end"}
    told = refused(flow(start=lookup("ask"), ask=asks, compute=compute, then=then, yes=yes))
    assert told.startswith("nodes.then: tells something personal by what is said at 'yes'")
    open_ = {"many": {"type": "boolean", "personal": False}}
    assert mistakes(flow(variables=open_, start=lookup("ask"), ask=asks, compute=compute, then=then, yes=yes)) == []


@pytest.mark.parametrize(
    "asks",
    [
        branch(("verified", "tell"), otherwise="end"),
        branch(("known and verified", "tell"), otherwise="end"),
        branch(("not verified", "end"), otherwise="tell"),
        branch(("not verified", "end"), ("known", "tell"), otherwise="end"),
    ],
)
def test_who_is_found_to_be_verified_may_hear_it(asks: Table) -> None:
    assert mistakes(flow(start=lookup("ask"), ask=asks, tell=TELL)) == []


@pytest.mark.parametrize(
    "asks",
    [
        branch(("verified or known", "tell"), otherwise="end"),
        branch(("verified", "end"), otherwise="tell"),
        branch(("known", "tell"), ("not verified", "end"), otherwise="end"),
        branch(("not verified", "tell"), otherwise="end"),
    ],
)
def test_a_branch_that_does_not_prove_it_proves_nothing(asks: Table) -> None:
    assert "{total as money} is personal" in refused(flow(start=lookup("ask"), ask=asks, tell=TELL))


def test_who_is_taken_for_somebody_else_has_to_prove_that_too() -> None:
    made = flow(start=who("other"), other=lookup("find", "customer", by="code"), find=lookup("tell"), tell=TELL)
    assert "{total as money} is personal" in refused(made)


# Sub-flows


def sub_flow(flow_id: str, to: str, **more: Any) -> Table:
    return {"type": "sub_flow", "flow": flow_id, "outcomes": {"done": to}, **more}


DONE = {"type": "return", "outcome": "done"}
BALANCE = flow("balance", agent_node=None, start=lookup("tell"), tell={**TELL, "next": "done"}, done=DONE)
PROOF = flow("proof", agent_node=None, start=who("done", "end") | {"on_error": "end"}, done=DONE)


def test_a_sub_flow_for_verified_callers_may_only_be_entered_by_them() -> None:
    assert mistakes(flow(start=who("sub"), sub=sub_flow("balance", "end")), BALANCE) == []
    assert "in flow 'balance' at nodes.tell.prompts: {total as money} is personal" in refused(
        flow(start=sub_flow("balance", "end")), BALANCE
    )


def test_a_proof_in_a_sub_flow_counts_behind_it() -> None:
    made = flow(start=sub_flow("proof", "find"), find=lookup("tell"), tell=TELL)
    assert mistakes(made, PROOF) == []


def test_what_is_given_to_a_sub_flow_or_taken_from_one_stays_personal() -> None:
    says = flow(
        "says", agent_node=None, start={"type": "say", "prompts": ["{twice as number}"], "next": "done"}, done=DONE
    )
    given = sub_flow("says", "end", inputs={"twice": "total"})
    assert "in flow 'says'" in refused(flow(start=lookup("sub"), sub=given), says)
    assert mistakes(flow(start=sub_flow("says", "end", inputs={"twice": "1"})), says) == []
    finds = flow("finds", agent_node=None, start=lookup("done") | {"on_none": "done", "on_error": "done"}, done=DONE)
    taken = sub_flow("finds", "tell", outputs={"twice": "total"})
    tell = {"type": "say", "prompts": ["{twice as number}"], "next": "end"}
    assert "{twice as number} is personal" in refused(flow(start=taken, tell=tell), finds)


def test_flows_that_enter_each_other_are_told_so_and_judged_no_further() -> None:
    one = flow("one", agent_node=None, start=sub_flow("two", "done"), done=DONE)
    two = flow("two", agent_node=None, start=sub_flow("one", "done"), done=DONE)
    told = mistakes(flow(start=sub_flow("one", "end")), one, two)
    assert all("personal" not in each for each in told)


# Bounds


def test_a_flow_of_5000_nodes_is_judged_in_a_moment() -> None:
    nodes: dict[str, Any] = {"start": lookup("n0")}
    for n in range(4_990):
        nodes[f"n{n}"] = branch((f"total > {n}", "end"), otherwise=f"n{n + 1}" if n < 4_989 else "person")
    began = time.process_time()
    told = mistakes(flow(**nodes))
    assert time.process_time() - began < 10.0
    assert ["more than 200 branches on something personal" in each for each in told] == [True]

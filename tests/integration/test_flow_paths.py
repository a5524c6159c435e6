"""Where callers went in a flow: what SQL counts is what a walk through the raw events counts, contact by contact."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from callcenter.contact import events as ev
from callcenter.contact import ivr_events
from callcenter.contact.event_body import Body
from callcenter.db.flow_paths import Number, PathQuery, Thing
from callcenter.ports import Append, Entry
from ivr import interpreter
from ivr.coverage import _walked as walked
from ivr.model import Flow
from ivr.parse import parse
from ivr.sub_flows import link
from ivr.turn import Digit, Facts, HangUp, Input, Note, PromptEnded, TimeIsUp
from tests.api_center import Center, center
from tests.database import contact_id, entry
from tests.integration.test_api_cli import run

__all__ = ["center"]
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

MORNING = 1_764_982_800.0  # before a change of the day, UTC
HOURS = 9.0
VISITS = 300

OUTER: Mapping[str, object] = {
    "start": "menu",
    "agent_node": "person",
    "nodes": {
        "menu": {
            "type": "menu",
            "prompts": ["main_menu"],
            "choices": {"1": "first", "2": "second", "3": "menu"},
            "on_exhausted": "person",
        },
        "first": {"type": "sub_flow", "flow": "inner", "outcomes": {"good": "second", "bad": "menu_again"}},
        "second": {"type": "sub_flow", "flow": "inner", "outcomes": {"good": "end", "bad": "person"}},
        "menu_again": {"type": "menu", "prompts": ["main_menu"], "choices": {"1": "menu"}, "on_exhausted": "person"},
        "person": {"type": "queue", "queue": "product"},
        "end": {"type": "hang_up", "end_state": "self_service"},
    },
}
INNER: Mapping[str, object] = {
    "start": "ask",
    "nodes": {
        "ask": {
            "type": "menu",
            "prompts": ["main_menu"],
            "choices": {"1": "yes", "2": "no", "4": "ask"},
            "on_exhausted": "no",
        },
        "yes": {"type": "return", "outcome": "good"},
        "no": {"type": "return", "outcome": "bad"},
    },
}
PLAIN: Mapping[str, object] = {
    "start": "ask",
    "nodes": {
        "ask": {
            "type": "menu",
            "prompts": ["main_menu"],
            "choices": {"1": "yes", "2": "no", "4": "ask"},
            "on_exhausted": "no",
        },
        "yes": {"type": "hang_up", "end_state": "self_service"},
        "no": {"type": "queue", "queue": "product"},
    },
}
FLOWS = link(
    {"outer": parse(OUTER, "outer", "1"), "inner": parse(INNER, "inner", "1"), "plain": parse(PLAIN, "plain", "2")}
)


def visit(flow: Flow, dice: random.Random) -> tuple[list[Note], str]:
    """A caller who presses what comes to their mind: the notes, and how they left."""
    facts = Facts(language="en", value_tier="vip", known=False, calendars={})
    turn = interpreter.enter(flow, facts, 0.0)
    notes = list(turn.notes)
    while turn.exit is None:
        if dice.random() < 0.08:
            return [*notes, *interpreter.leave(flow, turn.cursor, facts, 0.0)], "caller_left"
        inputs: Sequence[Input] = (Digit(dice.choice("01234")), PromptEnded(), TimeIsUp())
        turn = interpreter.step(flow, turn.cursor, dice.choice(inputs), facts, 0.0)
        notes += turn.notes
    return notes, "hang_up" if isinstance(turn.exit, HangUp) else "queue"


def bodies(flow: Flow, notes: Sequence[Note], left: str) -> Iterator[Body]:
    """What a session remembers of the visit."""
    yield ev.ContactStarted("inbound", "voice", "ch", "", "", "0800000100", None, "vip", "en")
    yield ivr_events.IvrEntered(flow.id, flow.version)
    for note in notes:
        if note.what == "node_entered":
            yield ivr_events.NodeEntered(note.node, str(note.detail["by"]))
        elif note.what == "keyed":
            yield ivr_events.Keyed(note.node, "1")
    yield ivr_events.IvrLeft(left, "whatever", 1.0)


@dataclass
class Day:
    """A morning of visits, and its numbers counted one by one: thing → contact → times."""

    center: Center
    counted: Mapping[tuple[str, str], Mapping[Thing, Counter[str]]]

    def query(self, flow: str, **more: Any) -> PathQuery:
        return PathQuery(flow, MORNING, MORNING + HOURS * 3600, **more)


def things(flow: Flow, notes: Sequence[Note], left: str) -> Iterator[Thing]:
    """What happened in the visit, by the walk that also tells the coverage of tests."""
    yield Thing("entered", way=flow.version)
    named = [note.node for note in notes if note.what == "node_entered"]
    ways = [str(note.detail["by"]) for note in notes if note.what == "node_entered"]
    before = ""
    for node, by, (_, edge) in zip(named, ways, walked(flow.id, notes), strict=True):
        yield Thing("node", node=node)
        out_of = before if edge is None else edge[1] if edge[0] == flow.id else f"{edge[0]}/{edge[1]}"
        yield Thing("way", out_of, by, node)
        before = node
    yield Thing("left", before, left)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def day(center: Center) -> Day:
    dice = random.Random(5)
    counted: dict[tuple[str, str], dict[Thing, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    entries: list[Entry] = []
    for n in range(VISITS):
        flow = FLOWS[dice.choice(("outer", "outer", "plain"))] if n else FLOWS["outer"]
        at = MORNING + round(dice.random() * HOURS * 3600, 3)
        notes, left = visit(flow, dice)
        ours = contact_id(n, at)
        for seq, body in enumerate(bodies(flow, notes, left), 1):
            entries.append(entry(f"contact/{ours}", seq, body, at + seq))
        for thing in things(flow, notes, left):
            counted[flow.id, flow.version][thing][ours] += 1
    for before_or_after in (MORNING - 1.0, MORNING + HOURS * 3600):  # who began outside of the time asked for
        ours = contact_id(9_999, before_or_after)
        for seq, body in enumerate(bodies(FLOWS["outer"], *visit(FLOWS["outer"], dice)), 1):
            entries.append(entry(f"contact/{ours}", seq, body, before_or_after + seq))
    center.journal.append(Append(entries))
    await center.settled()
    return Day(center, counted)


@pytest.mark.parametrize("flow", ["outer", "plain"])
async def test_every_number_is_that_of_the_walk(day: Day, flow: str) -> None:
    paths = await day.center.backend.queries.flow_paths.count(day.query(flow))
    expected = day.counted[flow, FLOWS[flow].version]
    assert len(expected) > 8
    assert {thing: (number.times, number.contacts) for thing, number in paths.numbers.items()} == {
        thing: (sum(by.values()), len(by)) for thing, by in expected.items()
    }


async def test_what_goes_into_a_node_comes_out_of_it(day: Day) -> None:
    paths = await day.center.backend.queries.flow_paths.count(day.query("outer"))
    into: Counter[str] = Counter()
    entered: Counter[str] = Counter()
    for thing, number in paths.numbers.items():
        into[thing.node] += number.times if thing.kind == "way" else 0
        entered[thing.node] += number.times if thing.kind == "node" else 0
    assert entered == into
    visits = sum(number.times for _, number in paths.of("entered"))
    assert visits == sum(number.times for _, number in paths.of("left")) > VISITS / 2


async def test_behind_every_number_stand_its_contacts(day: Day) -> None:
    flow_paths = day.center.backend.queries.flow_paths
    for thing, by in day.counted["outer", FLOWS["outer"].version].items():
        found: dict[str, int] = {}
        after: str | None = None
        while page := await flow_paths.behind(day.query("outer"), thing, after=after, limit=17):
            found |= {one.contact_id: one.times for one in page}
            after = page[-1].contact_id
        assert found == dict(by), thing


async def test_another_version_and_another_flow_are_told_apart(day: Day) -> None:
    flow_paths = day.center.backend.queries.flow_paths
    own = FLOWS["outer"].version
    assert await flow_paths.count(day.query("outer", version=own)) == await flow_paths.count(day.query("outer"))
    assert (await flow_paths.count(day.query("outer", version="0" * 16))).numbers == {}
    assert (await flow_paths.count(day.query("inner"))).numbers == {}


async def test_a_caller_whose_version_was_gone_is_counted_in_the_run_they_began_again(center: Center) -> None:
    at = MORNING + 40 * 3600
    ours = contact_id(1, at)
    said: list[Body] = [
        ev.ContactStarted("inbound", "voice", "ch", "", "", "0800000100", None, "vip", "en"),
        ivr_events.IvrEntered("old", "a" * 16),
        ivr_events.NodeEntered("menu", "start"),
        ivr_events.FlowRestarted("menu", "b" * 16),
        ivr_events.NodeEntered("greeting", "start"),
        ivr_events.IvrLeft("caller_left", "greeting", 3.0),
    ]
    center.journal.append(Append([entry(f"contact/{ours}", seq, body, at) for seq, body in enumerate(said, 1)]))
    await center.settled()
    counts = center.backend.queries.flow_paths.count
    both = (await counts(PathQuery("old", at, at + 1))).numbers
    assert both[Thing("entered", way="a" * 16)] == Number(1, 1)
    assert both[Thing("way", "", "start", "greeting")] == Number(1, 1), "no way leads from one version into another"
    assert both[Thing("left", "greeting", "caller_left")] == Number(1, 1)
    new = (await counts(PathQuery("old", at, at + 1, "b" * 16))).numbers
    assert Thing("node", node="menu") not in new
    assert Thing("node", node="greeting") in new


def asked(**more: str) -> dict[str, str]:
    start, end = (datetime.fromtimestamp(at, UTC).isoformat() for at in (MORNING, MORNING + HOURS * 3600))
    return {"from": start, "to": end, **more}


async def test_the_api_tells_the_numbers_and_each_rows_words_lead_to_its_contacts(day: Day) -> None:
    status, body = await day.center.json("GET", "/v1/flows/outer/paths", params=asked())
    assert status == 200
    rows = [
        (kind, row)
        for kind in ("entered", "node", "way", "left")
        for row in body[{"node": "nodes", "way": "ways"}.get(kind, kind)]
    ]
    assert len(rows) == len(day.counted["outer", FLOWS["outer"].version])
    for kind, row in rows[::5]:
        words = asked(of=kind, node=row["node"], out_of=row["out_of"], way=row["way"], limit="1000")
        status, behind = await day.center.json("GET", "/v1/flows/outer/paths/contacts", params=words)
        assert (status, behind["next_cursor"]) == (200, None)
        assert (sum(one["times"] for one in behind["items"]), len(behind["items"])) == (row["times"], row["contacts"])
    words = asked(of="entered", way=FLOWS["outer"].version, limit="10")
    _, first = await day.center.json("GET", "/v1/flows/outer/paths/contacts", params=words)
    _, second = await day.center.json(
        "GET", "/v1/flows/outer/paths/contacts", params={**words, "cursor": first["next_cursor"]}
    )
    assert first["items"][-1]["contact_id"] < second["items"][0]["contact_id"]


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("outer/paths", {"to": "2020-01-01T00:00:00Z"}, 422),
        ("outer/paths", {"from": "2025-01-01T00:00:00Z"}, 422),
        ("outer/paths", {"version": "x"}, 422),
        ("outer/paths", {"colour": "red"}, 422),
        ("out er/paths", {}, 422),
        ("outer/paths/contacts", {}, 422),
        ("outer/paths/contacts", {"of": "everything"}, 422),
        ("outer/paths/contacts", {"of": "node", "cursor": "1 OR 1=1"}, 422),
        ("outer/paths/contacts", {"of": "node", "node": "'; DROP TABLE contact; --"}, 200),
        ("nobody/paths", {}, 200),
    ],
)
async def test_what_makes_no_sense_is_refused(day: Day, path: str, more: dict[str, str], status: int) -> None:
    assert (await day.center.json("GET", f"/v1/flows/{path}", params={**asked(), **more}))[0] == status


async def test_an_agent_may_not_see_the_paths(day: Day) -> None:
    assert (await day.center.json("GET", "/v1/flows/outer/paths", "agent01", params=asked()))[0] == 403


async def test_the_command_line_draws_the_flow_with_its_numbers(day: Day, tmp_path: Path) -> None:
    file = tmp_path / "plain.toml"
    file.write_text(
        'start = "ask"\n[nodes.ask]\ntype = "menu"\nprompts = ["main_menu"]\n'
        'choices = { 1 = "yes", 2 = "no", 4 = "ask" }\non_exhausted = "no"\n'
        '[nodes.yes]\ntype = "hang_up"\nend_state = "self_service"\n[nodes.no]\ntype = "queue"\nqueue = "product"\n'
    )
    span = ("--from", asked()["from"], "--to", asked()["to"])
    database = {"CALLCENTER_DATABASE_URL": day.center.database_url}
    code, out, err = await run("flow", "show", str(file), "--counts", "--json", *span, **database)
    assert code == 0, err
    told = json.loads(out)
    counted = day.counted["plain", FLOWS["plain"].version]
    taken = {(way["from"], way["way"]): way["times"] for way in told["ways"]}
    assert taken["ask", "choices.1"] == counted[Thing("way", "ask", "choices.1", "yes")].total() > 0
    assert {node["node"]: node["times"] for node in told["nodes"]} == {
        node: counted[Thing("node", node=node)].total() for node in ("ask", "yes", "no")
    }
    code, drawn, _ = await run("flow", "show", str(file), "--counts", *span, **database)
    assert code == 0
    assert f'n0 ==>|"1 · {taken["ask", "choices.1"]} ×"| n1' in drawn
    assert (await run("flow", "show", str(file), "--from", "2026-01-01"))[0] == 2
    assert (await run("flow", "show", str(file), "--counts", "--from", "soon", **database))[0] == 2

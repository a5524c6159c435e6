"""Random flows that pass the check never strand, loop or lose a caller, whatever the caller does."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.calendar import Calendar, is_open
from ivr.check import Surroundings, check
from ivr.interpreter import (
    KEYS_MAX,
    Cursor,
    Digit,
    Facts,
    HangUp,
    Input,
    PromptEnded,
    Say,
    StopSaying,
    TimeIsUp,
    ToQueue,
    Turn,
    enter,
    step,
)
from ivr.model import (
    END_STATES,
    KEYS,
    BranchNode,
    Flow,
    HangUpNode,
    LanguageNode,
    MenuNode,
    Node,
    QueueNode,
    SayNode,
    Subject,
)

ALWAYS = Calendar(ZoneInfo("UTC"), (((0, 86_400),),) * 7)
AROUND = Surroundings(("zh-TW", "en"), ("vip", "basic"), ("orders",), ("always",), {"en": {"p"}, "zh-TW": {"p"}})
NOW = 1_760_000_000.0
ZONES = ["America/New_York", "Asia/Taipei", "Australia/Lord_Howe", "Europe/Berlin"]
IDS = [f"n{i}" for i in range(7)]

node_ids = st.sampled_from(IDS)
said_in = st.sampled_from([(), ("en",), ("zh-TW", "en")])
keys = st.dictionaries(st.sampled_from(KEYS), node_ids, min_size=1, max_size=3)
nodes: st.SearchStrategy[Node] = st.one_of(
    st.builds(SayNode, st.just(("p",)), node_ids, st.booleans(), said_in),
    st.builds(
        MenuNode,
        st.just(("p",)),
        keys,
        node_ids,
        tries_max=st.integers(1, 3),
        wrong_key_prompts=st.just(("p",)),
        said_in=said_in,
    ),
    st.builds(LanguageNode, st.sampled_from(["zh-TW", "en"]), node_ids),
    st.builds(BranchNode, st.just(Subject.KNOWN), st.dictionaries(st.just("yes"), node_ids, min_size=1), node_ids),
    st.builds(BranchNode, st.just(Subject.CALENDAR), st.just({"open": IDS[0]}), node_ids, st.just("always")),
    st.builds(QueueNode, st.just("orders")),
    st.builds(HangUpNode, st.sampled_from(END_STATES)),
)


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    """A flow that passes the check but for unreachable nodes, which harm nobody: the last node is a queue."""
    written = {node_id: draw(nodes) for node_id in IDS[:-1]}
    flow = Flow("f", "1", IDS[0], {**written, IDS[-1]: QueueNode("orders")}, draw(st.none() | st.just(IDS[-1])))
    serious = [mistake for mistake in check(flow, AROUND) if "unreachable" not in mistake]
    if not serious:
        return flow
    # Break what the check found: let every way that needs no key lead forward, and end in the queue.
    fixed: dict[str, Node] = {}
    for i, (node_id, node) in enumerate(flow.nodes.items()):
        later = st.sampled_from(IDS[i + 1 :]) if i + 1 < len(IDS) else st.just(IDS[-1])
        match node:
            case SayNode() | LanguageNode():
                fixed[node_id] = replace(node, next=draw(later))
            case MenuNode():
                fixed[node_id] = replace(node, on_exhausted=draw(later))
            case BranchNode():
                fixed[node_id] = replace(node, cases={w: draw(later) for w in node.cases}, otherwise=draw(later))
            case _:
                fixed[node_id] = node
    flow = replace(flow, nodes=fixed, agent_node=IDS[-1])
    assert not [mistake for mistake in check(flow, AROUND) if "unreachable" not in mistake]
    return flow


facts = st.builds(
    Facts,
    st.sampled_from(["zh-TW", "en"]),
    st.sampled_from(["vip", "basic", "?"]),
    st.booleans(),
    st.just({"always": ALWAYS}),
)
inputs: st.SearchStrategy[Input] = st.one_of(
    st.builds(Digit, st.sampled_from([*KEYS, "", "x", "12"])), st.just(PromptEnded()), st.just(TimeIsUp())
)


@given(flows(), facts, st.lists(inputs, max_size=60))
@settings(max_examples=300, deadline=None)
def test_whatever_a_caller_does_the_exit_comes_in_bounded_time_once_they_stop(
    flow: Flow, known: Facts, heard: list[Input]
) -> None:
    turn, now, exits = enter(flow, known, NOW), NOW, 0
    for one in heard:
        exits += turn.exit is not None
        now += 1.0
        turn = step(flow, turn.cursor, one, known, now)
        assert turn.exit is None or turn.timer_at is None
    for _ in range(200):  # the caller does nothing more, and not even the end of a prompt is reported
        exits += turn.exit is not None
        if exits:
            break
        assert turn.timer_at is not None, "who is not out is waiting for something that will come"
        now = max(now, turn.timer_at)
        turn = step(flow, turn.cursor, TimeIsUp(), known, now)
    assert exits == 1


@given(flows(), facts, st.lists(inputs, max_size=60))
@settings(max_examples=200, deadline=None)
def test_at_most_one_say_is_heard_at_a_time_and_none_after_the_exit(
    flow: Flow, known: Facts, heard: list[Input]
) -> None:
    turn, saying = enter(flow, known, NOW), 0
    for one in [None, *heard]:
        if one is not None:
            if isinstance(one, PromptEnded) and saying == 0:
                continue  # the sender drops the end of a stopped one
            saying -= isinstance(one, PromptEnded)
            turn = step(flow, turn.cursor, one, known, NOW + 1000.0)
        for action in turn.actions:
            saying += {Say: 1, StopSaying: -1}[type(action)]
            assert saying in (0, 1)
        if isinstance(turn.exit, (ToQueue, HangUp)):
            assert saying == 0
            return
        assert saying == (1 if turn.cursor.saying else 0)


@given(flows(), facts, st.lists(inputs, max_size=40))
@settings(max_examples=100, deadline=None)
def test_the_same_inputs_give_the_same_turns(flow: Flow, known: Facts, heard: list[Input]) -> None:
    def run() -> list[Turn]:
        turns = [enter(flow, known, NOW)]
        turns.extend(turn for one in heard for turn in [step(flow, turns[-1].cursor, one, known, NOW + len(turns))])
        return turns

    assert run() == run()


@given(
    flows(),
    facts,
    st.builds(
        Cursor,
        st.sampled_from(["f", "other"]),
        st.sampled_from(["1", "0"]),
        st.sampled_from([*IDS, "gone"]),
        st.sampled_from(["zh-TW", "en", "xx"]),
        tries=st.integers(0, 20),
        saying=st.sampled_from([(), (Say(("p",), "en"),)]),
        ahead=st.text(KEYS, max_size=16),
        keyed=st.integers(0, KEYS_MAX + 5),
        timer_at=st.none() | st.just(NOW),
    ),
    inputs,
)
@settings(max_examples=300, deadline=None)
def test_no_cursor_and_no_input_raise(flow: Flow, known: Facts, cursor: Cursor, one: Input) -> None:
    assert step(flow, cursor, one, known, NOW).cursor.node in flow.nodes


@given(st.dates(date(2024, 1, 1), date(2027, 1, 1)), st.sampled_from(ZONES))
@settings(max_examples=300, deadline=None)
def test_a_day_open_from_nine_to_five_is_open_eight_hours_through_every_change_of_the_clock(
    day: date, zone: str
) -> None:
    calendar = Calendar(ZoneInfo(zone), (((9 * 3600, 17 * 3600),),) * 7)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    quarters = [noon + timedelta(minutes=15 * step) for step in range(-40, 40)]
    assert sum(is_open(calendar, quarter.timestamp()) for quarter in quarters) == 8 * 4

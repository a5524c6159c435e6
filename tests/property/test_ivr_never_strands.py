"""Random flows that pass the check never strand, loop or lose a caller, whatever the caller does."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.calendar import Calendar, is_open
from ivr.check import Surroundings, check
from ivr.expression import Type, Value
from ivr.expression_text import parse_expression
from ivr.interpreter import (
    KEYS_MAX,
    Answered,
    Ask,
    Call,
    Cursor,
    Digit,
    Facts,
    Input,
    Listen,
    PromptEnded,
    Say,
    SpeechHeard,
    StartMusic,
    StopListening,
    StopMusic,
    StopSaying,
    TimeIsUp,
    Turn,
    enter,
    resume,
    step,
)
from ivr.listening import MISHEARD_MAX
from ivr.model import (
    END_STATES,
    KEYS,
    BranchNode,
    CallbackNode,
    Case,
    CollectNode,
    ConsentNode,
    DecideNode,
    Flow,
    FlowId,
    HangUpNode,
    LanguageChoiceNode,
    LanguageNode,
    MenuNode,
    Node,
    NodeId,
    Option,
    OptionsNode,
    OutsideNode,
    Question,
    QueueNode,
    ReturnNode,
    SayNode,
    Scale,
    ScheduleNode,
    SetNode,
    SlotsNode,
    Spoken,
    SubFlowNode,
    Subject,
    SurveyNode,
    TransferNode,
    Variable,
    VoicemailNode,
)
from ivr.speech import SPEAKERS, Style
from ivr.sub_flows import link
from ivr.walk import inside
from ivr.world import QUIET_S
from ivr.world_model import AuthenticateNode, HttpNode, Lookup, LookupNode, RememberNode

ALWAYS = Calendar(ZoneInfo("UTC"), (((0, 86_400),),) * 7)
HOLIDAY = Calendar(ZoneInfo("UTC"), (((0, 86_400),),) * 7, exceptions={date(2025, 10, 9): ()})
CALENDARS = {"always": ALWAYS, "holiday": HOLIDAY}
PROMPTS = {language: {"p", *SPEAKERS[language].words} for language in ("en", "zh-TW")}
NAMES = ("zh-TW", "en"), ("vip", "basic"), ("orders",), CALENDARS.keys(), PROMPTS
NOW = 1_760_000_000.0
ZONES = ["America/New_York", "Asia/Taipei", "Australia/Lord_Howe", "Europe/Berlin"]
IDS = [f"n{i}" for i in range(6)]
VARIABLES = {
    "code": Variable(Type.DIGITS),
    "count": Variable(Type.NUMBER, 0),
    "born": Variable(Type.DATE),
    "yes": Variable(Type.BOOLEAN),
    "word": Variable(Type.TEXT),
}
SET = {"count": "count + count + 1", "yes": "known or count > 5", "code": "code", "born": "today"}
TESTS = ("count > 3", "code starts with '1' or yes", "born is set and born < today", "tier = 'vip'", "length(code) = 3")
SPOKEN = ("{count as number}", "{code as digits}", "{born as roc_date}", "{count as money}")


def spoken(text: str) -> Spoken:
    value, _, style = text.strip("{}").partition(" as ")
    return Spoken(parse_expression(value), Style(style))


node_ids = st.sampled_from(IDS)
said_in = st.sampled_from([(), ("en",), ("zh-TW", "en")])
prompts = st.sampled_from([("p",), *((spoken(text),) for text in SPOKEN), ("p", spoken(SPOKEN[0]))])
keys = st.dictionaries(st.sampled_from(KEYS), node_ids, min_size=1, max_size=3)
questions = st.lists(st.sampled_from(Scale), min_size=1, max_size=3).map(
    lambda scales: tuple(
        Question(f"q{n}", ("p",), scale, "yes" if scale is Scale.YES_NO else "count") for n, scale in enumerate(scales)
    )
)
collects = st.builds(
    CollectNode,
    prompts,
    st.sampled_from(sorted(VARIABLES.keys() - {"yes"})),
    node_ids,
    node_ids,
    digits_min=st.integers(1, 3),
    digits_max=st.integers(3, 9),
    terminator=st.sampled_from(["#", ""]),
    keys=st.dictionaries(st.just("*"), node_ids),
    tries_max=st.integers(1, 3),
    interruptible=st.booleans(),
    unless_known=st.booleans(),
    speech=st.booleans(),
)
menus = st.builds(
    lambda choices, spoken, **more: MenuNode(
        choices=choices, speech={language: {f"say {key}": key for key in choices} for language in spoken}, **more
    ),
    keys,
    st.sampled_from([(), ("en",), ("en", "zh-TW")]),
    prompts=prompts,
    on_exhausted=node_ids,
    tries_max=st.integers(1, 3),
    wrong_key_prompts=st.just(("p",)),
    said_in=said_in,
)
waits = {"wait_prompts": st.sampled_from([(), ("p",), ("p", "p")]), "within_s": st.sampled_from([0.5, 3.0, 20.0])}
FOUND = {
    Lookup.CUSTOMER: "customer_id", Lookup.CASE: "status", Lookup.ORDER: "status", Lookup.ANSWERS: "word"
}  # fmt: skip
looked_up = st.builds(
    lambda what, field, found, none, error, **more: LookupNode(
        what, found, none, error, {"word": FOUND[what]} if field else {}, **more
    ),
    st.sampled_from(Lookup),
    st.booleans(),
    node_ids,
    node_ids,
    node_ids,
    by=st.sampled_from([None, parse_expression("code")]),
    **waits,
)
requested = st.builds(
    HttpNode,
    st.sampled_from(["https://crm.example/orders", "https://crm.example/orders/{code}"]),
    node_ids,
    node_ids,
    st.none() | node_ids,
    into=st.sampled_from([{}, {"count": "total", "word": "a.b"}]),
    query=st.just({"n": parse_expression("count")}),
    body=st.sampled_from([None, {"n": parse_expression("count")}]),
    **waits,
)
slots = st.builds(SlotsNode, st.just("orders"), prompts, node_ids, node_ids, st.integers(1, 3))
options = st.builds(
    lambda first, second, exhausted, tries_max: OptionsNode(
        ("p",), (Option(("p",), first), Option(("p",), second)), exhausted, tries_max
    ),
    *(node_ids, node_ids, node_ids, st.integers(1, 3)),
)
outside = st.builds(
    OutsideNode,
    st.sampled_from([parse_expression("code"), parse_expression("'+886212345678'")]),
    node_ids,
    st.none() | node_ids,
    st.none() | node_ids,
    prompts,
)
asked_who = st.builds(
    AuthenticateNode,
    prompts,
    node_ids,
    node_ids,
    node_ids,
    fresh_s=st.sampled_from([0.0, 60.0]),
    tries_max=st.integers(1, 3),
    wrong_prompts=prompts,
    **waits,
)
nodes: st.SearchStrategy[Node] = st.one_of(
    st.builds(SayNode, prompts, node_ids, st.booleans(), said_in),
    menus,
    collects,
    collects,
    st.builds(LanguageNode, st.sampled_from(["zh-TW", "en"]), node_ids),
    st.builds(LanguageChoiceNode, st.just(("p",)), st.just({"1": "zh-TW", "2": "en"}), node_ids),
    st.builds(BranchNode, st.just(Subject.KNOWN), st.dictionaries(st.just("yes"), node_ids, min_size=1), node_ids),
    st.builds(BranchNode, st.just(Subject.CALENDAR), st.just({"open": IDS[0]}), node_ids, st.just("always")),
    st.builds(
        DecideNode,
        st.lists(st.builds(Case, st.sampled_from(TESTS).map(parse_expression), node_ids), min_size=1, max_size=3).map(
            tuple
        ),
        node_ids,
    ),
    st.builds(
        SetNode,
        st.sampled_from(sorted(SET)).map(lambda name: {name: parse_expression(SET[name])}),
        node_ids,
    ),
    st.builds(
        ScheduleNode, st.sampled_from(sorted(CALENDARS)), node_ids, node_ids, st.none() | node_ids, st.none() | node_ids
    ),
    st.builds(ConsentNode, prompts, node_ids, node_ids, silence_accepts=st.booleans(), interruptible=st.booleans()),
    st.builds(
        SurveyNode,
        st.just("s"),
        questions,
        node_ids,
        invitation=st.sampled_from([(), ("p",)]),
        tries_max=st.integers(1, 2),
    ),
    looked_up,
    st.builds(RememberNode, st.just({"word": parse_expression("word")}), node_ids, st.just(60.0)),
    requested,
    asked_who,
    st.builds(QueueNode, st.just("orders"), announcement=prompts),
    st.builds(TransferNode, st.just("orders"), st.just(parse_expression("word"))),
    outside,
    slots,
    options,
    st.just(CallbackNode("orders")),
    st.just(VoicemailNode()),
    st.builds(HangUpNode, st.sampled_from(END_STATES)),
)


def sub_flow_nodes(inner: FlowId) -> st.SearchStrategy[Node]:
    exchange = {"inputs": {"count": parse_expression("count + 1")}, "outputs": {"code": "code"}}
    return st.builds(lambda to: SubFlowNode(inner, {"done": to}, **exchange), node_ids)  # type: ignore[arg-type]


def onward(node: Node, later: Callable[[], NodeId]) -> Node:  # noqa: C901, PLR0911 - one case per kind of node
    """The node, every way of it that needs no key leading to what `later` names."""
    match node:
        case SayNode() | LanguageNode() | LanguageChoiceNode() | SetNode() | RememberNode() | SurveyNode():
            return replace(node, next=later())
        case CollectNode(unless_known=True):
            return replace(node, next=later(), on_exhausted=later())
        case MenuNode() | CollectNode() | OptionsNode():
            return replace(node, on_exhausted=later())
        case BranchNode():
            return replace(node, cases={word: later() for word in node.cases}, otherwise=later())
        case DecideNode():
            return replace(node, cases=tuple(Case(c.when, later()) for c in node.cases), otherwise=later())
        case ScheduleNode():
            return ScheduleNode(node.calendar, later(), later(), later(), later())
        case ConsentNode():
            return replace(node, on_accepted=later(), on_declined=later())
        case LookupNode():
            return replace(node, next=later(), on_none=later(), on_error=later())
        case HttpNode():
            return replace(node, next=later(), on_none=node.on_none and later(), on_error=later())
        case AuthenticateNode():
            return replace(node, next=later(), on_failed=later(), on_error=later())
        case OutsideNode():
            return replace(node, on_failed=later(), on_busy=node.on_busy and later(), on_no_answer=None)
        case SlotsNode():
            return replace(node, on_none=later(), on_exhausted=later())
        case SubFlowNode():
            return replace(node, outcomes={"done": later()})
        case QueueNode() | TransferNode() | CallbackNode() | VoicemailNode() | HangUpNode() | ReturnNode():
            return node


def serious(flow: Flow, around: Surroundings) -> list[str]:
    """The mistakes but unreachable nodes, which harm nobody, and what is told of a customer, which strands nobody."""
    return [
        mistake for mistake in check(flow, around) if not any(word in mistake for word in ("unreachable", "personal"))
    ]


@st.composite
def one_flow(draw: st.DrawFn, flow_id: FlowId, last: Node, kinds: st.SearchStrategy[Node], below: list[Flow]) -> Flow:
    """A flow that passes the check but for unreachable nodes; its last node ends it."""
    around = Surroundings(*NAMES, flows={flow.id: flow for flow in below})
    written = {node_id: draw(kinds) for node_id in IDS[:-1]}
    agent = None if isinstance(last, ReturnNode) else draw(st.none() | st.just(IDS[-1]))
    flow = Flow(flow_id, "1", IDS[0], {**written, IDS[-1]: last}, agent, VARIABLES)
    if not serious(flow, around):
        return flow
    # Break what the check found: let every way that needs no key lead forward, and end in the last node.
    fixed: dict[str, Node] = {}
    for i, (node_id, node) in enumerate(flow.nodes.items()):
        later = st.sampled_from(IDS[i + 1 :]) if i + 1 < len(IDS) else st.just(IDS[-1])
        if isinstance(node, HangUpNode | VoicemailNode) and isinstance(last, ReturnNode):
            node = last  # noqa: PLW2901 - without an agent_node of its own, whoever asks must get back
        fixed[node_id] = onward(node, lambda later=later: draw(later))  # type: ignore[misc]
    flow = replace(flow, nodes=fixed, agent_node=None if isinstance(last, ReturnNode) else IDS[-1])
    assert not serious(flow, around)
    return flow


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    """A flow whose sub-flow has a sub-flow; all pass the check."""
    deepest = draw(one_flow("deepest", ReturnNode("done"), nodes, []))
    inner = draw(one_flow("inner", ReturnNode("done"), st.one_of(nodes, sub_flow_nodes("deepest")), [deepest]))
    kinds = st.one_of(nodes, nodes, sub_flow_nodes("inner"), sub_flow_nodes("deepest"))
    flow = draw(one_flow("f", QueueNode("orders"), kinds, [deepest, inner]))
    linked = link({each.id: each for each in (flow, inner, deepest)})["f"]
    return replace(linked, version="1")


# Flows of nothing but nodes that may listen.
talking_flows = one_flow("f", QueueNode("orders"), st.one_of(menus, collects), []).map(
    lambda flow: link({"f": flow})["f"]
)
facts = st.builds(
    Facts,
    st.sampled_from(["zh-TW", "en"]),
    st.sampled_from(["vip", "basic", "?"]),
    st.booleans(),
    st.just(CALENDARS),
    customer_id=st.sampled_from([None, "c1"]),
    verified=st.booleans(),
)
VALUES: tuple[dict[str, Value], ...] = (
    {},
    {"status": "sent"},
    {"customer_id": "c2"},
    {"total": 3, "a.b": "x"},
    {"n1": 3, "n3": 5, "inner/n2": 7},
    {"total": "many"},
    {"a.b": "x" * 999},
    {"1.begin": NOW + 3_600.0, "1.end": NOW + 5_400.0, "2.begin": NOW + 5_400.0, "2.end": NOW + 7_200.0},
)
OUTCOMES = ("found", "none", "verified", "wrong", "locked", "error", "?", "answered", "busy", "no_answer")
answers = st.builds(Answered, st.integers(0, 4), st.sampled_from(OUTCOMES), st.sampled_from(VALUES))
words = st.sampled_from([*(f"Say {key}" for key in KEYS), "123", "1234", "", "x"])
speech = st.builds(SpeechHeard, st.sampled_from(["matched", "matched", "no_match", "away", "began", "?"]), words)
Happening = Input | SpeechHeard
inputs: st.SearchStrategy[Happening] = st.one_of(
    st.builds(Digit, st.sampled_from("123")),
    st.builds(Digit, st.sampled_from([*KEYS, "", "x", "12"])),
    st.just(PromptEnded()),
    st.just(TimeIsUp()),
    answers,
    speech,
    speech,
)


@given(flows(), facts, st.lists(inputs, max_size=60))
@settings(max_examples=150, deadline=None)
def test_whatever_a_caller_does_the_exit_comes_in_bounded_time_once_they_stop(
    flow: Flow, known: Facts, heard: list[Happening]
) -> None:
    turn, now, exits = enter(flow, known, NOW), NOW, 0
    for one in heard:
        exits += turn.exit is not None
        now += 1.0
        turn = step(flow, turn.cursor, one, known, now)
        out = exits or turn.exit is not None
        assert (turn.timer_at is None) == bool(out), "who is not out is waiting for something that will come"
    for _ in range(2_000):  # the caller does nothing more, and not even the end of a prompt is reported
        exits += turn.exit is not None
        if exits:
            break
        assert turn.timer_at is not None, "who is not out is waiting for something that will come"
        now = max(now, turn.timer_at)
        turn = step(flow, turn.cursor, TimeIsUp(), known, now)
    assert exits == 1


@given(flows(), facts, st.lists(inputs, max_size=60))
@settings(max_examples=100, deadline=None)
def test_at_most_one_say_is_heard_at_a_time_and_none_after_the_exit(
    flow: Flow, known: Facts, heard: list[Happening]
) -> None:
    turn, saying, playing = enter(flow, known, NOW), 0, 0
    for one in [None, *heard]:
        if one is not None:
            if isinstance(one, PromptEnded) and saying == 0:
                continue  # the sender drops the end of a stopped one
            saying -= isinstance(one, PromptEnded)
            turn = step(flow, turn.cursor, one, known, NOW + 1000.0)
        for action in turn.actions:
            saying += {Say: 1, StopSaying: -1}.get(type(action), 0)
            playing += {StartMusic: 1, StopMusic: -1}.get(type(action), 0)
            assert saying in (0, 1)
            assert playing in (0, 1)
            assert saying + playing < 2, "music plays while nothing is said"
        if turn.exit is not None:
            assert saying == playing == 0
            return
        assert saying == (1 if turn.cursor.saying else 0)
        assert playing == (1 if turn.cursor.music else 0)


@given(talking_flows, facts, st.lists(inputs, min_size=5, max_size=60))
@settings(max_examples=200, deadline=None)
def test_at_most_one_recogniser_listens_at_a_time_and_none_after_two_failures_or_the_exit(
    flow: Flow, known: Facts, heard: list[Happening]
) -> None:
    turn, listening, failures = enter(flow, known, NOW), 0, 0
    for n, one in enumerate([None, *heard]):
        if one is not None:
            turn = step(flow, turn.cursor, one, known, NOW + 1000.0 * n)
        failures += sum(note.what == "misheard" for note in turn.notes)
        for action in turn.actions:
            listening += {Listen: 1, StopListening: -1}.get(type(action), 0)
            assert listening in (0, 1)
        assert listening == (1 if turn.cursor.listening else 0)
        assert failures == turn.cursor.misheard <= MISHEARD_MAX
        assert not (listening and failures == MISHEARD_MAX)
        if turn.exit is not None:
            assert not listening
            return


@given(flows(), facts, st.lists(inputs, max_size=60))
@settings(max_examples=100, deadline=None)
def test_who_waits_for_an_answer_hears_something_after_a_second_and_waits_no_longer_than_is_written(
    flow: Flow, known: Facts, heard: list[Happening]
) -> None:
    turn, now = enter(flow, known, NOW), NOW
    for one in [None, *heard]:
        if one is not None:
            now += 0.3
            turn = step(flow, turn.cursor, one, known, now)
        asked_at = turn.cursor.asked_at
        if asked_at is None or turn.exit is not None:
            continue
        if isinstance(inside(flow, turn.cursor.calls).nodes[turn.cursor.node], (OutsideNode, SlotsNode)):
            continue  # they hear that it rings; which times are free is known at once
        assert turn.timer_at is not None
        assert turn.timer_at <= asked_at + 20.0
        if not turn.cursor.saying and not turn.cursor.music:
            assert turn.timer_at <= asked_at + QUIET_S


@given(flows(), facts, st.lists(inputs, max_size=40))
@settings(max_examples=100, deadline=None)
def test_after_a_restart_what_was_pending_is_asked_again_or_taken_for_an_error_and_nobody_is_stranded(
    flow: Flow, known: Facts, heard: list[Happening]
) -> None:
    turn, now = enter(flow, known, NOW), NOW
    for one in heard:
        if turn.exit is not None:
            return
        now += 1.0
        turn = step(flow, turn.cursor, one, known, now)
    if turn.exit is not None:
        return
    before = turn.cursor
    turn = resume(flow, before, known, now)
    asked = [action for action in turn.actions if isinstance(action, Ask)]
    assert turn.exit is not None or turn.timer_at is not None or not before.timer_at
    assert len(asked) <= 1
    for again in asked:
        assert before.asked_at is not None
        assert again.request in (before.requests, before.requests + 1)
    for _ in range(2_000):
        if turn.exit is not None:
            return
        assert turn.timer_at is not None
        now = max(now, turn.timer_at)
        turn = step(flow, turn.cursor, TimeIsUp(), known, now)
    raise AssertionError("who keys nothing is out at last")


@given(flows(), facts, st.lists(inputs, max_size=40))
@settings(max_examples=40, deadline=None)
def test_the_same_inputs_give_the_same_turns(flow: Flow, known: Facts, heard: list[Happening]) -> None:
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
        calls=st.sampled_from([(), *((Call(f, n, {}),) for f in ("inner", "gone") for n in ("n0", "n3"))]),
        collected=st.text("0123456789", max_size=9),
        question=st.integers(-1, 5),
        answered=st.integers(0, 3),
        requests=st.integers(0, 3),
        asked_at=st.none() | st.just(NOW - 1.0),
        music=st.booleans(),
        customer_id=st.sampled_from([None, "c1"]),
        verified=st.booleans(),
        listening=st.booleans(),
        misheard=st.integers(0, 3),
        speaking=st.booleans(),
    ),
    inputs,
)
@settings(max_examples=150, deadline=None)
def test_no_cursor_and_no_input_raise(flow: Flow, known: Facts, cursor: Cursor, one: Happening) -> None:
    for turn in (step(flow, cursor, one, known, NOW), resume(flow, cursor, known, NOW)):
        current = flow
        for call in turn.cursor.calls:
            current = current.inner[call.flow]
        assert turn.cursor.node in current.nodes


@given(st.dates(date(2024, 1, 1), date(2027, 1, 1)), st.sampled_from(ZONES))
@settings(max_examples=300, deadline=None)
def test_a_day_open_from_nine_to_five_is_open_eight_hours_through_every_change_of_the_clock(
    day: date, zone: str
) -> None:
    calendar = Calendar(ZoneInfo(zone), (((9 * 3600, 17 * 3600),),) * 7)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    quarters = [noon + timedelta(minutes=15 * step) for step in range(-40, 40)]
    assert sum(is_open(calendar, quarter.timestamp()) for quarter in quarters) == 8 * 4

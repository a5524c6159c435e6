"""One turn in the making: the cursor's fields, unfrozen, and what the turn will ask and remember."""

from collections.abc import Mapping

from ivr.expression import Value
from ivr.model import KEYS, Flow, Language, NodeId, Said, SubFlowNode
from ivr.prompts import PROMPT_MAX_S
from ivr.scope import read
from ivr.speech import say
from ivr.turn import Action, Answered, Call, Cursor, Exit, Facts, Note, Say, StopMusic, StopSaying, Turn

AHEAD_MAX = 32  # keys kept while nothing asks
KEYS_MAX = 300  # heard in one visit to a flow

_KEYS = frozenset(KEYS)


class Walk:
    """The caller's place while they are moved; `current` is the innermost flow, `way` the way that is being taken."""

    __slots__ = (
        *("root", "facts", "now", "start", "current", "way"),
        *("node", "language", "tries", "saying", "ahead", "keyed", "timer_at", "variables", "calls"),
        *("collected", "question", "answered", "consent"),
        *("requests", "asked_at", "music", "customer_id", "verified", "slots", "slot", "order"),
        *("listening", "misheard", "speaking"),
        *("actions", "notes", "exit"),
    )

    def __init__(self, root: Flow, current: Flow, cursor: Cursor, facts: Facts, now: float) -> None:
        self.root, self.current, self.facts, self.now, self.start = root, current, facts, now, cursor
        self.way = "start"
        self.node, self.language, self.tries = cursor.node, cursor.language, cursor.tries
        self.saying, self.ahead, self.keyed = cursor.saying, cursor.ahead, cursor.keyed
        self.timer_at, self.variables, self.calls = cursor.timer_at, cursor.variables, cursor.calls
        self.collected, self.question = cursor.collected, cursor.question
        self.answered, self.consent = cursor.answered, cursor.consent
        self.requests, self.asked_at, self.music = cursor.requests, cursor.asked_at, cursor.music
        self.customer_id, self.verified = cursor.customer_id, cursor.verified
        self.slots, self.slot, self.order = cursor.slots, cursor.slot, cursor.order
        self.listening, self.misheard, self.speaking = cursor.listening, cursor.misheard, cursor.speaking
        self.actions: list[Action] = []
        self.notes: list[Note] = []
        self.exit: Exit | None = None

    def turn(self) -> Turn:
        """The finished turn."""
        cursor = Cursor(
            self.start.flow,
            self.start.version,
            self.node,
            self.language,
            self.tries,
            self.saying,
            self.ahead,
            self.keyed,
            self.timer_at,
            self.variables,
            self.calls,
            self.collected,
            self.question,
            self.answered,
            self.consent,
            self.requests,
            self.asked_at,
            self.music,
            self.customer_id,
            self.verified,
            self.slots,
            self.slot,
            self.order,
            self.listening,
            self.misheard,
            self.speaking,
        )
        return Turn(cursor, tuple(self.actions), tuple(self.notes), self.exit)

    def note(self, what: str, detail: Mapping[str, Value]) -> None:
        """Remember something that happened at this node."""
        self.notes.append(Note(what, self.place(self.node), detail))

    def note_answer(self, what: str, answer: Answered) -> None:
        """Remember the answer to what was asked, and how long it took; no time for what could not be asked at all."""
        took_s = 0.0 if self.asked_at is None else round(self.now - self.asked_at, 3)
        told: dict[str, Value] = {"request": answer.request, "what": what, "outcome": answer.outcome}
        self.note("answered", {**told, "why": answer.why, "took_s": took_s})

    def place(self, node: NodeId) -> NodeId:
        """A node of the current flow as notes name it."""
        return f"{self.current.id}/{node}" if self.calls else node

    # Variables and flows

    def look(self, name: str) -> Value | None:
        """What a variable holds, None if it is unset: the scope of the flow's expressions."""
        value = self.variables.get(name)
        if value is not None:
            return value
        return self.verified if name == "verified" else read(name, self.facts, self.language, self.now)

    def keep(self, name: str, value: Value | None) -> None:
        """Set a variable of the current flow, or unset it."""
        kept = {key: old for key, old in self.variables.items() if key != name}
        self.variables = kept if value is None else {**kept, name: value}

    def call(self, flow: Flow, variables: Mapping[str, Value]) -> None:
        """Enter a sub-flow from this node."""
        self.calls = (*self.calls, Call(flow.id, self.node, self.variables))
        self.current, self.variables = flow, variables

    def back(self) -> SubFlowNode:
        """Leave the innermost sub-flow; returns the node that it was entered at, where the caller is again."""
        last = self.calls[-1]
        self.calls = self.calls[:-1]
        self.current, self.node, self.variables = inside(self.root, self.calls), last.node, last.variables
        node = self.current.nodes[last.node]
        assert isinstance(node, SubFlowNode), "a flow is one value: where a sub-flow was entered, its node is"
        return node

    def agent_depth(self) -> int | None:
        """How many sub-flows deep the nearest flow is that says where `0` leads; None if none does."""
        depths = range(len(self.calls), -1, -1)
        return next((depth for depth in depths if inside(self.root, self.calls[:depth]).agent_node is not None), None)

    def to_agent(self) -> NodeId | None:
        """Where `0` leads, out of sub-flows if need be, and the caller is in that flow then; None if nowhere."""
        depth = self.agent_depth()
        if depth is None:
            return None
        while len(self.calls) > depth:
            self.back()
        self.way = "agent"
        return self.current.agent_node

    # Keys and prompts

    def counts(self, digit: str) -> bool:
        """Whether a key is heard at all; then it is counted."""
        if digit not in _KEYS or self.keyed >= KEYS_MAX:
            return False
        self.keyed += 1
        return True

    def keep_ahead(self, digit: str) -> None:
        """Keep a key until something asks for one."""
        self.ahead = (self.ahead + digit)[:AHEAD_MAX]

    def say_in(self, prompts: tuple[Said, ...], languages: tuple[Language, ...]) -> None:
        """Say prompts in each of the languages, in the caller's if there is none; what is empty is not said."""
        if languages:
            said = [Say(self.words(prompts, language), language) for language in languages]
            self.say(tuple([each for each in said if each.prompts]))
        else:
            words = self.words(prompts, self.language)
            self.say((Say(words, self.language),) if words else ())

    def words(self, prompts: tuple[Said, ...], language: Language) -> tuple[str, ...]:
        """The prompts, with those of spoken values in their places."""
        for each in prompts:
            if each.__class__ is not str:
                break
        else:
            return prompts  # type: ignore[return-value]  # no value among them, as in most
        words: list[str] = []
        for each in prompts:
            if isinstance(each, str):
                words.append(each)
            else:
                words.extend(say(language, each.style, each.value.of(self.look)))
        return tuple(words)

    def say(self, saying: tuple[Say, ...]) -> None:
        """Begin the first of `saying`; a guard timer stands for an end that is never reported."""
        self.saying = saying
        self.timer_at = None
        if saying:
            self.actions.append(saying[0])
            self.timer_at = self.now + PROMPT_MAX_S * len(saying[0].prompts)

    def all_said(self) -> bool:
        """One Say ended: begin the next, or it was the last."""
        self.say(self.saying[1:])
        return not self.saying

    def unreported(self) -> bool:
        """The end of a Say was never reported: as if it were now."""
        self.actions.append(StopSaying())
        return self.all_said()

    def hush(self) -> None:
        """Stop what is being said or played, and any timer."""
        if self.saying:
            self.actions.append(StopSaying())
            self.saying = ()
        if self.music:
            self.actions.append(StopMusic())
            self.music = False
        self.timer_at = None


def inside(root: Flow, calls: tuple[Call, ...]) -> Flow:
    """The innermost flow of these calls."""
    flow = root
    for call in calls:
        flow = flow.inner[call.flow]
    return flow

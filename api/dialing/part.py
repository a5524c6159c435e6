"""What is to be dialed: a conversation with its flow, and whether a telephone can hold it."""

from dataclasses import dataclass, replace
from typing import Final

from ivr.model import Flow
from ivr.rehearsal import play
from ivr.script import Conversation, Step, World
from ivr.turn import Facts, Note
from ivr.visits import at_first

_OF_PHONES: Final = {"slots", "transfer"}


@dataclass(frozen=True, slots=True)
class Part:
    """A conversation with a flow; `facts` are what is known of its caller."""

    flow: Flow
    conversation: Conversation
    facts: Facts

    @property
    def name(self) -> str:
        """`flow: conversation`."""
        return f"{self.flow.id}: {self.conversation.name}"

    def undialable(self, default_tier: str) -> str | None:
        """Why no telephone can hold this conversation; None if one can. Strangers are of the tier `default_tier`."""
        caller = self.conversation.caller
        played = play(self.flow, self.conversation, self.facts)
        asked = {note.detail["what"] for note in played.notes if note.what == "asked"}
        if asked & _OF_PHONES or self.conversation.exit.startswith("callback:"):
            return "nobody is called here: neither a phone outside, nor a caller who was promised it"
        if caller.verified:
            return "a caller has proved nothing before the call"
        if not caller.known and (caller.value_tier or default_tier) != default_tier:
            return f"a caller whom nobody knows is of tier {default_tier}"
        if not caller.known and (caller.open_case or caller.open_order or caller.at_risk):
            return "a caller whom nobody knows has no case and no order and is no risk"
        return None

    def dialed_by(self, customer_id: str) -> "Part":
        """The same as a call has it: a caller who is known is this customer; a flow of its own holds what was given."""
        flow, facts = self.flow, replace(self.facts, variables={})
        if self.conversation.given:
            known = at_first(flow, self.conversation.given)
            variables = {name: replace(each, value=known.get(name)) for name, each in flow.variables.items()}
            flow = replace(flow, id=f"{flow.id}_{customer_id}", variables=variables)
        part = replace(self, flow=flow, facts=facts)
        written = self.conversation.caller.customer_id
        if not self.conversation.caller.known:
            return part

        def theirs(step: Step) -> Step:
            if not isinstance(step, World) or written is None:
                return step
            values = {name: customer_id if value == written else value for name, value in step.values.items()}
            return World(step.outcome, values)

        conversation = replace(self.conversation, steps=tuple(map(theirs, self.conversation.steps)))
        return replace(part, conversation=conversation, facts=replace(facts, customer_id=customer_id))


@dataclass(frozen=True, slots=True)
class Held:
    """How a conversation by telephone went: what differs from the script, and what is remembered of the visit."""

    mistakes: tuple[str, ...]
    notes: tuple[Note, ...]

"""What nodes are called, and what they say: prompts, and values in their place."""

from dataclasses import dataclass

from ivr.expression import Expression
from ivr.prompts import PromptId
from ivr.speech.rules import Style

NodeId = str


@dataclass(frozen=True, slots=True)
class Spoken:
    """A value, said where a prompt could be said: {balance as money}. Nothing is said of an unset one."""

    value: Expression
    style: Style


Said = PromptId | Spoken

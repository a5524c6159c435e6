"""What the world answers as the script has it, for a call center that is dialed: not the database, no other system.

That an answer comes in time, or does not, is still the call center's own affair.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from callcenter.contact.commands import AskWorld
from callcenter.contact.signals import WorldAnswered
from ivr.expression import Value
from ivr.turn import KeepAnswers


@dataclass(frozen=True, slots=True)
class Question:
    """What a contact asked, and when by the loop's clock; its answer is not there yet."""

    request: int
    asked_s: float
    answer: asyncio.Future[WorldAnswered]


class ScriptedAnswers:
    """Implements callcenter.sources.Answers. A question waits for its answer; one that gets none runs out of time."""

    def __init__(self) -> None:
        self._questions: dict[str, Question] = {}

    async def find(self, command: AskWorld) -> WorldAnswered:
        """What the script says, once it does. What is to be kept is not: nobody waits for that."""
        if isinstance(command.inquiry, KeepAnswers):
            return WorldAnswered(command.request, "found")
        loop = asyncio.get_running_loop()
        question = Question(command.request, loop.time(), loop.create_future())
        self._questions[command.contact_id] = question
        return await question.answer

    async def close(self) -> None:
        """Nothing was opened."""

    def asked_s(self, contact_id: str, request: int) -> float | None:
        """When, by the loop's clock, this contact asked for the `request`-th time; None: that is not its latest."""
        question = self._questions.get(contact_id)
        return question.asked_s if question is not None and question.request == request else None

    def answer(self, contact_id: str, outcome: str, values: Mapping[str, Value]) -> None:
        """Answer the contact's latest question, of which there must be one; too late is as if it were not said."""
        question = self._questions[contact_id]
        if not question.answer.done():
            question.answer.set_result(WorldAnswered(question.request, outcome, values))

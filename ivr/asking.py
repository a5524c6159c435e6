"""The nodes that ask: what a key means at each, what silence does, and when to stop asking.

Every function returns the node to go on to, or None to stay. Whoever stays is being spoken to, or a timer runs.
"""

from collections.abc import Mapping
from typing import assert_never

from ivr import listening, world
from ivr.digits import value_of
from ivr.model import (
    AGENT_KEY,
    AskingNode,
    CollectNode,
    ConsentNode,
    Language,
    LanguageChoiceNode,
    MenuNode,
    NodeId,
    Question,
    Said,
    Scale,
    SurveyNode,
)
from ivr.turn import Answered, ComparePin, Digit, Input, PromptEnded, RecallVerified, TimeIsUp
from ivr.walk import Walk
from ivr.world_model import AuthenticateNode

_DIGITS = frozenset("0123456789")
_ANSWERS: Mapping[Scale, Mapping[str, int]] = {
    Scale.LIKERT: {str(n): n for n in range(1, 6)},
    Scale.YES_NO: {"1": 1, "2": 0},
    Scale.NPS: {str(n): n for n in range(10)},
}


def begin(walk: Walk, node: AskingNode) -> NodeId | None:
    """The caller comes to the node: keys typed ahead answer it unasked."""
    walk.collected, walk.question, walk.answered = "", 0, 0
    if isinstance(node, SurveyNode):
        walk.question = -1 if node.invitation else 0
        walk.note("survey_invited", {"survey": node.survey, "questions": len(node.questions)})
    if isinstance(node, AuthenticateNode):
        return _begin_proof(walk, node)
    if isinstance(node, CollectNode) and node.unless_known and node.into in walk.variables:
        walk.way = "next"
        return node.next
    return go_on(walk, node)


def answer_heard(walk: Walk, node: AskingNode, heard: Input) -> NodeId | None:
    """An input while the node asks."""
    match heard:
        case Digit(digit):
            return hear(walk, node, digit) if walk.counts(digit) else None
        case PromptEnded():  # of no Say: it ended as a key stopped it
            return heard_out(walk, node) if walk.saying and walk.all_said() else None
        case TimeIsUp():
            if walk.timer_at is None or walk.now < walk.timer_at:
                return None
            if not walk.saying:
                return silence(walk, node)
            return heard_out(walk, node) if walk.unreported() else None
        case Answered():
            return None  # it was not waited for any longer
        case _:
            assert_never(heard)


def hear(walk: Walk, node: AskingNode, digit: str) -> NodeId | None:
    """A key pressed at the node."""
    if isinstance(node, (CollectNode, ConsentNode)) and walk.saying and not node.interruptible:
        walk.keep_ahead(digit)
        return None
    if isinstance(node, CollectNode | AuthenticateNode) and not _means(node, digit):
        return None
    walk.hush()
    to = _take(walk, node, digit)
    return go_on(walk, node) if to is None else to


def heard_out(walk: Walk, node: AskingNode) -> NodeId | None:
    """All was said: what was keyed meanwhile is the answer, or the caller's time begins."""
    if walk.ahead:
        return go_on(walk, node)
    walk.timer_at = walk.now + node.timeout_s
    return None


def silence(walk: Walk, node: AskingNode) -> NodeId | None:
    """Nothing more was keyed in time: what was keyed is the answer, or there is none."""
    walk.timer_at = None
    listening.fail(walk, "no_speech")
    to: NodeId | None
    if walk.collected and isinstance(node, CollectNode | AuthenticateNode):
        to = _complete(walk, node)
    elif walk.collected and isinstance(node, SurveyNode):
        to = _answered(walk, node, 1)
    else:
        to = asked_again(walk, node, "no_input")
    return go_on(walk, node) if to is None else to


def go_on(walk: Walk, node: AskingNode) -> NodeId | None:
    """Take the keys typed ahead one by one; then ask, if nothing is being said and nothing is awaited."""
    while walk.ahead and not walk.saying and walk.asked_at is None:
        digit, walk.ahead = walk.ahead[0], walk.ahead[1:]
        if (to := _take(walk, node, digit)) is not None:
            return to
    if not walk.saying and walk.timer_at is None:
        _ask(walk, node, ())
    return None


def cut_off(walk: Walk, node: SurveyNode) -> None:
    """The caller leaves in the middle of a survey: what was answered stays."""
    walk.collected = ""
    _close(walk, node)


# What a key means


def _take(walk: Walk, node: AskingNode, digit: str) -> NodeId | None:
    listening.end(walk)
    match node:
        case MenuNode():
            to = node.choices.get(digit)
            if to is not None:
                walk.note("keyed", {"digits": digit})
                walk.way = f"choices.{digit}"
                return to
        case CollectNode() | AuthenticateNode():
            return _digit(walk, node, digit)
        case LanguageChoiceNode():
            language = node.choices.get(digit)
            if language is not None:
                walk.note("keyed", {"digits": digit})
                walk.language, walk.way = language, "next"
                return node.next
        case ConsentNode():
            if digit in {node.accept_key, node.decline_key}:
                return _consented(walk, node, by="key", given=digit == node.accept_key)
        case SurveyNode():
            return _answer(walk, node, digit)
        case _:
            assert_never(node)
    return _agent_or_wrong(walk, node, digit)


def _agent_or_wrong(walk: Walk, node: AskingNode, digit: str) -> NodeId | None:
    walk.note("keyed", {"digits": digit})
    if digit != AGENT_KEY or walk.agent_depth() is None:
        return asked_again(walk, node, "wrong_key")
    if isinstance(node, SurveyNode):
        _close(walk, node)
    if isinstance(node, ConsentNode):
        _consented(walk, node, by="agent", given=node.silence_accepts)
    return walk.to_agent()


def _means(node: CollectNode | AuthenticateNode, digit: str) -> bool:
    return digit in _DIGITS or digit == _terminator(node) or digit in _keys(node)


def _terminator(node: CollectNode | AuthenticateNode) -> str:
    return node.terminator if isinstance(node, CollectNode) else "#"


def _keys(node: CollectNode | AuthenticateNode) -> Mapping[str, NodeId]:
    return node.keys if isinstance(node, CollectNode) else {}


def _digit(walk: Walk, node: CollectNode | AuthenticateNode, digit: str) -> NodeId | None:
    if digit == _terminator(node):
        return _complete(walk, node)
    if digit in _DIGITS:
        walk.collected += digit
        if len(walk.collected) >= node.digits_max:
            return _complete(walk, node)
        walk.timer_at = walk.now + node.between_s
        return None
    to = _keys(node).get(digit)
    if to is not None:
        walk.note("keyed", {"digits": digit})
        walk.collected, walk.timer_at, walk.way = "", None, f"keys.{digit}"
    return to


def _complete(walk: Walk, node: CollectNode | AuthenticateNode) -> NodeId | None:
    """No more digits come: they are the answer, if they are enough and make sense."""
    digits, walk.collected, walk.timer_at = walk.collected, "", None
    if digits:
        secret = isinstance(node, AuthenticateNode) or node.secret
        walk.note("keyed", {"digits": "*" * len(digits) if secret else digits})
    if len(digits) < node.digits_min:
        return asked_again(walk, node, "wrong_key")
    if isinstance(node, AuthenticateNode):
        world.ask(walk, ComparePin(world.customer(walk) or "", digits), node)
        return None
    return answered_with(walk, node, digits)


def answered_with(walk: Walk, node: CollectNode, digits: str) -> NodeId | None:
    """Enough digits, keyed or spoken: they are the answer, if they make sense."""
    value = value_of(digits, walk.current.variables[node.into].type)
    if value is None:
        return asked_again(walk, node, "wrong_key")
    walk.keep(node.into, value)
    walk.way = "next"
    return node.next


def _consented(walk: Walk, node: ConsentNode, *, by: str, given: bool) -> NodeId:
    if by == "key":
        walk.note("keyed", {"digits": node.accept_key if given else node.decline_key})
    walk.note("consented", {"given": given, "by": by})
    walk.consent, walk.way = given, "on_accepted" if given else "on_declined"
    return node.on_accepted if given else node.on_declined


# Proof of who calls


def compared(walk: Walk, node: AuthenticateNode, answer: Answered) -> NodeId | None:
    """Whether the caller is who they say: on, once more, or not."""
    recalling, walk.question = walk.question < 0, 0
    if answer.outcome == "verified":
        walk.verified = True
        walk.note("verified", {"customer_id": world.customer(walk) or "", "by": "recalled" if recalling else "pin"})
        walk.way = "next"
        return node.next
    if recalling:
        return go_on(walk, node)
    if answer.outcome == "wrong":
        to = asked_again(walk, node, "wrong_key")
        return go_on(walk, node) if to is None else to
    walk.way = "on_failed" if answer.outcome == "locked" else "on_error"
    return node.on_failed if answer.outcome == "locked" else node.on_error


def _begin_proof(walk: Walk, node: AuthenticateNode) -> NodeId | None:
    """Nobody proves twice who they are, and nobody can whom we do not know."""
    who = world.customer(walk)
    if walk.verified:
        walk.way = "next"
        return node.next
    if who is None:
        walk.way = "on_failed"
        return node.on_failed
    if node.fresh_s <= 0:
        return go_on(walk, node)
    walk.question = -1
    world.ask(walk, RecallVerified(who, node.fresh_s), node)
    return None


# Surveys


def _answer(walk: Walk, node: SurveyNode, digit: str) -> NodeId | None:
    if walk.question < 0:
        if digit not in {"1", "2"}:
            return _agent_or_wrong(walk, node, digit)
        walk.note("keyed", {"digits": digit})
        if digit == "2":
            return _close(walk, node)
        walk.question = walk.tries = 0
        return None
    scale = _question(walk, node).scale
    if scale is Scale.NPS and walk.collected:
        walk.collected, walk.timer_at = "", None
        return _answered(walk, node, 10) if digit == "0" else _agent_or_wrong(walk, node, digit)
    if scale is Scale.NPS and digit == "1":
        walk.collected, walk.timer_at = digit, walk.now + node.between_s
        return None
    answer = _ANSWERS[scale].get(digit)
    return _agent_or_wrong(walk, node, digit) if answer is None else _answered(walk, node, answer)


def _answered(walk: Walk, node: SurveyNode, answer: int) -> NodeId | None:
    """One question is answered: on to the next, or out."""
    question = _question(walk, node)
    told = {"survey": node.survey, "question": question.id, "scale": question.scale.value, "answer": answer}
    walk.note("survey_answered", told)
    if question.into is not None:
        walk.keep(question.into, answer == 1 if question.scale is Scale.YES_NO else answer)
    walk.collected, walk.timer_at, walk.tries = "", None, 0
    walk.answered += 1
    walk.question += 1
    return _close(walk, node) if walk.question >= len(node.questions) else None


def _close(walk: Walk, node: SurveyNode) -> NodeId:
    """The survey is over: complete, partial, unusable (nothing answered) or declined."""
    outcome = "partial" if walk.answered else "unusable"
    if walk.answered == len(node.questions):
        outcome = "complete"
    elif walk.question < 0:
        outcome = "declined"
    walk.note("survey_ended", {"survey": node.survey, "outcome": outcome, "answered": walk.answered})
    walk.way = "next"
    return node.next


def _question(walk: Walk, node: SurveyNode) -> Question:
    return node.questions[min(max(walk.question, 0), len(node.questions) - 1)]


# Asking


def asked_again(walk: Walk, node: AskingNode, why: str) -> NodeId | None:
    """Ask again: None; or, once it was asked often enough, where the caller goes on."""
    walk.tries += 1
    walk.ahead = walk.collected = ""  # what was typed was meant for another answer
    walk.timer_at = None
    if walk.tries >= node.tries_max:
        walk.note("exhausted", {"why": why})
        return _given_up(walk, node)
    walk.note("reprompted", {"why": why, "tries": walk.tries})
    _ask(walk, node, _apology(node, why))
    return None


def _given_up(walk: Walk, node: AskingNode) -> NodeId:
    """Where who does not answer goes on."""
    match node:
        case MenuNode() | CollectNode():
            walk.way = "on_exhausted"
            return node.on_exhausted
        case LanguageChoiceNode():
            walk.way = "next"
            return node.next
        case ConsentNode():
            return _consented(walk, node, by="silence", given=node.silence_accepts)
        case SurveyNode():
            return _close(walk, node)
        case AuthenticateNode():
            walk.way = "on_failed"
            return node.on_failed
        case _:
            assert_never(node)


def _ask(walk: Walk, node: AskingNode, before: tuple[Said, ...]) -> None:
    """Say the question, and listen; if there is nothing to be said, wait for the answer at once."""
    listening.begin(walk, node)
    prompts, languages = _prompts(walk, node)
    walk.say_in((*before, *prompts) if before else prompts, languages)
    if not walk.saying:
        walk.timer_at = walk.now + node.timeout_s


def _prompts(walk: Walk, node: AskingNode) -> tuple[tuple[Said, ...], tuple[Language, ...]]:
    """What is asked now, and the languages it is said in."""
    match node:
        case MenuNode() | CollectNode() | ConsentNode():
            return node.prompts, node.said_in
        case AuthenticateNode():
            return node.prompts, ()
        case LanguageChoiceNode():
            return node.prompts, tuple(dict.fromkeys(node.choices.values()))
        case SurveyNode():
            return (node.invitation if walk.question < 0 else _question(walk, node).prompts), ()
        case _:
            assert_never(node)


def _apology(node: AskingNode, why: str) -> tuple[Said, ...]:
    match node:
        case MenuNode() | SurveyNode():
            return node.no_input_prompts if why == "no_input" else node.wrong_key_prompts
        case CollectNode() | AuthenticateNode():
            return node.no_input_prompts if why == "no_input" else node.wrong_prompts
        case LanguageChoiceNode() | ConsentNode():
            return ()
        case _:
            assert_never(node)

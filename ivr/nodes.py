"""How each kind of node is written: one reader per kind."""

import re
from collections.abc import Callable, Mapping

from ivr.expression import Expression, ExpressionError
from ivr.expression_text import parse_expression
from ivr.model import (
    END_STATES,
    KEYS,
    BranchNode,
    Case,
    CollectNode,
    ConsentNode,
    DecideNode,
    HangUpNode,
    LanguageChoiceNode,
    LanguageNode,
    MenuNode,
    Node,
    Question,
    QueueNode,
    ReturnNode,
    Said,
    SayNode,
    Scale,
    ScheduleNode,
    SetNode,
    Spoken,
    SubFlowNode,
    Subject,
    SurveyNode,
)
from ivr.prompts import is_prompt_id
from ivr.reading import Reader, shown, suggest
from ivr.speech.rules import Style

TRIES_MAX = 10
TIMEOUT_S_MAX = 60.0
DIGITS_MAX = 32
CASES_MAX = 100
QUESTIONS_MAX = 20

_FIXED_CASES = {Subject.KNOWN: ("yes", "no"), Subject.CALENDAR: ("open", "closed")}
_ID = re.compile(r"[a-z0-9][a-z0-9_]{0,31}")
_SPOKEN = re.compile(r"\{(.*) as ([a-z_]+)\}", re.DOTALL)
_NOWHERE = Expression("", parse_expression("false").root)


def _say(reader: Reader) -> SayNode:
    return SayNode(
        prompts=_prompts(reader, "prompts", None),
        next=reader.text("next"),
        interruptible=reader.flag("interruptible", default=True),
        said_in=reader.texts("said_in", ()),
    )


def _menu(reader: Reader) -> MenuNode:
    return MenuNode(
        prompts=_prompts(reader, "prompts", None),
        choices=_by_key(reader, "choices", KEYS, required=True),
        on_exhausted=reader.text("on_exhausted"),
        tries_max=_tries(reader, 3),
        timeout_s=_timeout(reader, "timeout_s", 5.0),
        no_input_prompts=_prompts(reader, "no_input_prompts", ()),
        wrong_key_prompts=_prompts(reader, "wrong_key_prompts", ()),
        said_in=reader.texts("said_in", ()),
    )


def _collect(reader: Reader) -> CollectNode:
    terminator = str(reader.raw("terminator", "#"))
    if terminator not in ("*", "#", ""):
        reader.wrong("terminator", f'must be "*", "#" or "" for none, not {shown(terminator)}')
    least = reader.whole("digits_min", 1, 1, DIGITS_MAX)
    most = reader.whole("digits_max", 20, 1, DIGITS_MAX)
    if least > most:
        reader.wrong("digits_min", f"is more than digits_max ({most})")
    keys = _by_key(reader, "keys", "*#ABCD", required=False)
    if terminator in keys:
        reader.wrong(f"keys.{terminator}", "is the terminator; it can't lead elsewhere")
    return CollectNode(
        prompts=_prompts(reader, "prompts", None),
        into=reader.text("into"),
        next=reader.text("next"),
        on_exhausted=reader.text("on_exhausted"),
        digits_min=least,
        digits_max=most,
        terminator=terminator,
        keys=keys,
        tries_max=_tries(reader, 3),
        timeout_s=_timeout(reader, "timeout_s", 5.0),
        between_s=_timeout(reader, "between_s", 3.0),
        no_input_prompts=_prompts(reader, "no_input_prompts", ()),
        wrong_prompts=_prompts(reader, "wrong_prompts", ()),
        interruptible=reader.flag("interruptible", default=True),
        secret=reader.flag("secret", default=False),
        said_in=reader.texts("said_in", ()),
    )


def _language(reader: Reader) -> LanguageNode:
    return LanguageNode(language=reader.text("language"), next=reader.text("next"))


def _language_choice(reader: Reader) -> LanguageChoiceNode:
    return LanguageChoiceNode(
        prompts=_prompts(reader, "prompts", None),
        choices=_by_key(reader, "choices", KEYS, required=True),
        next=reader.text("next"),
        tries_max=_tries(reader, 2),
        timeout_s=_timeout(reader, "timeout_s", 5.0),
    )


def _branch(reader: Reader) -> BranchNode | DecideNode:
    if "on" not in reader:
        return _decide(reader)
    cases = reader.text_map("cases", required=True)
    otherwise = reader.text("otherwise")
    word = reader.one_of("on", tuple(Subject))
    on = Subject(word) if word else Subject.VALUE_TIER
    calendar = reader.text("calendar") if on is Subject.CALENDAR else None
    if fixed := _FIXED_CASES.get(on):
        for case in cases:
            if case not in fixed:
                reader.wrong(f"cases.{case}", f"must be one of {', '.join(fixed)}{suggest(case, fixed)}")
    return BranchNode(on, cases, otherwise, calendar)


def _decide(reader: Reader) -> DecideNode:
    cases = []
    for table in _tables(reader, "cases", CASES_MAX, 'a list of { when = "…", to = "…" }'):
        cases.append(Case(_expression(table, "when"), table.text("to")))
        table.close()
    return DecideNode(tuple(cases), reader.text("otherwise"))


def _set(reader: Reader) -> SetNode:
    return SetNode(_expressions(reader, "set", required=True), reader.text("next"))


def _schedule(reader: Reader) -> ScheduleNode:
    return ScheduleNode(
        calendar=reader.text("calendar"),
        open=reader.text("open"),
        closed=reader.text("closed"),
        holiday=reader.optional_text("holiday"),
        closed_now=reader.optional_text("closed_now"),
    )


def _consent(reader: Reader) -> ConsentNode:
    accept, decline = reader.one_of("accept_key", KEYS, "1"), reader.one_of("decline_key", KEYS, "2")
    if accept == decline:
        reader.wrong("decline_key", f"is the accept_key too ({accept})")
    return ConsentNode(
        prompts=_prompts(reader, "prompts", None),
        on_accepted=reader.text("on_accepted"),
        on_declined=reader.text("on_declined"),
        silence_accepts=reader.flag("silence_accepts", default=False),
        accept_key=accept,
        decline_key=decline,
        tries_max=_tries(reader, 2),
        timeout_s=_timeout(reader, "timeout_s", 5.0),
        interruptible=reader.flag("interruptible", default=False),
        said_in=reader.texts("said_in", ()),
    )


def _survey(reader: Reader) -> SurveyNode:
    survey = _id(reader, "survey")
    questions: list[Question] = []
    for table in _tables(reader, "questions", QUESTIONS_MAX, "a list of questions"):
        scale = table.one_of("scale", tuple(Scale)) or Scale.LIKERT
        question = Question(
            _id(table, "id"), _prompts(table, "prompts", None), Scale(scale), table.optional_text("into")
        )
        if question.id and any(question.id == other.id for other in questions):
            table.wrong("id", f"{shown(question.id)} is another question's id too")
        table.close()
        questions.append(question)
    return SurveyNode(
        survey=survey,
        questions=tuple(questions),
        next=reader.text("next"),
        invitation=_prompts(reader, "invitation", ()),
        tries_max=_tries(reader, 2),
        timeout_s=_timeout(reader, "timeout_s", 5.0),
        between_s=_timeout(reader, "between_s", 2.0),
        no_input_prompts=_prompts(reader, "no_input_prompts", ()),
        wrong_key_prompts=_prompts(reader, "wrong_key_prompts", ()),
    )


def _sub_flow(reader: Reader) -> SubFlowNode:
    return SubFlowNode(
        flow=reader.text("flow"),
        outcomes=reader.text_map("outcomes", required=True),
        inputs=_expressions(reader, "inputs", required=False),
        outputs=reader.text_map("outputs", required=False),
    )


def _return(reader: Reader) -> ReturnNode:
    return ReturnNode(_id(reader, "outcome"))


def _queue(reader: Reader) -> QueueNode:
    return QueueNode(
        queue=reader.text("queue"),
        music_class=reader.optional_text("music_class"),
        announcement=_prompts(reader, "announcement", ()),
    )


def _hang_up(reader: Reader) -> HangUpNode:
    return HangUpNode(end_state=reader.one_of("end_state", END_STATES))


# Parts of nodes


def _prompts(reader: Reader, key: str, default: tuple[str, ...] | None) -> tuple[Said, ...]:
    """Prompt ids, and spoken values written `{balance as money}`."""
    before = len(reader.mistakes)
    texts = reader.texts(key, default)
    if default is None and not texts and len(reader.mistakes) == before:
        reader.wrong(key, "must name at least one prompt")
    found: list[Said] = []
    for text in texts:
        if text.startswith("{"):
            found += _spoken(reader, key, text)
        elif is_prompt_id(text):
            found.append(text)
        else:
            reader.wrong(key, f"{shown(text)} is not a prompt id (lower-case letters, digits, underscores)")
    return tuple(found)


def _spoken(reader: Reader, key: str, text: str) -> tuple[Spoken, ...]:
    found = _SPOKEN.fullmatch(text)
    if found is None:
        reader.wrong(key, f"{shown(text)} is no spoken value; write {{balance as money}}")
        return ()
    if found[2] not in tuple(Style):
        reader.wrong(key, f"nothing is said as {shown(found[2])}; there are {', '.join(Style)}")
        return ()
    try:
        return (Spoken(parse_expression(found[1]), Style(found[2])),)
    except ExpressionError as error:
        reader.wrong(key, f"in {shown(text)}: {error}")
        return ()


def _expression(reader: Reader, key: str) -> Expression:
    text = reader.raw(key, None)
    if text is None:
        return _NOWHERE
    if isinstance(text, bool):
        text = "true" if text else "false"
    if not isinstance(text, str | int | float):
        reader.wrong(key, f"must be an expression, not {shown(text)}")
        return _NOWHERE
    try:
        return parse_expression(str(text))
    except ExpressionError as error:
        reader.wrong(key, str(error))
        return _NOWHERE


def _expressions(reader: Reader, key: str, *, required: bool) -> dict[str, Expression]:
    if not required and key not in reader:
        return {}
    table = reader.table(key)
    found = {name: _expression(table, name) for name in table.names}
    if required and not found and isinstance(reader.raw(key, ""), Mapping):
        reader.wrong(key, "must not be empty")
    return found


def _by_key(reader: Reader, name: str, allowed: str, *, required: bool) -> dict[str, str]:
    """A table by keys of the telephone."""
    found = reader.text_map(name, required=required)
    for key in found:
        if len(key) != 1 or key not in KEYS:
            reader.wrong(f"{name}.{key}", f"{shown(key)} is not a key of a telephone")
        elif key not in allowed:
            reader.wrong(
                f"{name}.{key}", f"{shown(key)} is part of the answer; only {' '.join(allowed)} lead elsewhere"
            )
    return found


def _tables(reader: Reader, key: str, most: int, what: str) -> list[Reader]:
    """The tables of a list, from one to `most`; each is called key[n] in mistakes."""
    value = reader.raw(key, None)
    if value is None:
        return []
    if not isinstance(value, list | tuple) or not 0 < len(value) <= most:
        reader.wrong(key, f"must be {what}, from 1 to {most} of them")
        return []
    return [Reader(each, reader.at(f"{key}[{n}]"), reader.mistakes) for n, each in enumerate(value, 1)]


def _id(reader: Reader, key: str) -> str:
    text = reader.text(key)
    if text and not _ID.fullmatch(text):
        reader.wrong(key, f"must be 1-32 lower-case letters, digits and underscores, not {shown(text)}")
    return text


def _tries(reader: Reader, default: int) -> int:
    return reader.whole("tries_max", default, 1, TRIES_MAX)


def _timeout(reader: Reader, key: str, default: float) -> float:
    return reader.number(key, default, 0.5, TIMEOUT_S_MAX)


READ: Mapping[str, Callable[[Reader], Node]] = {
    "say": _say,
    "menu": _menu,
    "collect": _collect,
    "language": _language,
    "language_choice": _language_choice,
    "branch": _branch,
    "set": _set,
    "schedule": _schedule,
    "consent": _consent,
    "survey": _survey,
    "sub_flow": _sub_flow,
    "return": _return,
    "queue": _queue,
    "hang_up": _hang_up,
}

# How each kind of node is called in a flow; a branch on expressions is a branch.
KINDS: Mapping[type[Node], str] = {
    SayNode: "say",
    MenuNode: "menu",
    CollectNode: "collect",
    LanguageNode: "language",
    LanguageChoiceNode: "language_choice",
    BranchNode: "branch",
    DecideNode: "branch",
    SetNode: "set",
    ScheduleNode: "schedule",
    ConsentNode: "consent",
    SurveyNode: "survey",
    SubFlowNode: "sub_flow",
    ReturnNode: "return",
    QueueNode: "queue",
    HangUpNode: "hang_up",
}

"""How each kind of node is written: one reader per kind."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from ivr.model import (
    END_STATES,
    KEYS,
    BranchNode,
    CallbackNode,
    Case,
    CollectNode,
    ConsentNode,
    DecideNode,
    HangUpNode,
    LanguageChoiceNode,
    LanguageNode,
    MenuNode,
    Node,
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
    SubFlowNode,
    Subject,
    SurveyNode,
    TransferNode,
    VoicemailNode,
)
from ivr.node_parts import by_key, expression, expressions, plain_id, prompts, tables, timeout, tries
from ivr.node_speech import digits, phrases
from ivr.nodes_world import (
    read_authenticate,
    read_callback,
    read_http,
    read_lookup,
    read_remember,
    read_transfer,
    read_voicemail,
)
from ivr.reading import Reader, shown, suggest
from ivr.world_model import AuthenticateNode, HttpNode, LookupNode, RememberNode

DIGITS_MAX = 32
CASES_MAX = 100
QUESTIONS_MAX = 20
OPTIONS_MAX = 9

_FIXED_CASES = {Subject.KNOWN: ("yes", "no"), Subject.CALENDAR: ("open", "closed")}


def _say(reader: Reader) -> SayNode:
    return SayNode(
        prompts=prompts(reader, "prompts", None),
        next=reader.text("next"),
        interruptible=reader.flag("interruptible", default=True),
        said_in=reader.texts("said_in", ()),
    )


def _menu(reader: Reader) -> MenuNode | OptionsNode:
    if "options" in reader:
        return _options(reader)
    menu = MenuNode(
        prompts=prompts(reader, "prompts", None),
        choices=by_key(reader, "choices", KEYS, required=True),
        on_exhausted=reader.text("on_exhausted"),
        tries_max=tries(reader, 3),
        timeout_s=timeout(reader, "timeout_s", 5.0),
        no_input_prompts=prompts(reader, "no_input_prompts", ()),
        wrong_key_prompts=prompts(reader, "wrong_key_prompts", ()),
        said_in=reader.texts("said_in", ()),
    )
    return replace(menu, speech=phrases(reader, menu.choices, menu.tries_max))


def _options(reader: Reader) -> OptionsNode:
    options: list[Option] = []
    for table in tables(reader, "options", OPTIONS_MAX, 'a list of { prompts = […], to = "…" }'):
        options.append(Option(prompts(table, "prompts", None), table.text("to")))
        table.close()
    twice = [option.to for n, option in enumerate(options) if option.to in [each.to for each in options[:n]]]
    for to in twice:
        reader.wrong("options", f"two of them lead to {shown(to)}; what was used could not be told apart")
    return OptionsNode(
        prompts=prompts(reader, "prompts", ()),
        options=tuple(options),
        on_exhausted=reader.text("on_exhausted"),
        tries_max=tries(reader, 3),
        timeout_s=timeout(reader, "timeout_s", 5.0),
        no_input_prompts=prompts(reader, "no_input_prompts", ()),
        wrong_key_prompts=prompts(reader, "wrong_key_prompts", ()),
    )


def _collect(reader: Reader) -> CollectNode:
    terminator = str(reader.raw("terminator", "#"))
    if terminator not in ("*", "#", ""):
        reader.wrong("terminator", f'must be "*", "#" or "" for none, not {shown(terminator)}')
    least = reader.whole("digits_min", 1, 1, DIGITS_MAX)
    most = reader.whole("digits_max", 20, 1, DIGITS_MAX)
    if least > most:
        reader.wrong("digits_min", f"is more than digits_max ({most})")
    keys = by_key(reader, "keys", "*#ABCD", required=False)
    if terminator in keys:
        reader.wrong(f"keys.{terminator}", "is the terminator; it can't lead elsewhere")
    collect = CollectNode(
        prompts=prompts(reader, "prompts", None),
        into=reader.text("into"),
        next=reader.text("next"),
        on_exhausted=reader.text("on_exhausted"),
        digits_min=least,
        digits_max=most,
        terminator=terminator,
        keys=keys,
        tries_max=tries(reader, 3),
        timeout_s=timeout(reader, "timeout_s", 5.0),
        between_s=timeout(reader, "between_s", 3.0),
        no_input_prompts=prompts(reader, "no_input_prompts", ()),
        wrong_prompts=prompts(reader, "wrong_prompts", ()),
        interruptible=reader.flag("interruptible", default=True),
        secret=reader.flag("secret", default=False),
        unless_known=reader.flag("unless_known", default=False),
        said_in=reader.texts("said_in", ()),
    )
    return replace(collect, speech=digits(reader, collect))


def _language(reader: Reader) -> LanguageNode:
    return LanguageNode(language=reader.text("language"), next=reader.text("next"))


def _language_choice(reader: Reader) -> LanguageChoiceNode:
    return LanguageChoiceNode(
        prompts=prompts(reader, "prompts", None),
        choices=by_key(reader, "choices", KEYS, required=True),
        next=reader.text("next"),
        tries_max=tries(reader, 2),
        timeout_s=timeout(reader, "timeout_s", 5.0),
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
    for table in tables(reader, "cases", CASES_MAX, 'a list of { when = "…", to = "…" }'):
        cases.append(Case(expression(table, "when"), table.text("to")))
        table.close()
    return DecideNode(tuple(cases), reader.text("otherwise"))


def _set(reader: Reader) -> SetNode:
    return SetNode(expressions(reader, "set", required=True), reader.text("next"))


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
        prompts=prompts(reader, "prompts", None),
        on_accepted=reader.text("on_accepted"),
        on_declined=reader.text("on_declined"),
        silence_accepts=reader.flag("silence_accepts", default=False),
        accept_key=accept,
        decline_key=decline,
        tries_max=tries(reader, 2),
        timeout_s=timeout(reader, "timeout_s", 5.0),
        interruptible=reader.flag("interruptible", default=False),
        said_in=reader.texts("said_in", ()),
    )


def _survey(reader: Reader) -> SurveyNode:
    survey = plain_id(reader, "survey")
    questions: list[Question] = []
    for table in tables(reader, "questions", QUESTIONS_MAX, "a list of questions"):
        scale = table.one_of("scale", tuple(Scale)) or Scale.LIKERT
        question = Question(
            plain_id(table, "id"), prompts(table, "prompts", None), Scale(scale), table.optional_text("into")
        )
        if question.id and any(question.id == other.id for other in questions):
            table.wrong("id", f"{shown(question.id)} is another question's id too")
        table.close()
        questions.append(question)
    return SurveyNode(
        survey=survey,
        questions=tuple(questions),
        next=reader.text("next"),
        invitation=prompts(reader, "invitation", ()),
        tries_max=tries(reader, 2),
        timeout_s=timeout(reader, "timeout_s", 5.0),
        between_s=timeout(reader, "between_s", 2.0),
        no_input_prompts=prompts(reader, "no_input_prompts", ()),
        wrong_key_prompts=prompts(reader, "wrong_key_prompts", ()),
    )


def _sub_flow(reader: Reader) -> SubFlowNode:
    return SubFlowNode(
        flow=reader.text("flow"),
        outcomes=reader.text_map("outcomes", required=False),
        inputs=expressions(reader, "inputs", required=False),
        outputs=reader.text_map("outputs", required=False),
    )


def _return(reader: Reader) -> ReturnNode:
    return ReturnNode(plain_id(reader, "outcome"))


def _queue(reader: Reader) -> QueueNode:
    return QueueNode(
        queue=reader.text("queue"),
        music_class=reader.optional_text("music_class"),
        announcement=prompts(reader, "announcement", ()),
    )


def _hang_up(reader: Reader) -> HangUpNode:
    return HangUpNode(end_state=reader.one_of("end_state", END_STATES))


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
    "lookup": read_lookup,
    "http": read_http,
    "remember": read_remember,
    "authenticate": read_authenticate,
    "queue": _queue,
    "transfer": read_transfer,
    "callback": read_callback,
    "voicemail": read_voicemail,
    "hang_up": _hang_up,
}

# How each kind of node is called in a flow; a branch on expressions is a branch.
KINDS: Mapping[type[Node], str] = {
    SayNode: "say",
    MenuNode: "menu",
    OptionsNode: "menu",
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
    LookupNode: "lookup",
    HttpNode: "http",
    RememberNode: "remember",
    AuthenticateNode: "authenticate",
    QueueNode: "queue",
    TransferNode: "transfer",
    OutsideNode: "transfer",
    CallbackNode: "callback",
    SlotsNode: "callback",
    VoicemailNode: "voicemail",
    HangUpNode: "hang_up",
}

"""What a flow computes and says: variables declared, expressions that make sense, prompts that are there."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from ivr.expression import Type
from ivr.graph import said
from ivr.model import (
    CollectNode,
    ConsentNode,
    DecideNode,
    Flow,
    FlowId,
    Language,
    LanguageChoiceNode,
    MenuNode,
    Node,
    OptionsNode,
    OutsideNode,
    PromptId,
    SayNode,
    Scale,
    SetNode,
    SlotsNode,
    Spoken,
    SubFlowNode,
    SurveyNode,
    TransferNode,
)
from ivr.options import needed_for_options
from ivr.reading import no_such
from ivr.scope import TYPES, declared
from ivr.speech import speaker
from ivr.speech.rules import STYLED, Speaker, needed
from ivr.speech.slots import needed_for_slots
from ivr.surroundings import Surroundings
from ivr.types import Declarations, assignable, check_expression
from ivr.world import FIELDS, PLACE
from ivr.world_model import HttpNode, Lookup, LookupNode, RememberNode

_COLLECTED = (Type.DIGITS, Type.TEXT, Type.NUMBER, Type.DATE)
_NUMBERS = (Type.TEXT, Type.DIGITS, Type.NUMBER)  # what numbers of customers, orders and agents are kept in
_SHOWN_MAX = 3


def wrong_values(flow: Flow, around: Surroundings) -> Iterator[str]:
    """Undeclared variables and mistakes of type."""
    types = {name: variable.type for name, variable in flow.variables.items()}
    names = declared(types, tiers=around.value_tiers, languages=around.languages)
    for node_id, node in flow.nodes.items():
        for path, sentence in _wrong_in(node, names, types, around.flows):
            yield f"nodes.{node_id}.{path}: {sentence}"


def missing_prompts(flow: Flow, around: Surroundings) -> Iterator[str]:
    """Prompts without audio in a language they would be said in, those of spoken values among them."""
    for node_id, node in flow.nodes.items():
        if isinstance(node, SlotsNode):
            yield from _unsayable(f"nodes.{node_id}.prompts: times", needed_for_slots, around)
        if isinstance(node, OptionsNode):
            yield from _unsayable(f"nodes.{node_id}.options: their keys", needed_for_options, around)
        for path, each in said(node):
            at = f"nodes.{node_id}.{path}"
            for language in _languages(node) or around.prompts:
                there = around.prompts.get(language)
                if there is not None and isinstance(each, Spoken):
                    yield from _unspeakable(at, each, language, there)
                elif there is not None and each not in there:
                    yield f"{at}: {no_such('prompt', str(each), there)} (in {language})"


def _wrong_in(
    node: Node, names: Declarations, types: Mapping[str, Type], flows: Mapping[FlowId, Flow]
) -> Iterator[tuple[str, str]]:
    """(path in the node, sentence) of every mistake."""
    for path, each in said(node):
        if isinstance(each, Spoken):
            wanted = sorted(STYLED[each.style])
            for sentence in check_expression(each.value, names, wanted):
                yield path, f"in {{{each.value.text} as {each.style}}}: {sentence}"
    match node:
        case DecideNode():
            for n, case in enumerate(node.cases, 1):
                yield from ((f"cases[{n}].when", wrong) for wrong in check_expression(case.when, names, [Type.BOOLEAN]))
        case SetNode():
            for name, value in node.values.items():
                wrong = (*_settable(name, types, None), *check_expression(value, names, _from(types.get(name))))
                yield from ((f"set.{name}", sentence) for sentence in wrong)
        case CollectNode():
            yield from (("into", wrong) for wrong in _settable(node.into, types, _COLLECTED))
        case SurveyNode():
            yield from _wrong_questions(node, types)
        case SubFlowNode():
            yield from _wrong_exchange(node, names, types, flows.get(node.flow))
        case LookupNode() | HttpNode() | TransferNode() | RememberNode() | OutsideNode():
            yield from _wrong_outward(node, names, types)
        case _:
            pass


def _wrong_questions(node: SurveyNode, types: Mapping[str, Type]) -> Iterator[tuple[str, str]]:
    """Where the answers of a survey go."""
    for n, question in enumerate(node.questions, 1):
        if question.into is not None:
            kind = Type.BOOLEAN if question.scale is Scale.YES_NO else Type.NUMBER
            yield from ((f"questions[{n}].into", wrong) for wrong in _settable(question.into, types, [kind]))


def _wrong_exchange(
    node: SubFlowNode, names: Declarations, types: Mapping[str, Type], inner: Flow | None
) -> Iterator[tuple[str, str]]:
    """What goes into a sub-flow and what comes out of it."""
    there = {} if inner is None else {name: variable.type for name, variable in inner.variables.items()}
    for name, value in node.inputs.items():
        if inner is not None:
            yield from ((f"inputs.{name}", f"in flow {node.flow!r}: {w}") for w in _settable(name, there, None))
        yield from ((f"inputs.{name}", wrong) for wrong in check_expression(value, names, _from(there.get(name))))
    for here, other in node.outputs.items():
        yield from ((f"outputs.{here}", wrong) for wrong in _settable(here, types, None))
        if inner is None:
            continue
        if other not in there:
            yield f"outputs.{here}", f"in flow {node.flow!r}: {no_such('variable', other, there)}"
        elif here in types and not assignable(there[other], types[here]):
            yield f"outputs.{here}", f"must be {types[here]}, not {there[other]}"


def _wrong_outward(
    node: LookupNode | HttpNode | TransferNode | RememberNode | OutsideNode,
    names: Declarations,
    types: Mapping[str, Type],
) -> Iterator[tuple[str, str]]:
    match node:
        case LookupNode():
            yield from _wrong_lookup(node, names, types)
        case HttpNode():
            yield from _wrong_request(node, names, types)
        case RememberNode():
            for name, value in node.answers.items():
                yield from ((f"answers.{name}", wrong) for wrong in check_expression(value, names, list(Type)))
        case TransferNode():
            yield from (("agent", wrong) for wrong in check_expression(node.agent, names, _NUMBERS))
        case OutsideNode():
            yield from (("number", wrong) for wrong in check_expression(node.number, names, [Type.TEXT, Type.DIGITS]))


def _wrong_lookup(node: LookupNode, names: Declarations, types: Mapping[str, Type]) -> Iterator[tuple[str, str]]:
    """What is looked up by, and what is kept of it."""
    if node.by is not None:
        yield from (("by", wrong) for wrong in check_expression(node.by, names, _NUMBERS))
    there = FIELDS[node.lookup]
    for here, field in node.into.items():
        yield from ((f"into.{here}", wrong) for wrong in _settable(here, types, None))
        if node.lookup is Lookup.ANSWERS:
            continue
        if field not in there:
            yield f"into.{here}", no_such(f"{node.lookup} field", field, there)
        elif here in types and not assignable(there[field], types[here]):
            yield f"into.{here}", f"{here!r} must be {there[field]}, not {types[here]}"


def _wrong_request(node: HttpNode, names: Declarations, types: Mapping[str, Type]) -> Iterator[tuple[str, str]]:
    """What is sent, and what is kept of the answer."""
    for name in PLACE.findall(node.url):
        if name not in names:
            yield "url", no_such("variable", name, names)
    for field, values in (("query", node.query), ("body", node.body or {})):
        for name, value in values.items():
            yield from ((f"{field}.{name}", wrong) for wrong in check_expression(value, names, list(Type)))
    for here in node.into:
        yield from ((f"into.{here}", wrong) for wrong in _settable(here, types, None))


def _settable(name: str, types: Mapping[str, Type], wanted: Collection[Type] | None) -> Iterator[str]:
    """What keeps a variable from being set; an empty name is said to be missing already."""
    if name in TYPES:
        yield f"{name!r} can only be read"
    elif name and name not in types:
        yield no_such("variable", name, types) + "; declare it under [variables]"
    elif name and wanted is not None and types[name] not in wanted:
        yield f"{name!r} must be {' or '.join(wanted)}, not {types[name]}"


def _from(to: Type | None) -> list[Type]:
    """The types whose values a variable of this type can take; all where it is not known."""
    return list(Type) if to is None else [kind for kind in Type if assignable(kind, to)]


def _languages(node: Node) -> Collection[Language]:
    """The languages that a node names to be said in; none: the caller's, which may be any."""
    match node:
        case SayNode() | MenuNode() | CollectNode() | ConsentNode():
            return node.said_in
        case LanguageChoiceNode():
            return tuple(dict.fromkeys(node.choices.values()))
        case _:
            return ()


def _unsayable(what: str, needed_for: Callable[[Speaker], Sequence[PromptId]], around: Surroundings) -> Iterator[str]:
    """Why something can't be said in a language."""
    for language, there in around.prompts.items():
        rules = speaker(language)
        if rules is None:
            yield f"{what} can't be said in {language!r}: it has no rules for values"
        elif lacking := [prompt for prompt in needed_for(rules) if prompt not in there]:
            yield f"{what} need the prompts {_few(lacking)} (in {language})"


def _few(lacking: Sequence[PromptId]) -> str:
    more = f" and {len(lacking) - _SHOWN_MAX} more" if len(lacking) > _SHOWN_MAX else ""
    return ", ".join(lacking[:_SHOWN_MAX]) + more


def _unspeakable(at: str, each: Spoken, language: Language, there: Collection[PromptId]) -> Iterator[str]:
    """Why a value can't be said in a language."""
    rules = speaker(language)
    if rules is None:
        yield f"{at}: {{{each.value.text} as {each.style}}} can't be said in {language!r}: it has no rules for values"
        return
    lacking = [prompt for prompt in needed(rules, each.style) if prompt not in there]
    if lacking:
        yield f"{at}: {{{each.value.text} as {each.style}}} needs the prompts {_few(lacking)} (in {language})"

"""What a recogniser understood: an answer like a key's, or a failure, after which the node asks again."""

from ivr import asking, listening
from ivr.model import CollectNode, MenuNode, Node, NodeId
from ivr.turn import SpeechHeard
from ivr.walk import Walk

_DIGITS = frozenset("0123456789")
_A_KEY = "1"  # an answer by voice may lead backwards as a key does, so it counts as one


def hear(walk: Walk, node: Node, heard: SpeechHeard) -> NodeId | None:
    """The outcome of a listening; where it leads, None to stay. What comes when nobody listens is nobody's business.

    Only what was asked for is understood, whatever a recogniser says that it heard.
    """
    if not walk.listening or not isinstance(node, MenuNode | CollectNode):
        return None
    if heard.outcome == "away":
        listening.fail(walk, "away")  # the prompt goes on, and the keys count as ever
        return None
    if heard.outcome == "began":
        listening.wait(walk)
        return None
    answer = _understood(walk, node, heard) if heard.outcome == "matched" else None
    if answer is None:
        listening.fail(walk, "no_match")
        walk.hush()
        to = asking.asked_again(walk, node, "not_understood")
        return asking.go_on(walk, node) if to is None else to
    listening.end(walk)
    if not walk.counts(_A_KEY):
        return None
    walk.hush()
    walk.ahead = ""
    if isinstance(node, MenuNode):
        walk.note("spoken", {"said": heard.said})
        walk.way = f"choices.{answer}"
        return node.choices[answer]
    walk.note("spoken", {"said": answer})
    to = asking.answered_with(walk, node, answer)
    return asking.go_on(walk, node) if to is None else to


def _understood(walk: Walk, node: MenuNode | CollectNode, heard: SpeechHeard) -> str | None:
    """The key or the digits that were said; None if they are none that were asked for."""
    if isinstance(node, CollectNode):
        fits = set(heard.said) <= _DIGITS and node.digits_min <= len(heard.said) <= node.digits_max
        return heard.said if fits else None
    phrases = node.speech.get(walk.language, {})
    return next(
        (key for phrase, key in phrases.items() if listening.plain(phrase) == listening.plain(heard.said)), None
    )

"""When a recogniser listens to the caller: beside the keys, while a node with `speech` asks, until it fails twice.

A visit has MISHEARD_MAX failures: what was said makes no sense, nothing was said, or there is no recogniser. From then
on nobody listens, and the keys are all there is; they count from the first moment on, whoever listens.
"""

from ivr.model import AskingNode, CollectNode, MenuNode, Node
from ivr.turn import Listen, StopListening
from ivr.walk import Walk

MISHEARD_MAX = 2
SPEAKING_S = 10.0


def begin(walk: Walk, node: AskingNode) -> None:
    """The node asks: let the recogniser listen, if there is anything that may be said here."""
    if walk.misheard >= MISHEARD_MAX or walk.listening:
        return
    walk.speaking = False
    if isinstance(node, MenuNode) and (phrases := node.speech.get(walk.language)):
        walk.actions.append(Listen(walk.language, tuple(phrases)))
        walk.listening = True
    elif isinstance(node, CollectNode) and node.speech:
        walk.actions.append(Listen(walk.language, digits_min=node.digits_min, digits_max=node.digits_max))
        walk.listening = True


def wait(walk: Walk) -> None:
    """The caller begins to speak: nothing talks over them, and they have time to finish. Once a listening."""
    if walk.listening and not walk.speaking:
        walk.hush()
        walk.speaking = True
        walk.timer_at = walk.now + SPEAKING_S


def end(walk: Walk) -> None:
    """A key was pressed, or somebody was understood: nobody listens any more."""
    if walk.listening:
        walk.actions.append(StopListening())
        walk.listening = False


def fail(walk: Walk, why: str) -> None:
    """Nobody was understood: `why` is no_match, no_speech or away."""
    if walk.listening:
        end(walk)
        walk.misheard += 1
        walk.note("misheard", {"why": why, "failures": walk.misheard})


def resume(walk: Walk, node: Node) -> None:
    """Whoever listened is gone with an earlier process of ours: somebody listens anew."""
    if walk.listening and isinstance(node, MenuNode | CollectNode):
        walk.listening = False
        begin(walk, node)


def plain(phrase: str) -> str:
    """A phrase as it is compared: without capitals, blanks made one."""
    return " ".join(phrase.casefold().split())

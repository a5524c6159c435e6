"""Engines with one deliberate mistake each: the tests' own test. A mutant that nothing notices is a gap in the suite.

A mutant is a change of the text of one module. The engine is imported anew with it, together with the tests that
judge it, beside the sound one and without touching any file.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

ROOT = Path(__file__).resolve().parents[1]
ANEW = ("routing", "tests.acd", "tests.reach", "tests.days", "tests.laws", "tests.unit.test_routing")
"""What is imported anew: modules of these names, or whose names begin so."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake: in `module`, `before` (which must be there once) reads `after`."""

    name: str
    module: str
    before: str
    after: str

    @property
    def path(self) -> Path:
        """The file of the module."""
        return ROOT / (self.module.replace(".", "/") + ".py")

    def text(self) -> str:
        """The text of the module with the mistake."""
        source = self.path.read_text(encoding="utf-8")
        times = source.count(self.before)
        assert times == 1, (
            f"mutant {self.name!r}: {self.before!r} is in {self.module} {times} times; choose another text"
        )
        return source.replace(self.before, self.after)


class _Mutator(SourceFileLoader):
    """Loads one module with its mistake."""

    def __init__(self, mutant: Mutant) -> None:
        super().__init__(mutant.module, str(mutant.path))
        self.mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = compile(self.mutant.text(), self.path, "exec")
        return code


class _Finder(MetaPathFinder):
    """Finds the module that is to have a mistake, and leaves all others to the rest."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.mutant.module:
            return None
        return spec_from_file_location(fullname, self.mutant.path, loader=_Mutator(self.mutant))


def _is_anew(name: str) -> bool:
    return name == "routing" or name.startswith(("routing.", *ANEW[1:]))


@contextmanager
def anew(mutant: Mutant | None) -> Iterator[None]:
    """What is imported within is a new engine, with this mistake if any; afterwards all is as before."""
    before = {name: module for name, module in sys.modules.items() if _is_anew(name)}
    for name in before:
        del sys.modules[name]
    finder = None if mutant is None else _Finder(mutant)
    if finder is not None:
        sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder is not None:
            sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if _is_anew(name)]:
            del sys.modules[name]
        sys.modules.update(before)
        for name, module in before.items():  # a package holds its modules by name, too
            parent, _, child = name.rpartition(".")
            if parent in sys.modules:
                setattr(sys.modules[parent], child, module)


MUTANTS = (
    Mutant(
        "double assignment", "routing.acd.board", "        self.unlist(agent)\n        if contact", "        if contact"
    ),
    Mutant(
        "a waiting contact is offered and stays in line",
        "routing.acd.pairing",
        "        contact = board.contacts[found.contact_id]\n        board.pull(contact)\n",
        "        contact = board.contacts[found.contact_id]\n",
    ),
    Mutant(
        "lost wake-up after a step",
        "routing.acd.board",
        "        self.order.waiting_by_tier[contact.line.tier] += 1\n        self.set_alarm(contact, now)\n",
        "        self.order.waiting_by_tier[contact.line.tier] += 1\n",
    ),
    Mutant(
        "a step widens and nobody is asked",
        "routing.acd.pairing",
        "            self.wait(contact, now, _STEP)",
        "            _ = self._place(contact, now) and self._board.push(contact, now)",
    ),
    Mutant("priority inversion", "routing.acd.order", "    return min(candidates)\n", "    return max(candidates)\n"),
    Mutant("wrong tie", "routing.acd.order", "and head < best[1])", "and head > best[1])"),
    Mutant(
        "the step clock runs while a phone rings",
        "routing.acd.board",
        "            self.stand_still(contact, now)\n",
        "            self.stand_still(contact, now + contact.rules.ring_s)\n",
    ),
    Mutant(
        "ageing dropped",
        "routing.acd.order",
        "            score = slopes[tier] * (now - head[0] + credits_s[tier])",
        "            score = slopes[tier] * (1.0 + credits_s[tier])",
    ),
    Mutant(
        "a refusal is forgotten",
        "routing.acd.board",
        "        contact.refusals = {**others, offer.agent_id: settled}",
        "        contact.refusals = others",
    ),
    Mutant(
        "starvation bound dropped", "routing.acd.order", "        if overdue:\n", "        if overdue and not best:\n"
    ),
    Mutant("a gate never closes", "routing.acd.lending", "else reading < loan.end", "else True"),
    Mutant(
        "comeback age dropped",
        "routing.acd.comeback",
        "min(entered.entered_at, departed.entered_at) if",
        "entered.entered_at if",
    ),
    Mutant(
        "a loser is not rescinded",
        "routing.acd.visits",
        "            others = [each for each in contact.offers if each.offer_id != offer.offer_id]",
        "            others = list(contact.offers)[:0]",
    ),
    Mutant("back-up members see all", "routing.acd.match", "membership.delay_s > delay_s or ", ""),
    Mutant(
        "a device fault counts as a miss",
        "routing.acd.board",
        "        if outcome is Outcome.NO_ANSWER:\n",
        "        if outcome in (Outcome.NO_ANSWER, Outcome.UNREACHABLE):\n",
    ),
    Mutant(
        "one miss too many is forgiven",
        "routing.acd.board",
        "missed = agent.misses >= contact.rules.misses_max",
        "missed = agent.misses > contact.rules.misses_max",
    ),
    Mutant(
        "who waits for one agent is not served by them",
        "routing.acd.order",
        "        for line in desk:\n",
        "        for line in ():\n",
    ),
    Mutant(
        "a step is not left when its last agent logs out",
        "routing.acd.pairing",
        "        if group is not None and not group.staffed:\n",
        "        if group is not None and group.staffed < 0:\n",
    ),
    Mutant(
        "a closed queue takes newcomers",
        "routing.acd.doors",
        "        if closing is not None:\n",
        "        if closing is not None and closing.queue != rules.queue:\n",
    ),
    Mutant("the experienced do not come first", "routing.acd.pairing", "early = clock_s", "early = 0.0 > clock_s"),
    Mutant(
        "a callback loses its age",
        "routing.acd.callbacks",
        "            entered_at=min(entered.entered_at, contact.entered.entered_at),\n",
        "",
    ),
    Mutant(
        "a newcomer is flooded",
        "routing.acd.board",
        "            agent.contacts = int(self._contacts.besides(agent))\n",
        "            agent.contacts = 0\n",
    ),
    Mutant(
        "a newcomer begins with what somebody had hours ago",
        "routing.acd.newcomers",
        "            if has <= had:\n                return has\n",
        "            if has <= had or had >= 0.0:\n                return had\n",
    ),
    Mutant(
        "the rank is not heeded", "routing.acd.match", "key=lambda each: each.rank)", "key=lambda each: -each.rank)"
    ),
)

"""The simulation's own test: the service with one of its safeguards taken out must be caught.

`python -m tests.sim.mutants [--database]` runs plans on each mutant until one fails, and tells which. The two
safeguards that live in PostgreSQL's statements (epoch and hash) are judged by the writer's own tests on a real
database: as a pytest plugin (`-p tests.sim.mutants`) this module applies the mutant named by SIM_MUTANT.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from callcenter import drift, reconcile, session
from callcenter.asterisk.leases import Leases
from callcenter.asterisk.link import Link
from callcenter.asterisk.telephony import AsteriskTelephony
from callcenter.asterisk.unheeded import Unheeded
from callcenter.db import batch, event_rows
from callcenter.db.journal_file import JournalFile
from callcenter.floor import Floor
from callcenter.ports import Append
from callcenter.reconcile import Findings
from callcenter.switchboard import Switchboard
from tests.sim.plan import Fault, Plan, drawn, long_wait, one_call
from tests.sim.world import Result, run

SEEDS_MAX = 400
COMMITS_MAX = 16
REQUESTS_MAX = 16
Mutant = Callable[[], AbstractContextManager[Any]]


def _without_reconcile() -> AbstractContextManager[Any]:
    return patch.object(drift, "compare", lambda *_, **__: Findings())


def _state_apart_from_events() -> AbstractContextManager[Any]:
    """A state is saved with the next commit, not with its own events."""
    write = JournalFile.write

    def apart(file: JournalFile, items: Sequence[Append]) -> Any:
        late = getattr(file, "late", ())
        file.late = [change for item in items for change in item.states]  # type: ignore[attr-defined]
        return write(file, [Append((), tuple(late)), *(replace(item, states=()) for item in items)])

    return patch.object(JournalFile, "write", apart)


def _command_before_its_id() -> AbstractContextManager[Any]:
    """Commands leave at once, before what they are about is written."""
    commit = session.ContactSession._commit

    def early(self: Any, before: Any, entries: Any, commands: Any) -> None:
        for command in commands:
            self._telephony.submit(command)
        commit(self, before, entries, ())

    return patch.object(session.ContactSession, "_commit", early)


def _leases_not_renewed() -> AbstractContextManager[Any]:
    async def nothing(_: Leases) -> None: ...

    return patch.object(Leases, "round", nothing)


def _arrivals_not_told_apart() -> AbstractContextManager[Any]:
    return patch.object(Switchboard, "_holds", lambda *_: False)


def _answered_while_away_unknown_to_the_floor() -> AbstractContextManager[Any]:
    restore = Floor.restore

    def without(self: Floor, *args: Any, **more: Any) -> None:
        restore(self, *args, **{**more, "offered": {}})

    return patch.object(Floor, "restore", without)


def _ends_of_prompts_not_asked_for() -> AbstractContextManager[Any]:
    return patch.object(AsteriskTelephony, "tell_ended", lambda *_: 0)


def _legs_stay_apart() -> AbstractContextManager[Any]:
    return patch.object(reconcile, "_apart", lambda *_: False)


def _no_look_beside_the_running_service() -> AbstractContextManager[Any]:
    async def nothing(_: drift.Drift) -> int:
        return 0

    return patch.object(drift.Drift, "look", nothing)


def _drift_believes_one_look() -> AbstractContextManager[Any]:
    """What is on its way is taken for lost."""
    return patch.multiple(
        drift,
        GRACE_S=0.0,
        EVERY_S=1.0,
        _resources=lambda _: [],
    )


def _failed_requests_forgotten() -> AbstractContextManager[Any]:
    return patch.object(Unheeded, "failed", lambda *_: None)


def _deaf_links_stay() -> AbstractContextManager[Any]:
    async def nothing(_: Link) -> None: ...

    return patch.object(Link, "_hear_ourselves", nothing)


MUTANTS: Mapping[str, Mutant] = {
    "the reconcile step": _without_reconcile,
    "state and events in one transaction": _state_apart_from_events,
    "the id before the command": _command_before_its_id,
    "the renewal of leases": _leases_not_renewed,
    "an arrival said twice is one": _arrivals_not_told_apart,
    "the floor hears who answered while we were away": _answered_while_away_unknown_to_the_floor,
    "a prompt's end that was lost is asked for": _ends_of_prompts_not_asked_for,
    "a join that was lost is asked again": _legs_stay_apart,
    "the look every 30 s": _no_look_beside_the_running_service,
    "two looks": _drift_believes_one_look,
    "a request that failed is asked again": _failed_requests_forgotten,
    "a link hears what it tells itself": _deaf_links_stay,
}


@contextmanager
def _no_epoch_check() -> Iterator[None]:
    taken = batch.TAKE_OVER.replace(" WHERE cell.epoch <= excluded.epoch", "")
    advanced = batch.ADVANCE_AND_NOTIFY.replace(" AND epoch = $2", " AND $2::bigint IS NOT NULL")
    assert (taken, advanced) != (batch.TAKE_OVER, batch.ADVANCE_AND_NOTIFY)
    with patch.multiple(batch, TAKE_OVER=taken, ADVANCE_AND_NOTIFY=advanced):
        yield


def _no_hash_check() -> AbstractContextManager[Any]:
    apart = event_rows._told_apart

    def trusting(*given: Any) -> event_rows.Apart:
        found = apart(*given)
        return event_rows.Apart(found.new, found.replayed + len(found.forks), [])

    return patch.object(event_rows, "_told_apart", trusting)


IN_DATABASE: Mapping[str, tuple[Mutant, str]] = {
    "the epoch check": (
        _no_epoch_check,
        "tests/integration/test_db_writer.py::test_an_older_epoch_is_fenced_at_start_and_in_the_middle",
    ),
    "the hash check": (
        _no_hash_check,
        "tests/integration/test_db_writer.py::test_a_fork_is_kept_aside_and_never_swallowed",
    ),
}


def plans() -> Iterator[tuple[str, Plan]]:
    """An ordinary call, killed before each of its commits; then seeds."""
    for commit in range(1, COMMITS_MAX + 1):
        yield f"a call killed before commit {commit}", one_call(Fault("kill_commit", float(commit), 0.3))
    for number in range(1, REQUESTS_MAX + 1):
        yield f"a long wait whose request {number} is refused", long_wait(Fault("refuse", float(number)))
    for seed in range(SEEDS_MAX):
        yield f"seed {seed}", drawn(seed)


def caught(mutant: Mutant) -> tuple[str, Result] | None:
    """The first plan that fails on this mutant, and how; None if none does."""
    with mutant():
        for name, plan in plans():
            result = run(plan)
            if result.findings:
                return name, result
    return None


for_good = ExitStack()


def pytest_configure() -> None:
    """As a plugin: the mutant holds for the whole run."""
    for_good.enter_context(IN_DATABASE[os.environ["SIM_MUTANT"]][0]())


def main() -> int:
    """Exit status 1 if a mutant lives."""
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("--database", action="store_true", help="the two of the database too: needs PostgreSQL")
    given = parser.parse_args()
    alive = 0
    for name, mutant in MUTANTS.items():
        found = caught(mutant)
        alive += found is None
        told = "NOT CAUGHT" if found is None else f"{found[0]}: {found[1].findings[0][:140]}"
        sys.stdout.write(f"without {name}: {told}\n")
    for name, (_, test) in IN_DATABASE.items() if given.database else ():
        command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.sim.mutants", test)
        judged = subprocess.run(command, check=False, env={**os.environ, "SIM_MUTANT": name}, capture_output=True)
        passed = judged.returncode != 1  # 1: a test failed; anything else says nothing of the mutant
        alive += passed
        sys.stdout.write(f"without {name}: {'NOT CAUGHT' if passed else 'caught by ' + test}\n")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())

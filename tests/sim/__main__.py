"""`make sim SEEDS=1000 [FROM=0]`: run seeds; a failing one is shrunk, and its schedule printed."""

import argparse
import sys
import time

from tests.sim.plan import drawn, shrunk
from tests.sim.world import run


def main() -> int:
    """Exit status 1 if a seed fails."""
    parser = argparse.ArgumentParser(prog="sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--keep-going", action="store_true", help="run all, tell which fail, shrink none")
    given = parser.parse_args()
    began, contacts, events, lives, failed = time.monotonic(), 0, 0, 0, 0
    for seed in range(given.first, given.first + given.seeds):
        result = run(drawn(seed))
        contacts, events, lives = contacts + result.contacts, events + result.events, lives + result.lives
        if result.findings:
            failed += 1
            _say(f"seed {seed}: {len(result.findings)} findings, the first: {result.findings[0][:600]}")
            if not given.keep_going:
                _explain(seed, result.findings[0].partition(":")[0])
                return 1
    took_s = time.monotonic() - began
    _say(f"{given.seeds} seeds, {failed} failed: {contacts} contacts, {events} events, {lives} lives in {took_s:.1f} s")
    return 1 if failed else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _explain(seed: int, what: str) -> None:
    _say("shrinking …")
    plan = shrunk(drawn(seed), lambda smaller: any(found.startswith(what) for found in run(smaller).findings))
    _say("\n".join(plan.lines()))
    _say("\n".join(run(plan).findings))


if __name__ == "__main__":
    sys.exit(main())

"""`make chaos SEED=1 [MINUTES=5]`: print the schedule, play it, print what was found; exit status 1 for that."""

import argparse
import asyncio
import sys
from pathlib import Path

from tests.chaos.disks import mountable
from tests.chaos.plan import FAULTS, drawn, playable
from tests.chaos.run import keep, run, told


def main() -> int:
    """Exit status 1 if the checker found something."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--calls-s", type=float, default=2.0, help="seconds between two callers, on average")
    parser.add_argument(
        "--kinds", nargs="*", choices=sorted(FAULTS), default=list(FAULTS), help="what may fail; nothing given: a soak"
    )
    parser.add_argument("--result", type=Path, default=Path("bench/results/chaos.json"))
    given = parser.parse_args()
    kinds = playable(given.kinds, disks=mountable())
    for left_out in sorted({*given.kinds} - {*kinds}):
        sys.stdout.write(f"{left_out} is left out: only root can mount a disk\n")
    plan = drawn(given.seed, 60.0 * given.minutes, kinds=kinds, calls_s=given.calls_s)
    sys.stdout.write("\n".join(plan.lines()) + "\n")
    sys.stdout.flush()
    result = told(plan, asyncio.run(run(plan)))
    keep(result, given.result)
    for name, value in result.items():
        if name not in {"schedule", "findings"}:
            sys.stdout.write(f"{name}: {value}\n")
    sys.stdout.write("\n".join([f"{len(result['findings'])} findings", *result["findings"]]) + "\n")
    return 1 if result["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())

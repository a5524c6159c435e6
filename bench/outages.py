"""What the deaths of others cost: PostgreSQL killed, PostgreSQL away, Asterisk killed.

python -m bench.outages [--postgres-kills 200] [--away-s 60] [--asterisk-kills 20]: about half an hour;
results/outages.json, .md. A part whose count is 0 keeps its last result. Needs root, to read INVITEs off the wire.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from bench.asterisk_killed import killed_asterisk
from bench.away import Outage, postgres_away
from bench.machine import here
from callcenter.companions.postgres import PostgresCompanion
from callcenter.db.migrate import upgrade
from tests.database import open_directory
from tests.integration.test_db_crash import all_is_there_once, postgres_killed

RESULTS: Final = Path(__file__).parent / "results"
SEED: Final = 20261122


async def killed_postgres(kills: int) -> dict[str, Any]:
    """A journal and its writer, and PostgreSQL killed `kills` times under them."""
    with open_directory() as var:
        companion = PostgresCompanion(var=var, instance="killed")
        await companion.start()
        try:
            await upgrade(companion.url)
            began_at = time.monotonic()
            said, killed = await postgres_killed(companion, var / "journal", kills, random.Random(SEED))
            took_s = time.monotonic() - began_at
            await all_is_there_once(companion.url, said)
        finally:
            await companion.stop()
    return {
        "kills": kills,
        "in_transaction": sum(each.in_transaction for each in killed.values()),
        "by_part": {what: asdict(each) for what, each in killed.items()},
        "events": len(said),
        "lost": 0,
        "doubled": 0,
        "took_s": round(took_s),
    }


async def away(away_s: float) -> dict[str, Any]:
    """PostgreSQL away for so long at 20 calls/s."""
    with open_directory() as var:
        return await postgres_away(var, Outage(away_s=away_s))


def page(result: Mapping[str, Any]) -> str:
    """The result to be read."""
    machine, killed, gone = result["machine"], result["postgres_killed"], result["postgres_away"]
    asterisk = result["asterisk_killed"]
    lines = ["# Others die", "", f"{machine['cores']} cores, {machine['processor']}.", ""]
    lines += [
        "## PostgreSQL is killed in the middle of batches",
        "",
        "| part | kills | in a transaction |",
        "|---|---|---|",
    ]
    lines += [f"| {what} | {each['times']} | {each['in_transaction']} |" for what, each in killed["by_part"].items()]
    lines += ["", f"{killed['events']:,} events: {killed['lost']} lost, {killed['doubled']} doubled.", ""]
    lines += [f"## PostgreSQL is away for {gone['away_s']:g} s at {gone['rate']:g} calls/s", ""]
    lines += ["| | calls | succeeded | INVITE to INVITE p50, ms | p95, ms |", "|---|---|---|---|---|"]
    for name, told in (("it is there", "before"), ("it is away in the middle", "away")):
        one = gone[told]
        lines.append(
            f"| {name} | {one['calls']} | {one['succeeded']} | {one['setup_p50_ms']} | {one['setup_p95_ms']} |"
        )
    lines += ["", f"{gone['behind']:,} events behind when it was back, {gone['drained_s']} s later none;"]
    lines += [
        f"{gone['events_per_s']:,} events/s once the writer had found it again. {gone['events_missing']} missing.",
        "",
    ]
    lines += ["## Asterisk is killed with 20 calls up", "", "| s after it is back | p50 | worst |", "|---|---|---|"]
    for name, key in (
        ("a newcomer is answered", "served"),
        ("the last of 20 contacts is closed", "closed"),
        ("all agents are available", "available"),
    ):
        lines.append(f"| {name} | {asterisk[f'{key}_p50_s']} | {asterisk[f'{key}_max_s']} |")
    lines += ["", f"{asterisk['kills']} kills, {asterisk['callers']} callers, end states {asterisk['end_states']},"]
    lines += [f"{len(asterisk['wrong'])} of them wrong. Phones register again at once.", ""]
    return "\n".join(lines)


def _last() -> dict[str, Any]:
    path = RESULTS / "outages.json"
    result: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return result


def main() -> int:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(prog="bench.outages", description=__doc__)
    parser.add_argument("--postgres-kills", type=int, default=200)
    parser.add_argument("--away-s", type=float, default=60.0)
    parser.add_argument("--asterisk-kills", type=int, default=20)
    given = parser.parse_args()
    result = _last() | {"machine": here()}
    for name, count, measure in (
        ("postgres_killed", given.postgres_kills, killed_postgres),
        ("postgres_away", given.away_s, away),
        ("asterisk_killed", given.asterisk_kills, killed_asterisk),
    ):
        if count:
            result[name] = asyncio.run(measure(count))
            (RESULTS / "outages.json").write_text(json.dumps(result, indent=1) + "\n")
    (RESULTS / "outages.md").write_text(page(result))
    sys.stdout.write(page(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

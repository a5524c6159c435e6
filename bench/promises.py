"""docs/reliability.md's table of promises: each with its tests and the last figure measured, out of bench/results/.

python -m bench.promises writes it anew; tests/tidy asks whether that would change anything.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = ROOT / "bench" / "results"
DOC: Final = ROOT / "docs" / "reliability.md"
BEGIN: Final = "<!-- written by python -m bench.promises -->"
END: Final = "<!-- end -->"

Results = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Promise:
    """What is promised, by which tests (`path::name`), and what the results say of it; rows of the fault table."""

    rows: str
    text: str
    tests: Sequence[str]
    figure: Callable[[Results], str] = lambda _results: ""


def _killed(key: str, text: str) -> Callable[[Results], str]:
    return lambda results: text.format(**results["killed"][key], foreign=results["killed"]["foreign"])


def _chaos(what: str) -> Callable[[Results], str]:
    def figure(results: Results) -> str:
        chaos = results["chaos"]
        played = chaos["faults"].get(what, 0)
        times = chaos["s until served again, after"].get(what, [])
        if not played:
            return "not played in the last run"
        often = "once" if played == 1 else f"{played} times"
        return f"{often} in seed {chaos['seed']}: served again {max(times):.1f} s after the fault at the latest"

    return figure


def _all_chaos(results: Results) -> str:
    chaos = results["chaos"]
    return (
        f"seed {chaos['seed']}, {chaos['lasts_s']} s, {sum(chaos['faults'].values())} faults, "
        f"{chaos['callers']} callers, "
        f"{chaos['events']:,} events: {len(chaos['findings'])} findings"
    )


def _drained(results: Results) -> str:
    rates = sorted(each["writer"] for each in results["ingest"]["rounds"])
    return f"{rates[len(rates) // 2]:,.0f} events/s"


_INTEGRATION: Final = "tests/integration/"


def _long(file: str, name: str) -> str:
    return f"{_INTEGRATION}{file}{name}"


_CHAOS: Final = "tests/chaos/test_chaos.py::test_nobody_is_dropped_and_nothing_is_lost_or_doubled_whatever_fails"
_KILLED: Final = (
    f"{_INTEGRATION}test_killed.py::test_a_killed_service_drops_nobody_and_its_successor_has_control_of_all"
)
_RESTART: Final = f"{_INTEGRATION}test_restart.py::"
_SIM: Final = "tests/sim/test_sim.py::"

PROMISES: Final = (
    Promise(
        "1–22",
        "whatever fails: no event lost or doubled, nobody dropped by us",
        (_CHAOS, f"{_SIM}test_no_caller_no_event_and_no_place_is_lost_whatever_happens"),
        _all_chaos,
    ),
    Promise(
        "1–3",
        "the service is killed: nobody is dropped, each keeps place and age, in charge again ≤ 5 s (p95)",
        (_KILLED, _CHAOS),
        _killed(
            "kills",
            "{ends} kills with 20 calls up: {dropped} dropped, {places_lost} places lost, p95 {back_p95_s} s "
            "(others took {foreign:.0%} of the machine)",
        ),
    ),
    Promise(
        "1",
        "who was in a menu hears it again, and their key counts",
        (f"{_RESTART}test_a_caller_in_the_menu_hears_it_again_after_a_crash_and_their_key_counts",),
    ),
    Promise(
        "3",
        "a talk goes on without a gap > 100 ms",
        (_KILLED,),
        _killed("kills", "longest gap over {ends} kills {gap_max_ms} ms"),
    ),
    Promise(
        "4",
        "a phone that rang is let go, and its caller offered anew",
        (f"{_RESTART}test_a_ringing_phone_is_let_go_after_a_crash_and_the_caller_is_offered_anew",),
    ),
    Promise(
        "7",
        "a handover: no call, no event, no request lost, no dead air > 1 s",
        (f"{_INTEGRATION}test_handover.py::test_restarts_under_load_lose_no_call_no_event_and_no_request",),
        _killed(
            "handovers", "{ends} with 20 calls up: {dropped} dropped, answers {answers}, longest gap {gap_max_ms} ms"
        ),
    ),
    Promise(
        "8",
        "a hung service strands nobody",
        (f"{_INTEGRATION}test_guard.py::test_a_hung_service_is_killed_and_started_again", _CHAOS),
        _chaos("service_hang"),
    ),
    Promise(
        "9", "Asterisk dies: every contact is closed, agents are available again", (_CHAOS,), _chaos("asterisk_kill")
    ),
    Promise("10", "drained: nobody cut off, nobody new", (f"{_INTEGRATION}test_drain.py::",)),
    Promise("11", "the event link is cut: what was missed is made up for", (_CHAOS,), _chaos("ari_cut")),
    Promise(
        "12",
        "a silent link is found ≤ 10 s",
        (
            _long(
                "test_half_open.py::", "test_a_silent_ari_link_is_found_within_10_s_and_what_was_missed_is_made_up_for"
            ),
            _CHAOS,
        ),
        _chaos("ari_stall"),
    ),
    Promise("13", "AMI is cut: no lease lapses, phones are learned anew", (_CHAOS,), _chaos("ami_cut")),
    Promise("15", "PostgreSQL is away: routing goes on, the journal drains ≥ 20,000 events/s", (_CHAOS,), _drained),
    Promise(
        "16",
        "PostgreSQL or the writer is killed in the middle of batches: 0 lost, 0 doubled",
        (
            f"{_INTEGRATION}test_db_crash.py::test_a_service_killed_in_the_middle_of_batches_loses_and_doubles_nothing",
            _CHAOS,
        ),
        _killed("writer", "{kills} kills of the writer, {events:,} events: {lost} lost, {doubled} doubled"),
    ),
    Promise("19", "a restored database gets its events again", (f"{_INTEGRATION}test_resend.py::",)),
    Promise(
        "20",
        "a recording that a full disk cut short is told",
        (
            _long(
                "test_recordings_checked.py::",
                "test_a_full_disk_truncates_a_recording_which_is_said_and_the_next_goes_to_the_second_folder",
            ),
        ),
    ),
    Promise(
        "21",
        "the journal's disk is full: newcomers to the fallback, talks go on, served again once there is room",
        (
            _CHAOS,
            "tests/unit/test_journal.py::test_a_disk_that_works_again_ends_the_process_for_only_a_new_one_can_go_on",
        ),
        _chaos("journal_full"),
    ),
    Promise("22", "a damaged journal is salvaged", ("tests/unit/test_journal_damage.py::",)),
    Promise("26, 27", "a caller who hangs up in any state is let go", (f"{_INTEGRATION}test_hang_ups.py::",)),
    Promise(
        "28, 29",
        "events doubled, late or lost on a healthy link change nothing in the end",
        (
            f"{_SIM}test_no_single_event_and_no_single_answer_is_needed",
            f"{_INTEGRATION}test_drift.py::test_a_caller_whose_departure_is_lost_leaves_the_queue",
        ),
    ),
)


def results() -> Results:
    """The last results."""
    return {name: json.loads((RESULTS / f"{name}.json").read_text()) for name in ("killed", "chaos", "ingest")}


def table(found: Results) -> str:
    """The promises as Markdown."""
    rows = []
    for promise in PROMISES:
        tests = "<br>".join(f"`{test.removesuffix('::')}`" for test in promise.tests)
        rows.append(f"| {promise.rows} | {promise.text} | {promise.figure(found)} | {tests} |")
    return "\n".join(["| rows | promise | last measured | proved by |", "|---|---|---|---|", *rows])


def written(text: str, found: Results) -> str:
    """The document with a fresh table between its marks."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table(found)}\n{END}{tail}"


def main() -> int:
    """Write the table anew."""
    DOC.write_text(written(DOC.read_text(), results()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

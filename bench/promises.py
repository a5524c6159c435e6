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
        f"{chaos['callers']} callers and {chaos.get('callers by SIPp', 0)} by SIPp, "
        f"{chaos['events']:,} events: {len(chaos['findings'])} findings"
    )


def _outage(key: str, text: str) -> Callable[[Results], str]:
    return lambda results: text.format(**results["outages"][key])


def _away(results: Results) -> str:
    gone = results["outages"]["postgres_away"]
    rates = sorted(each["writer"] for each in results["ingest"]["rounds"])
    return (
        f"{gone['away_s']:g} s at {gone['rate']:g} calls/s: {gone['away']['failed']} calls failed, p95 from INVITE to "
        f"INVITE {gone['away']['setup_p95_ms']} ms ({gone['before']['setup_p95_ms']} ms with it there), "
        f"{gone['behind']:,} events drained in {gone['drained_s']} s; {rates[len(rates) // 2]:,.0f} events/s alone"
    )


def _soak(results: Results) -> str:
    soak = results["soak"]
    more = f"{soak['soak: MB more']} MB and {soak['soak: files more']} files more in the second half"
    return f"{soak['lasts_s']} s without a fault, {soak['contacts']} contacts: {more}"


def _dead_databases(results: Results) -> str:
    writer, server = results["killed"]["writer"], results["outages"]["postgres_killed"]
    return (
        f"{writer['kills']} kills of the writer, {writer['events']:,} events: {writer['lost']} lost, "
        f"{writer['doubled']} doubled; {server['kills']} of PostgreSQL ({server['in_transaction']} in a transaction), "
        f"{server['events']:,} events: {server['lost']} lost, {server['doubled']} doubled"
    )


_INTEGRATION: Final = "tests/integration/"


def _long(file: str, name: str) -> str:
    return f"{_INTEGRATION}{file}{name}"


_CHAOS: Final = "tests/chaos/test_chaos.py::test_nobody_is_dropped_and_nothing_is_lost_or_doubled_whatever_fails"
_KILLED: Final = (
    f"{_INTEGRATION}test_killed.py::test_a_killed_service_drops_nobody_and_its_successor_has_control_of_all"
)
_OUTAGES: Final = f"{_INTEGRATION}test_outages.py::"
_FLOWS: Final = f"{_INTEGRATION}test_flow_life.py::"
_RESTART: Final = f"{_INTEGRATION}test_restart.py::"
_WITNESS: Final = f"{_INTEGRATION}test_witness.py::"
_SPEECH: Final = f"{_INTEGRATION}test_speech_by_phone.py::"
_SIM: Final = "tests/sim/test_sim.py::"

PROMISES: Final = (
    Promise(
        "1–22, 41, 44",
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
        "who hears the end of a prompt while nobody serves hears nothing for 4 s, and music then",
        (f"{_INTEGRATION}test_fallback.py::test_after_a_prompt_of_a_dead_service_the_caller_soon_hears_music",),
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
        "3",
        "a call that ended while nobody heard it has its true end (± 1 s), cause and author",
        (f"{_WITNESS}test_calls_that_ended_while_the_service_was_dead_have_their_true_end",),
    ),
    Promise(
        "4",
        "a phone that rang is let go, and its caller offered anew",
        (f"{_RESTART}test_a_ringing_phone_is_let_go_after_a_crash_and_the_caller_is_offered_anew",),
    ),
    Promise(
        "5",
        "the phones of a callback that rang as the service died are let go, and rung again",
        (
            f"{_INTEGRATION}test_callbacks_restart.py::test_phones_that_rang_as_the_service_died_are_let_go_and_rung_again",
        ),
    ),
    Promise(
        "6",
        "a release that ends as it starts strands nobody: the fallback has its callers, and a guard those before",
        (
            _long(
                "test_guard.py::",
                "test_who_waits_for_a_service_that_stays_dead_reaches_a_person_and_who_talks_is_left_alone",
            ),
            _CHAOS,
        ),
        _chaos("release_broken"),
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
        "7",
        "a handover, or a kill, in mid-listening: the caller keeps prompt and keys, and is listened to again",
        (
            f"{_SPEECH}test_a_handover_in_mid_listening_leaves_the_caller_their_keys_and_the_new_process_listens_again",
            f"{_SPEECH}test_a_service_killed_in_mid_listening_leaves_nothing_in_asterisk_that_its_successor_does_not_clear",
        ),
    ),
    Promise(
        "8",
        "a hung service strands nobody",
        (f"{_INTEGRATION}test_guard.py::test_a_hung_service_is_killed_and_started_again", _CHAOS),
        _chaos("service_hang"),
    ),
    Promise(
        "9",
        "Asterisk dies: every contact is closed with the right end state ≤ 10 s after its return, agents are available",
        (
            f"{_OUTAGES}test_every_contact_is_closed_and_agents_are_available_after_asterisk_is_killed",
            f"{_WITNESS}test_asterisk_killed_closes_every_contact_as_lost_with_it_and_agents_are_available_again",
            _CHAOS,
        ),
        _outage(
            "asterisk_killed",
            "{kills} kills with 20 calls up: closed after {closed_max_s} s at the latest, agents available after "
            "{available_max_s} s, a newcomer answered after {served_max_s} s",
        ),
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
    Promise(
        "14", "ARI is slow: each request has its limit, and nobody waits for another's", (_CHAOS,), _chaos("ari_slow")
    ),
    Promise(
        "15",
        "PostgreSQL is away: routing goes on, the journal drains ≤ 10 s after its return at ≥ 20,000 events/s",
        (f"{_OUTAGES}test_calls_are_routed_without_postgresql_and_it_has_every_event_once_it_is_back", _CHAOS),
        _away,
    ),
    Promise(
        "16",
        "PostgreSQL or the writer is killed in the middle of batches: 0 lost, 0 doubled",
        (
            f"{_INTEGRATION}test_db_crash.py::test_a_service_killed_in_the_middle_of_batches_loses_and_doubles_nothing",
            f"{_INTEGRATION}test_db_crash.py::test_a_postgresql_killed_in_the_middle_of_batches_loses_and_doubles_nothing",
            _CHAOS,
        ),
        _dead_databases,
    ),
    Promise(
        "17",
        "PostgreSQL's disk is full: routing goes on, and nothing is missing once there is room",
        (_CHAOS,),
        _chaos("postgres_full"),
    ),
    Promise(
        "18",
        "PostgreSQL is slow, or somebody holds its tables: routing goes on, nothing is missing",
        (_CHAOS,),
        _chaos("postgres_slow"),
    ),
    Promise(
        "19",
        "a restored database gets its events again, as long as the journal keeps them: 48 h, less on a low disk",
        (f"{_INTEGRATION}test_resend.py::", _CHAOS),
        _chaos("postgres_restored"),
    ),
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
    Promise(
        "40",
        "neither memory nor open files grow with the calls",
        ("tests/chaos/test_chaos.py::test_what_grows_is_found",),
        _soak,
    ),
    Promise(
        "41",
        "the next version's wider schema disturbs no call and no writing of this version",
        (_CHAOS,),
        _chaos("schema_widened"),
    ),
    Promise(
        "42",
        "a flow with mistakes is never met by a caller; one that is published strands nobody",
        (
            f"{_FLOWS}test_a_draft_with_mistakes_is_kept_and_said_and_callers_never_meet_it",
            f"{_FLOWS}test_publishing_while_calls_come_strands_nobody",
        ),
    ),
    Promise(
        "44",
        "a log that nobody takes holds nobody up",
        ("tests/unit/test_logs.py::test_a_pipe_that_nobody_reads_costs_lines_and_no_time", _CHAOS),
        _chaos("log_stuck"),
    ),
)


def results() -> Results:
    """The last results."""
    return {
        name: json.loads((RESULTS / f"{name}.json").read_text())
        for name in ("killed", "chaos", "ingest", "outages", "soak")
    }


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

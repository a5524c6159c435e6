"""SIPp's callers beside the kit's: they come evenly, stay a moment, hang up, and SIPp counts what became of each."""

from pathlib import Path
from typing import Final

from tests.chaos.judge import TRUNK_S, Verdict
from tests.chaos.plan import Plan
from tests.chaos.stage import Stage
from tests.kit.hotline import VIP
from tests.kit.sipp import SippPlan, SippResult, SippRun, caller_direct

RATE: Final = 0.5  # calls/s
STAY_S: Final = 4.0
ANSWERED_S: Final = 40.0  # as the kit's callers: the fallback answers, and tries again for as long


def load_for(plan: Plan, stage: Stage, directory: Path) -> SippRun:
    """Callers from the beginning of a plan to its end."""
    calls = round(plan.lasts_s * RATE)
    return SippRun(_calls(stage, calls, plan.lasts_s), directory)


def _calls(stage: Stage, calls: int, lasts_s: float) -> SippPlan:
    return caller_direct(
        stage.asterisk.sip_address,
        VIP,
        [f"0977{n:06}" for n in range(calls)],
        talk_s=STAY_S,
        rate=RATE,
        answered_s=ANSWERED_S,
        time_limit_s=lasts_s + ANSWERED_S + STAY_S + 20.0,
    )


def judge_load(result: SippResult, stage: Stage, verdict: Verdict) -> None:
    """SIPp's own counts: only who was with an Asterisk as it died, or called while it was away, may have failed.

    A call that SIPp never saw the end of, for its BYE was answered by nobody, counts as failed.
    """
    assert result.expected is not None
    failed = result.expected - result.succeeded
    may_fail = sum(1 + round(RATE * (STAY_S + back - died + TRUNK_S)) for died, back in stage.asterisk_died)
    verdict.figures |= {"callers by SIPp": result.expected, "of these failed": failed}
    if failed > may_fail:
        verdict.findings.append(f"{failed} of SIPp's calls failed, {may_fail} may have: {result.errors}")

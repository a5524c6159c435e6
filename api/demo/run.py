"""demo: the command from its settings to its exit code; Ctrl-C ends it and all that it started."""

import os
import shutil
import subprocess
from typing import Final

from api.cli.aside import INTERRUPTED, run_aside
from api.cli.output import Exit, err, out, say_json
from api.demo.figures import SERVICE_LEVEL_RULE, as_data
from api.demo.performance import Performance, Review
from api.demo.screen import summary
from api.demo.sipp import sipp_program
from api.demo.stage import DEMO_SITE, demo_settings, open_stage
from callcenter.companions.errors import NotProvisioned
from callcenter.config.settings import Settings
from callcenter.config.site import load_site

TROUBLED_SHOWN_MAX: Final = 10


def run_demo(settings: Settings, *, calls: int, as_json: bool) -> int:
    """Run the demo with `calls` callers who stay until served; 0 if all went well and the recount is equal.

    Raises CallCenterError when it can't go on.
    """
    settings = demo_settings(settings)
    check_prerequisites()
    log = settings.var / settings.instance / "service.log"
    review = run_aside(lambda: _perform(settings, calls), log, settings.log_level)
    if review is None:
        _say("demo: stopped; all that it started has ended")
        return INTERRUPTED
    _tell(review, settings, as_json=as_json)
    return Exit.FINDING if review.findings else Exit.OK


def check_prerequisites() -> None:
    """SIPp is there, and may send digits (a raw socket: root's). Raises NotProvisioned."""
    sipp_program()
    if os.geteuid() == 0:
        return
    sudo = shutil.which("sudo")
    asked = sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, timeout=10, check=False)  # noqa: S603
    if not asked or asked.returncode != 0:
        raise NotProvisioned(
            "simulated callers press keys through a raw socket, which takes root's rights",
            "run as root, or let sudo know the password first: sudo -v",
        )


async def _perform(settings: Settings, calls: int) -> Review:
    async with open_stage(settings, _say) as stage:
        return await Performance(stage, calls, _say).perform()


def _tell(review: Review, settings: Settings, *, as_json: bool) -> None:
    if as_json:
        say_json(_data(review))
        return
    out().print(summary(review.summary, load_site(DEMO_SITE)))
    if not review.differences:
        out().print(f"recount        every figure equals the recount from {review.summary.events} events in PostgreSQL")
    for text in (*review.findings, *(f"  {text}" for text in review.differences)):
        out().print(f"finding        {text}", markup=False)
    look = f"CALLCENTER_INSTANCE={settings.instance} bin/callcenter events tail --contact"
    for contact_id in review.troubled[:TROUBLED_SHOWN_MAX]:
        out().print(f"look at it     {look} {contact_id}", markup=False)
    if review.findings:
        out().print(f"service's log  {settings.var / settings.instance / 'service.log'}", markup=False)


def _data(review: Review) -> dict[str, object]:
    return {
        **as_data(review.summary),
        "service_level_rule": SERVICE_LEVEL_RULE,
        "callers": review.callers,
        "callers_failed": review.callers_failed,
        "lasted_s": round(review.lasted_s, 1),
        "recount": {"equal": not review.differences, "differences": review.differences},
        "contacts_to_look_at": review.troubled,
        "findings": review.findings,
    }


def _say(text: str) -> None:
    err().print(text, markup=False)

"""flow test: scripted conversations with a flow, in virtual time, and with --dial by telephone on a real Asterisk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.flow import AsJson, FileError, InSite, flow_in, script_in, site_of
from api.cli.flow_life import flow_cli
from api.cli.output import Exit, err, out, say_json
from callcenter.config.settings import load_settings
from callcenter.config.site import Site
from ivr.coverage import Coverage, coverage
from ivr.model import Flow
from ivr.rehearsal import play
from ivr.script import Conversation
from ivr.turn import Facts, Note

__all__ = ["flow_cli"]


@dataclass(frozen=True, slots=True)
class Result:
    """How a conversation went; `left_out` says why no telephone can hold it, if it was to be dialed and can't be."""

    name: str
    mistakes: tuple[str, ...]
    notes: tuple[Note, ...]
    left_out: str | None = None


@flow_cli.command("test", epilog="Example: callcenter flow test sites/mine/flows/tests/main.toml --ways-min 100 --dial")
def rehearse_command(
    file: Annotated[Path, typer.Argument(help="A script of conversations (TOML).")],
    site: InSite = None,
    flow: Annotated[Path | None, typer.Option(help="A draft to test instead of the site's flow of that name.")] = None,
    ways_min: Annotated[float, typer.Option(min=0, max=100, help="Fail if fewer percent of the ways are walked.")] = 0,
    dial: Annotated[bool, typer.Option("--dial", help="By telephone too, on an Asterisk started for it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Play scripted conversations against a flow in virtual time; exit 1 if one goes otherwise than written."""
    whole = site_of(file, site)
    script = script_in(file, whole)
    if flow is None and script.flow not in whole.flows:
        raise FileError(file, [f"flow: the site has no flow {script.flow!r}; there are {', '.join(whole.flows)}"])
    tested = whole.flows[script.flow] if flow is None else flow_in(flow, whole)
    wrong = [f"conversation[{n}].{m}" for n, each in enumerate(script.conversations, 1) for m in _unknown(each, whole)]
    if wrong:
        raise FileError(file, wrong)
    played = [_played(tested, each, whole) for each in script.conversations]
    dialed = _dialed(tested, script.conversations, whole, played) if dial else played
    walked = coverage(tested, (each.notes for each in dialed))
    share = 100.0 * walked.ways_walked / max(1, walked.ways)
    failed = any(each.mistakes for each in dialed) or all(each.left_out for each in dialed)
    passed = not failed and share >= ways_min
    if as_json:
        say_json(_as_json(tested, dialed, walked, passed=passed, dial=dial))
    else:
        _tell(dialed, walked, share, ways_min)
    raise typer.Exit(Exit.OK if passed else Exit.FINDING)


def _played(flow: Flow, conversation: Conversation, site: Site) -> Result:
    played = play(flow, conversation, facts_of(conversation, site))
    return Result(played.name, played.mistakes, played.notes)


def _dialed(
    flow: Flow, conversations: Sequence[Conversation], site: Site, rehearsed: Sequence[Result]
) -> Sequence[Result]:
    """The same by telephone, but for what went wrong in virtual time already and what no telephone can bring about."""
    from api.cli.aside import INTERRUPTED, run_aside  # noqa: PLC0415 - heavy, see the head of main
    from api.demo.sipp import sipp_program  # noqa: PLC0415
    from api.dialing.part import Held, Part  # noqa: PLC0415
    from api.dialing.run import dial  # noqa: PLC0415

    parts = [Part(flow, each, facts_of(each, site)) for each in conversations]
    left_out = [part.undialable(site.default_value_tier) for part in parts]
    wanted = [
        n for n, (result, why) in enumerate(zip(rehearsed, left_out, strict=True)) if not result.mistakes and not why
    ]
    results = [
        result if result.mistakes else replace(result, notes=(), left_out=why)
        for result, why in zip(rehearsed, left_out, strict=True)
    ]
    if not wanted:
        return results
    sipp_program()
    settings = load_settings()

    done: list[str] = []

    def told(part: Part, held: Held) -> None:
        done.append(part.name)
        _say(f"{len(done)} of {len(wanted)} {'FAILED' if held.mistakes else 'ok'}: {part.conversation.name}")

    chosen = [parts[n] for n in wanted]
    held = run_aside(lambda: dial(settings, site, chosen, _say, told), settings.var / "dial.log", settings.log_level)
    if held is None:
        _say("flow test: stopped; all that it started has ended")
        raise typer.Exit(INTERRUPTED)
    for n, each in zip(wanted, held, strict=True):
        results[n] = Result(results[n].name, each.mistakes, each.notes)
    return results


def _say(text: str) -> None:
    err().print(text, markup=False)


def _unknown(conversation: Conversation, site: Site) -> list[str]:
    """What the site does not have: a caller like this, a calendar."""
    caller, found = conversation.caller, []
    if caller.value_tier is not None and caller.value_tier not in site.value_tiers:
        found.append(f"caller.value_tier: no such value tier {caller.value_tier!r}")
    if caller.language is not None and caller.language not in site.languages:
        found.append(f"caller.language: no such language {caller.language!r}")
    unknown = [calendar for calendar in conversation.closed_now if calendar not in site.calendars]
    return [*found, *(f"closed_now: no such calendar {calendar!r}" for calendar in unknown)]


def facts_of(conversation: Conversation, site: Site) -> Facts:
    """What the flow knows of the conversation's caller."""
    caller = conversation.caller
    return Facts(
        language=caller.language or site.default_language,
        value_tier=caller.value_tier or site.default_value_tier,
        known=caller.known,
        calendars={
            name: replace(calendar, closed_now=calendar.closed_now or name in conversation.closed_now)
            for name, calendar in site.calendars.items()
        },
        variables=conversation.given,
        open_case=caller.open_case,
        open_order=caller.open_order,
        at_risk=caller.at_risk,
        zone=site.zone,
        customer_id=caller.customer_id or ("known" if caller.known else None),
        verified=caller.verified,
    )


def _tell(played: Sequence[Result], walked: Coverage, share: float, ways_min: float) -> None:
    for each in played:
        verdict = "FAIL" if each.mistakes else "--  " if each.left_out else "ok  "
        out().print(f"{verdict} {each.name}" + (f" (not dialed: {each.left_out})" * bool(each.left_out)), markup=False)
        for mistake in each.mistakes:
            out().print(f"     {mistake}", markup=False)
    failed = sum(bool(each.mistakes) for each in played)
    left_out = sum(bool(each.left_out) for each in played)
    counted = f"{len(played)} conversations, {failed} failed" + f", {left_out} not dialed" * bool(left_out)
    out().print(
        f"{counted}; walked {walked.nodes_walked} of {walked.nodes} nodes"
        f" and {walked.ways_walked} of {walked.ways} ways ({share:.0f} %)",
        markup=False,
    )
    for kind, missed in (("node", walked.nodes_missed), ("way", walked.ways_missed)):
        for place in missed:
            out().print(f"  never walked: {kind} {place}", markup=False)
    if share < ways_min:
        err().print(f"callcenter: {share:.0f} % of the ways is less than the {ways_min:g} % asked for", markup=False)


def _as_json(flow: Flow, played: Sequence[Result], walked: Coverage, *, passed: bool, dial: bool) -> dict[str, Any]:
    return {
        "flow": flow.id,
        "passed": passed,
        "dialed": dial,
        "conversations": [
            {"name": each.name, "mistakes": list(each.mistakes), "left_out": each.left_out} for each in played
        ],
        "coverage": {
            "nodes": walked.nodes,
            "nodes_walked": walked.nodes_walked,
            "nodes_missed": list(walked.nodes_missed),
            "ways": walked.ways,
            "ways_walked": walked.ways_walked,
            "ways_missed": list(walked.ways_missed),
        },
    }

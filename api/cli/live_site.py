"""site: the site of the running service, looked at and changed over its API."""

from collections.abc import Callable, Mapping
from typing import Any

from api.cli.output import Exit, err, out, say_json, table
from api.cli.service import Refused, ask
from callcenter.config.settings import Settings
from callcenter.errors import CallCenterError


async def show(settings: Settings, token: str, *, as_json: bool) -> Exit:
    """The site in use."""
    return _say(await _ask(settings, token, "GET", ""), _site_lines, as_json=as_json)


async def history(settings: Settings, token: str, *, as_json: bool) -> Exit:
    """The last changes, newest first."""
    answer = await _ask(settings, token, "GET", "/history")
    if as_json:
        say_json(answer)
    else:
        rows = [
            (change["at"], change["digest"], change["cause"], change["by"], change["name"])
            for change in answer["items"]
        ]
        out().print(table(("at", "digest", "cause", "by", "name"), rows))
    return Exit.OK


async def apply(settings: Settings, token: str, *, as_json: bool) -> Exit:
    """Take the folder of the service into use; FINDING with every mistake said if it can't be."""
    return await _change(settings, token, "/apply", {}, as_json=as_json)


async def roll_back(settings: Settings, token: str, digest: str | None, *, as_json: bool) -> Exit:
    """Take a former site into use again; without a digest, the one before the site of now."""
    if digest is None:
        changes = (await _ask(settings, token, "GET", "/history"))["items"]
        digest = changes[0]["before"] if changes else None
    if digest is None:
        raise CallCenterError("there is no site before this one; 'callcenter site history' lists what is kept")
    return await _change(settings, token, "/rollback", {"digest": digest}, as_json=as_json)


async def _change(settings: Settings, token: str, path: str, body: Mapping[str, str], *, as_json: bool) -> Exit:
    try:
        answer = await _ask(settings, token, "POST", path, body)
    except Refused as refusal:
        asked_wrongly = refusal.body.get("code") == "invalid_request"  # the refusal says it all then
        found = () if asked_wrongly else refusal.body.get("errors", ())
        mistakes = [f"{one['where']}: {one['what']}" for one in found]
        if as_json:
            say_json({"changed": False, "error": str(refusal), "mistakes": mistakes})
        else:
            out().print("\n".join(mistakes), markup=False, end="\n" if mistakes else "")
            err().print(f"callcenter: {refusal}", markup=False)
        return Exit.FINDING
    return _say(answer, _taken_lines, as_json=as_json)


def _say(answer: Mapping[str, Any], lines: Callable[[Mapping[str, Any]], list[str]], *, as_json: bool) -> Exit:
    if as_json:
        say_json(answer)
    else:
        out().print("\n".join(lines(answer)), markup=False)
    return Exit.OK


def _site_lines(site: Mapping[str, Any]) -> list[str]:
    return [
        f"{site['name']} ({site['digest']}), in use since {site['since'] or 'a time that could not be recorded'}",
        f"  tiers ({site['discipline']}): {', '.join(site['value_tiers'])}",
        f"  queues: {', '.join(site['queues'])}",
        *(f"  rule: {rule}" for rule in site["rules"]),
        f"  {site['agents']} agents, {site['customers']} customers",
        *(f"  warning: {warning}" for warning in site["warnings"]),
    ]


def _taken_lines(taken: Mapping[str, Any]) -> list[str]:
    change = taken["change"]
    what = "is in use now" if taken["changed"] else "was in use already"
    return [
        f"{change['name']} ({change['digest']}) {what}",
        *(f"  warning: {warning}" for warning in taken["warnings"]),
        *(f"  note: {note}" for note in taken["notes"]),
    ]


async def _ask(
    settings: Settings, token: str, method: str, path: str, body: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The answer of the running service; raises ServiceAway, or Refused with the problem it answered."""
    return await ask(settings, token, method, f"/v1/site{path}", body)

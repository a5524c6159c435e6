"""flow list, text, draft, drop, publish, versions, rollback: the flows of the running service, over its API."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import quote

import typer

from api.cli.flow import AsJson, FileError, flow_cli
from api.cli.output import Exit, err, out, say_json, table
from callcenter.config.settings import load_settings

__all__ = ["flow_cli"]

AccessToken = Annotated[
    str, typer.Option("--token", envvar="CALLCENTER_TOKEN", help="A token of role admin (to look: supervisor).")
]
FlowId = Annotated[str, typer.Argument(metavar="FLOW", help="The flow's id.")]


@flow_cli.command("list", epilog="Example: callcenter flow list")
def list_command(token: AccessToken, as_json: AsJson = False) -> None:
    """List the flows in use, with their versions, and the drafts."""
    answer = _ask(token, "GET", "", as_json=as_json)
    if not as_json:
        rows = [(each["flow"], each["version"] or "-", each["draft"] or "-") for each in answer["items"]]
        out().print(table(("flow", "in use", "draft"), rows))


@flow_cli.command("text", epilog="Example: callcenter flow text main > drafts/main.toml")
def text_command(
    token: AccessToken,
    flow: FlowId,
    version: Annotated[str | None, typer.Argument(help="A former version; left out, the one in use.")] = None,
    draft: Annotated[bool, typer.Option("--draft", help="The draft instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the text of a flow, to begin a draft with."""
    if draft and version:
        raise typer.BadParameter("a draft has no version: choose one")
    path = f"/{_safe(flow)}" + ("/draft" if draft else f"/versions/{_safe(version)}" if version else "")
    answer = _ask(token, "GET", path, as_json=as_json)
    if not as_json:
        typer.echo(answer["text"], nl=False)


@flow_cli.command("draft", epilog="Example: callcenter flow draft drafts/main.toml")
def draft_command(
    token: AccessToken,
    file: Annotated[Path, typer.Argument(help="A flow (TOML); its name is the flow's id.")],
    as_json: AsJson = False,
) -> None:
    """Keep a file as the flow's draft at the service, and say every mistake it has there; exit 1 if there are any."""
    try:
        text = file.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(file, [str(error)]) from error
    answer = _ask(token, "PUT", f"/{_safe(file.stem)}/draft", {"text": text}, as_json=as_json)
    mistakes = _mistakes(answer["mistakes"])
    if not as_json:
        out().print("\n".join(mistakes), markup=False, end="\n" if mistakes else "")
        kept = f"the draft {answer['digest']} of flow {answer['flow']} is kept"
        hint = f"'callcenter flow publish {answer['flow']}' takes it into use"
        said = f"{len(mistakes)} to mend" if mistakes else hint
        out().print(f"{kept}; {said}", markup=False)
    raise typer.Exit(Exit.FINDING if mistakes else Exit.OK)


@flow_cli.command("drop", epilog="Example: callcenter flow drop main")
def drop_command(token: AccessToken, flow: FlowId, as_json: AsJson = False) -> None:
    """Forget a flow's draft; what is in use stays."""
    _ask(token, "DELETE", f"/{_safe(flow)}/draft", as_json=as_json)
    if not as_json:
        out().print(f"the draft of flow {flow} is gone", markup=False)


@flow_cli.command("publish", epilog="Example: callcenter flow publish main --digest 3f9a0c12de45ab67")
def publish_command(
    token: AccessToken,
    flow: FlowId,
    digest: Annotated[str | None, typer.Option(help="Only if the draft is this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Take a flow's draft into use for the next call; who is in the flow finishes it as it was."""
    answer = _ask(token, "POST", f"/{_safe(flow)}/publish", {"digest": digest}, as_json=as_json)
    _tell(answer, as_json=as_json)


@flow_cli.command("versions", epilog="Example: callcenter flow versions main")
def versions_command(token: AccessToken, flow: FlowId, as_json: AsJson = False) -> None:
    """List a flow's versions among the last 50 changes of the site, newest first."""
    answer = _ask(token, "GET", f"/{_safe(flow)}/versions", as_json=as_json)
    if not as_json:
        rows = [
            (each["at"], each["version"], "in use" if each["in_use"] else "", each["cause"], each["by"])
            for each in answer["items"]
        ]
        out().print(table(("from", "version", "", "cause", "by"), rows))


@flow_cli.command("rollback", epilog="Example: callcenter flow rollback main 3f9a0c12de45ab67")
def rollback_command(
    token: AccessToken,
    flow: FlowId,
    version: Annotated[str | None, typer.Argument(help="A version; left out, the one before.")] = None,
    as_json: AsJson = False,
) -> None:
    """Take a former version of a flow into use for the next call, its sub-flows included; nothing else changes."""
    answer = _ask(token, "POST", f"/{_safe(flow)}/rollback", {"version": version}, as_json=as_json)
    _tell(answer, as_json=as_json)


def _tell(answer: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        return
    what = "is in use from the next call on" if answer["changed"] else "was in use already"
    lines = [
        f"version {answer['version']} of flow {answer['flow']} {what}",
        *(f"  with it changed: flow {flow}, now {version}" for flow, version in answer["others"].items()),
        *(f"  warning: {warning}" for warning in answer["warnings"]),
        *(f"  note: {note}" for note in answer["notes"]),
    ]
    out().print("\n".join(lines), markup=False)


def _ask(token: str, method: str, path: str, body: Mapping[str, Any] | None = None, *, as_json: bool) -> dict[str, Any]:
    """The answer, told already if it is to be JSON; a refusal is told, with every mistake, and ends the command."""
    from api.cli.service import Refused, ask  # noqa: PLC0415 - heavy, see the head of main

    try:
        answer = asyncio.run(ask(load_settings(), token, method, f"/v1/flows{path}", body))
    except Refused as refusal:
        _refuse(refusal, _mistakes(refusal.body.get("errors", ())), as_json=as_json)
    if as_json:
        say_json(answer)
    return answer


def _refuse(refusal: Exception, mistakes: list[str], *, as_json: bool) -> NoReturn:
    if as_json:
        say_json({"error": str(refusal), "mistakes": mistakes})
    else:
        out().print("\n".join(mistakes), markup=False, end="\n" if mistakes else "")
        err().print(f"callcenter: {refusal}", markup=False)
    raise typer.Exit(Exit.FINDING)


def _mistakes(said: Any) -> list[str]:
    return [f"{one['where']}: {one['what']}" for one in said]


def _safe(word: str) -> str:
    return quote(word, safe="")

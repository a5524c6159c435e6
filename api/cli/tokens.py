"""token: tokens for the HTTP API; made and shown once, listed without giving them away, revoked."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypeVar

import typer

from api.cli.output import Exit, err, out, say_json, table
from callcenter.config.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from callcenter.db.tokens import TokenRow, Tokens

token_cli = typer.Typer(help="Tokens for the HTTP API.", no_args_is_help=True)

Found = TypeVar("Found")
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]


@token_cli.command("create", epilog="Example: callcenter token create --role agent --agent agent01 --label desk")
def create_command(
    role: Annotated[Literal["agent", "supervisor", "admin"], typer.Option(help="What the token may do.")],
    agent: Annotated[str | None, typer.Option(help="The agent it stands for; needed for role agent.")] = None,
    label: Annotated[str, typer.Option(help="A reminder of who has it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, this once; only its hash is kept. Works while the service runs, and without it."""
    if (role == "agent") != (agent is not None):
        raise typer.BadParameter("--agent names the agent of a token of role agent, and belongs to no other role")
    _done(lambda settings: _create(settings, role, agent, label, as_json=as_json))


@token_cli.command("list", epilog="Example: callcenter token list")
def list_command(as_json: AsJson = False) -> None:
    """List the tokens ever made, oldest first: id, role, label, and when they were made and revoked."""
    _done(lambda settings: _list(settings, as_json=as_json))


@token_cli.command("revoke", epilog="Example: callcenter token revoke 3f9a0c12de45")
def revoke_command(
    token: Annotated[str, typer.Argument(help="The token's id, as listed.", metavar="ID")], as_json: AsJson = False
) -> None:
    """End a token: within 10 s it opens nothing any more, within 30 s its live feed ends."""
    _done(lambda settings: _revoke(settings, token, as_json=as_json))


def _done(work: "Callable[[Settings], Coroutine[Any, Any, Exit]]") -> NoReturn:
    import asyncio  # noqa: PLC0415 - heavy, as what follows: --help answers at once

    raise typer.Exit(asyncio.run(work(load_settings())))


async def _create(settings: Settings, role_name: str, agent_id: str | None, label: str, *, as_json: bool) -> Exit:
    from callcenter.config.site import load_site  # noqa: PLC0415
    from callcenter.db.tokens import Role  # noqa: PLC0415

    if agent_id is not None and agent_id not in (site := load_site(settings.site)).agents:
        err().print(f"callcenter: the site {site.name} has no agent {agent_id!r}", markup=False)
        return Exit.FINDING
    role = Role(role_name)
    token = await _asked(settings, lambda tokens: tokens.create(role, label, agent_id))
    if as_json:
        say_json({"token": token, "role": role.value, "agent_id": agent_id, "label": label})
        return Exit.OK
    err().print(f"a token of role {role.value}{f' for {agent_id}' if agent_id else ''}; it is shown this once:")
    out().print(token, markup=False)
    address = f"http://{settings.api_host}:{settings.api_port}"
    err().print(f"try: curl -H 'Authorization: Bearer <token>' {address}/v1/queues/live", markup=False)
    return Exit.OK


async def _list(settings: Settings, *, as_json: bool) -> Exit:
    rows = [_shown(row) for row in await _asked(settings, lambda tokens: tokens.listed())]
    if as_json:
        say_json({"items": rows})
    else:
        head = ("id", "role", "agent", "label", "made", "revoked")
        out().print(table(head, (tuple(value or "" for value in row.values()) for row in rows)))
    return Exit.OK


async def _revoke(settings: Settings, token_id: str, *, as_json: bool) -> Exit:
    revoked = await _asked(settings, lambda tokens: tokens.revoke(token_id))
    if as_json:
        say_json({"token_id": token_id, "revoked": revoked})
    elif revoked:
        err().print(f"{token_id} opens nothing any more, in 10 s at the latest", markup=False)
    else:
        said = f"callcenter: no token {token_id!r} is in use; 'callcenter token list' has their ids"
        err().print(said, markup=False)
    return Exit.OK if revoked else Exit.FINDING


async def _asked(settings: Settings, ask: "Callable[[Tokens], Coroutine[Any, Any, Found]]") -> Found:
    from api.cli.database import engine  # noqa: PLC0415
    from callcenter.clock import AnchoredClock  # noqa: PLC0415
    from callcenter.db.tokens import Tokens  # noqa: PLC0415

    async with engine(settings) as database:
        return await ask(Tokens(database, AnchoredClock()))


def _shown(row: "TokenRow") -> dict[str, str | None]:
    return {
        "token_id": row.bearer.token_id,
        "role": row.bearer.role.value,
        "agent_id": row.bearer.agent_id,
        "label": row.bearer.label,
        "created_at": _at(row.created_at),
        "revoked_at": None if row.revoked_at is None else _at(row.revoked_at),
    }


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

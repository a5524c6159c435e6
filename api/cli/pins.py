"""pin set: the PIN by which a customer proves on the phone who they are."""

import re
import sys
from typing import Annotated

import typer

from api.cli.output import Exit, err, exit_code_of, say_json
from callcenter.config.settings import Settings, load_settings
from callcenter.errors import CallCenterError

DIGITS = re.compile(r"[0-9]{4,12}")

pin_cli = typer.Typer(help="PINs of customers.", no_args_is_help=True)


@pin_cli.command("set", epilog="Example: echo 2580 | callcenter pin set c0003")
def set_command(
    customer: Annotated[str, typer.Argument(help="The customer's id.", metavar="CUSTOMER")],
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")] = False,
) -> None:
    """Give a customer the PIN (4-12 digits) on standard input, and lift a lock-out; only its hash is kept."""
    import asyncio  # noqa: PLC0415 - heavy, as what follows: --help answers at once

    pin = sys.stdin.readline(64).strip()
    if not DIGITS.fullmatch(pin):
        raise typer.BadParameter(
            "a PIN is 4-12 digits, on standard input: never on a command line, where others see it"
        )
    try:
        done = asyncio.run(_set(load_settings(), customer, pin))
    except CallCenterError as error:
        err().print(f"callcenter: {error}", markup=False)
        raise typer.Exit(exit_code_of(error)) from error
    if as_json:
        say_json({"customer_id": customer, "set": done})
    else:
        said = f"{customer} has this PIN now" if done else f"callcenter: there is no customer {customer!r}"
        err().print(said, markup=False)
    raise typer.Exit(Exit.OK if done else Exit.FINDING)


async def _set(settings: Settings, customer_id: str, pin: str) -> bool:
    from api.cli.database import engine  # noqa: PLC0415
    from callcenter.db.self_service import SelfService  # noqa: PLC0415

    async with engine(settings) as database:
        return await SelfService(database).set_pin(customer_id, pin)

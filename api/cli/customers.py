"""customers import: the customers of another system, from a CSV file into the database."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.output import Exit, err, exit_code_of, out, say_json
from callcenter.config.settings import Settings, load_settings
from callcenter.errors import CallCenterError

if TYPE_CHECKING:
    from callcenter.db.customer_records import CustomerRecord

customers_cli = typer.Typer(help="The customers in the database.", no_args_is_help=True)


@customers_cli.callback()
def customers() -> None:
    """The customers in the database."""


@customers_cli.command("import", epilog="Example: callcenter customers import customers.csv")
def import_command(
    file: Annotated[Path, typer.Argument(help="CSV, UTF-8; the first line names the columns: docs/site.md.")],
    check: Annotated[bool, typer.Option("--check", help="Only look for mistakes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")] = False,
) -> None:
    """Take customers over from a CSV file: all of them, or none if there is a mistake in it."""
    try:
        raise typer.Exit(_import(load_settings(), file, check=check, as_json=as_json))
    except CallCenterError as error:
        err().print(f"callcenter: {error}", markup=False)
        raise typer.Exit(exit_code_of(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        err().print(f"callcenter: {file} can't be read: {error}", markup=False)
        raise typer.Exit(Exit.FINDING) from error


def _import(settings: Settings, file: Path, *, check: bool, as_json: bool) -> Exit:
    import asyncio  # noqa: PLC0415 - heavy, as what follows: --help answers at once

    from callcenter.config.site import load_site  # noqa: PLC0415
    from callcenter.customer_file import read_customers  # noqa: PLC0415

    with file.open(encoding="utf-8-sig", newline="") as lines:
        found = read_customers(lines, load_site(settings.site))
    if not found.mistakes and not check:
        asyncio.run(_store(settings, found.records))
    if as_json:
        stored = not found.mistakes and not check
        say_json(
            {"customers": len(found.records), "mistakes": [str(each) for each in found.mistakes], "stored": stored}
        )
    elif found.mistakes:
        out().print("\n".join(str(each) for each in found.mistakes), markup=False)
        err().print(f"callcenter: nothing of {file} was taken over", markup=False)
    else:
        count = "1 customer" if len(found.records) == 1 else f"{len(found.records)} customers"
        err().print(f"{count}: {'no mistakes' if check else 'taken over'}", markup=False)
    return Exit.FINDING if found.mistakes else Exit.OK


async def _store(settings: Settings, records: "Sequence[CustomerRecord]") -> None:
    from api.cli.database import reached  # noqa: PLC0415
    from callcenter.db.customer_records import store_records  # noqa: PLC0415

    async with reached(settings) as url:
        await store_records(url, records)

"""sizing: agents and trunks for a load and a target, worked out on the spot; nothing needs to run."""

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from api.cli.output import Exit, err, out, say_json, table
from api.schemas import SizingBody, SizingQuery
from routing.sizing import TooMuchTraffic, sizing


def answer(given: Mapping[str, float | None], *, as_json: bool) -> Exit:
    """Print what the load needs; USAGE, with every mistake said, if `given` (by the query's names) is not valid."""
    if (usage := mistaken(given)) is not None:
        return usage
    query = _query(given)
    try:
        found = SizingBody.model_validate(sizing(**query.model_dump()))
    except TooMuchTraffic as error:
        _refuse("--calls-per-hour", str(error))
        return Exit.USAGE
    if as_json:
        say_json(found.model_dump())
    else:
        out().print(table(("what", "value", "meaning"), _rows(query, found)))
    return Exit.OK


def mistaken(given: Mapping[str, float | None]) -> Exit | None:
    """USAGE, with every mistake said, if what is given is not valid; None if it is."""
    try:
        _query(given)
    except ValidationError as error:
        for mistake in error.errors():
            _refuse(".".join(_option(str(name)) for name in mistake["loc"]), mistake["msg"])
        return Exit.USAGE
    return None


def _query(given: Mapping[str, float | None]) -> SizingQuery:
    return SizingQuery.model_validate({name: value for name, value in given.items() if value is not None})


def _rows(query: SizingQuery, found: SizingBody) -> Iterator[tuple[str, str, str]]:
    yield "erlangs", f"{found.erlangs:.1f}", "traffic: arrival rate × AHT"
    yield "agents", str(found.agents), "at work"
    if query.shrinkage:
        yield "positions", str(found.positions), "on the roster, shrinkage included"
    yield "service_level", _percent(found.service_level), f"answered within {query.target_s:g} s, of all who entered"
    if found.abandonment is not None:
        yield "service_level_ignore", _percent(found.service_level_ignore), "the same, early abandons left out"
        yield "abandonment", _percent(found.abandonment), "give up waiting"
    yield "asa_s", f"{found.asa_s:.1f}", "mean wait of the answered"
    yield "p_wait", _percent(found.p_wait), "wait at all"
    yield "occupancy", _percent(found.occupancy), "of an agent's time is serving"
    if found.trunks is not None and found.trunk_blocking is not None:
        yield "trunk_erlangs", f"{found.trunk_erlangs:.1f}", "IVR, wait and AHT of each call"
        yield "trunks", str(found.trunks), ""
        yield "trunk_blocking", _percent(found.trunk_blocking), "of the calls find no trunk"


def _percent(share: float) -> str:
    return f"{share:.2%}"


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _refuse(where: str, what: str) -> None:
    err().print(f"callcenter: {f'{where}: ' if where else ''}{what}", markup=False)

"""Laws of a flow's life, whoever does what in which order: what is in use, in the folder and told agrees."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.clock import AnchoredClock
from callcenter.config.site import load_site
from callcenter.db.journal import SqliteJournal
from callcenter.errors import CallCenterError
from tests.unit.test_flow_life import DEMO, INNER, OUTER, Place

FLOWS = ("inner", "outer", "main")
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "break", "publish", "publish", "roll back", "by hand", "apply", "drop"]),
        st.sampled_from(FLOWS),
        st.integers(0, 3),
    ),
    min_size=3,
    max_size=14,
)


def text(flow: str, n: int) -> str:
    """The n-th sound text of a flow."""
    base = {"inner": INNER, "outer": OUTER, "main": (DEMO / "flows/main.toml").read_text()}[flow]
    return f"# {n}\n{base}"


async def do(place: Place, deed: str, flow: str, n: int) -> None:
    """One deed; raises what refuses it."""
    file = place.folder / f"flows/{flow}.toml"
    match deed:
        case "write":
            await place.flows.write(flow, text(flow, n), "test")
        case "break":
            await place.flows.write(flow, f"start = {n}", "test")
        case "publish":
            await place.flows.publish(flow, "test")
        case "roll back":
            known = place.flows.versions(flow)
            await place.flows.roll_back(flow, "test", known[n % len(known)].version if known and n else None)
        case "by hand":
            file.write_text(text(flow, n + 10))
        case "apply":
            await place.live.apply("test")
        case "drop":
            await place.flows.drop(flow)


async def live(directory: Path, deeds: list[tuple[str, str, int]]) -> None:
    journal = SqliteJournal(directory / "journal.sqlite", "n1", AnchoredClock().now(), lambda _: None)
    await journal.open()
    place = Place(directory, journal)
    await place.live.begin(0)
    touched: set[str] = set()
    for deed, flow, n in deeds:
        before = (place.live.site.digest, len(place.live.changes), in_folder(place))
        try:
            await do(place, deed, flow, n)
        except CallCenterError:
            assert (place.live.site.digest, len(place.live.changes), in_folder(place)) == before, "refused: as it was"
        if deed in {"write", "break", "drop"}:
            assert (place.live.site.digest, in_folder(place)) == (before[0], before[2]), "a draft is nobody's business"
        for flow_id, now in place.flows.in_use.items():
            newest = place.flows.versions(flow_id)[0]
            assert (newest.version, newest.in_use) == (now.version, True)
            assert place.live.changes[-1].flows[flow_id] == now.version
        folder, used = in_folder(place), in_use(place)
        touched = {
            each for each in {*touched, *([flow] if deed == "by hand" else [])} if folder.get(each) != used.get(each)
        }
        assert {each for each in FLOWS if folder.get(each) != used.get(each)} == touched, "but what was changed by hand"
        if not touched:
            assert load_site(place.folder).digest == place.live.site.digest, "a restart changes nothing"
    await journal.close()


def in_folder(place: Place) -> dict[str, str]:
    """The flows as they lie in the operator's folder."""
    return {file.stem: file.read_text() for file in sorted((place.folder / "flows").glob("*.toml"))}


def in_use(place: Place) -> dict[str, str]:
    """The flows as they are in use."""
    return {file.stem: file.read_text() for file in sorted((place.live.site.folder / "flows").glob("*.toml"))}


@settings(max_examples=15, deadline=None)
@given(DEEDS)
def test_what_is_in_use_what_lies_in_the_folder_and_what_is_told_agree(deeds: list[tuple[str, str, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(live(Path(directory), deeds))


def test_a_flow_that_comes_back_by_version_has_exactly_that_version() -> None:
    """Whatever its sub-flow has become in between."""

    async def there_and_back(directory: Path) -> None:
        journal = SqliteJournal(directory / "journal.sqlite", "n1", AnchoredClock().now(), lambda _: None)
        await journal.open()
        place = Place(directory, journal)
        await place.live.begin(0)
        for n in range(3):
            for flow in ("inner", "outer"):
                await place.flows.write(flow, text(flow, n), "test")
                await place.flows.publish(flow, "test")
        for one in place.flows.versions("outer"):
            back = await place.flows.roll_back("outer", "test", one.version)
            assert back.version == place.flows.in_use["outer"].version == one.version
        await journal.close()

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(there_and_back(Path(directory)))

"""What the API reads: schema, queries, customers and tokens on a real PostgreSQL."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from callcenter.clock import AnchoredClock
from callcenter.db.customers import CustomerIndex, CustomerSeed, seed
from callcenter.db.engine import make_engine
from callcenter.db.journal import SqliteJournal
from callcenter.db.migrate import upgrade
from callcenter.db.queries import ContactFilter, Queries
from callcenter.db.tables import metadata
from callcenter.db.tokens import FRESH_S, Role, Tokens
from callcenter.db.writer import Writer
from callcenter.errors import DatabaseError
from callcenter.ports import Append, Entry
from tests.database import AT, Server, agent_changed, contact_id, database_server, fetch, fresh_url, served, until

pytestmark = pytest.mark.integration
__all__ = ["database_server", "fresh_url"]

TIERS = {"platinum": 0, "vip": 1, "standard": 2, "basic": 3}
NOWHERE = "postgresql+asyncpg://nobody@127.0.0.1:9/none"


class SetClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = AT

    def now(self) -> float:
        return self.at


async def store(tmp_path: Path, url: str, entries: list[Entry]) -> None:
    """By the real line: journal and writer."""
    journal = SqliteJournal(tmp_path / "journal", "n1", AT, lambda _: writer.wake())
    writer = Writer(journal, url, AnchoredClock(), random.Random(1))
    await journal.open()
    task = asyncio.create_task(writer.run())
    done = asyncio.Event()
    journal.append(Append(entries, (), done.set))
    await asyncio.wait_for(done.wait(), 10.0)
    assert await writer.until(journal.position, 10.0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await journal.close()


@pytest.fixture
async def queries(url: str) -> AsyncIterator[Queries]:
    engine = make_engine(url)
    yield Queries(engine)
    await engine.dispose()


@pytest.fixture
async def tokens(url: str) -> AsyncIterator[Tokens]:
    engine = make_engine(url)
    yield Tokens(engine, SetClock())
    await engine.dispose()


async def test_the_migrations_make_the_tables_that_the_program_knows(url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"include_object": _not_a_partition, "compare_type": True}
        )
        return list(compare_metadata(context, metadata))

    engine = make_engine(url)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


def _not_a_partition(item: object, name: str | None, kind: str, *_: object) -> bool:
    table = name if kind == "table" else getattr(getattr(item, "table", None), "name", "")
    return not (table or "").startswith("contact_event_") and name != "alembic_version"


async def test_two_starters_may_upgrade_at_once_and_again(server: Server) -> None:
    url = await server.companion.database("raced")
    await asyncio.gather(*(upgrade(url) for _ in range(3)))
    await upgrade(url)
    assert len(await fetch(url, "SELECT 1 FROM pg_inherits WHERE inhparent = 'contact_event'::regclass")) == 5


async def test_a_schema_of_a_newer_version_is_refused_with_the_fix(url: str) -> None:
    await fetch(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseError, match="start the newer version"):
        await upgrade(url)


@pytest.mark.parametrize("bad", [NOWHERE, "mysql://x", "nonsense"])
async def test_a_wrong_database_url_gives_a_clear_error(bad: str) -> None:
    with pytest.raises(DatabaseError) as told:
        await upgrade(bad)
    assert "\n" not in str(told.value)
    with pytest.raises(DatabaseError):
        await Queries(make_engine(bad)).position("n1")


async def test_pages_of_contacts_join_without_gap_or_overlap(tmp_path: Path, url: str, queries: Queries) -> None:
    # Five contacts share an instant: the id decides.
    ids = [contact_id(n, AT + n // 5) for n in range(23)]
    await store(tmp_path, url, [served(n, at=AT + n // 5)[0] for n in range(23)])
    seen: list[str] = []
    page = await queries.contacts(ContactFilter(), limit=4)
    while True:
        seen += [row.contact_id for row in page.contacts]
        if page.after is None:
            break
        page = await queries.contacts(ContactFilter(), after=page.after, limit=4)
    assert seen == sorted(ids, reverse=True)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (ContactFilter(agent_id="agent02"), [1]),
        (ContactFilter(queue="product"), [2, 1, 0]),
        (ContactFilter(queue="x' OR '1'='1"), []),
        (ContactFilter(caller="+886910000003"), [2]),
        (ContactFilter(customer_id="c1", end_state="answered"), [2, 1, 0]),
        (ContactFilter(started_from=AT + 1.0, started_to=AT + 2.0), [1]),
        (ContactFilter(started_from=AT + 3.0), []),
    ],
)
async def test_contacts_are_found_by_what_is_asked(
    tmp_path: Path, url: str, queries: Queries, wanted: ContactFilter, found: list[int]
) -> None:
    entries: list[Entry] = []
    for n in range(3):
        entries += served(n, at=AT + n, agent_id=f"agent0{n + 1}", caller=f"+88691000000{n + 1}")
    await store(tmp_path, url, entries)
    page = await queries.contacts(wanted)
    assert [row.contact_id for row in page.contacts] == [contact_id(n, AT + n) for n in found]


async def test_a_contact_is_told_whole(tmp_path: Path, url: str, queries: Queries) -> None:
    story = served(1)
    await store(tmp_path, url, story)
    detail = await queries.contact(contact_id(1))
    assert detail is not None
    assert (detail.contact.started_at, detail.contact.ended_at) == (AT, AT + 60.0)
    assert [segment.kind for segment in detail.segments] == ["ivr", "queue", "ring", "ring", "talk", "hold", "wrap_up"]
    assert all(segment.ended_at is not None for segment in detail.segments)
    (recording,) = detail.recordings
    assert (recording.state, recording.duration_s) == ("done", 51.9)
    assert detail.contact.recording_ids == (recording.recording_id,)
    assert await queries.recording(recording.recording_id) == recording
    events = await queries.contact_events(contact_id(1))
    assert [(event.seq, event.type, event.stream) for event in events] == [
        (event.seq, event.type, event.stream) for event in story
    ]
    assert [event.at for event in events] == pytest.approx([event.at for event in story], abs=1e-6)


@pytest.mark.parametrize("unknown", ["nonsense", "01939c00-0000-7000-8000-000000000009", "\0"])
async def test_an_unknown_contact_is_none_and_has_no_events(queries: Queries, unknown: str) -> None:
    assert await queries.contact(unknown) is None
    assert await queries.contact_events(unknown) == ()
    assert await queries.recordings(unknown) == ()


async def test_events_of_all_streams_are_read_on_in_order_from_a_position(
    tmp_path: Path, url: str, queries: Queries
) -> None:
    agent = [agent_changed("agent01", n, AT + n, "available", "idle") for n in range(1, 4)]
    mixed = [event for pair in zip(served(1), [*agent, *served(2)[:19]], strict=True) for event in pair]
    await store(tmp_path, url, mixed)
    read: list[tuple[str, int]] = []
    position = 0
    while events := await queries.events_after("n1", position, 7):
        assert all(earlier.position < later.position for earlier, later in pairwise(events))
        read += [(event.stream, event.seq) for event in events]
        position = events[-1].position
    assert read == [(event.stream, event.seq) for event in mixed]
    assert await queries.position("n1") == position
    assert await queries.events_after("n2", 0, 7) == ()
    states = await queries.agent_states("agent01", AT, AT + 100.0)
    assert [(state.started_at, state.ended_at) for state in states] == [
        (AT + 1.0, AT + 2.0),
        (AT + 2.0, AT + 3.0),
        (AT + 3.0, None),
    ]


SEEDS = [
    CustomerSeed("c1", "林小姐", "vip", "zh-TW", ("+886910000001", "+886220000001")),
    CustomerSeed("c2", "O'Brien; DROP TABLE customer", "platinum", None, ("+886220000001",)),
]


async def test_customers_are_found_by_phone_with_their_recent_contacts(
    tmp_path: Path, url: str, queries: Queries
) -> None:
    await seed(url, SEEDS)
    await seed(url, SEEDS)
    await store(tmp_path, url, served(1))
    assert [row.customer_id for row in await queries.customers_by_phone("+886220000001")] == ["c1", "c2"]
    assert await queries.customers_by_phone("+886000") == ()
    detail = await queries.customer("c1")
    assert detail is not None
    assert detail.customer.identities == (("phone", "+886220000001"), ("phone", "+886910000001"))
    assert [row.contact_id for row in detail.recent] == [contact_id(1)]
    assert await queries.customer("c9") is None


async def test_the_index_knows_callers_follows_changes_and_remembers_who_served(tmp_path: Path, url: str) -> None:
    await seed(url, SEEDS)
    started = AnchoredClock().now() - 3600.0
    await store(tmp_path, url, served(1, at=started, agent_id="agent07"))
    index = CustomerIndex(url, TIERS, random.Random(1))
    task = asyncio.create_task(index.run())
    try:
        assert await index.until_loaded(10.0)
        card = index.find("+886910000001")
        assert card is not None
        assert (card.customer_id, card.value_tier, card.last_agent) == ("c1", "vip", "agent07")
        shared = index.find("+886220000001")
        assert shared is not None
        assert shared.customer_id == "c2", "of two customers with one number, the higher tier"
        index.served("c1", "agent03")
        await seed(url, [replace(SEEDS[0], value_tier="basic", phones=("+886910000009",))])
        await until(lambda: index.find("+886910000009") is not None)
        moved = index.find("+886910000009")
        assert moved is not None
        assert (moved.value_tier, moved.last_agent) == ("basic", "agent03")
        assert index.find("+886910000001") is None
        assert index.find("+886000") is None
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_an_index_without_a_database_answers_and_waits() -> None:
    index = CustomerIndex(NOWHERE, TIERS, random.Random(1))
    task = asyncio.create_task(index.run())
    assert not await index.until_loaded(0.3)
    assert index.find("+886910000001") is None
    assert not task.done()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_token_opens_until_it_is_revoked_and_is_not_stored(url: str, tokens: Tokens) -> None:
    token = await tokens.create(Role.AGENT, "desk 1", "agent01")
    bearer = await tokens.verify(token)
    assert bearer is not None
    assert (bearer.role, bearer.agent_id, bearer.label) == (Role.AGENT, "agent01", "desk 1")
    assert await tokens.verify(token + "x") is None
    assert token not in str(await fetch(url, "SELECT * FROM api_token"))
    assert [row.bearer for row in await tokens.listed()] == [bearer]
    assert await tokens.revoke(bearer.token_id)
    assert not await tokens.revoke(bearer.token_id)
    assert await tokens.verify(token) is None
    with pytest.raises(ValueError, match="names its agent"):
        await tokens.create(Role.ADMIN, "wrong", "agent01")


async def test_a_token_revoked_elsewhere_is_noticed_soon_and_outlives_a_database_that_is_away(url: str) -> None:
    clock, engine = SetClock(), make_engine(url)
    here, elsewhere = Tokens(engine, clock), Tokens(engine, clock)
    token = await here.create(Role.ADMIN, "ops")
    bearer = await here.verify(token)
    assert bearer is not None
    await elsewhere.revoke(bearer.token_id)
    clock.at += FRESH_S + 0.1
    assert await here.verify(token) is None
    await engine.dispose()

    away = make_engine(url)
    lasting = Tokens(away, clock)
    kept = await lasting.create(Role.ADMIN, "ops")
    assert await lasting.verify(kept) is not None
    await fetch(url, "ALTER TABLE api_token RENAME TO gone")
    clock.at += FRESH_S + 0.1
    assert await lasting.verify(kept) is not None
    with pytest.raises(DatabaseError):
        await lasting.verify("cc_unknown")
    clock.at += 3600.0
    with pytest.raises(DatabaseError):
        await lasting.verify(kept)
    await away.dispose()

"""Who may use the API: tokens of 32 random bytes, of which only the hash is kept."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from callcenter.clock import Clock
from callcenter.db.engine import reaching
from callcenter.db.tables import api_token
from callcenter.errors import DatabaseError

PREFIX = "cc_"  # so that a leaked token is recognised by scanners and by people
TOKEN_BYTES = 32
ID_CHARACTERS = 12
FRESH_S = 10.0  # how long a revoked token may go on working
STALE_S = 3600.0  # while the database is away, a token seen good this recently still opens the door
CACHED_MAX = 1024


class Role(StrEnum):
    """What a token lets its bearer do; each role includes the ones before it, an agent only as themselves."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose token it is; `agent_id` is there for agents only. `token_id` names the token without giving it away."""

    token_id: str
    role: Role
    label: str
    agent_id: str | None


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as listed."""

    bearer: Bearer
    created_at: float
    revoked_at: float | None


class Tokens:
    """Makes, checks and revokes tokens. Methods raise DatabaseError when the database can't be reached."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._seen: dict[bytes, tuple[float, Bearer | None]] = {}

    async def create(self, role: Role, label: str, agent_id: str | None = None) -> str:
        """A new token: shown now, never again. An agent's token needs an `agent_id`, no other has one."""
        if (role is Role.AGENT) != (agent_id is not None):
            raise ValueError("an agent's token names its agent, and no other token does")
        token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        row = {"hash": _hash(token), "role": role.value, "label": label, "agent_id": agent_id}
        async with reaching("the token could not be stored"), self._engine.begin() as connection:
            await connection.execute(insert(api_token).values(row))
        return token

    async def verify(self, token: str) -> Bearer | None:
        """Whose token this is; None if it is unknown or revoked."""
        digest, now = _hash(token), self._clock.now()
        seen_at, bearer = self._seen.get(digest, (float("-inf"), None))
        if now - seen_at < FRESH_S:
            return bearer
        try:
            found = await self._find(digest)
        except DatabaseError:
            if bearer is not None and now - seen_at < STALE_S:
                return bearer
            raise
        self._seen.pop(digest, None)
        self._seen[digest] = (now, found)
        while len(self._seen) > CACHED_MAX:
            self._seen.pop(next(iter(self._seen)))
        return found

    async def revoke(self, token_id: str) -> bool:
        """End a token; False if there is no such living one. Others may see it good for FRESH_S more."""
        named = func.left(func.encode(api_token.c.hash, "hex"), ID_CHARACTERS) == token_id
        statement = update(api_token).where(named, api_token.c.revoked_at.is_(None)).values(revoked_at=func.now())
        async with reaching("the token could not be revoked"), self._engine.begin() as connection:
            revoked = (await connection.execute(statement)).rowcount
        self._seen.clear()
        return revoked > 0

    async def listed(self) -> tuple[TokenRow, ...]:
        """All tokens ever made, oldest first."""
        query = select(api_token).order_by(api_token.c.created_at, api_token.c.hash)
        async with reaching("the tokens can't be read"), self._engine.connect() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return tuple(
            TokenRow(
                Bearer(row["hash"].hex()[:ID_CHARACTERS], Role(row["role"]), row["label"], row["agent_id"]),
                _seconds(row["created_at"]),
                None if row["revoked_at"] is None else _seconds(row["revoked_at"]),
            )
            for row in rows
        )

    async def _find(self, digest: bytes) -> Bearer | None:
        living = select(api_token).where(api_token.c.hash == digest, api_token.c.revoked_at.is_(None))
        async with reaching("the token can't be checked"), self._engine.connect() as connection:
            row = (await connection.execute(living)).mappings().first()
        if row is None:
            return None
        return Bearer(digest.hex()[:ID_CHARACTERS], Role(row["role"]), row["label"], row["agent_id"])


def _hash(token: str) -> bytes:
    # 256 random bits can't be guessed from their hash, so a slow one would only cost us time.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _seconds(at: datetime) -> float:
    return at.astimezone(UTC).timestamp()

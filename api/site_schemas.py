"""What the API says of the site in use and of its changes."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Answer, instant
from callcenter.config.site import Site
from callcenter.live_site import Taken
from callcenter.site_history import Change

DIGEST = Field(description="16 hexadecimal digits that tell this site's content from any other")


class ChangeBody(Answer):
    """A site was taken into use."""

    digest: str = DIGEST
    name: str
    at: datetime
    cause: str = Field(
        description="started, applied, rolled_back, flow_published, flow_rolled_back, prompt_published, prompt_removed"
    )
    by: str = Field(description="The role of the token that wished it, or service")
    before: str | None = Field(description="Digest of the site it replaced; null for the first of all")

    @classmethod
    def of(cls, change: Change) -> Self:
        """The change in the API's words."""
        return cls(
            digest=change.digest,
            name=change.name,
            at=instant(change.at),
            cause=change.cause.value,
            by=change.by,
            before=change.before,
        )


class Changes(Answer):
    """The last changes, newest first; the first of them took the site of now into use."""

    items: list[ChangeBody]


class TakenBody(Answer):
    """What came of the wish to change the site."""

    changed: bool = Field(description="False: this site was in use already")
    change: ChangeBody
    warnings: list[str] = Field(description="What works, but is hardly meant; each with its path")
    notes: list[str] = Field(description="What still waits: for a restart of Asterisk, for the database")

    @classmethod
    def of(cls, taken: Taken) -> Self:
        """The answer in the API's words."""
        return cls(
            changed=taken.changed,
            change=ChangeBody.of(taken.change),
            warnings=list(taken.warnings),
            notes=list(taken.notes),
        )


class SiteBody(Answer):
    """The site in use."""

    digest: str = DIGEST
    name: str
    discipline: str
    value_tiers: list[str] = Field(description="The most valuable first")
    queues: list[str]
    rules: list[str] = Field(description="In the order in which they are walked")
    agents: int
    customers: int
    warnings: list[str]
    since: datetime | None = Field(description="When it was taken into use; null if that could not be recorded")

    @classmethod
    def of(cls, site: Site, change: Change | None) -> Self:
        """The site in the API's words; `change` is the one that took it into use."""
        return cls(
            digest=site.digest,
            name=site.name,
            discipline=site.policy.discipline.value,
            value_tiers=list(site.value_tiers),
            queues=list(site.queues),
            rules=[rule.name for rule in site.rules],
            agents=len(site.agents),
            customers=len(site.customers),
            warnings=list(site.warnings),
            since=instant(change.at) if change is not None and change.digest == site.digest else None,
        )


class Rollback(BaseModel):
    """Which former site to take into use again."""

    model_config = ConfigDict(extra="forbid")

    digest: str = Field(pattern="^[0-9a-f]{16}$", description="As listed by GET /v1/site/history")

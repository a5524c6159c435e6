"""What the flows' routes take and answer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from api.problems import Mistake
from api.schemas import Answer, instant
from api.site_schemas import ChangeBody
from callcenter.flow_drafts import Draft
from callcenter.flows import Checked, Published, Version

HASH = "^[0-9a-f]{16}$"
VERSION = Field(description="16 hexadecimal digits; contacts are stamped with it")


class FlowLine(Answer):
    """A flow of the site in use, or one that is only a draft."""

    flow: str
    version: str | None = Field(description="In use; null: not in use yet")
    draft: str | None = Field(description="The draft's digest; null without one")


class FlowLines(Answer):
    """Every flow in use and every draft, by id."""

    items: list[FlowLine]

    @classmethod
    def of(cls, in_use: dict[str, str], drafts: Sequence[Draft]) -> Self:
        """The list in the API's words; `in_use` is id → version."""
        drafted = {draft.flow: draft.digest for draft in drafts}
        ids = sorted({*in_use, *drafted})
        return cls(items=[FlowLine(flow=each, version=in_use.get(each), draft=drafted.get(each)) for each in ids])


class FlowBody(Answer):
    """A flow in use, or a former version of it."""

    flow: str
    version: str = VERSION
    text: str = Field(description="Its file, in TOML")


class DraftText(BaseModel):
    """A draft's text."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, description="A flow in TOML; it may have mistakes")


class DraftBody(Answer):
    """A draft, and what the check says of it in the site of now."""

    flow: str
    digest: str = Field(description="Tells this text from any other; name it to publish just this one")
    based_on: str | None = Field(description="The version in use when it was written; null: there was none")
    at: datetime
    by: str = Field(description="The role of the token that wrote it")
    mistakes: list[Mistake] = Field(description="Every one, with its path; empty: it can be published")
    version: str | None = Field(description="The version it would be; null while it has mistakes")
    text: str

    @classmethod
    def of(cls, checked: Checked) -> Self:
        """The draft in the API's words."""
        draft = checked.draft
        return cls(
            flow=draft.flow,
            digest=draft.digest,
            based_on=draft.based_on,
            at=instant(draft.at),
            by=draft.by,
            mistakes=[mistake_of(text) for text in checked.mistakes],
            version=checked.version,
            text=draft.text,
        )


class Publish(BaseModel):
    """Which draft to publish."""

    model_config = ConfigDict(extra="forbid")

    digest: str | None = Field(None, pattern=HASH, description="Only this draft; left out: whatever it is now")


class FlowRollback(BaseModel):
    """Which version to take into use again."""

    model_config = ConfigDict(extra="forbid")

    version: str | None = Field(None, pattern=HASH, description="Left out: the version before that of now")


class PublishedBody(Answer):
    """What came of it; it holds for the next call."""

    flow: str
    version: str = Field(description="In use now; contacts are stamped with it")
    changed: bool = Field(description="False: it was in use already")
    others: dict[str, str] = Field(description="Other flows that changed with it (they share a sub-flow), by version")
    change: ChangeBody
    warnings: list[str] = Field(description="What works, but is hardly meant; each with its path")
    notes: list[str] = Field(description="What still waits: for a restart of Asterisk, for the database")

    @classmethod
    def of(cls, published: Published) -> Self:
        """The answer in the API's words."""
        taken = published.taken
        return cls(
            flow=published.flow,
            version=published.version,
            changed=taken.changed,
            others=dict(published.others),
            change=ChangeBody.of(taken.change),
            warnings=list(taken.warnings),
            notes=list(taken.notes),
        )


class VersionBody(Answer):
    """A version of a flow, taken into use at `at`."""

    version: str = VERSION
    in_use: bool
    at: datetime
    cause: str = Field(description="started, applied, rolled_back (the site), flow_published or flow_rolled_back")
    by: str
    site: str = Field(description="Digest of the site it came with")

    @classmethod
    def of(cls, version: Version) -> Self:
        """The version in the API's words."""
        since = version.since
        return cls(
            version=version.version,
            in_use=version.in_use,
            at=instant(since.at),
            cause=since.cause.value,
            by=since.by,
            site=version.site,
        )


class Versions(Answer):
    """The versions among the last 50 changes of the site, newest first."""

    items: list[VersionBody]


def mistake_of(text: str) -> Mistake:
    """A mistake as the check says it, `path: sentence`."""
    where, _, what = text.partition(": ")
    return Mistake(where=where, what=what)

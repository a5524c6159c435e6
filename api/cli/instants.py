"""Instants as people type them: ISO 8601; one without a zone is by the site's clock, on every command alike."""

from datetime import datetime

import typer

from callcenter.config.settings import Settings
from callcenter.config.site import load_site


def instant(option: str, text: str) -> datetime:
    """What was typed, with a zone only if it names one. Raises typer.BadParameter."""
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}; write 2026-11-20 or 2026-11-20T09:30") from error


def span(start: str | None, end: str | None) -> tuple[datetime | None, datetime | None]:
    """`--from` and `--to`, as `instant`."""
    return instant("--from", start) if start else None, instant("--to", end) if end else None


def by_the_site(at: datetime, settings: Settings) -> datetime:
    """`at`, in the site's zone if it has none. Raises SiteError, if the site is needed and has mistakes."""
    return at if at.tzinfo else at.replace(tzinfo=load_site(settings.site).zone)

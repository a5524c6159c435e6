"""check-site: every mistake of a site at once, each with its path; and what is odd about one without mistakes."""

from pathlib import Path

from api.cli.output import Exit, err, out, say_json
from callcenter.config.site import Site, SiteError, load_site


def check(folder: Path, *, as_json: bool) -> Exit:
    """Load the site in `folder`; FINDING with every mistake said, or OK with what it holds, warnings besides."""
    try:
        site = load_site(folder)
    except SiteError as error:
        if as_json:
            said = {"mistakes": list(error.mistakes), "warnings": list(error.warnings)}
            say_json({"folder": str(folder), "valid": False, **said})
        else:
            out().print("\n".join(error.mistakes), markup=False)
            err().print(f"{folder}: {_counted(len(error.mistakes), 'mistake')}", markup=False)
        return Exit.FINDING
    if as_json:
        said = {"mistakes": [], "warnings": list(site.warnings)}
        say_json({"folder": str(folder), "valid": True, **said, "digest": site.digest, **_counts(site)})
        return Exit.OK
    for warning in site.warnings:
        out().print(f"warning: {warning}", markup=False)
    held = ", ".join(f"{count} {noun}" for noun, count in _counts(site).items())
    warned = f", {_counted(len(site.warnings), 'warning')}" if site.warnings else ""
    out().print(f"{folder}: no mistakes{warned} ({site.name}: {held})", markup=False)
    return Exit.OK


def _counts(site: Site) -> dict[str, int]:
    return {
        "hotlines": len(site.hotlines),
        "flows": len(site.flows),
        "queues": len(site.queues),
        "tiers": len(site.value_tiers),
        "rules": len(site.rules),
        "agents": len(site.agents),
        "customers": len(site.customers),
    }


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"

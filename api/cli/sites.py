"""check-site: every mistake of a site at once, each with its path."""

from pathlib import Path

from api.cli.output import Exit, err, out, say_json
from callcenter.config.site import SiteError, load_site


def check(folder: Path, *, as_json: bool) -> Exit:
    """Load the site in `folder`; FINDING with every mistake said, or OK with what it holds."""
    try:
        site = load_site(folder)
    except SiteError as error:
        if as_json:
            say_json({"folder": str(folder), "valid": False, "mistakes": list(error.mistakes)})
        else:
            out().print("\n".join(error.mistakes), markup=False)
            count = len(error.mistakes)
            err().print(f"{folder}: {count} mistake{'s' if count != 1 else ''}", markup=False)
        return Exit.FINDING
    counts = {
        "hotlines": len(site.hotlines),
        "flows": len(site.flows),
        "queues": len(site.queues),
        "agents": len(site.agents),
        "customers": len(site.customers),
    }
    if as_json:
        say_json({"folder": str(folder), "valid": True, "mistakes": [], "digest": site.digest, **counts})
    else:
        held = ", ".join(f"{count} {noun}" for noun, count in counts.items())
        out().print(f"{folder}: no mistakes ({site.name}: {held})", markup=False)
    return Exit.OK

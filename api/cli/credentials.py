"""agents credentials: what to enter into an agent's phone."""

from api.cli.doctor import credentials_path
from api.cli.output import Exit, err, out, say_json, table
from callcenter.companions.credentials import Credentials
from callcenter.config.settings import Settings
from callcenter.config.site import load_site


def show(settings: Settings, agent_id: str, *, as_json: bool) -> Exit:
    """Print SIP user, password and server of one agent; FINDING if the site has no such agent."""
    site = load_site(settings.site)
    if agent_id not in site.agents:
        known = ", ".join(sorted(site.agents)[:20])
        err().print(f"callcenter: the site {site.name} has no agent {agent_id!r}; it has {known}", markup=False)
        return Exit.FINDING
    password = Credentials(credentials_path(settings)).agent_password(agent_id)
    shown = {
        "agent_id": agent_id,
        "name": site.agents[agent_id].name,
        "sip_user": agent_id,
        "sip_password": password,
        "sip_server": f"{settings.sip_host}:{settings.sip_port}",
        "transport": "udp",
    }
    if as_json:
        say_json(shown)
    else:
        out().print(table(("field", "value"), shown.items()))
    return Exit.OK

"""token create: a token for the HTTP API, shown once."""

from api.cli.database import engine
from api.cli.output import Exit, err, out, say_json
from callcenter.clock import AnchoredClock
from callcenter.config.settings import Settings
from callcenter.config.site import load_site
from callcenter.db.tokens import Role, Tokens


async def create(settings: Settings, role_name: str, agent_id: str | None, label: str, *, as_json: bool) -> Exit:
    """Make a token and print it; FINDING if the site has no such agent. Raises DatabaseError, CompanionError."""
    if agent_id is not None and agent_id not in (site := load_site(settings.site)).agents:
        err().print(f"callcenter: the site {site.name} has no agent {agent_id!r}", markup=False)
        return Exit.FINDING
    role = Role(role_name)
    async with engine(settings) as database:
        token = await Tokens(database, AnchoredClock()).create(role, label, agent_id)
    if as_json:
        say_json({"token": token, "role": role.value, "agent_id": agent_id, "label": label})
        return Exit.OK
    err().print(f"a token of role {role.value}{f' for {agent_id}' if agent_id else ''}; it is shown this once:")
    out().print(token, markup=False)
    address = f"http://{settings.api_host}:{settings.api_port}"
    err().print(f"try: curl -H 'Authorization: Bearer <token>' {address}/v1/queues/live", markup=False)
    return Exit.OK

"""Agents: what they can do and do now; logging in and out and choosing a presence."""

from fastapi import APIRouter

from api.auth import Viewer
from api.backend import Backend
from api.live_views import agents_now
from api.problems import Mistake, Problem, forbidden, not_found
from api.routes.common import NO_QUERY, AgentId, AgentsActor, AgentsViewer, BackendNow, problems
from api.schemas import AgentBody, Agents, Nothing, PresenceChoice
from routing.model import Presence

router = APIRouter(prefix="/v1/agents", tags=["agents"], dependencies=[NO_QUERY])


@router.get("", responses=problems())
async def agents(backend: BackendNow, viewer: AgentsViewer) -> Agents:
    """Every agent of the site, by id."""
    return Agents(items=agents_now(backend.floor.snapshot(), backend.site(), viewer))


@router.post("/{agent_id}/login", responses=problems(404))
async def login(agent_id: AgentId, backend: BackendNow, viewer: AgentsActor, _: Nothing | None = None) -> AgentBody:
    """Log the agent in: available from now on. Logging in again changes nothing."""
    _may_act(agent_id, backend, viewer)
    backend.floor.log_in(agent_id)
    return _agent(agent_id, backend, viewer)


@router.post("/{agent_id}/logout", responses=problems(404))
async def logout(agent_id: AgentId, backend: BackendNow, viewer: AgentsActor, _: Nothing | None = None) -> AgentBody:
    """Log the agent out; while they talk or wrap up it takes effect afterwards (`requested_next`)."""
    _may_act(agent_id, backend, viewer)
    backend.floor.log_out(agent_id)
    return _agent(agent_id, backend, viewer)


@router.post("/{agent_id}/presence", responses=problems(404))
async def presence(agent_id: AgentId, choice: PresenceChoice, backend: BackendNow, viewer: AgentsActor) -> AgentBody:
    """Choose available or aux with a code; while they talk or wrap up it takes effect afterwards."""
    _may_act(agent_id, backend, viewer)
    chosen = Presence(choice.presence)
    if (chosen is Presence.AUX) != (choice.aux_code is not None):
        what = "say why: aux_code, such as 'break'" if chosen is Presence.AUX else "only aux takes an aux_code"
        mistake = Mistake(where="body.aux_code", what=what)
        raise Problem(422, "invalid_request", "The request is not valid", f"body.aux_code: {what}", mistakes=[mistake])
    backend.floor.choose_presence(agent_id, chosen, choice.aux_code)
    return _agent(agent_id, backend, viewer)


def _may_act(agent_id: str, backend: Backend, viewer: Viewer) -> None:
    # Own agents first: an agent's token learns nothing about which other agents there are.
    if viewer.own not in {None, agent_id}:
        raise forbidden("An agent's token acts on its own agent only; ask a supervisor.")
    if agent_id not in backend.site().agents:
        raise not_found("agent", agent_id)


def _agent(agent_id: str, backend: Backend, viewer: Viewer) -> AgentBody:
    everyone = agents_now(backend.floor.snapshot(), backend.site(), viewer)
    found = next((agent for agent in everyone if agent.agent_id == agent_id), None)
    if found is None:
        raise not_found("agent", agent_id)
    return found

"""restart: a new process in the place of the running one, while calls, events and the API go on."""

import asyncio

from api.cli import running
from api.cli.output import Exit, err
from callcenter.companions.process import is_alive
from callcenter.config.settings import Settings
from callcenter.handover import HandoverFailed, Peer, Words, control_path, ping

WITHIN_S = 90.0
LOOK_S = 0.1


def restart(settings: Settings) -> Exit:
    """Under a supervisor, let the service start its successor and wait for it; else become the successor."""
    alive = asyncio.run(ping(control_path(settings.var, settings.instance)))
    if alive is not None and alive["supervised"]:
        return asyncio.run(_ask_for_one(settings))
    return running.run(settings, take_over=True)


async def _ask_for_one(settings: Settings) -> Exit:
    path = control_path(settings.var, settings.instance)
    peer = await Peer.connect(path)
    try:
        await peer.say({"ask": "restart"})
        successor = int((await peer.expect("successor", WITHIN_S))["pid"])
    finally:
        peer.close()
    err().print(f"pid {successor} starts", markup=False)
    alive: Words | None = None
    try:
        async with asyncio.timeout(WITHIN_S):
            while (alive := await ping(path)) is None or alive["pid"] != successor or not alive["up"]:
                if not is_alive(successor, "--take-over"):
                    raise HandoverFailed(f"pid {successor} has ended; the service's log says why. The old one goes on")
                await asyncio.sleep(LOOK_S)
    except TimeoutError as error:
        raise HandoverFailed(f"pid {successor} did not take over within {WITHIN_S:.0f} s; see the log") from error
    err().print(f"pid {successor} has taken over, in epoch {alive['epoch']}", markup=False)
    return Exit.OK

"""drain: the running service lets everybody finish and ends; who is still inside is said all the while."""

from collections.abc import Mapping

from api.cli.output import Exit, err, out, say_json
from callcenter.config.settings import Settings
from callcenter.handover import Peer, control_path


async def drain(settings: Settings, within_s: float | None, *, as_json: bool) -> Exit:
    """Ask for a drain and follow it; FINDING if somebody was left talking. Raises NotRunning, HandoverFailed."""
    peer = await Peer.connect(control_path(settings.var, settings.instance))
    try:
        await peer.say({"ask": "drain", "within_s": within_s})
        told = ""
        while (words := await peer.hear()).get("say") == "draining":
            if (now := _shown(words["left"])) != told:
                told = now
                err().print(f"still inside: {told}", markup=False)
        if words.get("say") != "drained":
            err().print(f"callcenter: {words.get('why', 'the service refused')}", markup=False)
            return Exit.FINDING
    finally:
        peer.close()
    left: Mapping[str, int] = words["left"]
    if as_json:
        say_json({"left": left, "to_the_fallback": words["rescued"]})
    else:
        sent = f"; {words['rescued']} went to the fallback" if words["rescued"] else ""
        what = f"{_shown(left)} left in Asterisk, whose calls go on" if left else "nobody is left inside"
        out().print(f"drained: {what}{sent}; the service has ended", markup=False)
    return Exit.FINDING if left else Exit.OK


def _shown(left: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {phase.replace('_', '-')}" for phase, count in left.items())

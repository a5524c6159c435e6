"""The service beside which conversations are dialed: Asterisk and PostgreSQL of an instance that is gone afterwards."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from api.demo.stage import settings_aside
from api.dialing.part import Held, Part
from api.dialing.recogniser import ScriptedRecogniser, running
from api.dialing.replay import Tell, replay
from api.serving import programs_beside
from callcenter.companions.place import place_of
from callcenter.companions.plan import chosen_root
from callcenter.config.settings import Settings
from callcenter.config.site import Site


async def dial(
    settings: Settings, site: Site, parts: Sequence[Part], say: Callable[[str], None], told: Tell
) -> Sequence[Held]:
    """How each conversation went, in order; `told` hears of each as it ends.

    Raises CallCenterError when it can't go on, alone or in an ExceptionGroup.
    """
    own = settings_aside(settings, f"dial-{os.getpid()}", site.folder)
    recogniser = ScriptedRecogniser()
    with _gone_afterwards(own):
        async with running(recogniser):
            own = own.model_copy(update={"recogniser": recogniser.url})
            async with programs_beside(own, site, say) as beside:
                say(f"dialing {len(parts)} conversations")
                own = own.model_copy(update={"var": own.var / own.instance})
                return await replay(parts, site, beside, recogniser, (own.sip_host, own.sip_port), own, told)


@contextmanager
def _gone_afterwards(settings: Settings) -> Iterator[None]:
    asterisk = place_of(
        settings.instance, var=settings.var, root=chosen_root(settings.var, settings.asterisk_root)
    ).host
    try:
        yield
    finally:
        for directory in {asterisk, settings.var / settings.instance}:
            shutil.rmtree(directory, ignore_errors=True)
            directory.with_name(f"{directory.name}.lock").unlink(missing_ok=True)

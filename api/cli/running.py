"""run: the call center in the foreground, and the short screen that says where everything is."""

import asyncio

import uvloop
from rich.panel import Panel
from rich.text import Text

from api.cli import logs
from api.cli.output import Exit, err, exit_code_of, table
from api.serving import serve
from callcenter.config.model import Site
from callcenter.config.settings import Settings
from callcenter.errors import CallCenterError


def run(settings: Settings, *, take_over: bool = False) -> Exit:
    """Serve until Ctrl-C or SIGTERM; what ended it otherwise is said, and decides the exit code.

    `take_over`: from the process that serves now, if there is one.
    """
    logs.configure(settings.log_level)
    code = Exit.OK
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(
                serve(
                    settings,
                    say=lambda step: err().print(step, markup=False),
                    opened=lambda site: err().print(closing_screen(settings, site)),
                    take_over=take_over,
                )
            )
    except* CallCenterError as group:
        fault = _first(group)
        err().print(f"callcenter: {fault}", markup=False)
        code = exit_code_of(fault)
    return code


def closing_screen(settings: Settings, site: Site) -> Panel:
    """Hotline numbers, SIP address, agents and their credentials, the API, how to stop: all on one screen."""
    api = f"http://{settings.api_host}:{settings.api_port}/v1"
    hotlines = sorted(site.hotlines)
    agents = sorted(site.agents)
    rows = [
        ("hotlines", ", ".join(hotlines)),
        ("call one at", f"sip:{hotlines[0]}@{settings.sip_host}:{settings.sip_port} (UDP)"),
        ("agents", f"{agents[0]} … {agents[-1]} ({len(agents)})" if len(agents) > 1 else ", ".join(agents)),
        ("their phones", f"bin/callcenter agents credentials {agents[0] if agents else 'ID'}"),
        ("API", f"{api}  (docs: {api}/docs)"),
        ("a token for it", "bin/callcenter token create --role supervisor"),
        ("watch", "bin/callcenter events tail --follow"),
        ("stop", "Ctrl-C"),
    ]
    return Panel(table(("", ""), rows), title=Text(f"{site.name} is open"), expand=False, border_style="green")


def _first(group: BaseExceptionGroup[CallCenterError]) -> CallCenterError:
    """The first fault of a group, however deep; the others are its consequences."""
    inner: BaseException = group
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    assert isinstance(inner, CallCenterError)
    return inner

"""flow new: a flow made from a template, with its conversations and its audio, in a site's folder."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.flow import AsJson
from api.cli.flow_test import flow_cli
from api.cli.output import Exit, err, out, say_json
from callcenter import prompts_render
from callcenter.config.settings import load_settings
from callcenter.config.site import load_site
from callcenter.errors import CallCenterError
from callcenter.flow_templates import TemplateError, add, make, template, templates

__all__ = ["flow_cli"]


@flow_cli.command(
    "new",
    epilog="Example: callcenter flow new survey --template after_call_survey --set service=orders --site sites/mine",
)
def new_command(
    name: Annotated[str | None, typer.Argument(metavar="FLOW", help="The new flow's id.")] = None,
    template_name: Annotated[str | None, typer.Option("--template", help="Left out, the templates are listed.")] = None,
    site: Annotated[Path | None, typer.Option(help="The site's folder; left out, CALLCENTER_SITE.")] = None,
    given: Annotated[list[str] | None, typer.Option("--set", metavar="NEED=NAME", help="What it needs.")] = None,
    dialed: Annotated[str | None, typer.Option(help="A number that is to lead to it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a flow from a template: the flow, conversations to test it with, and its prompts, rendered by espeak-ng."""
    if template_name is None or name is None:
        _list(template_name, as_json=as_json)
        return
    folder = site or load_settings().site
    pairs = [each.partition("=") for each in given or ()]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise typer.BadParameter(f"--set {wrong[0]}: write NEED=NAME")
    try:
        wanted = {need: value for need, _, value in pairs}
        new = make(template(template_name), name, wanted, load_site(folder), dialed)
    except TemplateError as error:
        if as_json:
            say_json({"made": False, "mistakes": list(error.mistakes)})
        else:
            out().print("\n".join(error.mistakes), markup=False)
            err().print("callcenter: nothing was written", markup=False)
        raise typer.Exit(Exit.FINDING) from error
    try:
        files = add(new, folder, prompts_render.render)
    except OSError as error:
        raise CallCenterError(f"{folder} can't be written: {error.strerror or error}") from error
    if as_json:
        say_json({"made": True, "flow": name, "files": [str(file) for file in files]})
        return
    tests = folder / "flows" / "tests" / f"{name}.toml"
    number = f"{dialed} leads to it" if dialed else f'a number that leads to it, in hotlines.toml: flow = "{name}"'
    out().print(
        f"flow {name} is in {folder}, with {len(new.lines)} prompts rendered\n"
        f"  callcenter flow test {tests}\n"
        f"  {number}\n"
        "  callcenter site apply",
        markup=False,
    )


def _list(chosen: str | None, *, as_json: bool) -> None:
    found = [template(each) for each in ([chosen] if chosen else templates())]
    if as_json:
        needs = [{name: need.about for name, need in each.needs.items()} for each in found]
        say_json(
            {
                "templates": [
                    {"template": each.name, "about": each.about, "needs": wanted}
                    for each, wanted in zip(found, needs, strict=True)
                ]
            }
        )
        return
    for each in found:
        out().print(f"{each.name}: {each.about}", markup=False)
        for name, need in each.needs.items():
            out().print(f"  --set {name}={need.kind.upper()}   {need.about}", markup=False)

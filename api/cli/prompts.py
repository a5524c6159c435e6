"""prompt: studio recordings of prompts, given to the running service: checked, kept as drafts, published."""

import asyncio
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from api.cli.output import Exit, err, out, say_json, table
from callcenter.config.settings import load_settings
from callcenter.errors import CallCenterError

prompt_cli = typer.Typer(help="Prompts: studio recordings, uploaded, published, removed.", no_args_is_help=True)

AccessToken = Annotated[
    str, typer.Option("--token", envvar="CALLCENTER_TOKEN", help="A token of role admin (to look: supervisor).")
]
Id = Annotated[str, typer.Option("--id", help="The prompt's id.")]
Language = Annotated[str, typer.Option("--language", help="A language of the site.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]


@prompt_cli.command("list", epilog="Example: callcenter prompt list")
def list_command(token: AccessToken, as_json: AsJson = False) -> None:
    """List the prompts of the site in use, and the drafts."""
    answer = _ask(token, "GET", "", as_json=as_json)
    if not as_json:
        rows = [
            (each["language"], each["prompt"], "in use" if each["in_use"] else "", "draft" if each["draft"] else "")
            for each in answer["items"]
        ]
        out().print(table(("language", "prompt", "", ""), rows))


@prompt_cli.command("upload", epilog="Example: callcenter prompt upload welcome.flac --id welcome --language zh-TW")
def upload_command(
    token: AccessToken,
    file: Annotated[Path, typer.Argument(help="A studio recording: wav, flac or aiff.")],
    prompt: Id,
    language: Language,
    as_json: AsJson = False,
) -> None:
    """Check a studio recording, bring it to the others' loudness and format, and keep it as the prompt's draft."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CallCenterError(f"{file} can't be read: {error.strerror or error}") from error
    answer = _ask(token, "PUT", f"{_path(language, prompt)}/draft", content, as_json=as_json)
    if not as_json:
        before, now = answer["loudness_before_dbfs"], answer["loudness_dbfs"]
        out().print(
            f"the draft of {language}/{prompt} is kept: {answer['length_s']:.1f} s, {now:.1f} dBFS (was {before:.1f}); "
            f"'callcenter prompt publish --id {prompt} --language {language}' takes it into use",
            markup=False,
        )


@prompt_cli.command("publish", epilog="Example: callcenter prompt publish --id welcome --language zh-TW")
def publish_command(token: AccessToken, prompt: Id, language: Language, as_json: AsJson = False) -> None:
    """Take a draft into use for whoever is to hear the prompt from now on."""
    answer = _ask(token, "POST", f"{_path(language, prompt)}/publish", as_json=as_json)
    if not as_json:
        what = "is in use" if answer["changed"] else "was in use already"
        out().print("\n".join([f"{language}/{prompt} {what}", *answer["notes"]]), markup=False)


@prompt_cli.command("drop", epilog="Example: callcenter prompt drop --id welcome --language zh-TW")
def drop_command(token: AccessToken, prompt: Id, language: Language, as_json: AsJson = False) -> None:
    """Forget a prompt's draft; what is in use stays."""
    _ask(token, "DELETE", f"{_path(language, prompt)}/draft", as_json=as_json)
    if not as_json:
        out().print(f"the draft of {language}/{prompt} is gone", markup=False)


@prompt_cli.command("remove", epilog="Example: callcenter prompt remove --id old_welcome --language zh-TW")
def remove_command(token: AccessToken, prompt: Id, language: Language, as_json: AsJson = False) -> None:
    """Take a prompt away that nothing says; refused, with every place that says it, if something does."""
    _ask(token, "DELETE", _path(language, prompt), as_json=as_json)
    if not as_json:
        out().print(f"{language}/{prompt} is no prompt of the site any more", markup=False)


def _ask(token: str, method: str, path: str, body: bytes | None = None, *, as_json: bool) -> dict[str, Any]:
    """The answer, told already if it is to be JSON; a refusal is told and ends the command."""
    from api.cli.service import Refused, ask  # noqa: PLC0415 - heavy, see the head of main

    try:
        answer = asyncio.run(ask(load_settings(), token, method, f"/v1/prompts{path}", body))
    except Refused as refusal:
        if as_json:
            say_json({"error": str(refusal)})
        else:
            err().print(f"callcenter: {refusal}", markup=False)
        raise typer.Exit(Exit.FINDING) from refusal
    if as_json:
        say_json(answer)
    return answer


def _path(language: str, prompt: str) -> str:
    return f"/{quote(language, safe='')}/{quote(prompt, safe='')}"

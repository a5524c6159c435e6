"""report surveys: who took part and what was answered, from the database: tables for people, JSON for programs."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from api.cli.database import engine
from api.cli.instants import by_the_site
from api.cli.output import Exit, err, out, table
from api.survey_schemas import SurveyBody, SurveysBody, SurveysRequest, surveys_body
from callcenter.config.settings import Settings
from callcenter.db.surveys import Surveys

_TAKEN_PART = ("survey", "invited", "complete", "partial", "unusable", "declined", "pending", "response rate", "alpha")
_ANSWERED = ("survey", "question", "scale", "n", "min", "max", "mean", "median", "sd", "nps", "yes")


@dataclass(frozen=True, slots=True)
class Asked:
    """The command's options. Instants without a zone are by the site's clock; `survey` None: all."""

    start: datetime
    end: datetime
    survey: str | None
    as_json: bool


async def run(settings: Settings, asked: Asked) -> Exit:
    """Print the report; USAGE, with every mistake said, if it makes no sense. Raises DatabaseError, ReportTooLarge."""
    start, end = (by_the_site(at, settings) for at in (asked.start, asked.end))
    try:
        wanted = SurveysRequest.model_validate({"from": start, "to": end, "survey": asked.survey})
    except ValidationError as error:
        for mistake in error.errors():
            err().print(f"callcenter: --{mistake['loc'][0]}: {mistake['msg']}", markup=False)
        return Exit.USAGE
    async with engine(settings) as database:
        body = surveys_body(wanted, await Surveys(database).responses(wanted.query))
    if asked.as_json:
        sys.stdout.write(body.model_dump_json(by_alias=True) + "\n")
    else:
        _print(body)
    return Exit.OK


def _print(body: SurveysBody) -> None:
    out().print(table(_TAKEN_PART, (_taken_part(survey) for survey in body.items)))
    if any(survey.questions for survey in body.items):
        out().print()
        out().print(table(_ANSWERED, (line for survey in body.items for line in _answered(survey))))
    err().print("'callcenter report surveys --json' has the formulas", markup=False)


def _taken_part(survey: SurveyBody) -> tuple[str, ...]:
    counts = (survey.invited, survey.complete, survey.partial, survey.unusable, survey.declined, survey.pending)
    return survey.survey, *map(str, counts), _share(survey.response_rate.value), _number(survey.alpha.value)


def _answered(survey: SurveyBody) -> Iterator[tuple[str, ...]]:
    for one in survey.questions:
        figures = str(one.n), str(one.min), str(one.max), *map(_number, (one.mean, one.median, one.sd))
        yield survey.survey, one.question, one.scale, *figures, _share(one.nps), _share(one.yes)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"

"""The API's documentation as one page of plain HTML, made from the OpenAPI description; needs no network, no script."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

METHODS: Final = ("get", "post", "put", "patch", "delete")
STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1c2430 }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 1px solid #ccd3dc }
h3 { font: 600 1rem ui-monospace, monospace; margin: 1.6rem 0 .3rem } code { font-family: ui-monospace, monospace }
.method { color: #0a5c36; text-transform: uppercase } table { border-collapse: collapse; margin: .4rem 0 }
td, th { padding: .15rem .8rem .15rem 0; text-align: left; vertical-align: top } th { font-weight: 600 }
p { margin: .3rem 0; white-space: pre-line }
"""


def docs_page(openapi: Mapping[str, Any]) -> str:
    """The whole page."""
    title = escape(openapi["info"]["title"])
    return "".join(
        (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{STYLE}</style>",
            f"<h1>{title} {escape(openapi['info']['version'])}</h1>",
            f"<p>{escape(openapi['info'].get('description', ''))}</p>",
            "<p>For programs: <a href=/v1/openapi.json>/v1/openapi.json</a></p>",
            *_operations(openapi),
            "<h2>Values</h2>",
            *_schemas(openapi),
            "</html>",
        )
    )


def _operations(openapi: Mapping[str, Any]) -> Iterator[str]:
    tag_before = ""
    for path, item in openapi["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            operation = item[method]
            tag = operation.get("tags", ["other"])[0]
            if tag != tag_before:
                yield f"<h2>{escape(tag)}</h2>"
                tag_before = tag
            yield f"<h3><span class=method>{method}</span> {escape(path)}</h3>"
            yield f"<p>{escape(operation.get('description', ''))}</p>"
            yield from _parameters(operation)
            yield from _answers(operation)


def _parameters(operation: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (f"{one['name']} ({one['in']})", _type(one["schema"]), one.get("description") or "")
        for one in operation.get("parameters", [])
    ]
    bodies = operation.get("requestBody", {}).get("content", {}).values()
    rows.extend(("body", _type(content["schema"]), "") for content in bodies)
    yield from _table(("takes", "", ""), rows)


def _answers(operation: Mapping[str, Any]) -> Iterator[str]:
    rows = []
    for status, answer in operation["responses"].items():
        kinds = [_type(content["schema"]) for content in answer.get("content", {}).values() if content.get("schema")]
        rows.append((status, ", ".join(dict.fromkeys(kinds)), answer.get("description", "")))
    yield from _table(("answers", "", ""), rows)


def _schemas(openapi: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in sorted(openapi.get("components", {}).get("schemas", {}).items()):
        yield f"<h3 id={escape(name, quote=True)}>{escape(name)}</h3><p>{escape(schema.get('description', ''))}</p>"
        yield from _table(
            ("field", "", ""),
            [
                (field, _type(value), value.get("description") or "")
                for field, value in schema.get("properties", {}).items()
            ],
        )


def _table(head: tuple[str, str, str], rows: list[tuple[str, str, str]]) -> Iterator[str]:
    if not rows:
        return
    yield "<table><tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"
    for name, kind, text in rows:
        yield f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td><td>{escape(text)}</td></tr>"
    yield "</table>"


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in a few words: 'string or null', 'list of EventBody'."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if schema.get("format") == "date-time":
        return "instant"
    return str(schema.get("type", "any value"))

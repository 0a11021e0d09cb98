r"""The description of the API, `/openapi.json` (OpenAPI 3.1): what operations take and answer.

Most of it follows from a view itself. Its *name* is the operation's id, for which client generators
make a function: a verb and a noun, as `cancel_update`. The first sentence of its *docstring* is the
summary, the rest the description. `access.requires` adds the scopes and what a bound key may touch,
and with them the problems of the key; every operation has those of the service. A view adds:

* **what it answers**: `responses={200: Model}` at its blueprint. The model has an example::

      class PictureAnswer(BaseModel):
          model_config = example(sha256="9f86d081884c7d65…")

  An answer that is no JSON, or comes in several forms, is `responses={200: content({...})}`, with a
  model for JSON and a sample text for the others::

      responses={200: content({"application/json": DayReport, "text/csv": "store,uses\r\n…"})}

* **what it takes**: the argument `body: Model`, whose model has an example, too. A view that reads
  its body itself says what it reads with `takes`, of the same form as `content`::

      @takes({"application/json": ReportBody, "text/csv": "id,code\r\n…"})

* **the problems of its own**: `fails_with(ProblemCode.NOT_ISSUED, …)`, without those that it has
  anyway (`codes_of`). What a use case raises as a `Fault` is meant by the fault's code.
* `idempotent`, where a call carries an `Idempotency-Key`.

They stand below `access.requires`::

    @blueprint.post("/vouchers/<serial>/reissue", responses={200: ReissuedBody})
    @access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
    @fails_with(ProblemCode.VOUCHER_UNKNOWN, ProblemCode.NOT_ISSUED)
    def reissue_voucher(path: VoucherPath, body: ReissueBody) -> Response:

`tests/app/web/test_description.py` walks every operation for all of this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Flask
from pydantic import BaseModel, ConfigDict
from werkzeug.routing import Rule

from app.services import permissions
from app.services.permissions import Reach
from app.web import access
from app.web.problem_codes import PROBLEMS, ProblemCode
from app.web.problems import MEDIA_TYPE, ProblemBody, example_of

View = TypeVar("View", bound=Callable[..., Any])

#: A model, a sample of a text, or an empty sample for bytes.
Form = type[BaseModel] | str | bytes

_PARAMETER = re.compile(r"<(?:[^<>:]+:)?([^<>]+)>")
_SCHEMAS = "#/components/schemas/"
_EXAMPLES = "#/components/examples/"
#: Under these names a view has what it says of itself.
_CODES, _TAKES, _IDEMPOTENT = "problem_codes", "request_content", "idempotent"

#: Models that only `content` and `takes` name, which the framework does not see.
_MODELS: dict[str, type[BaseModel]] = {}

_SERVICE = {
    ProblemCode.INVALID_REQUEST,
    ProblemCode.FAULT,
    ProblemCode.UNAVAILABLE,
    ProblemCode.MISCONFIGURED,
    ProblemCode.BUSY,
    ProblemCode.ENDING,
}
_BODY = {ProblemCode.BAD_REQUEST, ProblemCode.TOO_SLOW, ProblemCode.TOO_LARGE}
_KEY = {ProblemCode.KEY_REQUIRED, ProblemCode.SCOPE_MISSING, ProblemCode.GUESSING}
_REACH = {
    Reach.TILL: set[ProblemCode](),
    Reach.FIGURES: set[ProblemCode](),
    Reach.CAMPAIGNS: {ProblemCode.STORE_KEY_REFUSED},
    Reach.DEPLOYMENT: {ProblemCode.STORE_KEY_REFUSED, ProblemCode.CAMPAIGN_KEY_REFUSED},
}
_IDEMPOTENCY = {
    ProblemCode.IDEMPOTENCY_KEY_REQUIRED,
    ProblemCode.IDEMPOTENCY_KEY_REUSED,
    ProblemCode.STILL_RUNNING,
}
_IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": True,
    "description": "1 to 128 visible ASCII characters; a new attempt needs a new key",
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,128}$"},
    "example": "5b7c1d7e-3f0a-4f63-9f4e-6f2f7c1d9a52",
}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which the request may be sent again",
        "schema": {"type": "integer", "minimum": 0},
    }
}


def example(**members: Any) -> ConfigDict:
    """The configuration of a model that shows these members as its example."""
    return ConfigDict(json_schema_extra={"example": members})


def content(forms: Mapping[str, Form], description: str = "") -> dict[str, Any]:
    """The description of an answer by its media types.

    Args:
        forms: for each media type a model, a sample of its text, or empty bytes for a file.
    """
    return {"description": description or _described(forms), "content": _content(forms)}


def takes(forms: Mapping[str, Form], *, required: bool = True) -> Callable[[View], View]:
    """Let the description say what a view reads from its body by itself.

    Args:
        forms: as for `content`.
    """
    return _note(_TAKES, {"required": required, "content": _content(forms)})


def fails_with(*codes: ProblemCode) -> Callable[[View], View]:
    """Let the description name problems of a view, beside those that `codes_of` knows."""
    return _note(_CODES, codes)


def idempotent(view: View) -> View:
    """Let the description say that a call of a view carries an `Idempotency-Key`."""
    return _note(_IDEMPOTENT, True)(view)


def codes_of(app: Flask, rule: Rule, method: str) -> list[ProblemCode]:
    """Every problem that an operation answers, in the order of `PROBLEMS`."""
    view = app.view_functions[rule.endpoint]
    codes = {*_SERVICE, *getattr(view, _CODES, ())}
    if method in ("POST", "PUT", "PATCH"):
        codes |= _BODY
    if rule.arguments:
        codes.add(ProblemCode.NOT_FOUND)
    if (wanted := access.permission(app, rule.endpoint)) is not None:
        codes |= _KEY | _REACH[wanted.reach]
    if getattr(view, _IDEMPOTENT, False):
        codes |= _IDEMPOTENCY
    return [code for code in PROBLEMS if code in codes]


def completed(app: Flask, description: dict[str, Any], *, server: str) -> dict[str, Any]:
    """The description that the framework made, with what only our views know.

    Args:
        server: the public address of the deployment.
    """
    for rule, method, operation in _operations(app, description["paths"]):
        view = app.view_functions[rule.endpoint]
        operation["operationId"] = view.__name__
        _say(operation, access.permission(app, rule.endpoint))
        if (body := getattr(view, _TAKES, None)) is not None:
            operation["requestBody"] = body
        if getattr(view, _IDEMPOTENT, False):
            operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
        _answer(operation, codes_of(app, rule, method))
    components = description.setdefault("components", {})
    components["examples"] = {
        code.value: {"summary": code.cause, "value": example_of(code)} for code in PROBLEMS
    }
    schemas = components.setdefault("schemas", {})
    _adopt(schemas, ProblemBody)
    for model in _MODELS.values():
        _adopt(schemas, model)
    _show_examples(description["paths"], schemas)
    description["servers"] = [{"url": server, "description": "This deployment"}]
    return description


def _note(name: str, value: Any) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        vars(view)[name] = value
        return view

    return decorate


def _operations(app: Flask, paths: dict[str, Any]) -> Iterator[tuple[Rule, str, dict[str, Any]]]:
    """Every operation that is described; a page that only people open is taken out."""
    for rule in app.url_map.iter_rules():
        path = _PARAMETER.sub(r"{\1}", rule.rule)
        for method in rule.methods or ():
            if (operation := paths.get(path, {}).get(method.lower())) is not None:
                yield rule, method, operation


def _say(operation: dict[str, Any], wanted: access.Permission | None) -> None:
    """What the docstring says, as Markdown, and what a key needs."""
    said = str(operation.get("description") or "").replace("<br/>", "\n").strip()
    if wanted is not None:
        # One entry for each scope: any of them is enough.
        operation["security"] = [{"key": [scope.value]} for scope in wanted.scopes]
        operation["x-reach"] = wanted.reach.value
        said = "\n\n".join(filter(None, (said, permissions.RULES[wanted.reach])))
    operation["description"] = said


def _answer(operation: dict[str, Any], codes: Iterable[ProblemCode]) -> None:
    """Put every problem among the answers, under its status and media type."""
    answers = operation.setdefault("responses", {})
    by_status: dict[str, list[ProblemCode]] = {}
    for code in codes:
        by_status.setdefault(str(code.status), []).append(code)
    for status, group in by_status.items():
        told = answers.get(status, {}).get("content", {}).get("application/json", {})
        own = told.get("schema", {}).get("$ref", _SCHEMAS + ProblemBody.__name__)
        answers[status] = {
            "description": f"{HTTPStatus(int(status)).phrase}: "
            + ", ".join(f"`{code}`" for code in group),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": own},
                    "examples": {code.value: {"$ref": _EXAMPLES + code} for code in group},
                }
            },
        }
        if status in ("429", "503"):
            answers[status]["headers"] = _RETRY_AFTER
    operation["responses"] = dict(sorted(answers.items()))


def _described(forms: Mapping[str, Form]) -> str:
    models = (form for form in forms.values() if isinstance(form, type))
    return next(((model.__doc__ or "").strip().split("\n")[0] for model in models), "OK")


def _content(forms: Mapping[str, Form]) -> dict[str, Any]:
    return {media_type: _media(form) for media_type, form in forms.items()}


def _media(form: Form) -> dict[str, Any]:
    if isinstance(form, bytes):
        return {"schema": {"type": "string", "format": "binary"}}
    if isinstance(form, str):
        return {"schema": {"type": "string"}, "example": form}
    if _MODELS.setdefault(form.__name__, form) is not form:
        raise LookupError(f"Two models are called {form.__name__}: rename one.")
    return {"schema": {"$ref": _SCHEMAS + form.__name__}}


def _adopt(schemas: dict[str, Any], model: type[BaseModel]) -> None:
    """Put a model's schema, and those of what it consists of, among the components."""
    schema = model.model_json_schema(mode="serialization", ref_template=_SCHEMAS + "{model}")
    schemas |= {**schema.pop("$defs", {}), model.__name__: schema}


def _show_examples(paths: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Show the example of a model wherever it is taken or answered as a whole."""
    for operations in paths.values():
        for operation in operations.values():
            if not isinstance(operation, dict):
                continue
            for part in (operation.get("requestBody"), *operation["responses"].values()):
                for media in (part or {}).get("content", {}).values():
                    name = str(media.get("schema", {}).get("$ref", "")).removeprefix(_SCHEMAS)
                    shown = schemas.get(name, {}).get("example")
                    if shown is not None and "examples" not in media:
                        media.setdefault("example", shown)

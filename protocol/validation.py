"""Messages checked against the schemas of the contract.

What is wrong is told as one JSON pointer (RFC 6901) into the content, and a client is told no more: the pointer of an
unknown field names that field, the pointer of a missing one names what is missing. The same content always gives the
same pointer.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jsonschema_rs import Draft202012Validator, Registry, ValidationError, ValidationErrorKind

from protocol.catalogue import Catalogue, load_catalogue, read_json

MAX_POINTER_LENGTH = 256
"""Longer pointers are cut to an enclosing value, so that no answer grows with a peer's field names."""

MAX_WHOLE_NUMBER = 2**53 - 1
"""The largest whole number that every JSON reader keeps exact (RFC 8259 §6)."""

_PLAIN_DEPTH = 32


class Invalid(ValueError):
    """A message is not what its schema asks for."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field
        """Pointer to what is wrong; "" is the whole content."""


def validate_envelope(value: object) -> None:
    """Check a request's content but for what is inside `params`; fields that the contract does not name are ignored."""
    known = value
    if isinstance(value, dict):
        fields = _schema("request.json")["properties"]
        known = {name: value[name] for name in fields if name in value}
    _check("request.json", known, ())


def validate_params(method: str, value: object) -> None:
    """Check the params of a method; KeyError: there is no such method."""
    _check(_catalogue().methods[method].params_schema, value, ("params",))


def validate_result(method: str, value: object) -> None:
    """Check the result of a method; KeyError: there is no such method."""
    _check(_catalogue().methods[method].result_schema, value, ("result",))


def validate_response(value: object) -> None:
    """Check a response's content but for what is inside `result`."""
    _check("response.json", value, ())


def usable_request_id(value: object) -> str | None:
    """Return the id under which content can be answered, whatever else is wrong with it."""
    request_id = value.get("id") if isinstance(value, dict) else None
    if not isinstance(request_id, str):
        return None
    try:
        _check("types.json#/$defs/request_id", request_id, ())
    except Invalid:
        return None
    return request_id


class _ExactType:
    """The keyword `type` for Python values: JSON Schema takes 1.0 for an integer, and has no bound for one."""

    def __init__(self, parent_schema: dict[str, Any], value: Any, schema_path: list[str | int]) -> None:
        self._types = (value,) if isinstance(value, str) else tuple(value)

    def validate(self, instance: object) -> None:
        if not any(_is_of_type(instance, name) for name in self._types):
            raise ValueError("wrong type")


def _is_of_type(value: object, name: str) -> bool:
    match name:
        case "string":
            return isinstance(value, str) and _is_unicode(value)
        case "integer":
            return type(value) is int and abs(value) <= MAX_WHOLE_NUMBER
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_WHOLE_NUMBER
        case "boolean":
            return isinstance(value, bool)
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case _:
            return value is None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_plain(value: object, depth: int = _PLAIN_DEPTH) -> bool:
    """Tell whether a value holds nothing but what JSON Schema's own types mean the same by as `_ExactType` does."""
    kind = type(value)
    if kind is str:
        return _is_unicode(str(value))
    if kind is int:
        return _is_of_type(value, "integer")
    if isinstance(value, dict) and depth:
        return all(
            isinstance(name, str) and _is_unicode(name) and _is_plain(each, depth - 1) for name, each in value.items()
        )
    if isinstance(value, list) and depth:
        return all(_is_plain(each, depth - 1) for each in value)
    return value is None or kind is bool


def _check(schema: str, value: object, base: tuple[str, ...]) -> None:
    try:
        # Each type that is checked by a keyword of ours is a call back from the library.
        validator = _plain_validator(schema) if _is_plain(value) else _validator(schema)
        validator.validate(value)
        return
    except ValidationError as error:
        field = _pointer((*base, *_path(error)))
    except ValueError:
        # Nested too deep, or text that is not Unicode: nothing that a strict reader lets through.
        field = _pointer(base)
    raise Invalid(field)


def _path(error: ValidationError) -> tuple[str | int, ...]:
    at = tuple(error.instance_path)
    match error.kind:
        case ValidationErrorKind.Required(property=name):
            return (*at, name)
        case ValidationErrorKind.AdditionalProperties(unexpected=[name, *_]):
            return (*at, name)
        case ValidationErrorKind.PropertyNames(error=inner) if isinstance(inner.instance, str):
            return (*at, inner.instance)
        case _:
            return at


def _pointer(path: tuple[str | int, ...]) -> str:
    pointer = ""
    for step in path:
        longer = pointer + "/" + str(step).replace("~", "~0").replace("/", "~1")
        if len(longer) > MAX_POINTER_LENGTH:
            break
        pointer = longer
    return pointer


@cache
def _catalogue() -> Catalogue:
    return load_catalogue()


@cache
def _schema(name: str) -> dict[str, Any]:
    return read_json(f"schemas/{name}")


@cache
def _validator(name: str) -> Draft202012Validator:
    return _compiled(name, {"type": _ExactType})


@cache
def _plain_validator(name: str) -> Draft202012Validator:
    return _compiled(name, {})


def _compiled(name: str, keywords: dict[str, type]) -> Draft202012Validator:
    file, _, place = name.partition("#")
    schema = _schema(file)
    return Draft202012Validator(
        {"$ref": f"{schema['$id']}#{place}"},
        registry=Registry([(each["$id"], each) for each in (schema, _schema("types.json"))]),
        keywords=keywords,
        mask="…",
        offline=True,
    )

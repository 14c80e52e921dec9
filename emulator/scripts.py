"""Checking what the control API and scenario files ask for, field by field."""

from __future__ import annotations

import math
from dataclasses import MISSING, fields
from typing import Any

from emulator.errors import invalid

Types = dict[str, type | tuple[type, ...]]


def checked(script: dict[str, Any], cls: Any, types: Types) -> dict[str, Any]:
    """The script, if its fields are those of `types` with values of these types, or null where that is the default.

    Raises a 400 that names the field. Booleans are no numbers, and numbers are finite and not negative.
    """
    known = {one.name: one for one in fields(cls)}
    for name, value in script.items():
        if name not in types:
            raise invalid(f"Unknown field; there are: {', '.join(types)}.", param=name)
        nullable = known[name].default is None or name == "times"
        if not (_is_of(value, types[name]) or (value is None and nullable)):
            raise invalid(f"'{name}' cannot be {value!r}.", param=name)
    for name, one in known.items():
        if name in types and name not in script and one.default is one.default_factory is MISSING:
            raise invalid(f"'{name}' must be given.", param=name)
    return script


def is_amount(value: Any) -> bool:
    """A finite number, 0 or above."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _is_of(value: Any, kind: type | tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, kind) and (not isinstance(value, int | float) or is_amount(value))

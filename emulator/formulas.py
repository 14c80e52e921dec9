"""`calculate_output` of a multi grader: arithmetic over the names of its graders, and nothing else (§1.8)."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: getattr(math, name) for name in ("ceil", "exp", "floor", "log", "sqrt")
} | {"abs": abs, "max": max, "min": min}
CHARACTERS_MAX = 1_000


class BadFormula(ValueError):
    """The formula is no arithmetic over the names there are."""


class NoResult(BadFormula):
    """The formula has no finite value for these numbers; it may have one for others."""


def check(formula: str, names: set[str]) -> None:
    """Raises BadFormula when the formula could not be calculated whatever the values."""
    for node in ast.walk(_parse(formula)):
        if isinstance(node, ast.Name) and node.id not in names | _FUNCTIONS.keys():
            raise BadFormula(f"'{node.id}' is not the name of a grader")
    with suppress(NoResult):
        calculate(formula, dict.fromkeys(names, 0.5))


def calculate(formula: str, values: Mapping[str, float]) -> float:
    """The value of the formula; raises BadFormula."""
    try:
        result = float(_value(_parse(formula), values))
    except BadFormula:
        raise
    except (ArithmeticError, ValueError, TypeError) as error:
        raise NoResult(str(error)) from None
    if not math.isfinite(result):
        raise NoResult("not finite")
    return result


def _parse(formula: str) -> ast.expr:
    if len(formula) > CHARACTERS_MAX:
        raise BadFormula(f"more than {CHARACTERS_MAX} characters")
    try:
        return ast.parse(formula.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise BadFormula("not an arithmetic expression") from None


def _value(node: ast.expr, values: Mapping[str, float]) -> Any:
    match node:
        case ast.Constant(value=bool()):
            raise BadFormula("only numbers can be calculated with")
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(operand, values))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, values), _value(right, values))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_value(argument, values) for argument in arguments))
        case _:
            raise BadFormula(f"'{ast.unparse(node)}' is not arithmetic")

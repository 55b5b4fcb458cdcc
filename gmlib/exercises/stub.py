"""What to say where a stub is reached: that there is no answer yet, or that its last line still stands in the way of one."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

NO_ANSWER = ("There is no answer here yet.", "这里还没有作答。")
LEFT_OVER = (
    "`raise NotImplementedError()` still stands in the function and stops it before your answer; delete that line.",
    "函数里还留着 `raise NotImplementedError()`，运行到这里就停了，你的答案没有起作用；请删去这一行。",
)


def reached(answer: Any) -> tuple[str, str]:
    """The words for an answer that raises as the stub does, in both languages.

    Example:
        >>> reached(None)[0]
        'There is no answer here yet.'
    """
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(answer))).body[0].body
    except (OSError, TypeError, SyntaxError, AttributeError):  # no function, or one whose text is not to be had
        return NO_ANSWER
    written = [s for s in body if not isinstance(s, ast.Raise) and not _is_docstring(s)]
    return LEFT_OVER if written and any(isinstance(s, ast.Raise) for s in body) else NO_ANSWER


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)

"""One form of error for everything a user can get wrong: place, problem, expectation, remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TreadleError(Exception):
    """A mistake in the input, told in one message and without a traceback.

    Args:
        problem: what is wrong, as one sentence without a full stop.
        where: the place: ``file:line:column``, a column name, a row number, a URL.
        expected: what would have been right.
        remedy: what to do about it.
    """

    exit_code = 2

    def __init__(
        self,
        problem: str,
        *,
        where: object = None,
        expected: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.problem = problem
        self.where = None if where is None else str(where)
        self.expected = expected
        self.remedy = remedy
        super().__init__(self.message())

    def message(self) -> str:
        """The whole message, one fact a line."""
        head = f"{self.where}: {self.problem}" if self.where else self.problem
        lines = [head]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.remedy:
            lines.append(f"  to do:    {self.remedy}")
        return "\n".join(lines)


class Problems(TreadleError):
    """Several mistakes found in one pass, raised once."""

    def __init__(self, problems: Iterable[TreadleError]) -> None:
        self.problems = list(problems)
        first = self.problems[0]
        super().__init__(first.problem, where=first.where, expected=first.expected, remedy=first.remedy)
        self.args = (self.message(),)

    def message(self) -> str:
        """All messages, one after the other."""
        return "\n".join(problem.message() for problem in self.problems)


class Interrupted(TreadleError):
    """The user asked to stop; what was finished is kept."""

    exit_code = 130


def raise_all(problems: list[TreadleError]) -> None:
    """Raise what was collected: nothing, the one error, or all of them together."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise Problems(problems)


def did_you_mean(got: str, known: Iterable[str]) -> str:
    """``" (did you mean 'target'?)"`` for a near miss, else an empty string."""
    close = difflib.get_close_matches(got, list(known), n=1, cutoff=0.6)
    if not close:
        lowered = {name.lower(): name for name in known}
        close = [lowered[match] for match in difflib.get_close_matches(got.lower(), list(lowered), n=1, cutoff=0.6)]
    return f" (did you mean {close[0]!r}?)" if close else ""


def listing(names: Iterable[str], limit: int = 20) -> str:
    """The names in one line, cut after ``limit`` with the count of the rest."""
    every = list(names)
    shown = ", ".join(every[:limit])
    return shown if len(every) <= limit else f"{shown}, ... ({len(every) - limit} more)"

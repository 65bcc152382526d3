"""How a separated text file is written, seen from its first megabytes."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass

from treadle.core.errors import TreadleError
from treadle.core.types import Inference
from treadle.core.values import MISSING

SEPARATORS = (",", ";", "\t", "|")
LOOKED_AT = 200
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
YEAR = re.compile(r"(19|20|21)\d\d")
COMMA_NUMBER = re.compile(r"[+-]?\d+(,\d+)?")
BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes:
        encoding: a Python codec.
        separator: one character.
        header: whether the first line names the columns.
        raw: the names as they stand in the file, empty without a header.
        names: unique, without blanks around them.
        spaced: quotes may follow the separator only after a blank.
        commas: positions of the columns whose numbers have a decimal comma.
        inferred: what was not given, and why it was settled so.
    """

    encoding: str
    separator: str
    header: bool
    raw: tuple[str, ...]
    names: tuple[str, ...]
    spaced: bool = False
    commas: tuple[int, ...] = ()
    inferred: tuple[Inference, ...] = ()


def dialect_of(
    head: bytes, whole: bool, name: str, *, encoding: str | None = None, separator: str | None = None,
    header: bool | None = None,
) -> Dialect:  # fmt: skip
    """Settle what is not given.

    Args:
        head: the first bytes of the file.
        whole: whether they are all of it.
        name: of the file, for messages.
        encoding, separator, header: what the user said.
    """
    found: list[Inference] = []

    def fill(what: str, value: object, reason: str) -> None:
        found.append(Inference(f"data.options.{what}", value, reason))

    if encoding is None:
        encoding, reason = encoding_of(head, whole, name)
        fill("encoding", encoding, reason)
    text = _decode(head, whole, encoding, name)
    if not text.strip():
        raise TreadleError("the file is empty", where=name, expected="a header line and at least one row")
    spaced = False
    if separator is None:
        separator, spaced, reason = _separator(text, whole)
        fill("separator", separator, reason)
    if whole and text.count('"') % 2:
        _check_quotes(text, separator, spaced, name)
    rows = _rows(text, whole, separator, spaced)
    if header is None:
        header, reason = _header(rows)
        fill("header", header, reason)
    raw = tuple(rows[0]) if header else ()
    names = _names(rows[0], name, text) if header else tuple(f"column_{i + 1}" for i in range(len(rows[0])))
    body = rows[1:] if header else rows
    commas = tuple(i for i in range(len(names)) if _has_commas([row[i] for row in body if i < len(row)]))
    if separator == ",":
        commas = ()
    if commas:
        fill("decimal_comma", [names[i] for i in commas], "every value reads as a number with a decimal comma")
    return Dialect(encoding, separator, header, raw, names, spaced, commas, tuple(found))


def encoding_of(head: bytes, whole: bool, name: str) -> tuple[str, str]:
    """The encoding and the reason for it; a file that is no text raises."""
    for mark, encoding in BOMS:
        if head.startswith(mark):
            return encoding, "the file begins with its byte order mark"
    if len(head) > 1 and head[1:4000:2].count(0) > len(head[1:4000:2]) * 0.4:
        return "utf-16-le", "every second byte is zero"
    if b"\0" in head:
        line = head[: head.index(0)].count(b"\n") + 1
        raise TreadleError("this is not a text file: it holds zero bytes", where=f"{name}:{line}",
                           expected="separated text, packed or not")  # fmt: skip
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head, final=whole)
        return "utf-8", "all of it reads as UTF-8" if whole else f"its first {len(head):,} bytes read as UTF-8"
    except UnicodeDecodeError as error:
        bad = error
    line = head[: bad.start].count(b"\n") + 1
    if any(ord(letter) > 127 for letter in head.decode("utf-8", errors="ignore")):
        raise TreadleError(
            f"byte {head[bad.start]:#04x} is not UTF-8, though other letters in the file are", where=f"{name}:{line}",
            expected="one encoding in the whole file", remedy="mend the line, or say `options: {encoding: cp1252}`",
        )  # fmt: skip
    try:
        head.decode("cp1252")
        return "cp1252", f"line {line} is not UTF-8, and all of it reads as Windows-1252"
    except UnicodeDecodeError:
        return "latin-1", f"line {line} is neither UTF-8 nor Windows-1252"


def _decode(head: bytes, whole: bool, encoding: str, name: str) -> str:
    try:
        decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)()
        return decoder.decode(head, final=whole)
    except LookupError:
        raise TreadleError(f"there is no encoding {encoding!r}", where="data.options.encoding",
                           expected="such as utf-8, utf-16, cp1252, latin-1") from None  # fmt: skip
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line = head[:start].count(b"\n") + 1
        raise TreadleError(
            f"the bytes are not {encoding} text", where=f"{name}:{line}", expected=f"{encoding} text",
            remedy="name the encoding: `options: {encoding: cp1252}`, or save the file as UTF-8",
        ) from None  # fmt: skip


def _rows(text: str, whole: bool, separator: str, spaced: bool) -> list[list[str]]:
    """The first records, blank lines left out; the last one only when it is complete."""
    found: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=spaced)
    try:
        for row in reader:
            if row:
                found.append(row)
            if len(found) > LOOKED_AT:
                return found
    except csv.Error:
        return found or [[text.splitlines()[0]]]
    return found if whole or len(found) < 2 else found[:-1]


def _check_quotes(text: str, separator: str, spaced: bool, name: str) -> None:
    """An opening quote without its closing one swallows the rest of the file: say so instead."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=spaced, strict=True)
    line = 1
    try:
        for _ in reader:
            line = reader.line_num + 1
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise TreadleError("a quote is opened and never closed", where=f"{name}:{line}",
                               expected="quotes in pairs", remedy="close it, or double it: \"\"") from None  # fmt: skip


def _separator(text: str, whole: bool) -> tuple[str, bool, str]:
    best = (0.0, 1, ",", False)
    for mark in SEPARATORS:
        for spaced in (False, True):
            rows = _rows(text, whole, mark, spaced)
            width, count = Counter(map(len, rows)).most_common(1)[0]
            share = count / len(rows)
            # A steady width says more than a wide one; what is written last wins only when it is better.
            if width > 1 and (round(share, 2), width) > best[:2]:
                best = (round(share, 2), width, mark, spaced)
    share, width, mark, spaced = best
    if share == 0.0:
        return ",", False, "there is one column"
    return mark, spaced, f"it parts {share:.0%} of the first lines into {width} values"


def _header(rows: list[list[str]]) -> tuple[bool, str]:
    first, body = rows[0], rows[1:]
    if not body:
        return True, "there is one line"
    numbers = [cell.strip() for cell in first if NUMBER.fullmatch(cell.strip())]
    if not numbers:
        return True, "no value of the first line is a number"
    if len(numbers) > 1 and all(YEAR.fullmatch(cell) for cell in numbers) and sorted(set(numbers)) == numbers:
        return True, "the numbers of the first line are ascending years"
    for position, cell in enumerate(first):
        below = [row[position].strip() for row in body if position < len(row)]
        below = [value for value in below if value not in MISSING]
        if below and all(NUMBER.fullmatch(value) for value in below) and not _numeric(cell):
            return True, f"{cell.strip()!r} stands above numbers"
    return False, f"the first line holds values like the others, such as {numbers[0]!r}"


def _numeric(cell: str) -> bool:
    text = cell.strip()
    return text in MISSING or NUMBER.fullmatch(text) is not None


def _names(first: list[str], name: str, text: str) -> tuple[str, ...]:
    names = [cell.strip() or f"column_{i + 1}" for i, cell in enumerate(first)]
    for position, cell in enumerate(names):
        if cell in names[:position]:
            other = names.index(cell)
            raise TreadleError(
                f"the header names {cell!r} twice (columns {other + 1} and {position + 1})", where=f"{name}:1",
                expected="every name once", remedy="rename one of them",
            )  # fmt: skip
    return tuple(names)


def _has_commas(values: list[str]) -> bool:
    present = [text for value in values if (text := value.strip()) not in MISSING]
    return any("," in value for value in present) and all(COMMA_NUMBER.fullmatch(value) for value in present)

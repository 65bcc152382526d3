"""What a report is built of; the template knows how each looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: shown; escaped by the template.
        title: the whole of a text that was cut, or a remark.
        tone: ``good``, ``bad``, ``warn`` or nothing.
        number: set flush right, in figures of equal width.
        svg: a small drawing made by this package, instead of text.
    """

    text: str = ""
    title: str = ""
    tone: str = ""
    number: bool = False
    svg: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first cell of a row names it."""

    kind: ClassVar[str] = "table"
    caption: str
    head: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


@dataclass(frozen=True)
class Chart:
    """A drawing with a caption.

    Attributes:
        name: of its file, where charts are written apart.
        svg: made by this package.
        caption: one sentence; escaped by the template.
        heading: above it; by default its title.
        wide: takes the whole width.
    """

    name: str
    svg: str
    caption: str = ""
    heading: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Charts:
    """Charts side by side, as many as fit; ``small`` ones in narrower columns."""

    kind: ClassVar[str] = "charts"
    items: Sequence[Chart]
    small: bool = False


@dataclass(frozen=True)
class Text:
    """A paragraph, or a heading within a section."""

    kind: ClassVar[str] = "text"
    text: str
    heading: bool = False


@dataclass(frozen=True)
class Items:
    """Facts as pairs of a name and a value."""

    kind: ClassVar[str] = "items"
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Code:
    """Text as it stands in a file."""

    kind: ClassVar[str] = "code"
    text: str
    label: str


Part = Table | Charts | Text | Items | Code


@dataclass(frozen=True)
class Section:
    """A chapter of the report."""

    id: str
    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Figure:
    """One of the few numbers at the top."""

    name: str
    value: str
    detail: str = ""
    tone: str = ""


def head(*names: str, numbers: int = 0) -> list[Cell]:
    """The head of a table; the last ``numbers`` columns hold numbers."""
    return [Cell(name, number=place >= len(names) - numbers) for place, name in enumerate(names)]


def cut(text: object, most: int = 60) -> Cell:
    """A text cell; what is longer than ``most`` letters is cut, and whole in the tooltip."""
    whole = str(text)
    return Cell(whole if len(whole) <= most else whole[: most - 1] + "…", title=whole if len(whole) > most else "")


def sentences(notes: Sequence[str]) -> Text:
    """Notes as a paragraph."""
    return Text(" ".join(f"{note[:1].upper()}{note[1:].rstrip('.')}." for note in notes if note))

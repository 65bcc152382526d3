"""What every verb shares: the common options, where output goes, and how an error is told.

A verb is a function of a `Session` and its own options that returns an `Answer`. With ``--json`` the answer's data is
printed as one line of JSON on stdout; for a person its ``show`` draws the same data. While a verb works, everything
that libraries print goes to stderr, so that stdout holds the answer and nothing else.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from treadle.core.errors import Interrupted, Problems, TreadleError
from treadle.core.events import Events

if TYPE_CHECKING:
    from rich.console import Console

    from treadle.flow.project import LoadedModel, Project

GATE_FAILED, BAD_INPUT, CRASHED, STOPPED = 1, 2, 70, 130

Folder = Annotated[
    Path | None,
    typer.Option("--project", "-p", help="Folder of the project. Default: this folder or one above.",
                 rich_help_panel="Common options", show_default=False),
]  # fmt: skip
AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON object on stdout, nothing else.", rich_help_panel="Common options")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.", rich_help_panel="Common options")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more on stderr.", rich_help_panel="Common options")]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel="Common options")
]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", help="Which model: an alias, a version, NAME@ALIAS, NAME@VERSION, a run or the "
                 "folder of a bundle. Default: the champion.", show_default=False),
]  # fmt: skip
COMMON: dict[str, Any] = {"project": Folder, "json": AsJson, "quiet": Quiet, "verbose": Verbose, "debug": Debug}


@dataclass
class Answer:
    """What a verb says.

    Attributes:
        data: JSON types and frozen values; the documented keys.
        show: draws the same for a person; ``text`` is used where there is nothing to draw.
        text: one or a few plain lines.
        code: exit code.
    """

    data: Mapping[str, Any]
    show: Callable[[Console], None] | None = None
    text: str = ""
    code: int = 0


@dataclass
class Session:
    """One call of the command line.

    Attributes:
        project: what ``--project`` named, if anything.
        out: the real stdout; ``sys.stdout`` is stderr while the verb works.
    """

    project: Path | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)

    def open(self) -> Project:
        """The project: the named folder, or the nearest one upward from here that holds a spec."""
        from treadle.flow.project import find_project

        return find_project(self.project)

    def model(self, ref: str | None) -> LoadedModel:
        """The model that ``--model`` names; a bundle's folder needs no project around it."""
        from treadle.flow.project import LoadedModel

        if ref is not None and (Path(ref) / "bundle.json").is_file():
            return LoadedModel.load(ref)
        return self.open().model(ref)

    def say(self, text: str) -> None:
        """One line for a person, on stderr."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def console(self) -> Console:
        """Draws on stdout."""
        from rich.console import Console

        terminal = self.out.isatty()
        return Console(file=self.out, width=None if terminal else 140, highlight=False, soft_wrap=not terminal)

    @contextlib.contextmanager
    def progress(self) -> Iterator[Events]:
        """Events that say on stderr how far the work is; they say nothing with ``--quiet``."""
        if self.quiet:
            yield Events()
            return
        from treadle.cli.progress import live, plain

        if sys.stderr.isatty() and not self.verbose:
            with live() as observer:
                yield Events(observer)
        else:
            yield Events(plain(self.verbose))

    def crash_folder(self) -> Path:
        """Where the traceback of an unexpected error is kept."""
        with contextlib.suppress(TreadleError):
            return self.open().folder / ".treadle" / "crashes"
        import tempfile

        return Path(tempfile.gettempdir())


Verb = Callable[..., Answer]


def verb(function: Verb) -> Callable[..., None]:
    """Give a verb the common options, and run it with its output and its errors in good order."""
    signature = inspect.signature(function, eval_str=True)
    own = [item for item in signature.parameters.values() if item.name != "session"]

    @functools.wraps(function)
    def command(ctx: typer.Context, **given: Any) -> None:
        common = {name: given.pop(name) or ctx.obj[name] for name in COMMON}
        session = Session(**common)
        code = run_verb(session, functools.partial(function, session, **given))
        if code:
            raise typer.Exit(code)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter("ctx", keyword, annotation=typer.Context)]
    parameters += [item.replace(kind=keyword) for item in own]
    parameters += [
        inspect.Parameter(name, keyword, annotation=kind, default=None if name == "project" else False)
        for name, kind in COMMON.items()
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {item.name: item.annotation for item in parameters}
    del command.__wrapped__
    return command


def run_verb(session: Session, work: Callable[[], Answer]) -> int:
    """Do the work, print the answer or the error, and return the exit code."""
    with only_the_answer() as out:
        session.out = out
        try:
            answer = work()
            _print(session, answer)
            return answer.code
        except TreadleError as error:
            tell(error, out if session.json else None)
            return error.exit_code
        except KeyboardInterrupt:
            tell(Interrupted("stopped", remedy="the same command goes on from here"), out if session.json else None)
            return STOPPED
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
            return 0
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            return _crash(session, error)


@contextlib.contextmanager
def only_the_answer() -> Iterator[TextIO]:
    """The real stdout, while ``sys.stdout`` and descriptor 1 lead to stderr: no library that prints can spoil it."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    out = os.fdopen(kept, "w", encoding="utf-8", errors="surrogateescape")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield out
    finally:
        with contextlib.suppress(BrokenPipeError, OSError):
            out.flush()
        sys.stdout.flush()
        with contextlib.suppress(OSError):
            os.dup2(out.fileno(), 1)
        with contextlib.suppress(OSError):
            out.close()


def _print(session: Session, answer: Answer) -> None:
    if session.json:
        from treadle.core.jsonable import dumps

        session.out.write(dumps(answer.data) + "\n")
    elif answer.show:
        answer.show(session.console())
    elif answer.text:
        session.out.write(answer.text + "\n")
    session.out.flush()


def tell(error: TreadleError, out: TextIO | None) -> None:
    """The message on stderr; the same as JSON on ``out`` where one is given."""
    print(error.message(), file=sys.stderr, flush=True)
    if out is not None:
        from treadle.core.jsonable import dumps

        out.write(dumps({"error": error_data(error)}) + "\n")
        out.flush()


def error_data(error: TreadleError) -> dict[str, Any]:
    """An error as JSON; several at once have the further ones under ``others``."""
    keys = ("problem", "where", "expected", "remedy")
    data: dict[str, Any] = {key: getattr(error, key) for key in keys}
    if isinstance(error, Problems):
        data["others"] = [{key: getattr(item, key) for key in keys} for item in error.problems[1:]]
    return data


def _crash(session: Session, error: Exception) -> int:
    """One line for the user; the traceback goes to a file."""
    import datetime
    import traceback

    text = "".join(traceback.format_exception(error))
    if session.debug:
        print(text, file=sys.stderr)
    folder = session.crash_folder()
    path = folder / f"crash-{datetime.datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError:
        path = Path("(nowhere: it could not be written)")
    tell(
        TreadleError(
            f"an error that Treadle did not expect: {type(error).__name__}: {error}".splitlines()[0],
            remedy=f"this is a bug; please report it with the file {path}",
        ),
        session.out if session.json else None,
    )
    return CRASHED

"""The command line: the list of verbs, and what stands above them."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer

from treadle.cli.base import BAD_INPUT, STOPPED, AsJson, Debug, Folder, Quiet, Verbose, tell
from treadle.core.errors import Interrupted, TreadleError

PANELS = {
    "Make a model": ("init", "check", "plan", "run"),
    "Look at it": ("runs", "show", "compare", "report"),
    "Use it": ("evaluate", "predict", "explain"),
    "Keep it": ("models", "promote", "rollback", "trace", "ledger"),
    "Find your way": ("components", "schema", "doctor", "version"),
}


def build() -> typer.Typer:
    """The whole command line; each verb is the function of that name in the file of that name."""
    app = typer.Typer(
        name="treadle",
        help="Raw data to a model that people use, and that model kept good: one spec, one command, one loop.",
        epilog="A first model: treadle init delays --example flights && cd delays && treadle run",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(common)
    for panel, verbs in PANELS.items():
        for name in verbs:
            module = importlib.import_module(f"treadle.cli.{name}")
            app.command(name, epilog=f"Example: {module.EXAMPLE}", rich_help_panel=panel)(getattr(module, name))
    return app


def common(
    ctx: typer.Context,
    project: Folder = None,
    json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Raw data to a model that people use, and that model kept good: one spec, one command, one loop."""
    ctx.obj = {"project": project, "json": json, "quiet": quiet, "verbose": verbose, "debug": debug}


def main() -> None:
    """The command ``treadle``."""
    out = sys.stdout if "--json" in sys.argv[1:] else None
    try:
        code = build()(prog_name="treadle", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        tell(Interrupted("stopped"), out)
        code = STOPPED
    except Exception as error:
        code = _usage(error, out)
    sys.exit(code if isinstance(code, int) else 0)


def _usage(error: Exception, out: Any) -> int:
    """An argument that cannot be read: typer's own message, in Treadle's one form."""
    message = getattr(error, "format_message", None)
    if message is None:
        raise error
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "treadle"
    text = message()
    if text:
        problem = text[0].lower() + text[1:].removesuffix(".")
        tell(TreadleError(problem, where=command, remedy=f"{command} --help"), out)
    elif context is not None:
        print(context.get_help())
    return BAD_INPUT

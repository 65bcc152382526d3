"""How far the work is, on stderr: a live list of stages on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

from treadle.core.events import Event, Observer

PLAIN_SECONDS = 5.0
WORDS = {"stage_started": "...", "stage_finished": "done", "stage_cached": "kept"}


def plain(verbose: bool) -> Observer:
    """An observer that prints a line a stage, and a line of progress every few seconds."""
    last = 0.0

    def observe(event: Event) -> None:
        nonlocal last
        now = time.monotonic()
        if event.name == "progress":
            if now - last < PLAIN_SECONDS and not verbose:
                return
            last = now
            line = f"  {event.stage:<9} {amount(event)}{event.text}" if event.stage else f"  {event.text}"
        elif event.name == "message":
            line = f"  {event.stage:<9} {event.text}"
        else:
            word = {"stage_started": "...", "stage_finished": "done", "stage_cached": "kept"}.get(
                event.name, event.name
            )
            if event.name == "stage_started" and not verbose:
                return
            line = f"{word:<4} {event.stage:<9} {event.text}"
        print(line, file=sys.stderr, flush=True)

    return observe


def amount(event: Event) -> str:
    """``3/10 `` or ``40% ``, where the total is known."""
    if not event.total:
        return ""
    if event.total <= 1:
        return f"{event.done / event.total:.0%} "
    return f"{event.done:,.0f}/{event.total:,.0f} "


@contextlib.contextmanager
def live() -> Iterator[Observer]:
    """An observer that keeps a list of the stages up to date on a terminal.

    A finished stage is one line that stays; the running one has a spinner, its time, and what it is at.
    """
    from rich.console import Console, Group
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.text import Text

    console = Console(file=sys.stderr, highlight=False)
    running: dict[str, Any] = {"stage": "", "text": "", "since": 0.0, "done": 0.0, "total": None}
    spinner = Spinner("dots")

    class Now:
        """Drawn anew at each refresh, so that the clock runs between two events."""

        def __rich__(self) -> Any:
            if not running["stage"]:
                return Text("")
            line = f"{running['stage']:<9} {time.monotonic() - running['since']:6.1f} s  "
            total = running["total"]
            bar = f"{bar_of(running['done'] / total)} " if total else ""
            spinner.update(text=Text(f"{line}{bar}{running['text']}", overflow="ellipsis", no_wrap=True))
            return Group(spinner)

    def observe(event: Event) -> None:
        if event.name == "stage_started":
            running.update(stage=event.stage, text="", since=time.monotonic(), done=0.0, total=None)
        elif event.name == "progress":
            running.update(stage=event.stage or running["stage"], text=event.text, done=event.done, total=event.total)
            running["since"] = running["since"] or time.monotonic()
        elif event.name == "message":
            console.print(Text(f"  {event.stage:<9} {event.text}", style="dim"))
        elif event.name == "stage_finished":
            console.print(Text(f"✓ {event.stage:<9} {event.text}"))
            running["stage"] = ""
        elif event.name == "stage_cached":
            console.print(Text(f"= {event.stage:<9} {event.text}", style="dim"))

    with Live(Now(), console=console, refresh_per_second=10, transient=True):
        yield observe


def bar_of(share: float, width: int = 20) -> str:
    """``━━━━━━╌╌╌╌``"""
    full = round(max(0.0, min(1.0, share)) * width)
    return "━" * full + "╌" * (width - full)

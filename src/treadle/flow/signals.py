"""Ctrl-C and SIGTERM: the first asks a search to end with the best so far, the second (or any other stage) stops.

What was finished is kept, and the next run goes on from there.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from treadle.core.errors import Interrupted
from treadle.core.events import Events


class Stopper:
    """Turns signals into the wish to stop.

    Attributes:
        graceful: whether the work that is going on ends by itself, with a good result, when asked to.
    """

    def __init__(self, events: Events) -> None:
        self.events = events
        self.graceful = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Ask once, then interrupt."""
        if self.graceful and not self.events.stopping:
            self.events.stop()
            self.events.message("stopping with the best so far; once more to break off")
            return
        raise KeyboardInterrupt


@contextlib.contextmanager
def interruptible(events: Events) -> Iterator[Stopper]:
    """While the block runs, signals end it in good order, as `Interrupted` (exit code 130).

    Outside the main thread, where Python takes no signals, only `Events.stop` works.
    """
    stopper = Stopper(events)
    old = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ValueError, OSError):
                old[number] = signal.signal(number, stopper.handle)
    try:
        yield stopper
    except KeyboardInterrupt:
        raise Interrupted("stopped", remedy="the same command goes on from here: finished stages are kept") from None
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)

"""What happens during work, told to whoever listens: progress bars, logs, tests.

An observer is a function of one `Event`. It may watch, never steer: one that fails is reported once and left out.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger("treadle")


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        name: ``stage_started``, ``stage_finished``, ``stage_cached``, ``progress`` or ``message``.
        stage: the stage it happened in.
        text: one line for a person.
        done, total: how far ``progress`` is; ``total`` is None where nobody can know.
        facts: whatever else is known, JSON types only.
    """

    name: str
    stage: str = ""
    text: str = ""
    done: float = 0.0
    total: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)


Observer = Callable[[Event], None]


class Events:
    """Hands each event to all observers, and carries the wish to stop."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = list(observers)
        self._stop = threading.Event()
        self.stage = ""

    def emit(self, event: Event) -> None:
        """Tell every observer; one that raises is dropped."""
        for observer in list(self._observers):
            try:
                observer(event)
            except Exception as error:
                self._observers.remove(observer)
                log.warning("an observer failed and is left out: %s", error)

    def progress(self, text: str, done: float, total: float | None = None, **facts: Any) -> None:
        """Say how far the current stage is."""
        self.emit(Event("progress", self.stage, text, done, total, facts))

    def message(self, text: str, **facts: Any) -> None:
        """Say one line about the current stage."""
        self.emit(Event("message", self.stage, text, facts=facts))

    def stop(self) -> None:
        """Ask the work to end at the next good moment, keeping the best so far."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stop.is_set()

"""URLs that may carry a password: how to show them, and how to keep secrets out of messages."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator

from treadle.core.errors import Problems, TreadleError

USER = re.compile(r"(?<=://)[^/?#@\s]*(?::[^/?#\s]*)?@")
SECRET_KEYS = re.compile(
    r"(?i)([?&;](?:password|passwd|pwd|token|secret|key|api_?key|access_?key|sig|signature|auth)=)[^&;\s]*"
)


def redact(url: str) -> str:
    """The URL without user, password and secret-looking parameters."""
    return SECRET_KEYS.sub(r"\1***", USER.sub("***@", url))


def scheme_of(url: str) -> str:
    """``s3`` of ``s3://bucket/key``, in small letters; empty for a path."""
    head, mark, _ = url.partition("://")
    return head.lower() if mark else ""


@contextlib.contextmanager
def hidden(secrets: Iterable[str]) -> Iterator[None]:
    """Whatever error leaves the block, none of these texts is in its message."""
    known = sorted({secret for secret in secrets if len(secret) >= 3}, key=len, reverse=True)

    def clean(text: str | None) -> str | None:
        for secret in known:
            text = text.replace(secret, "***") if text else text
        return text

    def told(error: TreadleError) -> TreadleError:
        if isinstance(error, Problems):
            return Problems(map(told, error.problems))
        return TreadleError(
            clean(error.problem) or "", where=clean(error.where), expected=clean(error.expected),
            remedy=clean(error.remedy),
        )  # fmt: skip

    try:
        yield
    except TreadleError as error:
        if not known:
            raise
        raise told(error) from None

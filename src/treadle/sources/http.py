"""Files behind ``http://`` and ``https://``."""

from __future__ import annotations

import base64
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from treadle.core.errors import TreadleError
from treadle.core.options import Doc, Range
from treadle.core.types import SourceTags
from treadle.core.urls import redact, scheme_of
from treadle.sources._cache import MOST_GIGABYTES, Cache
from treadle.sources._delegate import ENDINGS, Delegating, file_source
from treadle.sources._files import ends_with

TYPES = {
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/json": ".json",
    "application/x-ndjson": ".jsonl",
    "application/jsonl": ".jsonl",
    "application/vnd.apache.parquet": ".parquet",
    "text/plain": ".txt",
}


class Http(Delegating):
    """A file on a web server, kept in the workspace and fetched again only when the server says that it changed.

    Each run asks once (``If-None-Match``, ``If-Modified-Since``); the fingerprint is the hash of the bytes. User and
    password in the URL are sent as basic authentication, to that server only.
    """

    tags = SourceTags(whole=True)

    def __init__(
        self,
        *,
        url: str,
        cache: Annotated[str | None, Doc("the folder for downloads; the workspace's by default")] = None,
        most: Annotated[float, Range(0), Doc("largest download, in gigabytes")] = MOST_GIGABYTES,
        timeout: Annotated[float, Range(0.1), Doc("seconds to wait for an answer")] = 60.0,
        reading: Annotated[Mapping[str, Any] | None, Doc("options of the file's own format, such as separator")] = None,
    ) -> None:
        self.url = url
        self.cache = cache
        self.most = most
        self.timeout = timeout
        self.reading = reading

    @classmethod
    def matches(cls, url: str) -> bool:
        """By the scheme."""
        return scheme_of(url) in ("http", "https")

    def sources(self) -> list[tuple[str, Any]]:
        """The fetched file, asked for once by each instance."""
        if not hasattr(self, "_found"):
            self._found = self._fetched()
        return self._found

    def _fetched(self) -> list[tuple[str, Any]]:
        shown = redact(self.url)
        cache = Cache(self.cache, shown)
        path, facts = cache.known()
        try:
            opener = urllib.request.build_opener()
            with opener.open(self._request(facts), timeout=self.timeout) as answer:
                length = answer.headers.get("Content-Length")
                kept = {"etag": answer.headers.get("ETag"), "modified": answer.headers.get("Last-Modified"),
                        "length": int(length) if length and length.isdigit() else None}  # fmt: skip
                path = cache.keep(self._name(answer.headers), answer, kept, most=self.most, where=shown)
        except urllib.error.HTTPError as error:
            if error.code != 304 or path is None:
                remedy = "check user, password or token" if error.code in (401, 403) else "check the address"
                raise TreadleError(f"the server answers {error.code} {error.reason}", where=shown,
                                   remedy=remedy) from None  # fmt: skip
        except (urllib.error.URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise TreadleError(f"cannot be fetched ({redact(str(reason))})", where=shown,
                               remedy="check the address and the network, then run again") from None  # fmt: skip
        source = file_source(path, self.reading)
        return [(path.name, source)]

    def _request(self, facts: Mapping[str, Any]) -> urllib.request.Request:
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        request = urllib.request.Request(  # noqa: S310 (http and https only, see `matches`)
            urlunsplit((parts.scheme, host, parts.path, parts.query, "")), headers={"User-Agent": "treadle"}
        )
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            # Unredirected: another server that this one points to does not get to see it.
            request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(pair).decode())
        if facts.get("etag"):
            request.add_header("If-None-Match", str(facts["etag"]))
        if facts.get("modified"):
            request.add_header("If-Modified-Since", str(facts["modified"]))
        return request

    def _name(self, headers: Message) -> str:
        """The file's name in the URL, with an ending that says its format."""
        name = unquote(urlsplit(self.url).path).rstrip("/").rpartition("/")[2].replace("\\", "_") or "data"
        if ends_with(name, ENDINGS):
            return name
        ending = TYPES.get(headers.get_content_type())
        if ending is None:
            raise TreadleError(
                f"neither its name nor its type ({headers.get_content_type()}) says what format this is",
                where=redact(self.url), expected=f"a name that ends in {', '.join(ENDINGS)}",
            )  # fmt: skip
        return name + ending


COMPONENT = Http

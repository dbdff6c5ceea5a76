"""The bytes behind a URL. Errors come in two kinds: those that may pass, and those that will not."""

import http.client
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import IO, cast

import fsspec

from cartoon_dist.errors import ShardError

TIMEOUT_SECONDS = 60.0
"""How long a server may be silent."""
BLOCK_BYTES = 1 << 20
_BUSY = frozenset({408, 425, 429})
_EXTRA = re.compile(r"s3a?://")


class PassingError(ShardError):
    """A file could not be had, and the same try may do later: a server that is busy, a connection that broke."""


def blocks(url: str) -> Iterator[bytes]:
    """The content behind a URL, block by block; PassingError or ShardError, on one line, when it cannot be had."""
    try:
        with _opened(url) as source:
            done = 0
            while block := source.read(BLOCK_BYTES):
                done += len(block)
                yield block
            told = source.getheader("Content-Length") if isinstance(source, http.client.HTTPResponse) else None
    except ImportError as error:
        remedy = "pip install 'cartoon-dist[remote]'" if _EXTRA.match(url) else "install what it names"
        raise ShardError(f"{url}: needs a package that is not installed ({_words(error)}); {remedy}") from None
    except urllib.error.HTTPError as error:
        error.close()
        kind = PassingError if error.code in _BUSY or error.code >= 500 else ShardError
        raise kind(f"{url}: {error.code} {error.reason}; give the URL of a finished shard folder") from None
    except FileNotFoundError:
        raise ShardError(f"{url}: is not there; give the URL of a finished shard folder") from None
    except (PermissionError, IsADirectoryError, NotADirectoryError, ValueError) as error:
        raise ShardError(f"{url}: {_words(error)}; give the URL of a finished shard folder") from None
    except Exception as error:  # noqa: BLE001 (every store has errors of its own)
        raise PassingError(f"{url}: cannot be reached ({_words(error)}); see whether the server is up") from None
    if told is not None and done < int(told):
        raise PassingError(f"{url}: ended after {done} of {told} bytes; see whether the server is up")


def _opened(url: str) -> AbstractContextManager[IO[bytes]]:
    if url.startswith(("http://", "https://")):
        scheme, rest = url.split("://", 1)
        return cast(
            AbstractContextManager[IO[bytes]],
            urllib.request.urlopen(f"{scheme}://{urllib.parse.quote(rest, safe='/:@%[]')}", timeout=TIMEOUT_SECONDS),
        )
    return cast(AbstractContextManager[IO[bytes]], fsspec.open(url, "rb"))


def _words(error: BaseException) -> str:
    cause = getattr(error, "reason", error)  # urllib wraps what the system said
    said = getattr(cause, "strerror", None) or cause
    return " ".join(str(said).split()) or type(error).__name__

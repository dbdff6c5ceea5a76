"""The bytes behind a URL. Errors come in two kinds: those that may pass, and those that will not."""

import re
from collections.abc import Generator, Iterator

import fsspec

from cartoon_dist.errors import ShardError
from cartoon_dist.files.http import BLOCK_BYTES, LEAST_RATE, HttpStream, RefusedError, TransferError, within, words

STORE_SECONDS = 150.0
"""In place of a minute for what fsspec reads: some stores take blocks of 50 MB from theirs before they give a byte."""
_EXTRA = re.compile(r"s3a?://")
_REMEDY = "give the URL of a finished shard folder"


class PassingError(ShardError):
    """A file could not be had, and the same try may do later: a server that is busy, a connection that broke."""


def blocks(url: str, *, most_bytes: int) -> Generator[bytes, None, None]:
    """The content behind a URL, block by block; PassingError or ShardError, on one line, when it cannot be had, comes
    too slowly (files/http.py) or has more than so many bytes."""
    try:
        if url.lower().startswith(("http://", "https://")):
            yield from within(HttpStream(url, most_bytes=most_bytes), most_bytes=most_bytes)
        else:
            # A chain such as simplecache::s3:// fetches all of a file before it gives a byte.
            whole = most_bytes / LEAST_RATE if "::" in url else 0.0
            yield from within(_StoreStream(url), most_bytes=most_bytes, window_seconds=STORE_SECONDS + whole)
    except RefusedError as error:
        raise ShardError(f"{url}: {error}; {_REMEDY}") from None
    except TransferError as error:
        raise PassingError(f"{url}: {error}; see whether the server is up") from None
    except ImportError as error:
        remedy = "pip install 'cartoon-dist[remote]'" if _EXTRA.match(url) else "install what it names"
        raise ShardError(f"{url}: needs a package that is not installed ({words(error)}); {remedy}") from None
    except FileNotFoundError:
        raise ShardError(f"{url}: is not there; {_REMEDY}") from None
    except (PermissionError, IsADirectoryError, NotADirectoryError, ValueError) as error:
        raise ShardError(f"{url}: {words(error)}; {_REMEDY}") from None
    except Exception as error:  # noqa: BLE001 (every store has errors of its own)
        raise PassingError(f"{url}: cannot be reached ({words(error)}); see whether the server is up") from None


class _StoreStream:
    """What fsspec reads."""

    def __init__(self, url: str) -> None:
        self.url = url

    def pieces(self) -> Iterator[bytes]:
        with fsspec.open(self.url, "rb") as source:
            while block := source.read(BLOCK_BYTES):
                yield block

    def hang_up(self) -> None:
        """Nothing: fsspec has its own time limits, and its thread ends with the process."""

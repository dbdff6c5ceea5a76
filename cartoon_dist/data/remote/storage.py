"""The bytes behind a URL. Errors are of two kinds: transient ones, where a retry may help, and permanent ones."""

import re
from collections.abc import Generator, Iterator

import fsspec

from cartoon_dist.errors import ShardError
from cartoon_dist.files.http import (
    BLOCK_BYTES,
    MIN_BYTES_PER_SECOND,
    HttpStream,
    PermanentTransferError,
    TransientTransferError,
    error_text,
    read_bounded,
)

STORE_WINDOW_SECONDS = 150.0
"""For what fsspec reads, in place of a minute: some stores read blocks of 50 MB before they return a byte."""
_EXTRA = re.compile(r"s3a?://")
_REMEDY = "give the URL of a finished shard folder"


class TransientError(ShardError):
    """A file could not be fetched, but a later try may succeed: a busy server, a broken connection."""


def read_blocks(url: str, *, most_bytes: int) -> Generator[bytes, None, None]:
    """The content behind a URL, block by block; TransientError or ShardError, on one line, when it cannot be fetched,
    comes too slowly (files/http.py) or has more than so many bytes."""
    try:
        if url.lower().startswith(("http://", "https://")):
            yield from read_bounded(HttpStream(url, max_bytes=most_bytes), max_bytes=most_bytes)
        else:
            # A chain such as simplecache::s3:// fetches the whole file before it returns a byte.
            extra_seconds = most_bytes / MIN_BYTES_PER_SECOND if "::" in url else 0.0
            yield from read_bounded(
                _StoreStream(url), max_bytes=most_bytes, window_seconds=STORE_WINDOW_SECONDS + extra_seconds
            )
    except PermanentTransferError as error:
        raise ShardError(f"{url}: {error}; {_REMEDY}") from None
    except TransientTransferError as error:
        raise TransientError(f"{url}: {error}; see whether the server is up") from None
    except ImportError as error:
        remedy = "pip install 'cartoon-dist[remote]'" if _EXTRA.match(url) else "install what it names"
        raise ShardError(f"{url}: needs a package that is not installed ({error_text(error)}); {remedy}") from None
    except FileNotFoundError:
        raise ShardError(f"{url}: is not there; {_REMEDY}") from None
    except (PermissionError, IsADirectoryError, NotADirectoryError, ValueError) as error:
        raise ShardError(f"{url}: {error_text(error)}; {_REMEDY}") from None
    except Exception as error:  # noqa: BLE001 (every store has errors of its own)
        raise TransientError(f"{url}: cannot be reached ({error_text(error)}); see whether the server is up") from None


class _StoreStream:
    """A file as fsspec reads it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def chunks(self) -> Iterator[bytes]:
        with fsspec.open(self.url, "rb") as source:
            while block := source.read(BLOCK_BYTES):
                yield block

    def abort(self) -> None:
        """Nothing: fsspec has its own time limits, and its thread ends with the process."""

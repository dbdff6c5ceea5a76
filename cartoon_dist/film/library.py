"""PyAV, the library that reads and writes films: whether it is there, and which FFmpeg it brings."""

from cartoon_dist.extras import missing


def prepare() -> None:
    """Before anything else of this room is imported; ConfigError where PyAV is not installed.

    FFmpeg's own lines on standard error are switched off: what matters of them is told in ours.
    """
    try:
        import av
    except ImportError as error:
        raise missing("av", "film") from error
    av.logging.set_level(None)


def version() -> str:
    """The version of the encoders, whose output may differ from one to the next."""
    import av

    return ".".join(map(str, av.library_versions["libavcodec"]))

"""FFmpeg, as PyAV brings it."""

import av


def silence() -> None:
    """Keep FFmpeg's own lines off standard error; what matters of them is told by us."""
    av.logging.set_level(None)


def encoder_version() -> str:
    """The version of its encoders, on which the bytes of a film depend."""
    return ".".join(map(str, av.library_versions["libavcodec"]))

"""The tracks of a source that go into the drawn film as they are: sound, subtitles, fonts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

_WRITERS_OWN = frozenset({"encoder", "major_brand", "minor_version", "compatible_brands", "duration", "bps", "rotate"})
"""Metadata in which a container's writer speaks of what it wrote."""
_STATISTICS = ("number_of_", "_statistics_")
_MARK = "drawn by cartoon-dist"
_CHAPTER_TRACK = "bin_data"
"""What FFmpeg calls the track of an .mp4 that repeats the chapters' names."""


@dataclass(frozen=True)
class CopiedTracks:
    """streams: the output's stream for a source's, by the source's index. left_out: the others in words, each with the
    reason."""

    streams: Mapping[int, Stream]
    left_out: tuple[str, ...]


def add_tracks(source: InputContainer, output: OutputContainer, *, drawn: int) -> CopiedTracks:
    """Add to the output what is copied from the source; `drawn` is the index of the video that is drawn.

    The packets are to be copied by `copied_packets`.
    """
    streams: dict[int, Stream] = {}
    left_out: list[str] = []
    for stream in source.streams:
        if stream.index == drawn or _repeats_chapters(source, stream):
            continue
        reason = _why_not(stream, output)
        if not reason:
            try:
                made = output.add_stream_from_template(stream, opaque=True)
            except ValueError:
                reason = f"a {output.format.name.split(',')[0]} file cannot hold it"
            else:
                made.metadata.update(kept_metadata(stream.metadata))
                made.disposition = stream.disposition
                made.time_base = stream.time_base
                streams[stream.index] = made
        if reason:
            left_out.append(f"{_describe(stream)}: {reason}")
    return CopiedTracks(streams, tuple(left_out))


def copied_packets(source: InputContainer, tracks: CopiedTracks) -> "Iterator[Packet[Stream]]":
    """The packets of the copied tracks as they lie in the source, ready to be muxed."""
    wanted = [stream for stream in source.streams if stream.index in tracks.streams]
    for packet in source.demux(wanted) if wanted else ():
        if packet.dts is None and packet.pts is not None:
            packet.dts = packet.pts
        if packet.dts is None or packet.is_corrupt:  # the end, or a packet that is cut by it
            continue
        packet.stream = tracks.streams[packet.stream_index]
        yield packet


def kept_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """What metadata say of the film, without what they say of its file."""
    return {
        name: text
        for name, text in metadata.items()
        if name.lower().partition("-")[0] not in _WRITERS_OWN and not name.lower().startswith(_STATISTICS)
    }


def marked(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata of a film with our mark in its comment, the one field that every container keeps."""
    comment = next((text for name, text in metadata.items() if name.lower() == "comment"), "")
    others = {name: text for name, text in metadata.items() if name.lower() != "comment"}
    return others | {"comment": comment if _MARK in comment else f"{comment} ({_MARK})" if comment else _MARK}


def is_drawn(path: Path) -> bool:
    """Whether a file is a film that was drawn by this program."""
    try:
        with av.open(str(path), metadata_errors="replace") as film:
            return any(name.lower() == "comment" and _MARK in text for name, text in film.metadata.items())
    except (av.FFmpegError, OSError):
        return False


def _why_not(stream: Stream, output: OutputContainer) -> str:
    if stream.type == "video":
        is_cover = stream.disposition & Disposition.attached_pic
        return "its cover is no drawing" if is_cover else "only the first video is drawn"
    if stream.type == "attachment":
        return "" if output.format.name == "matroska" else "only an .mkv holds attached files"
    if stream.type not in ("audio", "subtitle"):
        return "only sound and subtitles are copied"
    return ""


def _repeats_chapters(source: InputContainer, stream: Stream) -> bool:
    return stream.type == "data" and stream.name == _CHAPTER_TRACK and bool(source.chapters())


def _describe(stream: Stream) -> str:
    words = [f"{stream.type} track {stream.index}", stream.name or "", stream.language or ""]
    return " ".join(word for word in words if word and word != "und")

"""Films through a generator: decoded, drawn in batches, encoded with the times, sound and subtitles of the source."""

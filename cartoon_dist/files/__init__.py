"""Files on disk and bytes from the network: read within bounds, written whole or not at all."""

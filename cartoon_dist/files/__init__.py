"""Files on disk and content from the network: reading within bounds, atomic writing, locks."""

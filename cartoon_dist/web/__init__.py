"""A page to try models in a browser: served from this machine, or as files that draw in the visitor's own browser."""

"""The parser of each command: all that --help needs, so no module here imports torch or what decodes pictures."""

"""Models by name: the built-in one, a path, or a repository on a model hub."""

"""Every setting, its default, and the one way to read them: YAML files and key=value words."""

"""What files that anybody may have written can hold, for all tests of what reads them."""

BOMB = "\n".join(f"{name}: &{name} [{', '.join([f'*{before}'] * 9 if before else ['x'] * 9)}]"
                 for before, name in zip(["", *"abcdefgh"], "abcdefghi", strict=True))  # fmt: skip
MERGES = "\n".join(f"{name}: &{name} {{{f'<<: [*{before}' + f', *{before}' * 8 + ']' if before else 'x: 1'}}}"
                   for before, name in zip(["", *"abcdefgh"], "abcdefghi", strict=True))  # fmt: skip
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "a key twice": ("seed: 1\nepochs: 2\nseed: 3\n", "gives seed twice, in line 3, first in line 1"),
    "an inner key twice": ("loss:\n  content: {weight: 1, weight: 2}\n", "gives weight twice, in line 2"),
    "deep": ("a: " + "[" * 100_000, "nested more than 20 deep, in line 1"),
    "deep blocks": ("\n".join(" " * depth + "a:" for depth in range(500)), "nested more than 20 deep"),
    "anchors": (BOMB, "more than 20000 values"),
    "merged anchors": (MERGES, "more than 20000 values"),
    "itself": ("a: &a [*a]", "holds itself, in line 1"),
    "large": ("# " + "x" * 300_000, "larger than 256 KiB"),
    "digits": ("seed: " + "9" * 5000, "holds no int where it says so, in line 1"),
    "no number": ("seed: 1\nepochs: !!int abc", "holds no int where it says so, in line 2"),
    "no truth": ("score_at_end: !!bool abc", "holds no bool"),
    "nothing": ("seed: !!int ''", "holds no int"),
    "a binary": ("run_dir: !!binary eA==", "of the kind tag:yaml.org,2002:binary"),
    "a set": ("run_dir: !!set {a}", "of the kind tag:yaml.org,2002:set"),
    "a moment": ("run_dir: !!timestamp x", "of the kind tag:yaml.org,2002:timestamp"),
    "a program": ("run_dir: !!python/object/apply:os.system [x]", "of the kind tag:yaml.org,2002:python"),
    "a key that is a number": ("1: 2", "a key that is no plain word, in line 1"),
    "a key that is a list": ("? [a]\n: 1", "a key that is no plain word"),
    "two documents": ("--- {}\n--- {}", "not YAML"),
    "no YAML": ("a: [1", "not YAML"),
    "not UTF-8": (b"run_dir: \xff", "line 1 is not UTF-8 text"),
    "control characters": (b"run_dir: a\x1bb", "not YAML"),
}
"""YAML that is not taken: by what it is, the text and what is said of it."""
JSON = ["[" * 100_000, '{"a": ' * 100_000, "9" * 5000, "{", "\x1b", b"\xff", "null", "3", "[]", '[{"step": []}]']
"""JSON that is none, or not what any file of ours holds."""
NAMES = ["a\nb", "a\rb", "a\x1b[2Jb", "a\x9bb", "a\udcffb", "a\u202eb", "a\u2028b"]
"""Parts of names that steer a terminal or end a line; all but the NUL may stand in a file's name."""

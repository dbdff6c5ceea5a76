"""The lines of a session as Markdown: what was measured, where, when and on what versions."""

from collections.abc import Iterable, Sequence
from typing import Any

from bench.gpu_proof import comparison_tables
from bench.gpu_proof.markdown import number, percent, table
from bench.gpu_proof.record import NOT_RUN, Line, headline

KIND_NAMES = {
    "textbook": "textbook loop",
    "plain": "plain",
    "generator": "captured, generator",
    "iteration": "captured, iteration",
}
NOT_NOTED = "not noted"


def of_sessions(lines: Sequence[Line], *, level: int = 3) -> str:
    """All sessions, each under a heading, in the order in which they appear."""
    names = dict.fromkeys(line["session"] for line in lines)
    return "\n\n".join(of_session([line for line in lines if line["session"] == name], level=level) for name in names)


def of_session(lines: Sequence[Line], *, level: int = 3) -> str:
    """One session: a heading, where it was measured, and a table of each thing that it holds."""
    device = next((line["device"] for line in lines if line.get("device")), "unknown device")
    head = f"{'#' * level} {device}, {lines[0]['date'][:10]}"
    parts = [head, *_origin(lines)]
    for title, shown in (
        ("", stages(lines)),
        ("Goals", comparison_tables.goals(lines)),
        ("What each optimisation is worth", comparison_tables.switched(lines)),
        ("Two processes, bf16", comparison_tables.averaging(lines)),
        ("Milliseconds a step", speed(lines)),
        ("Ceiling", ceiling(lines)),
        ("Where the time of a step goes", profile(lines)),
        ("Longest kernels", longest(lines)),
        ("What tests noted", recorded(lines)),
        ("Drawing, TF32 off", comparison_tables.drawing(lines)),
        ("Norm, ReLU and padding, forward and backward, bf16", comparison_tables.compiled(lines)),
        ("Waiting for data", comparison_tables.waiting(lines)),
        ("Training, from pictures to a score", training(lines)),
        ("Noted", notes(lines)),
    ):
        if shown:
            parts += [f"{title}:"] * bool(title) + [shown]
    return "\n\n".join(parts)


def stages(lines: Sequence[Line]) -> str:
    """The result of each stage; empty where none was recorded."""
    rows = []
    for line in lines:
        if "part" in line or line.get("ok", "") == "":
            continue
        words = {True: "passed", False: "**failed**", None: "nothing to check here"}[line["ok"]]
        if line.get("failure") == NOT_RUN:
            words = "**not run**"
        why = headline(line.get("failure", "")) or _counts(line.get("results", {}))
        rows.append((line["stage"], words, number(line.get("seconds")), number(line.get("limit_seconds")), why))
    return table(("stage", "", "seconds", "limit", ""), rows)


def speed(lines: Sequence[Line]) -> str:
    """A row for each kind of step; `against plain` is how many times faster than the plain step of its cell."""
    cells = _parts(lines, "cell")
    plain = {_cell(cell): _middle(cell) for cell in cells if cell["kind"] == "plain"}
    rows: list[tuple[str, ...]] = []
    for cell in cells:
        batch, precision = str(cell["batch_size"]), str(cell.get("precision") or NOT_NOTED)
        kind = str(KIND_NAMES.get(cell["kind"], cell["kind"]))
        if cell.get("failure"):
            rows.append((batch, precision, kind, headline(cell["failure"]), "", "", "", "", ""))
            continue
        middle, base = _middle(cell), plain.get(_cell(cell))
        gain = f"{base / middle:.1f}" if base and cell["kind"] in KIND_NAMES else ""
        rows.append(
            (
                batch,
                precision,
                kind,
                _milliseconds(cell),
                gain,
                f"{cell['batch_size'] / middle * 1e3:.0f}",
                number(cell.get("peak_mib")),
                percent(cell.get("idle_share")),
                percent(cell.get("share_of_ceiling")),
            )
        )
    head = ("batch", "precision", "step", "ms", "against plain", "images/s", "peak MiB", "idle", "of the ceiling")
    used = [0, 1, 2, 3, *(column for column in range(4, 9) if any(row[column] for row in rows))]
    return table([head[column] for column in used], [[row[column] for column in used] for row in rows])


def ceiling(lines: Sequence[Line]) -> str:
    """The rate of cuDNN's 3x3 convolution, with as many channels out as in, by layout."""
    rows = []
    parts = _parts(lines, "ceiling")
    for part in [part for part in parts if part["stage"] == "speed"] or parts:  # `drawing` measures it too
        num, channels, height, width = part["shape"]
        rows.append((f"{part['layout']}, batch {num}, {channels} channels, {height}x{width}", number(part["tflops"])))
    return table(("3x3 convolution, bf16", "TFLOP/s"), rows)


def profile(lines: Sequence[Line]) -> str:
    """Milliseconds of a step by group of kernels."""
    results = _results(lines, "profile")
    if "groups" not in results:
        return ""
    rows = [
        (row["group"], _milliseconds(row), percent(row.get("share")), number(row.get("launches")))
        for row in results["groups"]
    ]
    rows.append(("all", number(results.get("kernel_ms")), "", number(results.get("launches"))))
    names = f"batch {results['batch_size']}, {results['precision']}, {KIND_NAMES.get(results['mode'], 'plain')}"
    used = [0, 1, *(column for column in (2, 3) if any(row[column] for row in rows))]
    head = (names, "ms", "share", "launches")
    return table([head[column] for column in used], [[row[column] for column in used] for row in rows])


def longest(lines: Sequence[Line]) -> str:
    """The kernels that take the most time of a step; long names are cut."""
    top = _results(lines, "profile").get("top", [])
    rows = [(f"`{row['name'][:100]}`", row["group"], number(row["ms"]), number(row["launches"])) for row in top]
    return table(("kernel", "group", "ms", "launches"), rows)


def training(lines: Sequence[Line]) -> str:
    """Each command's status and seconds, and what the training reached."""
    rows = [(part["command"], str(part["status"]), number(part["seconds"])) for part in _parts(lines, "command")]
    results = _results(lines, "training")
    said = [
        f"{results['steps']} steps" if results.get("steps") else "",
        f"{results['images_per_second']:.0f} images/s at {results['image_size']} px"
        if results.get("images_per_second")
        else "",
        *(f"{name} {value:.4g}" for name, value in results.get("scores", {}).items()),
        results.get("no_score_because", ""),
    ]
    commands = table(("command", "status", "seconds"), rows)
    words = "; ".join(part for part in said if part)
    return "\n\n".join(part for part in (commands, words) if part)


def recorded(lines: Sequence[Line]) -> str:
    """Figures that tests have recorded, such as how far the GPU's result is from the CPU's."""
    rows = [
        (f"`{test.removeprefix('tests.gpu.')}`", name, value)
        for line in lines
        for test, properties in line.get("results", {}).get("noted", {}).items()
        for name, value in properties.items()
    ]
    return table(("test", "", ""), rows)


def notes(lines: Sequence[Line]) -> str:
    """Notes in words."""
    return "\n".join(f"* {part['text']}" for part in _parts(lines, "note"))


def _origin(lines: Sequence[Line]) -> list[str]:
    results = _results(lines, "versions") or next(iter(_parts(lines, "machine")), {})
    words = [
        f"{title} {results[name]}"
        for name, title in (
            ("torch", "torch"),
            ("cuda", "CUDA"),
            ("cudnn", "cuDNN"),
            ("nccl", "NCCL"),
            ("triton", "triton"),
            ("driver", "driver"),
            ("python", "Python"),
            ("cores", "CPU cores:"),
            ("commit", "commit"),
        )
        if results.get(name)
    ]
    if "c_compiler" in results:
        words.append("a C compiler" if results["c_compiler"] else "no C compiler")
    if results.get("missing"):
        words.append("missing packages: " + ", ".join(results["missing"]))
    sources = dict.fromkeys(line["source"] for line in lines if line.get("source"))
    without = dict.fromkeys(name for line in lines for name in line.get("without", []))
    said = [*sources, *(f"without {name}" for name in without)]
    said += ["**a rehearsal on a CPU, which measures nothing**"] * any(line.get("rehearsal") for line in lines)
    return [f"{'. '.join([', '.join(words)] * bool(words) + said)}."] if words or said else []


def _parts(lines: Iterable[Line], part: str) -> list[Line]:
    return [line for line in lines if line.get("part") == part]


def _results(lines: Iterable[Line], stage: str) -> dict[str, Any]:
    results: list[dict[str, Any]] = [line["results"] for line in lines if line["stage"] == stage and "results" in line]
    return results[-1] if results else {}


def _cell(cell: Line) -> tuple[Any, ...]:
    return (cell["batch_size"], cell.get("precision"))


def _middle(row: Line) -> float:
    """The median, or where only the ends of a range were noted, their middle."""
    if row.get("failure"):
        return 0.0
    return float(row["ms"] if row.get("ms") is not None else (row["ms_low"] + row["ms_high"]) / 2)


def _milliseconds(row: Line) -> str:
    return f"{row['ms']:.1f}" if row.get("ms") is not None else f"{row['ms_low']:g} to {row['ms_high']:g}"


def _counts(results: dict[str, Any]) -> str:
    if "passed" in results:
        parts = [f"{results['passed']} tests passed"]
        parts += [f"{len(results['skipped'])} skipped"] * bool(results.get("skipped"))
        return ", ".join(parts)
    if "cells" in results:
        return f"{results['cells']} of {results['of']} measured"
    return ""

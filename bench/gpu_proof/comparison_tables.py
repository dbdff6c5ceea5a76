"""Tables that compare: with the goals, with an optimisation left out; averages of processes, drawings, ways to compute
a norm, inputs."""

from collections.abc import Sequence

from bench.gpu_proof.goals import ESTIMATES, EVERYTHING, EXPECTED_MS, GOALS, NOTHING, WITHOUT_SWITCH
from bench.gpu_proof.markdown import number, percent, table
from bench.gpu_proof.record import Line, headline


def goals(lines: Sequence[Line], *, always: bool = False) -> str:
    """Each goal with what was measured, and whether it is reached; empty where nothing was, unless `always`."""
    values = [goal.read(lines) for goal in GOALS]
    is_no_result = any(line.get("source") or line.get("rehearsal") for line in lines)
    if not always and (is_no_result or all(value is None for value in values)):
        return ""
    rows = [
        (
            goal.what,
            goal.before,
            goal.asked,
            "" if value is None else f"{number(value)} {goal.unit}",
            goal.verdict(value),
        )
        for goal, value in zip(GOALS, values, strict=True)
    ]
    return table(("", "2026-11-26", "goal", "measured", ""), rows)


def switched(lines: Sequence[Line], *, always: bool = False) -> str:
    """The step with each optimisation left out, against the step with everything, and the estimate of that."""
    parts = {line["kind"]: line for line in lines if line.get("part") == "switched"}
    if not parts and not always:
        return ""
    whole = parts.get(EVERYTHING, {}).get("ms")
    names = list(parts) or [EVERYTHING, *ESTIMATES, NOTHING]
    rows = []
    for name in [*names, *(one for one in ESTIMATES if one not in names)]:
        part = parts.get(name, {})
        estimate = ESTIMATES.get(name, "")
        if name == EVERYTHING:
            estimate = "a step of {} to {} ms".format(*EXPECTED_MS)
        if part.get("failure"):
            rows.append((name, headline(part["failure"]), "", "", estimate))
            continue
        more = f"{part['ms'] - whole:+.2f}" if whole and part.get("ms") and name != EVERYTHING else ""
        rows.append((name, number(part.get("ms")), more, number(part.get("peak_mib")), estimate))
    words = "Without a switch, estimated: " + "; ".join(WITHOUT_SWITCH) + "."
    return table(("left out", "ms", "more than everything, ms", "peak MiB", "estimate"), rows) + f"\n\n{words}"


def averaging(lines: Sequence[Line]) -> str:
    """The step of several processes by when their gradients are averaged, against the first way."""
    parts = [line for line in lines if line.get("part") == "averaged"]
    rows = [
        (
            f"{part['processes']} x {part['batch_size']}",
            part["kind"],
            number(part["ms"]),
            f"{part['ms'] - parts[0]['ms']:+.2f}" if number_of_part else "",
            number(part["images_per_second"]),
        )
        for number_of_part, part in enumerate(parts)
    ]
    return table(("batch", "averaged", "ms", "more, ms", "images/s"), rows)


def drawing(lines: Sequence[Line]) -> str:
    """Pictures a second by size and precision; how far bf16 is from fp32."""
    rows: list[tuple[str, ...]] = []
    for part in (line for line in lines if line.get("part") == "drawing"):
        head = (part["what"], part["precision"])
        if part.get("failure"):
            rows.append((*head, headline(part["failure"]), "", "", "", "", ""))
            continue
        rate = part.get("images_per_second") or (1e3 / part["ms"] if part.get("ms") else None)
        passes = f"{part['passes']} passes" if part.get("passes") else ""
        apart = part.get("largest_difference")
        rows.append(
            (
                *head,
                number(part.get("batch_size")),
                number(part.get("ms")),
                number(rate),
                percent(part.get("share_of_ceiling")),
                passes + (f", {number(part['peak_mib'])} MiB" if part.get("peak_mib") else ""),
                "" if apart is None else f"{apart}, {part['mean_difference']:g}",
            )
        )
    titles = (
        "pictures",
        "precision",
        "batch",
        "ms a batch",
        "images/s",
        "of the ceiling",
        "",
        "largest, mean difference of 255",
    )
    return table(titles, rows)


def compiled(lines: Sequence[Line]) -> str:
    """Milliseconds of each way by shape, and the seconds until its first result."""
    rows = []
    for part in (line for line in lines if line.get("part") == "compiled"):
        shape = " x ".join(map(str, part["shape"]))
        if part.get("failure"):
            rows.append((shape, part["way"], headline(part["failure"]), ""))
        else:
            rows.append((shape, part["way"], number(part["ms"]), number(part["start_seconds"])))
    return table(("maps", "by", "ms", "seconds to start"), rows)


def waiting(lines: Sequence[Line]) -> str:
    """The share of a training's time in which it waited for a batch."""
    rows = [
        (f"data.keep={line['keep']}", number(line["data_wait_percent"]), number(line["images_per_second"]))
        for line in lines
        if line.get("part") == "input"
    ]
    return table(("", "waiting, %", "images/s"), rows)

"""Tables and figures in Markdown."""

from collections.abc import Sequence


def number(value: float | None) -> str:
    """Four digits; empty for None."""
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.4g}"


def percent(value: float | None) -> str:
    """A share in whole percent; empty for None."""
    return "" if value is None else f"{value:.0%}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; empty without rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in lines
    )

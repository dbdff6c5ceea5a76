"""The measured part of docs/gpu.md, written from recorded files: `python -m bench.gpu_proof --write-docs`."""

from collections.abc import Sequence
from pathlib import Path

from bench.gpu_proof import comparison_tables, tables
from bench.gpu_proof.plan import ROOT
from bench.gpu_proof.record import read_lines

PAGE = ROOT / "docs" / "gpu.md"
RECORDS = ROOT / "docs" / "gpu"
BEGIN, END = "<!-- measured: written by a command, see above -->", "<!-- end of what was measured -->"


def write(files: Sequence[Path], page: Path) -> None:
    """Replace what stands between the marks of the page; ValueError where the page lacks them."""
    page.write_text(rewritten(page.read_text(encoding="utf-8"), files), encoding="utf-8")


def rewritten(text: str, files: Sequence[Path]) -> str:
    """The page's text with the tables of the files in it, the newest file by name first."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page lacks its marks: {BEGIN} and {END}")
    newest_first = [read_lines([file]) for file in sorted(files, key=lambda file: file.name, reverse=True)]
    # What was measured by hand, of a version before, is what the goals start from, and not a result.
    newest = next((lines for lines in newest_first if not any(line.get("source") for line in lines)), [])
    hoped = [
        "### What is hoped for, and what came of it",
        "Goals:",
        comparison_tables.goals(newest, always=True),
        "What leaving out an optimisation costs, batch 8, bf16, captured:",
        comparison_tables.switched(newest, always=True),
    ]
    parts = [*hoped, *map(tables.of_sessions, newest_first)]
    return f"{before}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}{after}"


def recorded() -> list[Path]:
    """The files that the repository keeps."""
    return sorted(RECORDS.glob("*.jsonl"))

"""The measured part of docs/gpu.md, written from recorded files: `python -m bench.gpu_proof --write-docs`."""

from collections.abc import Sequence
from pathlib import Path

from bench.gpu_proof import tables
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
    shown = [tables.of_sessions(read_lines([file])) for file in sorted(files, key=lambda file: file.name, reverse=True)]
    return f"{before}{BEGIN}\n\n" + "\n\n".join(shown) + f"\n\n{END}{after}"


def recorded() -> list[Path]:
    """The files that the repository keeps."""
    return sorted(RECORDS.glob("*.jsonl"))

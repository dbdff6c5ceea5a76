"""Puts the folders that lie beside the package in a clone into it when a wheel is built: configs, Slurm scripts, sample
pictures. Everything else stands in pyproject.toml.

`cartoon_dist/files/shipped.py` finds them in both places, so that an installation from a clone (`pip install -e .`)
uses those of the clone.
"""

import ast
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


def shipped_folders() -> dict[str, str]:
    """What cartoon_dist/files/shipped.py says, read without importing the package, whose libraries are not here."""
    tree = ast.parse((ROOT / "cartoon_dist/files/shipped.py").read_text(encoding="utf-8"))
    [folders] = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "IN_CLONE"
    ]
    return dict(ast.literal_eval(folders))


class BuildWithFolders(build_py):
    """Copies the folders as well; an editable installation finds them where they are."""

    def run(self) -> None:
        """Build the package, then copy what travels with it."""
        super().run()
        if self.editable_mode:
            return
        for name, place in shipped_folders().items():
            inside = Path(self.build_lib) / "cartoon_dist" / name
            shutil.rmtree(inside, ignore_errors=True)  # of a build before
            shutil.copytree(ROOT / place, inside, ignore=shutil.ignore_patterns("__pycache__", ".*"))


setup(cmdclass={"build_py": BuildWithFolders})

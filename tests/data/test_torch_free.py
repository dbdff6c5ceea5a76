"""The rooms that make shards import no torch, so that a pool worker starts in a second and takes little memory."""

import subprocess
import sys

from tests.running import ROOT

ROOMS = ("image", "superpixels", "saliency", "data/format", "data/inputs", "data/build", "data/audit")
HEAVY = {"torch", "torchvision", "webdataset", "accelerate"}


def test_no_module_of_these_rooms_imports_torch() -> None:
    package = ROOT / "cartoon_dist"
    modules = sorted(
        path.relative_to(ROOT).with_suffix("") for room in ROOMS for path in (package / room).rglob("*.py")
    )
    assert len(modules) > len(ROOMS)
    # Each module's imports are compared with those before it, so that a failure names the module to mend.
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        f"    heavy = {HEAVY!r} & set(sys.modules)\n"
        "    assert not heavy, f'{name} imports {sorted(heavy)}'\n"
    )
    names = [".".join(module.parts).removesuffix(".__init__") for module in modules]
    result = subprocess.run([sys.executable, "-c", program, *names], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr

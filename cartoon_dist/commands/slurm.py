"""`cartoon-dist slurm copy`: the scripts for sbatch, in a folder of the user's, for this installation."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from cartoon_dist.commands.command_lines.slurm import parser
from cartoon_dist.commands.main import EXIT_DONE
from cartoon_dist.console.command_names import PROGRAM
from cartoon_dist.console.escape import escape_line, first_control_character, shell_quoted
from cartoon_dist.console.messages import pluralize, print_message, print_result
from cartoon_dist.errors import ConfigError
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.files.bounded import MAX_TEXT_BYTES, read_regular
from cartoon_dist.files.shipped import shipped

_SCRIPTS_LINE = "scripts=slurm "
_LAUNCH_LINE = "launch_config=configs/accelerate/ddp.yaml "
_ENVIRONMENT = ('activate="$(dirname', '. "$activate"\n')
"""How the lines begin that name a clone's places, and how the last of them ends."""


def main(argv: Sequence[str]) -> int:
    """Write the scripts; the exit status."""
    arguments = parser().parse_args(argv)
    folder = Path(arguments.folder).absolute()
    if character := first_control_character(str(folder)):
        raise ConfigError(f"{escape_line(folder)}: holds {character}, which no script may hold; use another folder")
    files = scripts(folder)
    kept = [] if arguments.replace else [name for name, text in files.items() if _is_changed(folder / name, text)]
    try:
        for name, text in files.items():
            if name not in kept:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                write_atomically(folder / name, text)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror}); name another folder") from None
    for name in kept:
        print_message(f"{folder / name}: was changed, and stays as it is; --replace takes the package's")
    told = f"{arguments.folder}: {pluralize(len(files) - len(kept), 'file')} written"
    print_result(
        f"{told}{f', {len(kept)} kept' if kept else ''}; look through "
        f"{shell_quoted(arguments.folder)}/environment.sh, then: sbatch {shell_quoted(arguments.folder)}/train_hayao.sh"
    )
    return EXIT_DONE


def scripts(folder: Path) -> dict[str, str]:
    """What goes into the folder, by name: scripts that find each other there, whatever folder they are started in, and
    use the environment that this Python is of."""
    quoted = shlex.quote(str(folder))
    files = {}
    for script in sorted(shipped("slurm").glob("*.sh")):
        text = script.read_text(encoding="utf-8")
        text = text.replace(_SCRIPTS_LINE, f"scripts={quoted} ")
        text = text.replace(_LAUNCH_LINE, f"launch_config={quoted}/accelerate/ddp.yaml ")
        text = text.replace("; run this from the project's folder", f"; make it again with: {PROGRAM} slurm copy")
        text = text.replace(" Run it from the project's folder.", "").replace(" slurm/", f" {folder.name}/")
        files[script.name] = _with_environment(text) if script.name == "environment.sh" else text
    for config in ("cpu", "ddp", "deepspeed"):
        path = shipped("configs") / f"accelerate/{config}.yaml"
        files[f"accelerate/{config}.yaml"] = path.read_text(encoding="utf-8")
    return files


def _with_environment(text: str) -> str:
    """The environment of this Python in place of the clone's."""
    before, start, rest = text.partition(_ENVIRONMENT[0])
    _, end, after = rest.partition(_ENVIRONMENT[1])
    assert start, "environment.sh names the clone's environment otherwise than expected"
    assert end, "environment.sh activates the clone's environment otherwise than expected"
    folder = Path(sys.executable).parent
    if (folder / "activate").is_file():
        return f"{before}. {shlex.quote(str(folder / 'activate'))}\n{after}"
    return f'{before}export PATH={shlex.quote(str(folder))}:"$PATH"\n{after}'


def _is_changed(path: Path, text: str) -> bool:
    """Whether a file is there that is not what would be written."""
    try:
        return read_regular(path, max_bytes=MAX_TEXT_BYTES) != text.encode()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name another folder") from None

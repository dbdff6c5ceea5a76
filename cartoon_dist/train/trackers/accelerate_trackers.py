"""wandb, mlflow and trackio through Accelerate's trackers: begin or go on with a run, send a row, end.

Accelerate hides most of what differs between them. What it does not hide is here: how a run is found again, how
pictures and changed settings are sent. The libraries' own watching of the machine (usage, host, program, git, console)
is switched off: sent is what a caller gives, and nothing else.
"""

import inspect
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from accelerate import tracking
from accelerate.state import PartialState

from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.train.trackers.progress import Progress


class Tracker(ABC):
    """A run at a tracker, begun or gone on with. Every method may raise whatever the library raises.

    sends_at_once: whether a row has arrived when the method that sends it returns; else a thread or a process of the
    library sends it later.
    """

    sends_at_once = False

    def __init__(self, tracker: Any) -> None:
        PartialState(cpu=True)  # Accelerate's trackers ask it whether this is the main process
        self.tracker = tracker
        self.tracker.start()

    @abstractmethod
    def send_settings(self, settings: Mapping[str, Any]) -> None:
        """Send the settings; those of before are replaced where the tracker lets us."""

    @abstractmethod
    def send_figures(self, step: int, figures: Mapping[str, float], row: int) -> None:
        """Send numbers of a step. row: the number of the row among all that were ever sent."""

    @abstractmethod
    def send_picture(self, step: int, picture: Path, row: int) -> None:
        """Send the sample picture of a step."""

    @abstractmethod
    def place(self) -> str:
        """Where the run can be looked at, in words."""

    def finish(self, *, killed: bool) -> None:  # noqa: ARG002
        """End; killed: the training was killed, and the run should look so where the tracker can show it."""
        self.tracker.finish()


class Wandb(Tracker):
    """wandb's own step is the number of the row, which must rise; its charts are drawn over `step`, the training's, so
    that a score of an earlier step stands where it belongs."""

    def __init__(self, run: RunFolder, progress: Progress) -> None:
        self.wandb = import_module("wandb")
        self.folder = Path(os.environ.get("WANDB_DIR") or run.root / "trackers")
        self.folder.mkdir(exist_ok=True)
        quiet = {"console": "off", "silent": True, "disable_git": True, "save_code": False, "host": "-"}
        quiet |= dict.fromkeys(("x_disable_meta", "x_disable_stats", "x_disable_machine_info"), True)
        quiet |= {"x_save_requirements": False}
        known = self.wandb.Settings.model_fields
        super().__init__(
            tracking.WandBTracker(
                progress.project,
                name=progress.name,
                id=progress.id,
                resume="allow",
                dir=str(self.folder),
                settings=self.wandb.Settings(**{name: value for name, value in quiet.items() if name in known}),
            )
        )
        self.tracker.tracker.define_metric("step", hidden=True)
        self.tracker.tracker.define_metric("*", step_metric="step")

    def send_settings(self, settings: Mapping[str, Any]) -> None:
        self.tracker.store_init_configuration(dict(settings))

    def send_figures(self, step: int, figures: Mapping[str, float], row: int) -> None:
        self._log(step, figures, row)

    def send_picture(self, step: int, picture: Path, row: int) -> None:
        # Not log_images: it has no place for the training's step beside the picture.
        self._log(step, {"samples": [self.wandb.Image(str(picture))]}, row)

    def _log(self, step: int, values: Mapping[str, Any], row: int) -> None:
        # Without commit=True a row stays here until the next one comes.
        self.tracker.log({**values, "step": step}, step=row, commit=True)

    def place(self) -> str:
        if self.wandb.run is not None and self.wandb.run.settings.mode.startswith("offline"):
            return f"offline, to be sent later: wandb sync {self.folder / 'wandb'}/offline-run-*"
        return str(self.tracker.tracker.url or "")

    def finish(self, *, killed: bool) -> None:
        if killed:
            self.tracker.tracker.finish(exit_code=1)
        else:
            self.tracker.finish()


class Mlflow(Tracker):
    """mlflow's server gives the id. It never changes a parameter: what changed when the run went on becomes a tag."""

    sends_at_once = True

    def __init__(self, run: RunFolder, progress: Progress) -> None:  # noqa: ARG002
        self.mlflow = import_module("mlflow")
        super().__init__(tracking.MLflowTracker(progress.project, run_id=progress.id or None, run_name=progress.name))
        self.id = progress.id = str(self.tracker.tracker.info.run_id)

    def send_settings(self, settings: Mapping[str, Any]) -> None:
        sent = self.mlflow.get_run(self.id).data.params
        self.tracker.store_init_configuration({name: value for name, value in settings.items() if name not in sent})
        changed = {name: value for name, value in settings.items() if sent.get(name, str(value)) != str(value)}
        self.mlflow.set_tags({f"setting.{name}": str(value) for name, value in changed.items()})

    def send_figures(self, step: int, figures: Mapping[str, float], row: int) -> None:  # noqa: ARG002
        self.tracker.log(dict(figures), step=step)

    def send_picture(self, step: int, picture: Path, row: int) -> None:  # noqa: ARG002
        self.tracker.log_artifact(str(picture), "samples")

    def place(self) -> str:
        return f"{self.id} at {self.mlflow.get_tracking_uri()}"

    def finish(self, *, killed: bool) -> None:
        if killed:
            self.mlflow.end_run("FAILED")
        else:
            self.tracker.finish()


class Trackio(Tracker):
    """trackio finds a run by its name. The settings are given when it begins: Accelerate's way to send them afterwards
    would add one of its own words to them."""

    def __init__(self, run: RunFolder, progress: Progress, settings: Mapping[str, Any]) -> None:  # noqa: ARG002
        self.trackio = import_module("trackio")
        wanted = {"embed": False, "auto_log_gpu": False, "auto_log_cpu": False}
        known = inspect.signature(self.trackio.init).parameters
        more = {name: value for name, value in wanted.items() if name in known}
        super().__init__(
            tracking.TrackioTracker(progress.project, name=progress.name, resume="allow", config=dict(settings), **more)
        )
        progress.id = str(getattr(self.tracker.tracker, "id", progress.name))

    def send_settings(self, settings: Mapping[str, Any]) -> None:
        pass

    def send_figures(self, step: int, figures: Mapping[str, float], row: int) -> None:  # noqa: ARG002
        self.tracker.log(dict(figures), step=step)

    def send_picture(self, step: int, picture: Path, row: int) -> None:  # noqa: ARG002
        self.tracker.log({"samples": self.trackio.Image(str(picture))}, step=step)

    def place(self) -> str:
        return f"to look at it: trackio show --project {self.tracker.tracker.project}"


def begin(name: str, run: RunFolder, progress: Progress, settings: Mapping[str, Any]) -> Tracker:
    """Begin the run at a tracker, or go on with it; an id that the tracker gives goes into `progress`."""
    if name == "trackio":
        return Trackio(run, progress, settings)
    return Wandb(run, progress) if name == "wandb" else Mlflow(run, progress)

"""A run's report, kept up to date while the run goes on."""

from cartoon_dist.console.messages import print_message
from cartoon_dist.errors import CheckpointError
from cartoon_dist.report import page
from cartoon_dist.runs.layout import RunFolder


class ReportRefresher:
    """Writes a run's report anew as the run goes on. What keeps it from being written is said once and stops
    nothing."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.has_warned = False

    def refresh(self) -> None:
        """Write the report, from rank 0 alone; a run that ended before it began has nothing to show."""
        if not self.run.config.exists():
            return
        try:
            page.write(self.run)
        except OSError as error:
            self._warn(f"{self.run.report}: cannot be written ({error.strerror})")
        except CheckpointError as error:
            self._warn(str(error))

    def _warn(self, reason: str) -> None:
        if not self.has_warned:
            print_message(f"warning: {reason}; the run goes on without it")
        self.has_warned = True

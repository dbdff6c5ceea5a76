"""gradio, imported when a page is to be served, and kept from sending anything anywhere."""

import os
from types import ModuleType

from cartoon_dist.extras import missing

_QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_RUN_HISTORY": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}


def import_gradio() -> ModuleType:
    """The library; ConfigError, with what to type, where it is not installed. Takes some seconds the first time.

    It reads GRADIO_TEMP_DIR, where uploads go, when it is imported.
    """
    os.environ.update(_QUIET)
    try:
        import gradio
    except ImportError as error:
        raise missing("gradio", "web") from error
    return gradio

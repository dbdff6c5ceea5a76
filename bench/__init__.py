"""How fast the parts are, each as a ratio to something known, timed in the same minute of the same process."""

import os

# One thread, as a worker has it; numerical libraries read these when they are first imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

#!/usr/bin/env bash
# Wheels of the program and of all that it needs, for machines without internet: bash launch/wheelhouse.sh [FOLDER [EXTRAS]]
# FOLDER: where the wheels go (default wheelhouse). EXTRAS: default train,score,film,hub.
# Run it where there is internet, with the Python (PYTHON=..., default python3) and the kind of machine of the nodes.
# pip's own variables count: PIP_EXTRA_INDEX_URL=... for a torch of another CUDA.
set -euo pipefail
folder=${1:-wheelhouse} extras=${2:-train,score,film,hub} python=${PYTHON:-python3}
clone=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$python" -m pip wheel --wheel-dir "$folder" "$clone[$extras]"
echo "$folder: $(find "$folder" -name '*.whl' | wc -l) wheels; on the node:"
printf "  python3 -m venv .venv && .venv/bin/pip install --no-index --find-links %q %q\n" "$folder" "cartoon-dist[$extras]"

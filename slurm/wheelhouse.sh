#!/usr/bin/env bash
# Wheels of the program and of all that it needs, for machines without internet:
#   bash slurm/wheelhouse.sh [FOLDER [EXTRAS [SOURCE]]]
# FOLDER: where the wheels go (default wheelhouse). EXTRAS: default train,score,film,hub. SOURCE: a clone, a wheel or the
# name cartoon-dist (default: the clone that this script lies in).
# Run it where there is internet, with the Python (PYTHON=..., default python3) and the kind of machine of the nodes.
# pip's own variables count: PIP_EXTRA_INDEX_URL=... for a torch of another CUDA.
set -euo pipefail
folder=${1:-wheelhouse} extras=${2:-train,score,film,hub}
clone=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ -f "$clone/pyproject.toml" ]; then source=${3:-$clone}; else source=${3:-cartoon-dist}; fi
python=${PYTHON:-python3}
"$python" -m pip wheel --wheel-dir "$folder" "$source[$extras]"
# Programs that start the build of a package, should one be built on the node.
"$python" -m pip wheel --quiet --wheel-dir "$folder" pip setuptools wheel
echo "$folder: $(find "$folder" -name '*.whl' | wc -l) wheels; on the node:"
echo "  $python -m venv .venv && .venv/bin/pip install --no-index --find-links $folder 'cartoon-dist[$extras]'"

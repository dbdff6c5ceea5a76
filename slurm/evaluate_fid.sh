#!/usr/bin/env bash
# The scores of a run:      sbatch slurm/evaluate_fid.sh RUN [key=value ...]
# On a login node           bash slurm/evaluate_fid.sh RUN [nodes=2] [key=value ...]
# submits the same through submitit. Run it from the project's folder. Preempted it starts again; out of time it ends.
#SBATCH --job-name=evaluate-fid
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=2:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
set -euo pipefail
scripts=slurm # the folder of these scripts; `cartoon-dist slurm copy` writes its own here
if [ ! -f "$scripts/environment.sh" ]; then
    echo "error: $scripts/environment.sh: not there; run this from the project's folder" >&2
    exit 2
fi

if [ -z "${SLURM_JOB_ID:-}" ]; then
    . "$scripts/environment.sh"
    export CARTOON_DIST_SITE="$scripts/environment.sh" # the job wants it as well
    exec python -m cartoon_dist submit fid gpus_per_node=4 time_hours=2 "$@"
fi
. "$scripts/every_node.sh"
every_node fid "$@"

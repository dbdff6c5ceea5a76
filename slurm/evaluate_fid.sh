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

if [ -z "${SLURM_JOB_ID:-}" ]; then
    . slurm/environment.sh
    exec python launch/submit.py fid gpus_per_node=4 time_hours=2 "$@"
fi
. slurm/every_node.sh
every_node launch/fid.py "$@"

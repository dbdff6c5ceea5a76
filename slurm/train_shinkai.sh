#!/usr/bin/env bash
# Training in a style of the paper:   sbatch slurm/train_shinkai.sh [MORE.yaml ...] [key=value ...]
# On more nodes:                      sbatch --nodes=2 slurm/train_shinkai.sh batch_size=8
# On a login node                     bash slurm/train_shinkai.sh [nodes=2 batch_size=8] [key=value ...]
# submits the same through submitit. Run it from the project's folder. Preempted or out of time it goes on by itself.
#SBATCH --job-name=train-shinkai
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --signal=USR2@120
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
    exec python -m cartoon_dist submit train shinkai gpus_per_node=4 time_hours=24 "$@"
fi
. "$scripts/every_node.sh"
every_node train shinkai "$@"

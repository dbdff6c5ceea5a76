#!/usr/bin/env bash
# Shards on many nodes:   sbatch slurm/build_shards.sh photos PHOTOS... OUT [key=value ...]
# Each task of the array builds its slice, the last to finish seals the folder; submitted again, it goes on.
# On a login node         bash slurm/build_shards.sh photos PHOTOS... OUT nodes=8 [key=value ...]
# submits the same through submitit. Run it from the project's folder.
#SBATCH --job-name=build-shards
#SBATCH --array=1-8
#SBATCH --nodes=1
#SBATCH --cpus-per-task=8
#SBATCH --time=4:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.log
set -euo pipefail
scripts=slurm # the folder of these scripts; `cartoon-dist slurm copy` writes its own here
if [ ! -f "$scripts/environment.sh" ]; then
    echo "error: $scripts/environment.sh: not there; run this from the project's folder" >&2
    exit 2
fi
. "$scripts/environment.sh"

if [ -z "${SLURM_JOB_ID:-}" ]; then
    export CARTOON_DIST_SITE="$scripts/environment.sh" # the job wants it as well
    exec python -m cartoon_dist submit shards "$@"
fi
domain=$1
shift
cpus=${SLURM_CPUS_PER_TASK:-1}
slice=$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT
status=0
srun --cpus-per-task="$cpus" python -m cartoon_dist shards "$domain" "num_workers=$cpus" "$@" "slice=$slice" || status=$?
# 75: stopped on request, finished shards kept. Time is up or the node is wanted, unless somebody cancels the job.
if [ "$status" = 75 ] && [ "$(squeue --noheader --jobs "$SLURM_JOB_ID" --format %T)" = RUNNING ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"

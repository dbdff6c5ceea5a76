# One command a node of this allocation: every_node COMMAND [WORD ...] starts its processes on all of them, one a GPU, or
# one a node where no GPUs were asked for. Sourced by the scripts beside it, which say in `scripts` where it lies.

launch_config=configs/accelerate/ddp.yaml # `cartoon-dist slurm copy` writes its own here

MASTER_ADDR=$(hostname) # this runs on the first node
export MASTER_ADDR
. "$scripts/environment.sh"

# Training that Slurm stops (time, preemption) saves, and rank 0 puts the job back into the queue.
export CARTOON_DIST_REQUEUE=yes
# Slurm's signals reach every process of a node, and only the trainers know what to do. Their launcher would die of USR2 and
# kill them half a minute after TERM; so it is deaf to both, as are they until they can save.
export PET_SIGNALS_TO_HANDLE=SIGINT,SIGHUP,SIGQUIT

every_node() {
    local processes=$((SLURM_JOB_NUM_NODES * ${SLURM_GPUS_ON_NODE:-1})) backend=c10d
    # A single node needs nobody to meet at: c10d would take a port that another job of the node may have.
    [ "$SLURM_JOB_NUM_NODES" -gt 1 ] || backend=static
    # No process that leaves first ends another: rank 0 has something left to do, and a lost node is Slurm's to find.
    srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
        --kill-on-bad-exit=0 --wait=0 bash -c '
            trap "" TERM USR2
            exec accelerate launch --machine_rank "$SLURM_NODEID" --rdzv_conf "is_host=$((SLURM_NODEID == 0))" \
                "$@"' every_node \
        --config_file "$launch_config" \
        --num_machines "$SLURM_JOB_NUM_NODES" --num_processes "$processes" --rdzv_backend "$backend" \
        --main_process_ip "$MASTER_ADDR" --main_process_port "$((20000 + SLURM_JOB_ID % 10000))" -m cartoon_dist "$@"
}

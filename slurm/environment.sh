# What every job needs before its command, and all that the code does not know of your site. Sourced by the scripts beside
# it, and by jobs that are submitted on their first node; what it exports reaches all nodes.

# Modules, for instance:
# module load python/3.11 cuda/13.0

# The environment; another one, or conda's, goes here.
activate="$(dirname "${BASH_SOURCE[0]}")/../.venv/bin/activate"
if [ ! -f "$activate" ]; then
    echo "error: $activate: not there; make it with \`make weights\`, or name your environment in ${BASH_SOURCE[0]}" >&2
    exit 2
fi
. "$activate"

# The network between the nodes, where the first interface is not the right one:
# export NCCL_SOCKET_IFNAME=ib0
# export GLOO_SOCKET_IFNAME=ib0

# The name by which the other nodes reach the first one, where it is not its host name (this file is read there):
# export MASTER_ADDR=$(hostname -s)-ib

# What every job needs before its command. Sourced by the scripts beside it; what your site wants (modules, proxies, the
# place of the environment) belongs here.

# Slurm runs a copy of a script from its spool, so the project is where the job was submitted from.
cd "${CARTOON_DIST:-${SLURM_SUBMIT_DIR:-$(dirname "${BASH_SOURCE[0]}")/..}}"
. .venv/bin/activate

#!/usr/bin/env bash
# Stop what up.sh started in DIR, and nothing else. Usage: down.sh DIR
dir=$(realpath -m "${1:?usage: down.sh DIR}")
# Of an up.sh that was killed while it installed.
[ ! -e "$dir/policy" ] || rm -f "$(cat "$dir/policy")" "$dir/policy"
[ -e "$dir/pids" ] || exit 0
export SLURM_CONF=$dir/slurm.conf

no_jobs() { [ -z "$(timeout 5 squeue -h 2>/dev/null)" ]; }
# A process id may since have become another's: the command line of ours names DIR.
ours() { { grep -qaF -- "$dir/" "/proc/$2/cmdline" && [ "$(cat "/proc/$2/comm")" = "$1" ]; } 2>/dev/null; }
gone() { ! ours "$@"; }
within() { local tries=$1; shift; for ((i = 0; i < tries; i++)); do "$@" && return; sleep 0.1; done; return 1; }

timeout 10 scancel --user="$(id -un)" 2>/dev/null
within 150 no_jobs  # steps end before the daemon that watches over them does
tac "$dir/pids" | while read -r name pid; do
  ours "$name" "$pid" || continue
  kill "$pid"
  within 100 gone "$name" "$pid" || kill -9 "$pid"
done
rm -f "$dir/pids"

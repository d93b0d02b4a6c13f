#!/usr/bin/env bash
# Bring up a Slurm of one node, on loopback, with two stand-in GPUs; everything it writes lies in DIR.
# Usage: up.sh DIR, then `source DIR/env.sh`, and at the end down.sh DIR.
# Exit 77: this machine cannot have one, the last line of standard error says why. Exit 1: it should have come up.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(realpath -m "${1:?usage: up.sh DIR}")
# What Slurm believes of the node; nothing is measured against it.
cpus=8
memory=64000
export PATH=$PATH:/usr/sbin

cannot() { echo "no Slurm here: $1" >&2; exit 77; }
have() { hash munged slurmctld slurmd sbatch srun scontrol 2>/dev/null; }

policy=/usr/sbin/policy-rc.d
install() {
  [ "$(id -u)" = 0 ] || cannot "its programs are missing; as root, on Debian: apt-get install slurm-wlm munge"
  hash apt-get 2>/dev/null || cannot "its programs (munged, slurmctld, slurmd, sbatch) are missing, and there is no apt-get to install them"
  # Debian starts the daemons of a package that it installs, unless this file says no.
  [ -e $policy ] || { written=$policy && echo $policy > "$dir/policy" && printf '#!/bin/sh\nexit 101\n' > $policy && chmod +x $policy; }
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge; } \
    >"$dir/log/apt.log" 2>&1 || cannot "apt-get install slurm-wlm munge failed: $(tail -n 1 "$dir/log/apt.log")"
}

[ ! -e "$dir/pids" ] || { echo "one is up in $dir; run down.sh $dir first" >&2; exit 1; }
[ ${#dir} -lt 90 ] || cannot "munge wants a shorter path than $dir for its socket; set TMPDIR or pytest's --basetemp"
written=
trap 'code=$?; rm -f $written; [ $code = 0 ] || "$here/down.sh" "$dir" >&2; exit $code' EXIT
mkdir -p "$dir"/{munge,state,spool,log,bin}
have || install
have || cannot "slurm-wlm and munge are installed, but a program of theirs is missing"
rm -f $written "$dir/policy"

host=$(hostname -s)
user=$(id -un)
# Slurm wants character devices and never opens these; a real node has /dev/nvidia0 and so on.
gpus=(/dev/null /dev/zero)
read -r controller_port node_port < <(python3 - <<'PY'
import socket
ports = [socket.socket() for _ in range(2)]
for port in ports:
    port.bind(("127.0.0.1", 0))
print(*(port.getsockname()[1] for port in ports))
PY
)

chmod 700 "$dir/munge"
(umask 077 && head -c 256 /dev/urandom > "$dir/munge/key")
chmod 400 "$dir/munge/key"
cat > "$dir/slurm.conf" <<CONF
ClusterName=standin
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$user
SlurmdUser=$user
AuthInfo=socket=$dir/munge/socket
SlurmctldPort=$controller_port
SlurmdPort=$node_port
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobCompType=jobcomp/filetxt
JobCompLoc=$dir/log/jobcomp.txt
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=100000
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
ReturnToService=2
# Without an accounting database the controller's memory is the record of finished jobs.
MinJobAge=86400
KillWait=5
DefMemPerCPU=100
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus Boards=1 SocketsPerBoard=1 CoresPerSocket=$cpus ThreadsPerCore=1 RealMemory=$memory Gres=gpu:standin:${#gpus[@]} State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE DefaultTime=60 State=UP
PartitionName=gpus Nodes=$host MaxTime=INFINITE DefaultTime=60 State=UP
CONF
printf "NodeName=$host Name=gpu Type=standin File=%s\n" "${gpus[@]}" > "$dir/gres.conf"

# The plugin drops every SLURM_ variable before the step inside a job, which then would look for the configuration in its
# usual place; a cluster has it there.
for name in srun sbatch squeue scontrol scancel sinfo sacct sacctmgr sshare; do
  program=$(command -v $name) || continue
  printf '#!/bin/sh\nSLURM_CONF="%s" exec "%s" "$@"\n' "$dir/slurm.conf" "$program" > "$dir/bin/$name"
  chmod +x "$dir/bin/$name"
done
printf 'export SLURM_CONF="%s" PATH="%s:$PATH"\n' "$dir/slurm.conf" "$dir/bin" > "$dir/env.sh"
export SLURM_CONF=$dir/slurm.conf

failed() { echo "Slurm did not come up: $1" >&2; tail -n 5 "$dir"/log/*.log >&2; exit 1; }
within() { local tries=$1; shift; for ((i = 0; i < tries; i++)); do "$@" && return; sleep 0.1; done; return 1; }
started() { within 100 test -s "$2" || failed "$1 wrote no $2"; echo "$1 $(cat "$2")" >> "$dir/pids"; }
node_is_idle() { [ "$(timeout 2 sinfo -h -o %T 2>/dev/null | sort -u)" = idle ]; }

munged --force --num-threads=2 --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" \
  --log-file="$dir/log/munge.log" --seed-file="$dir/munge/seed" 2>>"$dir/log/munge.log" || failed "munged"
started munged "$dir/munge/pid"
slurmctld -c -f "$SLURM_CONF" || failed "slurmctld"
started slurmctld "$dir/slurmctld.pid"
slurmd -f "$SLURM_CONF" || failed "slurmd"
started slurmd "$dir/slurmd.pid"
within 200 node_is_idle || failed "the node is not idle: $(sinfo -h -o '%T %E' 2>&1)"

#!/usr/bin/env bash
# slurm_conf.sh FOLDER NODES CPUS: prints the slurm.conf of a cluster on hosts n1, n2, ... of make_hosts.sh, with the
# controller on this machine and all of Slurm's state in FOLDER.
#
# Intervals that are minutes on a cluster are seconds here. CPUs are only names: all hosts share those of this machine.
set -euo pipefail
folder=$1
nodes=$2
cpus=$3
cat <<END
ClusterName=test
SlurmctldHost=$(hostname)(10.83.0.254)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A requeued job starts only after its credentials have expired, by default 120 s after its first start.
AuthInfo=socket=$folder/munge/socket,cred_expire=5
StateSaveLocation=$folder/controller
SlurmctldPidFile=$folder/controller.pid
SlurmctldLogFile=$folder/log/controller
SlurmdSpoolDir=$folder/%n
SlurmdPidFile=$folder/%n.pid
SlurmdLogFile=$folder/log/%n
TmpFS=$folder/tmp
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
PropagateResourceLimits=NONE
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
SlurmdTimeout=60
MessageTimeout=20
TCPTimeout=5
KillWait=3
CompleteWait=0
NodeName=n[1-$nodes] NodeAddr=10.83.0.[1-$nodes] CPUs=$cpus RealMemory=2000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=10 State=UP
END

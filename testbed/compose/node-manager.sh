#!/bin/sh
# node-manager.sh CONFIGURATION: serves a node in a container of docker-compose.yml, after giving it what the node manager
# of a machine finds there. Stopped, it stops the slivers, which would end with the container in any case.
set -eu
configuration=$1

# The kernel lets a new user namespace have a proc and a sysfs only where whole and writable ones are mounted already;
# Docker's have parts masked, and its sysfs is to be read only.
for kind in proc sysfs; do
  mkdir -p "/run/slicelab/$kind"
  mount -t "$kind" "$kind" "/run/slicelab/$kind"
  mount -o remount,rw "$kind" "/run/slicelab/$kind"
done
# Settings of this container's own network, which Docker mounts read-only.
mount -o remount,bind,rw /proc/sys

# With cgroups of version 2 only, Docker gives a container a part of them for its own, and the kernel lets nobody put a process
# into others; so slivers' are in that part, next to one for everything else: a cgroup with controllers for those in it
# has no processes itself.
if [ -e /sys/fs/cgroup/cgroup.controllers ] && grep -qx '0::/' /proc/self/cgroup; then
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mkdir -p /sys/fs/cgroup/services
  for process in $(cat /sys/fs/cgroup/cgroup.procs); do
    echo "$process" > /sys/fs/cgroup/services/cgroup.procs || true # it may have ended
  done
  sed 's/[^ ]*/+&/g' /sys/fs/cgroup/cgroup.controllers > /sys/fs/cgroup/cgroup.subtree_control
fi

# Loop devices, for slivers' disks with a bound, are the machine's; their names are made here.
[ -e /dev/loop-control ] || mknod -m 660 /dev/loop-control c 10 237
number=0
while [ "$number" -lt 64 ]; do
  [ -e "/dev/loop$number" ] || mknod -m 660 "/dev/loop$number" b 7 "$number"
  number=$((number + 1))
done

slicelab node-manager serve --config "$configuration" &
serving=$!

rest() {
  kill "$serving" 2>/dev/null || true
  wait "$serving" || true
  slicelab node-manager stop-slivers --config "$configuration"
  exit 0
}
trap rest TERM INT
wait "$serving"

#!/bin/sh
# The first program of a guest machine: mounts what a machine has, runs the tests named on the kernel's command line,
# says how they ended and switches the machine off. Its cgroups are of version 2 alone, as today's distributions have.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys 2>/dev/null # the initial file system may have done it
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm /slicelab
mount -t devpts devpts /dev/pts
for place in /dev/shm /run /tmp /var/tmp; do mount -t tmpfs -o size=80% tmpfs "$place"; done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
  echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
done
modprobe -a squashfs overlay veth nf_tables btrfs loop ifb
ip link set lo up
mount -t squashfs -o ro /dev/vdb /slicelab

# A sliver's disk can't lie on memory nor on the guest's own overlay.
truncate -s 2G /var/tmp/disk
mkfs.ext4 -q /var/tmp/disk
mkdir -p /var/tmp/slicelab
mount -o loop /var/tmp/disk /var/tmp/slicelab
export TMPDIR=/var/tmp/slicelab

said() { tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p" | tr ',' ' '; }
date -s "@$(said now)" >/dev/null
cd /slicelab
# shellcheck disable=SC2046 # several words
$(said node) --test --test-reporter=tap --test-timeout=600000 $(said tests)
echo "GUEST ENDED $?"
sync
echo o >/proc/sysrq-trigger
sleep 10

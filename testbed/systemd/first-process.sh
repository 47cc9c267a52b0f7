#!/bin/sh
# first-process.sh DISK PROJECT ADDRESS: becomes the systemd of a Debian on DISK, in namespaces that are its own already. It has
# the software where the units expect it, a network with ADDRESS alone, and of every cgroup hierarchy the part it is in.
set -eu
disk=$1 project=$2 address=$3

mount --make-rprivate /
root=$(dirname "$disk")/root
mkdir "$root"
mount -o loop "$disk" "$root"
cd "$root"
mkdir -p opt/slicelab mnt
mount --bind "$project" opt/slicelab
mount -o remount,bind,ro opt/slicelab

ip link set lo up
ip link add trial0 type bridge
ip address add "$address/24" dev trial0
ip link set trial0 up

mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=755 dev dev
mkdir dev/pts dev/shm dev/net
for device in null zero full random urandom tty loop-control net/tun; do
  [ ! -e "/dev/$device" ] || cp -a "/dev/$device" "dev/$device"
done
number=0
while [ "$number" -lt 64 ]; do
  mknod -m 660 "dev/loop$number" b 7 "$number"
  number=$((number + 1))
done
mount -t devpts -o newinstance,ptmxmode=0666,gid=5,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd

if grep -q '^[^ ]* [^ ]* cgroup ' /proc/mounts; then
  mount -t tmpfs -o mode=755 cgroups sys/fs/cgroup
  grep -E '^[^ ]+ [^ ]+ cgroup2? ' /proc/mounts | while read -r _ place kind options _; do
    here=sys/fs/cgroup/$(basename "$place")
    mkdir -p "$here"
    case $kind in
      cgroup2) mount -t cgroup2 cgroup2 "$here" ;;
      cgroup) mount -t cgroup -o "$(echo "$options" | sed 's/^rw,//; s/relatime,//')" cgroup "$here" ;;
    esac
  done
else
  mount -t cgroup2 cgroup2 sys/fs/cgroup
fi

pivot_root . mnt
umount -l /mnt
exec env -i container=slicelab-trial PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd

#!/bin/sh
# What nobody who starts a container with runc can leave out, by hand: an overlay, namespaces and cgroups, a veth with
# its addresses and routes on both ends, a bucket for its traffic. No checks, nothing written down, nothing signed.
#
#   bare-sliver.sh make DIRECTORY IMAGE NUMBER     DIRECTORY/config.json is the container's, its root DIRECTORY/root
#   bare-sliver.sh end DIRECTORY IMAGE NUMBER
set -eu
directory=$2 image=$3 number=$4
name="bare$number" address="10.127.0.$((number % 250 + 2))"

make() {
  mkdir -p "$directory/upper" "$directory/work" "$directory/root"
  mount -n -t overlay -o "lowerdir=$image,upperdir=$directory/upper,workdir=$directory/work" overlay "$directory/root"
  runc --root "$directory/runc" --log "$directory/log" run --detach --bundle "$directory" --pid-file "$directory/pid" "$name" \
    </dev/null >/dev/null 2>&1
  pid=$(cat "$directory/pid")
  ip -batch - <<END
link add $name type veth peer name eth0 netns $pid
addr add 10.127.0.1/32 dev $name
link set $name up
route add $address/32 dev $name
END
  nsenter --net="/proc/$pid/ns/net" ip -batch - <<END
addr add $address/32 dev eth0
link set eth0 up
route add 10.127.0.1 dev eth0 scope link
route add default via 10.127.0.1 dev eth0
END
  tc -batch - <<END
qdisc add dev $name root handle 1: htb default 1
class add dev $name parent 1: classid 1:1 htb rate 1mbit ceil 100mbit
END
}

end() {
  runc --root "$directory/runc" delete --force "$name" >/dev/null
  ip link delete "$name" 2>/dev/null || true # it went with the container's last process
  umount -n "$directory/root"
  rm -rf "$directory/upper" "$directory/work" "$directory/root"
}

"$1"

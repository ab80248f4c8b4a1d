#!/bin/sh
# A machine for the pictures: the same on whichever machine they are made. As root, on Linux:
#
#   make build
#   go run ./tui/screenshot -scenes docs/images/scenes.txt -out docs/images -- docs/images/machine.sh bin/packhouse setup
#
# Host name, network, /etc, /var/lib and /run of the demonstration are its own, and gone with it.
set -eu
program=$(realpath "$1")
shift
export program
exec unshare --mount --uts --net --pid --fork --kill-child --mount-proc sh -ceu '
hostname registry.example.com
ip link set lo up
ip link add eth0 type veth peer name beyond
ip link set beyond up
ip address add 192.0.2.17/24 dev eth0
ip address add 2001:db8::17/64 dev eth0 nodad
ip link set eth0 up
ip link add docker0 type bridge
ip address add 172.17.0.1/16 dev docker0
ip link set docker0 up
mount -t tmpfs none /mnt
for place in etc var/lib; do
	mkdir -p "/mnt/$place/upper" "/mnt/$place/work"
	mount -t overlay none -o "lowerdir=/$place,upperdir=/mnt/$place/upper,workdir=/mnt/$place/work" "/$place"
done
printf "127.0.0.1 localhost\n192.0.2.17 registry.example.com registry\n" > /etc/hosts
mount -t tmpfs none /run
"$program" "$@" || sleep 5
' sh "$@"

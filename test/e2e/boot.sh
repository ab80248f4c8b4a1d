#!/bin/bash
# Makes a machine of this one that a real systemd runs: the same files under a
# layer of its own, in memory, with its own processes, network and mounts, all
# of which end with it. It is started as the first process of new namespaces,
# by systemd_machine_test.go, with a directory to mount things on.
#
# It ends with 77 where a machine cannot be made here.
set -u
base=$1
must() { "$@" || { echo "not possible here: $*" >&2; exit 77; }; }

must mount --make-rprivate /
must mount -t tmpfs -o mode=755 tmpfs "$base"
mkdir "$base"/{upper,work,root}
root=$base/root
must mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$root"

# What systemd looks for in a container (https://systemd.io/CONTAINER_INTERFACE):
# the kernel's settings, which are everybody's, can be read only.
must mount -t proc proc "$root/proc"
must mount --bind "$root/proc/sys" "$root/proc/sys"
must mount -o remount,bind,ro "$root/proc/sys"
must mount -t sysfs -o ro sysfs "$root/sys"
must mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for at in run tmp dev; do must mount -t tmpfs -o mode=755 tmpfs "$root/$at"; done
chmod 1777 "$root/tmp"
for device in null zero full random urandom tty; do
	touch "$root/dev/$device"
	must mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
must mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
must mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
must ip link set lo up
hostname packhouse-e2e

# Nothing of this machine's own starts, and no packhouse is there.
cd "$root" || exit 77
rm -rf etc/systemd/system/*.wants etc/systemd/system/packhouse* etc/packhouse var/lib/packhouse var/log/journal
: >etc/fstab
for unit in systemd-sysctl.service systemd-modules-load.service systemd-remount-fs.service systemd-timesyncd.service systemd-tmpfiles-clean.timer \
	systemd-udevd.service systemd-udev-trigger.service dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
	sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount; do
	ln -sf /dev/null "etc/systemd/system/$unit"
done
mkdir -p run/before
must pivot_root . run/before
cd / || exit 77
must umount -l /run/before
rmdir /run/before

# Not even by mistake: the clock, the modules and the power of the machine underneath.
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container=packhouse-e2e \
	setpriv --bounding-set -sys_time,-sys_module,-sys_boot,-sys_rawio,-syslog,-mknod \
	/lib/systemd/systemd --system --unit=multi-user.target --log-target=journal --show-status=false

#!/bin/sh
# Runs a command with another Debian root as its real root, in a mount namespace that the caller made.
#   enter-sid.sh ROOT WORKDIR FOLDER... -- NAME=VALUE... PROGRAM ARGUMENT...
# The root itself is never written: changes go to memory and end with the namespace. Each FOLDER of the
# host is seen at its own path. pivot_root, not chroot: BuildKit and runc refuse to work in a chroot.
set -e
root=$1
workdir=$2
shift 2
mount -t tmpfs tmpfs "$root/mnt"
mkdir "$root/mnt/upper" "$root/mnt/work"
mount -t overlay -o "lowerdir=$root,upperdir=$root/mnt/upper,workdir=$root/mnt/work" overlay "$root"
for folder in /proc /sys /dev; do mount --rbind "$folder" "$root$folder"; done
cat /etc/resolv.conf >"$root/etc/resolv.conf" 2>/dev/null || true
while [ "$1" != -- ]; do
  mkdir -p "$root$1"
  mount --rbind "$1" "$root$1"
  shift
done
shift
mkdir -p "$root/host"
cd "$root"
pivot_root . host
cd /
umount -l /host
cd "$workdir"
exec env -i HOME=/root LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"

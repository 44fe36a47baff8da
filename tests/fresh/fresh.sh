#!/bin/sh
# fresh/fresh.sh [COMMIT]: proves the README's first two commands on a machine with nothing but git and a shell:
# a new Debian 12 root made by debootstrap with this machine's package sources, a clone of this repository in
# it, `./dev run`, `./dev test`. Needs root, debootstrap, 3 GB in TMPDIR. CHENG_FRESH_KEEP=1 keeps the root.
set -eu
repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
commit=$(git -C "$repository" rev-parse "${1:-HEAD}")
[ "$(id -u)" = 0 ] || { echo "fresh: must be root (debootstrap, chroot, mount)"; exit 1; }
root=$(mktemp -d "${TMPDIR:-/tmp}/cheng-fresh.XXXXXX")
chmod 755 "$root" # for the user _apt

# shellcheck disable=SC2317 # reached through trap
leave()
{
    for mount in mnt dev/shm dev/pts dev sys proc; do
        ! mountpoint -q "$root/$mount" || umount "$root/$mount" || umount -l "$root/$mount"
    done
    # Never delete through a mount that would not go away.
    if grep -q " $root/" /proc/mounts || [ -n "${CHENG_FRESH_KEEP:-}" ]; then
        echo "fresh: left behind: $root"
    else
        rm -rf "$root"
    fi
}
trap leave EXIT
trap 'exit 1' INT TERM

inside()
{
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} "$@"
}

echo "fresh: debootstrap to $root"
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\).*/\2/p' | grep '/debian/*$' | head -n 1)
debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "${mirror:-http://deb.debian.org/debian}" \
    >"$root.log" 2>&1 || { tail "$root.log"; exit 1; }
rm -f "$root.log"

# This machine's way to its packages: sources, proxies, keys, names.
rm -f "$root/etc/apt/sources.list"
for path in /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf /etc/apt/apt.conf.d /etc/apt/auth.conf.d \
    /etc/apt/trusted.gpg.d /etc/apt/trusted.gpg /etc/apt/keyrings /usr/share/keyrings /etc/resolv.conf /etc/hosts; do
    [ ! -e "$path" ] || { mkdir -p "$root$(dirname "$path")" && cp -rL "$path" "$root$(dirname "$path")/"; }
done
mount -t proc proc "$root/proc"
mount --bind /sys "$root/sys"
mount --bind /dev "$root/dev"
mount --make-private "$root/dev" # or what is mounted in it would appear in our own /dev
mount -t devpts devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
mount --bind "$repository" "$root/mnt"

inside apt-get -qq update
inside apt-get -qq -y --no-install-recommends install git >/dev/null
inside git -c safe.directory='*' clone -q /mnt /root/cheng
inside git -C /root/cheng checkout -q "$commit"
umount "$root/mnt"
echo "fresh: $(inside dpkg-query -W -f '.\n' | wc -l) packages, $(inside git --version), commit $commit"

status=0
for word in run test; do
    echo "fresh: ./dev $word"
    start=$(date +%s)
    inside sh -c "cd /root/cheng && ./dev $word" </dev/null || status=1
    echo "fresh: ./dev $word took $(($(date +%s) - start)) s, installation included"
done
[ $status = 0 ] && echo "fresh: both commands work" || echo "fresh: FAILED"
exit $status

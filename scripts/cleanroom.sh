#!/usr/bin/env bash
# Proves the README on a bare Debian 12: makes a minimal root with mmdebstrap, puts a clean clone of HEAD into it, and runs there, in a
# chroot, ./scripts/start.sh, the README's curl, and ./scripts/test.sh. Needs root, the network, and about 3 GB in $TMPDIR.
#
#   cleanroom.sh [--keep] [SUITE]      bookworm by default
set -euo pipefail
. "$(dirname "$0")/lib.sh"

keep=
[ "${1:-}" = --keep ] && { keep=1; shift; }
suite=${1:-bookworm}
# The mirror of this machine's own packages, so that nothing is said here of where that is.
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(CREATED_BY) $(SITE)' | sed -n 's/^Packages //p' | head -n 1)}
# Likewise npm's settings, and an authority of certificates beside the public ones.
authority=
[ "$(id -u)" = 0 ] || die "run this as root: it makes a chroot"
need mmdebstrap git
place=$(mktemp -d "${TMPDIR:-/tmp}/cleanroom.XXXXXX")
room=$place/root

inside() {
  chroot "$room" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 ${authority:+NODE_EXTRA_CA_CERTS=$authority} \
    /bin/bash -c "cd /srv/cliproxy && $1"
}
leave() {
  if mountpoint -q "$room/proc"; then
    inside "./scripts/stop.sh" >/dev/null 2>&1 || true
    umount "$room/proc" || true
  fi
  if mountpoint -q "$room/dev"; then umount "$room/dev" || true; fi
  if [ -n "$keep" ]; then say "kept: $room"
  elif mountpoint -q "$room/proc" || mountpoint -q "$room/dev"; then say "still mounted, left alone: $room"
  else rm -rf --one-file-system "$place"
  fi
}
trap leave EXIT

step "a bare $suite"
mmdebstrap --variant=minbase --mode=root "$suite" "$room" "$mirror" >"$place/mmdebstrap.log" 2>&1 || {
  tail -n 20 "$place/mmdebstrap.log" >&2
  die "mmdebstrap failed"
}
mount -t proc proc "$room/proc"
mount --bind /dev "$room/dev"
cp /etc/resolv.conf "$room/etc/resolv.conf"
[ -e /etc/hosts ] && cp /etc/hosts "$room/etc/hosts"
[ -e "$HOME/.npmrc" ] && install -m 600 "$HOME/.npmrc" "$room/root/.npmrc"
if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
  install -D "$NODE_EXTRA_CA_CERTS" "$room/srv/authority.crt"
  authority=/srv/authority.crt
fi

step "a clean clone"
mkdir -p "$room/srv"
git clone -q --no-hardlinks "$root" "$room/srv/cliproxy"

step "./scripts/start.sh"
inside ./scripts/start.sh

step "the README's curl"
block=$(awk '/^```sh$/ { n++; inside = 1; next } /^```$/ { inside = 0 } inside && n == 2' README.md)
answer=$(inside "$block")
say "$answer"
grep -q '^data: \[DONE\]' <<<"$answer" || die "the README's curl did not stream to its end"

step "./scripts/test.sh"
inside ./scripts/test.sh
say "The README holds on a bare $suite."

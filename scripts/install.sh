#!/usr/bin/env bash
# Installs the packages that cliproxy needs (Debian, Ubuntu), builds it, and makes config.lua from the example.
# Safe to run again: what is there stays.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

step "packages"
if is_debian; then
  need "${packages_build[@]}" "${packages_run[@]}"
else
  need "${packages_build[@]}" "${packages_run[@]}" || say "Going on: the build will tell whether all of it is there."
fi

step "build ($build)"
configure "$build"
compile "$build" cliproxy

step "configuration ($config)"
if [ -e "$config" ]; then
  say "kept as it is"
else
  mkdir -p "$(dirname "$config")"
  cp config.lua.example "$config"
  chmod 600 "$config"
  say "made from config.lua.example"
fi
say "Ready: ./scripts/start.sh, or $binary serve"

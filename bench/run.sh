#!/usr/bin/env bash
# Measures cliproxy beside nginx, HAProxy and the floor, and prints one table with ratios and marks.
#
#   bench/run.sh [--quick] [--force] [--rows NAME,NAME] [--rounds N] [--json FILE]
#
# --quick: a tenth of the work. --force: also on a busy machine. See bench/README.md.
set -euo pipefail
. "$(dirname "$0")/../scripts/lib.sh"
need "${packages_build[@]}" "${packages_run[@]}" "${packages_bench[@]}"
configure "$build"
compile "$build" cliproxy bench
export CPX_BINARY=${CPX_BINARY:-$build/cliproxy} CPX_BENCH=${CPX_BENCH:-$build/bench}
ulimit -n "$(ulimit -Hn)"
LUA_PATH="$root/?.lua;;" exec luajit bench/run.lua "$@"

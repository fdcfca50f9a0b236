#!/usr/bin/env bash
# Says whether cliproxy runs, since when, and what its health page tells. Exit code: 0 it answers, 1 it does not, 3 it is not running.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

if ! pid=$(running_pid); then
  say "cliproxy is not running. Start it with ./scripts/start.sh"
  exit 3
fi
url=$(listening_url || echo unknown)
memory=$(awk '/^VmRSS/ { printf "%.1f MB", $2 / 1024 }' "/proc/$pid/status")
say "cliproxy runs at $url: pid $pid, up $(ps -o etime= -p "$pid" | tr -d ' '), $memory, log $log_file"
if health=$(fetch "$url" /v1/health -f 2>&1); then
  say "health: $health"
else
  say "but it does not answer: $health"
  exit 1
fi
if deep=$(fetch "$url" /v1/health/deep -f 2>/dev/null); then say "details: $deep"; fi

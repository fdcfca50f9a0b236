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
# Figures, what is off and why, and whether the last reload failed, off one line of JSON; all of it: curl URL/v1/health/deep.
if deep=$(fetch "$url" /v1/health/deep -f 2>/dev/null); then
  off() { grep -oE "\"off\":\"([^\"\\\\]|\\\\.)*\"" <<<"$deep" | sed -E "s/^\"off\":\"//; s/\"\$//; s/\\\\\"/\"/g" || true; }
  say "serving: $(grep -oE '"server":\{[^}]*\}' <<<"$deep" | tr -d '{}"' | sed 's/^server://; s/,/, /g; s/:/ /g')"
  off
  if grep -q '"status":"stale"' <<<"$deep"; then
    say "the last reload failed, the generation before serves on: 'build/cliproxy check' and the log say why"
  fi
  say "details: $url/v1/health/deep"
else
  say "details need the admin key: $url/v1/health/deep"
fi

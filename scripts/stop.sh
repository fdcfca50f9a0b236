#!/usr/bin/env bash
# Stops cliproxy: live streams may end first (drain_timeout in config.lua); then they are cut.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

if ! pid=$(running_pid); then
  rm -f "$pid_file"
  say "cliproxy is not running."
  exit 0
fi
gone() { ! running_pid; }
patience=${CLIPROXY_STOP_SECONDS:-35}
kill -TERM "$pid"
if ! wait_for 2 gone; then
  say "Waiting for live streams (at most $patience s)…"
  if ! wait_for "$patience" gone; then
    kill -TERM "$pid" 2>/dev/null || true
    wait_for 5 gone || kill -KILL "$pid" 2>/dev/null || true
    wait_for 5 gone || die "pid $pid does not end"
  fi
fi
rm -f "$pid_file"
say "Stopped (pid $pid)."

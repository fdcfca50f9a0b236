#!/usr/bin/env bash
# Starts cliproxy in the background: installs and builds what is missing, waits until it answers, says where.
# A second start changes nothing.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

healthy() {
  local url
  url=$(listening_url) && fetch "$url" /v1/health -f
}

show_try() {
  local url to
  url=$(listening_url)
  case $url in
  unix:*) to="--unix-socket ${url#unix:} http://localhost" ;;
  https:*) to="-k $url" ;;
  *) to=$url ;;
  esac
  cat <<TEXT
cliproxy runs at $url (pid $(cat "$pid_file"), log $log_file). Try:

  curl -N $to/v1/chat/completions -H 'content-type: application/json' \\
    -d '{"model": "demo", "stream": true, "messages": [{"role": "user", "content": "Hello!"}]}'
TEXT
}

up_to_date() {
  [ -x "$binary" ] && [ -e "$config" ] || return 1
  ! is_debian || [ -z "$(missing "${packages_build[@]}" "${packages_run[@]}")" ] || return 1
  [ -z "$(find CMakeLists.txt src -newer "$binary" -print -quit)" ]
}

# Two starts at the same moment: the second waits here and then finds the first one's process.
mkdir -p "$run"
exec 9>"$run/start.lock"
command -v flock >/dev/null && flock 9

if pid=$(running_pid); then
  if wait_for 5 healthy; then
    say "Already running."
    show_try
    exit 0
  fi
  die "pid $pid runs but does not answer: see $log_file, or run ./scripts/restart.sh"
fi
up_to_date || ./scripts/install.sh
rm -f "$pid_file"

[ -s "$log_file" ] && mv -f "$log_file" "$log_file.1"
CLIPROXY_CONFIG=$config setsid "$binary" serve >"$log_file" 2>&1 </dev/null 9>&- &
pid=$!
echo "$pid" >"$pid_file"
ended_or_healthy() { ! kill -0 "$pid" 2>/dev/null || healthy; }
wait_for 20 ended_or_healthy || true
if ! kill -0 "$pid" 2>/dev/null; then
  rm -f "$pid_file"
  tail -n 20 "$log_file" >&2
  die "cliproxy did not start; the reason stands above"
fi
healthy >/dev/null || die "cliproxy (pid $pid) does not answer: see $log_file"
show_try

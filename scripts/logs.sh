#!/usr/bin/env bash
# Shows the log, and follows it on a terminal.   logs.sh [-n LINES] [router]
# "router" leaves out all but what the router decided: one line a request, and what reloads did.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

lines=100
only=
while [ $# -gt 0 ]; do
  case $1 in
  -n) lines=${2:?-n takes a number}; shift 2 ;;
  router) only=1; shift ;;
  *) die "usage: logs.sh [-n LINES] [router]" ;;
  esac
done
[ -e "$log_file" ] || die "there is no log yet ($log_file): start cliproxy with ./scripts/start.sh"
follow=()
[ -t 1 ] && follow=(-F)
if [ -n "$only" ]; then
  tail -n "$lines" "${follow[@]}" "$log_file" | grep --line-buffered -E ' -> |→|"model"|reload|generation|route' || true
else
  exec tail -n "$lines" "${follow[@]}" "$log_file"
fi

#!/usr/bin/env bash
# Installs what the tests need and runs them all. The last line is "N passed, N failed".
#
#   test.sh [STAGE]…      unit lua daemon gc release docs sdk; all of these by default; agents
#
# unit: C unit tests, sanitized. lua: Lua unit specs, sanitized. daemon: the real binary, sanitized. gc: the same, a part of it,
# with a full collection every few steps. release: what is about time, with the release binary. docs: every sh block of the docs.
# sdk: the vendors' own SDKs as clients of the release binary, and their types for what providers are asked; they come from npm,
# as spec/sdk/package-lock.json pins them.
# agents: Claude Code, Codex and Gemini CLI as clients of the sanitized binary, without a network; npm again: 1 GB in spec/agents.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

checked=${CLIPROXY_BUILD_SANITIZE:-$root/build-sanitize}
logs=$build/test-logs
export ASAN_OPTIONS=detect_stack_use_after_return=0:abort_on_error=0:exitcode=99:detect_leaks=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export LUA_PATH="$root/?.lua;$root/?/init.lua;$root/lua/?.lua;;"
passed=0
failed=0
unset CLIPROXY_CONFIG CLIPROXY_URL CLIPROXY_RUN_DIR CLIPROXY_AGGRESSIVE_GC

# add PASSED FAILED
add() {
  passed=$((passed + $1))
  failed=$((failed + $2))
}

# suite NAME COMMAND... : runs it; reads "N passed, M failed" or busted's "N successes / M failures / K errors" off its output.
suite() {
  local name=$1 output=$logs/${1//[ \/]/-}.log status=0 counts good bad started=$SECONDS
  shift
  timeout --kill-after=10 "${suite_seconds:-300}" "$@" >"$output" 2>&1 || status=$?
  counts=$(sed -E 's/\x1b\[[0-9;]*m//g' "$output" | sed -nE \
    -e 's/^([0-9]+) passed, ([0-9]+) failed.*/\1 \2 0/p' \
    -e 's/^([0-9]+) success(es)? \/ ([0-9]+) failures? \/ ([0-9]+) errors?.*/\1 \3 \4/p' | tail -n 1)
  if [ -n "$counts" ]; then
    read -r good bad errors <<<"$counts"
    bad=$((bad + errors))
    [ "$status" = 0 ] || [ "$bad" -gt 0 ] || bad=1
  else
    good=0 bad=1
  fi
  add "$good" "$bad"
  printf '%-42s %5d passed, %d failed  (%d s)\n' "$name" "$good" "$bad" $((SECONDS - started))
  if [ "$bad" -gt 0 ]; then
    say "-- $name failed (exit code $status): the end of $output"
    tail -n "${CLIPROXY_TEST_LINES:-60}" "$output"
  fi
}

build_all() {
  step "packages"
  need "${packages_build[@]}" "${packages_run[@]}" "${packages_test[@]}"
  step "release build ($build)"
  configure "$build"
  compile "$build" cliproxy bench
  step "sanitized build ($checked)"
  configure "$checked" -DSANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo
  compile "$checked" all
}

stage_unit() {
  local test layer
  for test in spec/unit/*/*_test.c; do
    layer=$(basename "$(dirname "$test")")
    suite "unit $layer/$(basename -s _test.c "$test")" "$checked/$(basename -s .c "$test")"
  done
}

stage_lua() {
  local spec
  for spec in spec/unit/lua/*_spec.lua spec/conformance/*_spec.lua; do
    suite "lua $(basename -s _spec.lua "$spec")" "$checked/cpx_lua" /usr/bin/busted -o plainTerminal "$spec"
  done
}

# busted_daemon NAME BINARY BUSTED-ARGUMENTS...
busted_daemon() {
  local name=$1 with=$2
  shift 2
  suite "$name" env CPX_BINARY="$with" CPX_BENCH="$build/bench" busted --lua=/usr/bin/luajit -o plainTerminal "$@"
}

stage_daemon() {
  local spec
  for spec in spec/daemon/*_spec.lua; do
    CPX_SANITIZED=1 busted_daemon "daemon $(basename -s _spec.lua "$spec")" "$checked/cliproxy" "$spec"
  done
}

stage_gc() {
  CPX_SANITIZED=1 CLIPROXY_AGGRESSIVE_GC=1 busted_daemon "aggressive GC" "$checked/cliproxy" --tags=gc spec/daemon
}

stage_release() {
  busted_daemon "release" "$binary" --tags=both spec/daemon
}

stage_docs() {
  busted_daemon "docs" "$binary" spec/docs
}

# from_npm FOLDER: what the folder's lock pins, and the node that runs it, once for each state of the lock.
from_npm() {
  local folder=$root/$1 mark=$root/$1/node_modules/.package-lock.json wanted found output
  wanted=$(sed -nE 's/^ *"node": "([0-9.]+)".*/v\1/p' "$folder/package.json")
  if [ ! -f "$mark" ] || [ "$folder/package-lock.json" -nt "$mark" ]; then
    command -v npm >/dev/null || need "${packages_npm[@]}" || return 1
    say "Installing: npm ci in $1"
    # node comes by an install script of its package.
    output=$(cd "$folder" && timeout --kill-after=10 600 npm ci --ignore-scripts=false --no-audit --no-fund --loglevel=error \
      2>&1) || {
      printf '%s\n' "$output" >&2
      say "npm ci failed in $1: this stage needs a registry of npm packages that this machine can reach."
      return 1
    }
  fi
  found=$("$folder/node_modules/.bin/node" --version 2>&1) || true
  [ "$found" = "$wanted" ] && return 0
  rm -f "$mark"
  say "$1/node_modules/.bin/node is not node $wanted ($found): npm did not run the install script of package node."
  return 1
}

# not_run NAME: a stage that could not begin has failed.
not_run() {
  add 0 1
  say "$1: not run"
}

stage_sdk() {
  (from_npm spec/sdk) || { not_run sdk; return; }
  suite_seconds=60 suite "sdk" env CPX_BINARY="$binary" spec/sdk/node_modules/.bin/node spec/sdk/run.mjs
  suite_seconds=120 suite "sdk types" env CPX_LUA="$checked/cpx_lua" spec/sdk/node_modules/.bin/node spec/sdk/types/run.mjs
}

# In a network of its own, which has the loopback interface alone, and with processes of its own, which end with it.
stage_agents() {
  local alone=(unshare --net --pid --fork --kill-child --mount-proc)
  [ "$(id -u)" = 0 ] || alone+=(--user --map-root-user)
  { command -v unshare && command -v ip; } >/dev/null || need "${packages_agents[@]}" || { not_run agents; return; }
  (from_npm spec/agents) || { not_run agents; return; }
  suite_seconds=600 suite "agents" "${alone[@]}" bash -c 'ip link set lo up && "$@"' - \
    env CPX_BINARY="$checked/cliproxy" spec/agents/node_modules/.bin/node spec/agents/run.mjs
}

mkdir -p "$logs"
build_all
stages=("$@")
[ ${#stages[@]} -gt 0 ] || stages=(unit lua daemon gc release docs sdk)
for stage in "${stages[@]}"; do
  declare -F "stage_$stage" >/dev/null || die "there is no stage '$stage': unit lua daemon gc release docs sdk agents"
  step "$stage"
  "stage_$stage"
done
[ "$passed" -gt 0 ] || failed=$((failed + 1))
say "$passed passed, $failed failed"
[ "$failed" = 0 ]

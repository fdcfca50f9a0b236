# What the scripts share: where things are, packages, and the running process. Sourced, not run.
#
#   CLIPROXY_BUILD    build folder, "build" by default
#   CLIPROXY_RUN_DIR  pid file and log, ".run" by default
#   CLIPROXY_CONFIG   the configuration, "config.lua" by default
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
build=${CLIPROXY_BUILD:-$root/build}
run=${CLIPROXY_RUN_DIR:-$root/.run}
config=${CLIPROXY_CONFIG:-$root/config.lua}
binary=$build/cliproxy
pid_file=$run/cliproxy.pid
log_file=$run/cliproxy.log

packages_build=(gcc libc6-dev cmake ninja-build pkg-config libluajit-5.1-dev libuv1-dev libssl-dev libcurl4-openssl-dev
  zlib1g-dev libzstd-dev)
packages_run=(lua-argparse ca-certificates curl procps)
packages_test=(lua-busted luajit lua-socket lua-posix lua-cjson openssl)
packages_npm=(npm)
packages_agents=(iproute2 util-linux)
packages_lint=(clang-format-14 clang-tidy-14 cppcheck lua-check)
packages_bench=(nginx-light haproxy luajit lua-posix lua-cjson openssl)

say() { printf '%s\n' "$*"; }
step() { printf '== %s\n' "$*"; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

is_debian() { command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; }

# llhttp is a library on newer Debian and Ubuntu; Debian 12 has its C sources in node-llhttp.
llhttp_package() {
  if is_installed libllhttp-dev; then echo libllhttp-dev
  elif is_installed node-llhttp; then echo node-llhttp
  elif [ -n "$(apt-cache --quiet=0 search --names-only '^libllhttp-dev$' 2>/dev/null)" ]; then echo libllhttp-dev
  else echo node-llhttp
  fi
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# missing PACKAGE... : those of them that are not installed.
missing() {
  local package
  for package in "$@"; do
    is_installed "$package" || echo "$package"
  done
}

# need PACKAGE... : installs what is missing, or says what to install and fails.
need() {
  local absent as_root=()
  if ! is_debian; then
    say "This script installs packages on Debian and Ubuntu only. Install these, or what your system calls them:"
    say "  $*"
    return 1
  fi
  mapfile -t absent < <(missing "$@")
  [ ${#absent[@]} -eq 0 ] && return 0
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "these packages are missing, and there is neither root nor sudo to install them: ${absent[*]}"
    as_root=(sudo)
  fi
  say "Installing: ${absent[*]}"
  # A fresh system has no package lists yet.
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${absent[@]}" >/dev/null 2>&1 && return 0
  "${as_root[@]}" apt-get update -q >/dev/null || die "apt-get update failed: is the network up?"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${absent[@]}" >/dev/null ||
    die "installing failed: run apt-get install ${absent[*]}"
}

# configure FOLDER [CMAKE OPTIONS]: once, and again only when the options changed (CMake looks after the rest).
configure() {
  local folder=$1 stamp
  shift
  stamp=$folder/.options
  if [ ! -f "$folder/CMakeCache.txt" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$*" ]; then
    local generator=()
    [ -f "$folder/CMakeCache.txt" ] || { command -v ninja >/dev/null && generator=(-G Ninja); }
    cmake -S "$root" -B "$folder" "${generator[@]}" "$@" >"$folder.log" 2>&1 || { cat "$folder.log" >&2; die "cmake failed"; }
    printf '%s' "$*" >"$stamp"
    rm -f "$folder.log"
  fi
}

# compile FOLDER TARGET... : quiet unless it fails.
compile() {
  local folder=$1 output
  shift
  output=$(cmake --build "$folder" --parallel "$(nproc)" --target "$@" 2>&1) || {
    printf '%s\n' "$output" >&2
    die "building $* in $folder failed"
  }
}

# The pid of our running process; fails when there is none. A pid file alone proves nothing: the number may be another's by now.
running_pid() {
  local pid exe
  [ -r "$pid_file" ] || return 1
  pid=$(cat "$pid_file")
  case $pid in '' | *[!0-9]*) return 1 ;; esac
  exe=$(readlink "/proc/$pid/exe" 2>/dev/null) || return 1
  [ "${exe% (deleted)}" = "$(readlink -f "$binary")" ] || return 1
  echo "$pid"
}

# The first address that the running process said it listens on.
listening_url() {
  local address
  address=$(sed -n 's/.*listening on \([^ ,]*\).*/\1/p' "$log_file" 2>/dev/null | head -n 1)
  case $address in
  '') return 1 ;;
  http://* | https://* | unix:*) echo "$address" ;;
  *) echo "http://$address" ;;
  esac
}

# fetch URL PATH [CURL OPTIONS]
fetch() {
  local url=$1 path=$2
  shift 2
  case $url in
  unix:*) curl -sS --max-time 5 --unix-socket "${url#unix:}" "$@" "http://localhost$path" ;;
  https:*) curl -sSk --max-time 5 "$@" "$url$path" ;;
  *) curl -sS --max-time 5 "$@" "$url$path" ;;
  esac
}

# Waits until a command succeeds: wait_for SECONDS COMMAND...
wait_for() {
  local tries=$(($1 * 20))
  shift
  while ! "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 0.05
  done
}

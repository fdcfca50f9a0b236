#!/usr/bin/env bash
# Checks the sources: format, static analysis, layers, types of the bindings, lengths. Installs what it needs.   lint.sh [CHECK]…
set -euo pipefail
. "$(dirname "$0")/lib.sh"

failed=0
check() {
  local output status=0
  output=$("$@" 2>&1) || status=$?
  if [ "$status" = 0 ]; then
    printf '%-10s ok\n' "${1#lint_}"
  else
    printf '%-10s FAILED\n%s\n' "${1#lint_}" "$output"
    failed=$((failed + 1))
  fi
}

c_files() { find src spec bench -name node_modules -prune -o -name '*.[ch]' -print; }

lint_format() { c_files | xargs clang-format-14 --dry-run -Werror; }

# One file a process: with several the analyser mistakes va_lists of one for those of another.
lint_tidy() { find src -name '*.c' -print | xargs -P "$(nproc)" -n 1 clang-tidy-14 --quiet -p "$build" --extra-arg=-Wno-ignored-optimization-argument; }

lint_cppcheck() {
  cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 --suppress=missingInclude \
    --suppress=unknownMacro -D_GNU_SOURCE -Isrc -j "$(nproc)" src bench
}

lint_luacheck() { luacheck --quiet lua providers spec scripts bench config.lua.example; }

# A layer includes its own headers and those of the layers below it.
lint_layers() {
  local bad=0 layer below file line
  declare -A may=([base]="base" [json]="base json" [crypto]="base crypto" [net]="base crypto net" [http]="base json crypto net http"
    [upstream]="base crypto net upstream" [store]="base crypto net store" [lua]="base json crypto net http upstream store lua")
  for layer in "${!may[@]}"; do
    below=${may[$layer]// /|}
    while IFS= read -r line; do
      say "$line: src/$layer may include: ${may[$layer]}"
      bad=1
    done < <(grep -rnE '^#include "(base|json|crypto|net|http|upstream|store|lua)/' "src/$layer" | grep -vE "#include \"($below)/" || true)
  done
  while IFS= read -r line; do
    say "$line: lua.h belongs to src/lua"
    bad=1
  done < <(grep -rnE '#include <(lua|lauxlib|lualib|luajit)\.h' src | grep -v '^src/lua/' || true)
  while IFS= read -r file; do
    say "$file: unsafe function"
    bad=1
  done < <(grep -rnE '\b(strcat|sprintf|gets|strtok)\(' src || true)
  return $bad
}

# providers -> providers/lib -> public cliproxy modules; the core never names a provider, codecs nothing of the pipeline,
# no module one that requires it.
lint_requires() {
  local bad=0 public='json|http|log|timer|task|crypto|state|env' line
  while IFS= read -r line; do
    say "$line: a provider may require providers/lib and cliproxy.{${public//|/,}}"
    bad=1
  done < <(grep -rnE "require *\(?[\"']" providers | grep -vE "^[^:]*\.md:" | grep -vE "require *\(?[\"'](lib\.[a-z0-9_]+|providers\.lib\.[a-z0-9_.]+|cliproxy\.($public))[\"']" || true)
  while IFS= read -r line; do
    say "$line: the core does not require providers"
    bad=1
  done < <(grep -rnE "require *\(?[\"']providers" lua || true)
  compile "$build" cpx_lua
  "$build/cpx_lua" scripts/lint_requires.lua || bad=1
  return $bad
}

lint_meta() {
  local interpreter=$build/cpx_lua
  compile "$build" cpx_lua
  "$interpreter" scripts/lint_meta.lua
}

# Told, not enforced: the exceptions are few and have a reason.
report_lengths() {
  find src lua providers bench spec -name node_modules -prune -o \( -name '*.[ch]' -o -name '*.lua' \) -exec wc -l {} + |
    awk '$2 != "total" && $1 > 400 { printf "long file   %5d lines  %s\n", $1, $2 }'
  find src bench -name '*.c' -print0 | xargs -0 awk '
    /^[a-zA-Z].*\) \{$/ { start = FNR; name = $0 }
    /^}/ { if (start && FNR - start - 1 > 50) printf "long function %3d lines  %s:%d\n", FNR - start - 1, FILENAME, start; start = 0 }'
}

need "${packages_lint[@]}"
[ -f "$build/compile_commands.json" ] || configure "$build"
checks=("$@")
[ ${#checks[@]} -gt 0 ] || checks=(format layers requires luacheck cppcheck meta tidy)
for name in "${checks[@]}"; do
  declare -F "lint_$name" >/dev/null || die "there is no check '$name': format layers requires luacheck cppcheck meta tidy"
  check "lint_$name"
done
report_lengths
say "$((${#checks[@]} - failed)) passed, $failed failed"
[ "$failed" = 0 ]

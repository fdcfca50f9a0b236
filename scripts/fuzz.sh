#!/usr/bin/env bash
# Builds the libFuzzer targets and runs each.   fuzz.sh [SECONDS] [TARGET]…      60 seconds each by default
# What a target finds stays in build-fuzz/<target>/, its corpus in build-fuzz/corpus/<target>/.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

seconds=${1:-60}
[ $# -gt 0 ] && shift
need "${packages_build[@]}" clang-14 libclang-rt-14-dev "$(llhttp_package)"
folder=$root/build-fuzz
CC=clang-14 configure "$folder" -DFUZZ=ON -DCMAKE_C_COMPILER=clang-14
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(basename -s .c -a spec/fuzz/*_fuzz.c)
compile "$folder" "${targets[@]}"
failed=0
for target in "${targets[@]}"; do
  step "$target, $seconds s"
  mkdir -p "$folder/corpus/$target" "$folder/$target.found"
  seeds=()
  [ -d "spec/fuzz/corpus/${target%_fuzz}" ] && seeds=("spec/fuzz/corpus/${target%_fuzz}")
  "$folder/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$folder/$target.found/" \
    -print_final_stats=1 "$folder/corpus/$target" "${seeds[@]}" 2>"$folder/$target.log" || {
    tail -n 40 "$folder/$target.log"
    failed=$((failed + 1))
    continue
  }
  grep -E 'stat::(number_of_executed_units|peak_rss_mb)' "$folder/$target.log"
done
say "$((${#targets[@]} - failed)) passed, $failed failed"
[ "$failed" = 0 ]

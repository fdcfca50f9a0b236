#!/usr/bin/env bash
# Formats the C sources in place.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
command -v clang-format-14 >/dev/null || need clang-format-14
find src spec bench -name '*.[ch]' -print0 | xargs -0 clang-format-14 -i

#!/usr/bin/env bash
# Stops cliproxy, if it runs, and starts it. Scripts and config.lua need no restart: they are reloaded when saved.
set -euo pipefail
cd "$(dirname "$0")/.."
./scripts/stop.sh
exec ./scripts/start.sh

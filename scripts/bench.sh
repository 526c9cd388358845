#!/usr/bin/env bash
# Measures what a request with a session costs, beside its peers; docs/bench.md says how, and how to read it.
# Writes target/bench/report.md, results.json and callgrind.txt.
#   BENCH=quick            fewer rounds: about two minutes once built
#   BENCH_PROFILE=NAME     instead: perf on one handler, named as in the report, with BENCH_SIZE bytes and BENCH_WORKERS
#   BENCH_PART=killed      only the table of locks whose holder was killed, on standard output
#   BENCH_PART=cached      only the table of a page behind a page cache
#   CLOAKROOM_SO=FILE      another build of the extension
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
# Never the debug build that a test may have left, which is newer and several times slower.
export CLOAKROOM_SO="${CLOAKROOM_SO:-$(realpath "$target")/release/cloakroom.so}"

cargo build --release --quiet --package cloakroom-testbed --example bench
"$target/release/examples/bench"
if [[ -z "${BENCH_PROFILE:-}${BENCH_PART:-}" ]]; then
	scripts/bench/callgrind.sh
fi

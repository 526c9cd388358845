#!/usr/bin/env bash
# What `make test` runs bounded, for long: histories on every store, the merge against real PHP, the commit protocol in every order.
#   CLOAKROOM_ORACLE_ROUNDS   how many generated sessions PHP judges (default a million)
# Usage: scripts/check-long.sh [histories|oracle|exhaustive]…   all of them unless some are named
set -uo pipefail
cd "$(dirname "$0")/.."
export CLOAKROOM_CHECK_LONG=1 CLOAKROOM_TEST_ALL=1
export CLOAKROOM_ORACLE_ROUNDS=${CLOAKROOM_ORACLE_ROUNDS:-1000000}
status=0
part() {
	local name=$1
	shift
	[[ " ${chosen:-$name} " == *" $name "* ]] || return 0
	printf '\n== %s\n' "$name"
	"$@" || status=1
}
chosen="$*"
part histories cargo test --locked --package cloakroom-system-tests --test histories -- --nocapture --test-threads 1
part oracle cargo test --release --locked --package cloakroom-format --test php_oracle -- --nocapture
part exhaustive cargo test --release --locked --package cloakroom --test exhaustive -- --nocapture --test-threads 1
exit "$status"

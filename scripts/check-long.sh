#!/usr/bin/env bash
# What `make test` runs bounded, for long: the merge against real PHP, an attack on a log-in in real time, the commit protocol in
# every order, histories on every store, the plugin's screens with a million sessions.
#   CLOAKROOM_ORACLE_ROUNDS   how many generated sessions PHP judges (default a million)
# Usage: scripts/check-long.sh [oracle|planted|exhaustive|histories|screens]…   all of them unless some are named
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
part oracle cargo test --release --locked --package cloakroom-format --test php_oracle -- --nocapture
planted() {
	scripts/build.sh && cargo test --locked --package cloakroom-system-tests --test planted -- --nocapture
}
part planted planted
part exhaustive cargo test --release --locked --package cloakroom --test exhaustive -- --nocapture --test-threads 1
part histories cargo test --release --locked --package cloakroom-system-tests --test histories -- --nocapture --test-threads 1
screens() {
	scripts/build.sh && cargo test --locked --package cloakroom-system-tests --test wordpress_admin -- --ignored million --nocapture
}
part screens screens
exit "$status"

#!/usr/bin/env bash
# Runs every test and ends with one line of counts.
#
# A part is an executable in scripts/tests/. It says what it does on standard output and error, and writes "PASSED FAILED" to the
# file named in $COUNTS. A part that fails without having counted a failure counts as one.
# Usage: scripts/test.sh [PART]…   all parts unless some are named, such as `rust`
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-packages.sh test
scripts/build.sh

COUNTS=$(mktemp)
export COUNTS
# What a part needs has been installed: a test that finds something missing fails instead of stepping aside.
export CLOAKROOM_TEST_ALL=1
# What is tested is what `make build` leaves.
export CLOAKROOM_SO="${CARGO_TARGET_DIR:-$PWD/target}/release/cloakroom.so"
trap 'rm -f "$COUNTS"' EXIT
passed=0 failed=0
for part in scripts/tests/*; do
	name=$(basename "$part")
	[[ $# -eq 0 || " $* " == *" ${name#*-} "* ]] || continue
	printf '\n== %s\n' "${name#*-}"
	: >"$COUNTS"
	status=0
	"$part" || status=$?
	part_passed=0 part_failed=0
	read -r part_passed part_failed <"$COUNTS" || true
	if [[ $status -ne 0 && ${part_failed:-0} -eq 0 ]]; then
		echo "$part ended with $status"
		part_failed=1
	fi
	# A part in which nothing ran has shown nothing.
	if [[ $((${part_passed:-0} + ${part_failed:-0})) -eq 0 ]]; then
		echo "$part ran no test"
		part_failed=1
	fi
	passed=$((passed + ${part_passed:-0}))
	failed=$((failed + ${part_failed:-0}))
done
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[[ $failed -eq 0 && $passed -gt 0 ]]

#!/usr/bin/env bash
# Runs PHP's own session tests: with `files`; with our handler as they are; with those that force `files` pointed at ours;
# these without PHP's eager cookies (held-back); and once more with all our defaults. The tests choose session ids themselves,
# which our defaults refuse: so all runs but the last hand strictness, ids and HttpOnly to PHP, and the list tells for the last
# one which tests that concerns.
# Whatever passes with `files` must pass with ours, except what scripts/php-tests/exceptions.txt lists; and what that
# lists must fail. Writes "PASSED FAILED" to the file named in $COUNTS, if that is set.
# Usage: scripts/php-tests/run.sh [EXTENSION]   default target/release/cloakroom.so
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
extension=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/cloakroom.so}")
scripts/php-tests/fetch.sh
source=$root/target/php-tests/source
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TEST_PHP_EXECUTABLE TEST_PHP_CGI_EXECUTABLE NO_INTERACTION=1 SKIP_ONLINE_TESTS=1
TEST_PHP_EXECUTABLE=$(command -v php) TEST_PHP_CGI_EXECUTABLE=$(command -v php-cgi)

# run NAME FORCED_HANDLER PHP_OPTION…: a copy of the tests, run once; "STATUS TEST" for each into $work/NAME.
run() {
	local name=$1 forced=$2
	shift 2
	mkdir -p "$work/$name.tests"
	cp -r "$source/." "$work/$name.tests/"
	# The runs use the same ids, and what one has stored or ended the next one must not find.
	rm -f "$work"/sessions.sqlite*
	cd "$work/$name.tests"
	sed -i "s/^session\.save_handler=files\$/session.save_handler=$forced/" ext/session/tests/*.phpt
	# The status is in the results; a failing test is no failure of the run.
	php run-tests.php -n -q -j2 "$@" -W "$work/$name.results" ext/session/tests >"$work/$name.log" 2>&1 || true
	cd "$root"
	[[ -s $work/$name.results ]] || {
		echo "PHP's test runner gave no results ($name):" >&2
		tail -n 20 "$work/$name.log" >&2
		exit 1
	}
	sed -E 's#^([A-Z]+)[[:space:]]+.*/([^/]+)\.phpt.*$#\1 \2#' "$work/$name.results" | sort -k2 >"$work/$name"
}

ours=(-d "extension=$extension" -d session.save_handler=cloakroom -d "cloakroom.store=sqlite:$work/sessions.sqlite")
as_php=(-d cloakroom.strict=php -d cloakroom.id_bits=php -d cloakroom.httponly=php -d cloakroom.cookies_only=php)
eager=(-d cloakroom.eager_cookie=1)
run files files
run as-they-are files "${ours[@]}" "${as_php[@]}" "${eager[@]}"
run pointed-at-us cloakroom "${ours[@]}" "${as_php[@]}" "${eager[@]}"
run held-back cloakroom "${ours[@]}" "${as_php[@]}"
run defaults cloakroom "${ours[@]}"

passed=0 failed=0
awk '$1 == "PASSED" { print $2 }' "$work/files" | sort >"$work/expected"
for mode in as-they-are pointed-at-us held-back defaults; do
	awk '$1 == "PASSED" { print $2 }' "$work/$mode" | sort >"$work/passing"
	awk -v mode="$mode" '!/^#/ && ($1 == mode || $1 == "all") { print $2 }' scripts/php-tests/exceptions.txt | sort >"$work/excepted"
	# Fails with ours, is not listed; is listed, passes with ours, or does not even pass with `files`.
	comm -23 "$work/expected" "$work/passing" | comm -23 - "$work/excepted" >"$work/unlisted"
	comm -12 "$work/excepted" "$work/passing" >"$work/needless"
	comm -23 "$work/excepted" "$work/expected" >>"$work/needless"
	while read -r test; do
		echo "FAILED  $mode: $test passes with files and not with cloakroom"
		diff=$work/$mode.tests/ext/session/tests/$test.diff
		if [[ -f $diff ]]; then
			sed 's/^/        /' "$diff"
			echo
		fi
		failed=$((failed + 1))
	done <"$work/unlisted"
	while read -r test; do
		echo "FAILED  $mode: $test is listed as an exception and is none"
		failed=$((failed + 1))
	done <"$work/needless"
	good=$(comm -12 "$work/expected" "$work/passing" | wc -l)
	echo "$mode: $good of $(wc -l <"$work/expected") tests that pass with files pass with cloakroom, $(wc -l <"$work/excepted") exceptions"
	passed=$((passed + good))
done
[[ -z ${COUNTS:-} ]] || echo "$passed $failed" >"$COUNTS"
[[ $failed -eq 0 ]]

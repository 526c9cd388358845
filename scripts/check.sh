#!/usr/bin/env bash
# Everything about the source that can be known without running it: format, lints, documentation, each cargo feature alone,
# licences and duplicates among the dependencies. The first failure ends it.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-packages.sh build

step() {
	printf '\n== %s\n' "$1"
}

step 'format'
cargo fmt --all --check

step 'lints'
cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

step 'documentation'
RUSTDOCFLAGS='-D warnings' cargo doc --workspace --all-features --no-deps --locked --quiet

step 'each feature alone'
while read -r package features; do
	for feature in '' $features; do
		echo "$package: ${feature:-no feature}"
		cargo clippy --quiet --locked --package "$package" --no-default-features ${feature:+--features "$feature"} -- -D warnings
	done
done < <(php -n scripts/dependencies.php features)

step 'dependencies'
php -n scripts/dependencies.php audit

step 'scripts'
mapfile -t scripts < <(grep -lE '^#!.*\b(ba)?sh$' .ci/run scripts/*.sh scripts/tests/*)
for script in "${scripts[@]}"; do
	bash -n "$script"
done
find wordpress scripts -name '*.php' -print0 | xargs -0 --no-run-if-empty -n 1 php -n -l >/dev/null
if command -v shellcheck >/dev/null; then
	shellcheck "${scripts[@]}"
fi
echo 'All checks passed.'

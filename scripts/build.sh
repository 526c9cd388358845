#!/usr/bin/env bash
# Builds the operator's command and the PHP extension: target/release/cloakroom and target/release/cloakroom.so.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}

cargo build --release --package cloakroom-cli --package cloakroom-php
# Put in place by a rename: a PHP that has the old file mapped must not see it change.
if ! cmp --silent "$target/release/libcloakroom_php.so" "$target/release/cloakroom.so"; then
	cp "$target/release/libcloakroom_php.so" "$target/release/cloakroom.so.new"
	mv "$target/release/cloakroom.so.new" "$target/release/cloakroom.so"
fi

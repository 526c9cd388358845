#!/usr/bin/env bash
# Unpacks the packages of scripts/php-sources.txt under target/php-sources/PACKAGE, without installing them or what they
# depend on. What is there already is not fetched again.
# Prints the folders, one a line. Ends with 0 if at least ten are there.
set -uo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/php-sources
mkdir -p "$target"
# Two tests at once must not unpack into each other's folders.
exec 9>"$target/.lock"
flock 9

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || {
	echo 'php-sources: this is no Debian or Ubuntu' >&2
	exit 1
}
work=$(mktemp -d "$target/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The package's file in the working folder; fails when the archive does not have it, or does not give it in two minutes.
download() {
	(cd "$work" && timeout 120 apt-get download -q -o Acquire::Retries=2 -o APT::Sandbox::User=root "$1") >"$work/log" 2>&1
}

updated=
update() {
	[[ -z "$updated" ]] || return 1
	updated=yes
	# A fresh machine has no lists, or old ones that name files that are gone.
	if [[ $EUID -eq 0 ]]; then timeout 300 apt-get update -q; else timeout 300 sudo -n apt-get update -q; fi >/dev/null 2>&1
}

count=0
while read -r package; do
	if [[ ! -d "$target/$package" ]]; then
		download "$package" || { update && download "$package"; } || {
			echo "php-sources: left out, since it can't be had: $package" >&2
			continue
		}
		mkdir "$work/$package"
		dpkg-deb -x "$work/$package"_*.deb "$work/$package" || continue
		rm -f "$work/$package"_*.deb
		mv "$work/$package" "$target/$package"
	fi
	count=$((count + 1))
	echo "$target/$package"
done < <(grep -E '^[a-z0-9]' scripts/php-sources.txt)
[[ $count -ge 10 ]] || {
	echo "php-sources: only $count packages could be had; ten are needed" >&2
	exit 1
}

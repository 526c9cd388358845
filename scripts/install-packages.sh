#!/usr/bin/env bash
# Installs what is missing from the distribution for building, running, testing or measuring Cloakroom.
# Usage: scripts/install-packages.sh [build|up|test|bench|all]…   (default: build)
# Starts no service, now or at the next boot: a policy file forbids starts during the installation, and services
# that come with a package are not enabled. Says nothing when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")"

die() {
	echo "install-packages: $*" >&2
	exit 1
}

# The groups that a group stands on, itself included.
groups_of() {
	case "$1" in
	build) echo build ;;
	up) echo build up ;;
	test) echo build test ;;
	bench) echo build up bench ;;
	all) echo build up test bench ;;
	*) die "there is no group '$1'; there are build, up, test, bench and all" ;;
	esac
}

wanted() {
	awk -v want=" $* " '
		/^\[/ { group = substr($1, 2, length($1) - 2); next }
		/^[a-z0-9]/ && index(want, " " group " ") { print $1 }
	' packages.txt | sort -u
}

is_installed() {
	[[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

# A versioned package (php8.2-fpm) does the work of the plain name, which is only a pointer to it.
is_provided() {
	is_installed "$1" && return
	[[ "$1" == php-* ]] || return 1
	local php
	php=$(php-config --version 2>/dev/null | cut -d. -f1,2) || return 1
	[[ -n "$php" ]] && is_installed "php$php-${1#php-}"
}

missing() {
	local package
	for package in $(wanted "$@"); do
		is_provided "$package" || echo "$package"
	done
}

as_root() {
	if [[ $EUID -eq 0 ]]; then
		"$@"
	else
		sudo "$@"
	fi
}

groups=()
for group in "${@:-build}"; do
	# shellcheck disable=SC2207 # group names hold no spaces
	groups+=($(groups_of "$group"))
done

command -v dpkg-query >/dev/null || {
	echo "install-packages: this is no Debian or Ubuntu; please install by hand what scripts/packages.txt names" >&2
	exit 0
}
mapfile -t packages < <(missing "${groups[@]}")
[[ ${#packages[@]} -gt 0 ]] || exit 0
[[ $EUID -eq 0 ]] || command -v sudo >/dev/null ||
	die "missing: ${packages[*]}. Run this script as root, since there is no sudo."

echo "Installing ${#packages[@]} packages: ${packages[*]}"
log=$(mktemp)
policy=/usr/sbin/policy-rc.d
kept=
if [[ -e "$policy.before-cloakroom" ]]; then
	as_root mv -f "$policy.before-cloakroom" "$policy"
fi
restore() {
	local status=$?
	if [[ -n "$kept" ]]; then
		as_root mv -f "$kept" "$policy"
	elif grep -qs 'cloakroom: no service starts' "$policy"; then
		as_root rm -f "$policy"
	fi
	rm -f "$log"
	exit "$status"
}
trap restore EXIT
trap 'exit 130' INT TERM
# One of ours that was left by a run that was killed is no policy to keep.
if [[ -e "$policy" ]] && ! grep -qs 'cloakroom: no service starts' "$policy"; then
	kept="$policy.before-cloakroom"
	as_root mv -f "$policy" "$kept"
fi
printf '#!/bin/sh\n# cloakroom: no service starts while its packages are being installed\nexit 101\n' |
	as_root tee "$policy" >/dev/null
as_root chmod 755 "$policy"

# The services that start at boot.
enabled() {
	find /etc/systemd/system -path '*.wants/*.service' -printf '%f\n' 2>/dev/null | sort -u
}
before=$(enabled)

# Recommendations stay out: they would bring a second web server along. (WordPress's own list still brings Apache's PHP module,
# but no Apache that could start.)
install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
		-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "${packages[@]}" >>"$log" 2>&1
}
# The lists of a fresh machine are missing or old: fetch them only when they are needed.
if ! install; then
	as_root apt-get update -q >>"$log" 2>&1 || true
	install || {
		tail -n 30 "$log" >&2
		die "the installation failed"
	}
fi
# A service that has only now come is not to start at the next boot either; one that was there stays as it is.
if command -v systemctl >/dev/null; then
	mapfile -t new < <(comm -13 <(echo "$before") <(enabled))
	[[ ${#new[@]} -eq 0 ]] || as_root systemctl disable -q "${new[@]}" >>"$log" 2>&1 ||
		echo "install-packages: these will start at the next boot: ${new[*]}" >&2
fi
mapfile -t packages < <(missing "${groups[@]}")
[[ ${#packages[@]} -eq 0 ]] || die "still missing after the installation: ${packages[*]}"

#!/usr/bin/env bash
# Judges what `make up` is told before minutes go into a build.  Usage: scripts/check-up.sh STORE HANDLER
# Ports are judged by their form alone; one that is taken is no error, the next free one is used instead.
set -euo pipefail

die() {
	echo "make up: $*" >&2
	exit 2
}

case "${1-}" in
sqlite | mysql | mariadb | redis) ;;
*) die "STORE=${1-} is not known; there are sqlite, mysql and redis" ;;
esac
case "${2-}" in
cloakroom | files) ;;
*) die "HANDLER=${2-} is not known; there are cloakroom and files" ;;
esac
for name in HTTP DB REDIS FPM_A FPM_B; do
	variable=CLOAKROOM_${name}_PORT
	[[ -v $variable ]] || continue
	port=${!variable}
	if [[ ! $port =~ ^[0-9]{1,5}$ ]] || ((10#$port < 1 || 10#$port > 65535)); then
		die "$variable=$port is no port number (1 to 65535)"
	fi
done

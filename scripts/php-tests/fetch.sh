#!/usr/bin/env bash
# Brings PHP's own session tests from the distribution's source package into target/php-tests/source; nothing of it is
# committed. The newest source package there is may be a few patch releases off the installed PHP; that is fine.
set -euo pipefail
cd "$(dirname "$0")/../.."
to=target/php-tests
version=$(php-config --version | cut -d. -f1,2)
if [[ -f $to/source/run-tests.php && $(cat "$to/source/.php" 2>/dev/null) == "$version" ]]; then
	exit 0
fi
rm -rf "$to/source" "$to/apt"
mkdir -p "$to/apt/sources" "$to/apt/lists/partial" "$to/apt/download"
# The machine's own package sources, asked for source packages; its settings and lists stay as they are.
for file in /etc/apt/sources.list.d/*.sources; do
	[[ -f $file ]] && sed 's/^Types:.*/Types: deb-src/' "$file" >"$to/apt/sources/$(basename "$file")"
done
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
	[[ -f $file ]] && sed -n 's/^deb /deb-src /p' "$file" >"$to/apt/sources/$(basename "$file").list"
done
apt=(-qq -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$PWD/$to/apt/sources"
	-o "Dir::State::lists=$PWD/$to/apt/lists" -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=" -o "APT::Sandbox::User=")
apt-get "${apt[@]}" update
package=$(dpkg-query -W -f '${source:Package}' "php$version-cli")
cd "$to/apt/download"
for candidate in $(apt-cache "${apt[@]}" showsrc "$package" | awk '/^Version:/ { print $2 }' | sort -urV); do
	# A version that is listed may be gone from the archive already; the one before it serves as well.
	if apt-get "${apt[@]}" source --download-only "$package=$candidate" 2>../failure; then
		got=$candidate
		break
	fi
done
[[ -n ${got:-} ]] || {
	echo "No source package of $package could be had from the distribution; PHP's own tests can't run:" >&2
	cat ../failure >&2
	exit 1
}
mkdir -p ../unpacked
archives=("$package"_*.orig.tar.?z)
tar -xf "${archives[0]}" -C ../unpacked --strip-components=1 --wildcards \
	'*/run-tests.php' '*/ext/session/tests/*' '*/sapi/cgi/tests/include.inc'
cd ../..
mv apt/unpacked source
echo "$version" >source/.php
rm -rf apt
echo "PHP's tests of $got, for PHP $(php-config --version)"

#!/usr/bin/env bash
# A newer WordPress than the distribution's, from the npm registry: prints its folder. CLOAKROOM_WORDPRESS=FOLDER then has the
# testbed copy it instead of the package (tests, `make up`).
#
# The package @wp-playground/wordpress-builds has releases of WordPress for running them in a browser: the PHP in a zip with its
# comments taken out, scripts and styles beside it. Put together they run on MariaDB and php-fpm like any other WordPress. It is
# large (151 MiB), so only what is needed of it is kept, in target/.
#
# Usage: scripts/newer-wordpress.sh [RELEASE]   (default: the newest release that the package has)
set -euo pipefail
cd "$(dirname "$0")/.."

package=@wp-playground/wordpress-builds
version=0.9.19
sha256=e62ccde83c48571e7f38b46030f13a9a868e42086b1c7c80b54cde535edd114d
release=${1:-6.5}

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
root=$(cd "$target" && pwd)/newer-wordpress
place=$root/wordpress-$release
if [[ -f $place/wp-includes/version.php ]]; then
	echo "$place"
	exit
fi

die() {
	echo "newer-wordpress: $*" >&2
	exit 1
}
for program in unzip tar sha256sum; do
	command -v "$program" >/dev/null || die "$program is not installed (scripts/install-packages.sh test)"
done

mkdir -p "$root"
work=$(mktemp -d "$root/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
archive=$work/package.tgz
if command -v npm >/dev/null; then
	name=$(cd "$work" && npm pack --silent "$package@$version") || die "npm could not fetch $package@$version"
	mv "$work/$name" "$archive"
else
	registry=${npm_config_registry:-https://registry.npmjs.org}
	curl --fail --silent --show-error --location --output "$archive" \
		"${registry%/}/$package/-/${package#*/}-$version.tgz" || die "could not fetch $package@$version"
fi
echo "$sha256  $archive" | sha256sum --check --status || die "$package@$version is not what it was"

tar --extract --gzip --file "$archive" --directory "$work" \
	"package/src/wordpress/wp-$release.zip" "package/public/wp-$release" 2>/dev/null ||
	die "$package@$version has no WordPress $release"
unzip -q "$work/package/src/wordpress/wp-$release.zip" -d "$work/files"
cp -R "$work/package/public/wp-$release/." "$work/files/"
# What the browser needs, and what a site writes itself: among them a configuration, and a database for SQLite.
rm -rf "$work/files/wp-config.php" "$work/files/wordpress-remote-asset-paths" "$work/files/.default_theme" \
	"$work/files/wp-content/database" "$work/files/wp-content/db.php" "$work/files/wp-content/mu-plugins"
mv "$work/files" "$place"
echo "$place"

#!/usr/bin/env bash
# Counts the instructions of one request's session by callgrind, in php-cli: a figure that no busy neighbour moves.
# Kernel time is not in it. valgrind knows no SHA instructions, so hashing counts several times its true share; the
# table shows it apart. Writes target/bench/callgrind.txt.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
out=$target/bench/callgrind.txt
so=$(realpath "${CLOAKROOM_SO:-$target/release/cloakroom.so}")
few=40 many=240

command -v valgrind >/dev/null || {
	echo "bench: valgrind is not installed, so instructions are not counted" >&2
	exit 0
}
work=$(mktemp -d)
redis=
end() {
	[[ -z "$redis" ]] || kill "$redis" 2>/dev/null || true
	rm -rf "$work"
}
trap end EXIT

# Runs the loop under callgrind: FOLDER-WITH-SETTINGS REQUESTS BYTES OUTPUT. Not the distribution's conf.d: thirty
# extensions would only be loaded.
count() {
	PHP_INI_SCAN_DIR=$1 valgrind --tool=callgrind --callgrind-out-file="$4" --log-file="$4.log" \
		php scripts/bench/loop.php "$2" "$3" || {
		cat "$4.log" >&2
		exit 1
	}
}

# Name and instructions of each function, from an output of callgrind.
functions_of() {
	callgrind_annotate --threshold=100 --show-percs=no --inclusive=no "$1" 2>/dev/null | awk '
		/^ *[0-9][0-9,]* +[^ ]/ && !/PROGRAM TOTALS/ {
			instructions = $1; gsub(",", "", instructions)
			$1 = ""; sub(/^ +/, ""); sub(/^[^:]*:/, "")
			sum[$0] += instructions
		}
		END { for (name in sum) printf "%d\t%s\n", sum[name], name }' | sort -k2
}

measure() {
	local name=$1 settings=$2 bytes=$3 base=$work/run
	count "$settings" "$few" "$bytes" "$base.few"
	count "$settings" "$many" "$bytes" "$base.many"
	functions_of "$base.few" >"$base.few.txt"
	functions_of "$base.many" >"$base.many.txt"
	# What grows with the number of requests is what a request costs.
	awk -F '\t' -v requests=$((many - few)) '
		NR == FNR { before[$2] = $1; next }
		{ each = ($1 - before[$2]) / requests; if (each >= 0.5) printf "%d\t%s\n", each, $2 }
	' "$base.few.txt" "$base.many.txt" | sort -rn >"$base.each"
	awk -F '\t' -v name="$name" -v bytes="$bytes" -v so="$(basename "$so")]" '
		{ all += $1 }
		index($0, so) { ours += $1 }
		/sha2::|sha256/ { hash += $1 }
		END { printf "%-28s %6d bytes: %8d instructions a request, %8d in cloakroom.so (%d of them SHA-256)\n", name, bytes, all, ours, hash }
	' "$base.each" | tee -a "$out"
	printf '%s, %d bytes\n' "$name" "$bytes" >>"$out.details"
	head -n 40 "$base.each" | awk -F '\t' '{ printf "%10d  %s\n", $1, $2 }' >>"$out.details"
	echo >>"$out.details"
}

settings() {
	mkdir -p "$work/$1"
	cat >"$work/$1/bench.ini"
}

mkdir -p "$target/bench"
echo "Instructions of one request's session (start, change, write, close) in php-cli; kernel time is not in it." >"$out"
: >"$out.details"
settings sqlite <<-END
	extension=$so
	session.save_handler=cloakroom
	cloakroom.store="sqlite:$work/sessions.db"
END
settings files <<-END
	session.save_handler=files
	session.save_path="$work"
	session.use_strict_mode=1
END
for bytes in 0 1024 20480; do
	measure "files" "$work/files" "$bytes"
	measure "Cloakroom, SQLite" "$work/sqlite" "$bytes"
done
if command -v redis-server >/dev/null; then
	redis-server --port 0 --unixsocket "$work/redis.sock" --save '' --daemonize no >"$work/redis.log" 2>&1 &
	redis=$!
	for _ in {1..200}; do
		[[ -S "$work/redis.sock" ]] && break
		sleep 0.05
	done
	settings redis <<-END
		extension=$so
		session.save_handler=cloakroom
		cloakroom.store="unix:$work/redis.sock"
	END
	for bytes in 0 1024 20480; do
		measure "Cloakroom, Redis" "$work/redis" "$bytes"
	done
fi
printf '\nThe functions that take most:\n\n' >>"$out"
cat "$out.details" >>"$out"
rm "$out.details"
echo "Written to $out"

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the scripts share: where things are, what they say, and how they get Debian packages.
# Sourced by scripts that run under "set -euo pipefail".

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # for those who source this
build=${DUCT_BUILD:-$top/build}
# A user's path may lack where depmod is.
PATH=$PATH:/usr/sbin:/sbin
cache=${DUCT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/duct}

# shellcheck disable=SC2034 # for those who source this
{
	kernels=(6.1 6.12 7.3)
	test_packages=(gcc libbsd-dev libc6-dev libcmocka-dev liburing-dev make python3 python3-pytest)
	bench_packages=(
		dpdk-dev gnuplot-nox iproute2 libvdeplug-dev librte-mempool-ring23 librte-net-memif23 librte-net-vhost23
		librte-net-virtio23 vde2
	)
	check_packages=(clang codespell git mandoc perl shellcheck)
	deb_packages=(debhelper dh-dkms dpkg-dev fakeroot gcc libc6-dev lintian make)
}

if [[ -t 2 ]]; then
	bold=$'\e[1m' plain=$'\e[0m'
else
	bold='' plain=''
fi

say() {
	printf '%s\n' "$bold$*$plain" >&2
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# need_packages PACKAGE...: installs what is missing on this machine.
need_packages() {
	local missing=() p sudo=() log

	for p in "$@"; do
		[[ $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) == installed ]] ||
			missing+=("$p")
	done
	((${#missing[@]})) || return 0

	if ((EUID)); then
		command -v sudo >/dev/null ||
			die "missing packages, and no sudo to install them: as root, run: apt install ${missing[*]}"
		sudo=(sudo)
	fi

	say "Installing ${missing[*]}"
	log=$(mktemp)
	# The first attempt fails on a machine whose package lists are absent or out of date.
	if ! apt_install "${missing[@]}" >"$log" 2>&1 </dev/null; then
		if ! { "${sudo[@]}" apt-get update && apt_install "${missing[@]}"; } >>"$log" 2>&1 </dev/null; then
			cat "$log" >&2
			rm -f "$log"
			die "cannot install ${missing[*]}"
		fi
	fi
	rm -f "$log"
}

# Uses the caller's $sudo.
apt_install() {
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 \
		install -y --no-install-recommends "$@"
}

# cached NAME FUNCTION [ARG...]: makes sure that $cache/NAME is a directory filled by FUNCTION, which
# is called with an empty directory to fill, the directory's final path, and the ARGs. The directory
# appears under its name only when it is complete, and one process at a time fills it. Another value
# of $recipe than it was filled with, if the caller has set one, throws it away.
cached() {
	local name=$1 fill=$2 dir=$cache/$1 tmp
	shift 2

	cached_is_good "$dir" && return 0

	mkdir -p "$cache" || die "cannot write to $cache: set DUCT_CACHE"
	exec {lock}>"$cache/.lock-${name//\//-}"
	flock "$lock"
	if ! cached_is_good "$dir"; then
		tmp=$dir.tmp
		rm -rf "$tmp" "$dir"
		mkdir -p "$tmp"
		# In a subshell of its own, so that a failing step ends it: bash ignores "set -e" in
		# whatever is part of a condition.
		(
			set -euo pipefail
			"$fill" "$tmp" "$dir" "$@"
			printf '%s %s\n' "${recipe:-1}" "$dir" >"$tmp/.complete"
		) {lock}>&-
		mv "$tmp" "$dir"
	fi
	exec {lock}>&-
}

# Programs in the cache are bound to their path, so that one that was moved is no good.
cached_is_good() {
	[[ -f $1/.complete && $(<"$1/.complete") == "${recipe:-1} $1" ]]
}

# debian_mirror [-security]: the URL this machine gets Debian (or its security updates) from.
debian_mirror() {
	local uri

	uri=$(apt_sources | awk -v kind="${1:-}" '
		kind == "" && $2 ~ /^[a-z]+$/ && $1 ~ /debian\/?$/ { print $1; exit }
		kind != "" && $2 ~ kind "$" { print $1; exit }')
	printf '%s\n' "${uri:-http://deb.debian.org/debian${1:-}}"
}

# The machine's own package sources, in either of apt's formats, as lines "URL SUITE".
apt_sources() {
	local f

	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[[ -f $f ]] && awk '
			$1 == "deb" {
				i = 2
				if ($i ~ /^\[/) {
					while ($i !~ /\]$/)
						i++
					i++
				}
				print $i, $(i + 1)
			}' "$f"
	done
	for f in /etc/apt/sources.list.d/*.sources; do
		[[ -f $f ]] && awk '
			BEGIN { RS = ""; FS = "\n" }
			{
				types = uris = suites = ""
				enabled = 1
				for (i = 1; i <= NF; i++) {
					if ($i ~ /^#/)
						continue
					key = $i
					sub(/:.*/, "", key)
					key = tolower(key)
					value = $i
					sub(/^[^:]*:/, "", value)
					if (key == "types")
						types = value
					else if (key == "uris")
						uris = value
					else if (key == "suites")
						suites = value
					else if (key == "enabled" && value ~ /no/)
						enabled = 0
				}
				if (!enabled || (types " ") !~ /deb /)
					next
				n = split(uris, u, " ")
				m = split(suites, s, " ")
				for (i = 1; i <= n; i++)
					for (j = 1; j <= m; j++)
						print u[i], s[j]
			}' "$f"
	done
	return 0
}

# unpack_debian DIR "SUITE..." PACKAGE...: unpacks packages and all they depend on into DIR. Of several
# suites the newest version counts, unless the last one is of backports: then that one does. Nothing is
# installed, and the machine's own package state is neither used nor changed, so that it needs no privilege.
unpack_debian() {
	local dir=$1 suites=$2 apt suite kind keyring release='' debs deb d
	shift 2

	apt=$(mktemp -d "$cache/.apt.XXXXXX")
	# shellcheck disable=SC2064 # the value of today is meant
	trap "rm -rf '$apt'" EXIT
	mkdir -p "$apt"/{lists,archives}/partial
	: >"$apt/status"
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	for suite in $suites; do
		kind=
		[[ $suite == *-security ]] && kind=-security
		printf 'deb [arch=amd64 signed-by=%s] %s %s main\n' \
			"$keyring" "$(debian_mirror "$kind")" "$suite"
	done >"$apt/sources.list"
	[[ $suites == *-backports ]] && release=${suites##* }
	cat >"$apt/conf" <<-EOF
		Dir::State "$apt";
		Dir::State::Status "$apt/status";
		Dir::State::Lists "$apt/lists";
		Dir::Cache "$apt";
		Dir::Cache::Archives "$apt/archives";
		Dir::Etc::SourceList "$apt/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::Etc::Preferences "/dev/null";
		Dir::Etc::PreferencesParts "/dev/null";
		APT::Architecture "amd64";
		APT::Architectures "amd64";
		APT::Default-Release "$release";
		APT::Install-Recommends "false";
		APT::Sandbox::User "root";
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		Acquire::Languages "none";
		Acquire::Retries "5";
		Debug::NoLocking "true";
	EOF

	apt-get -c "$apt/conf" -q=2 update >"$apt/log" 2>&1 ||
		{ cat "$apt/log" >&2; die "cannot read the package lists of $suites"; }
	apt-get -c "$apt/conf" -s install "$@" >"$apt/plan" 2>"$apt/log" ||
		{ cat "$apt/log" >&2; die "cannot find $* in $suites"; }
	debs=$(awk '$1 == "Inst" { sub(/^\(/, "", $3); print $2 "=" $3 }' "$apt/plan")
	# shellcheck disable=SC2086 # one word a package
	(cd "$apt/archives" && apt-get -c "$apt/conf" -q=2 download $debs >"$apt/log" 2>&1) ||
		{ cat "$apt/log" >&2; die "cannot download $*"; }

	# Older packages carry /bin and /lib, newer ones only /usr/bin and /usr/lib.
	for d in bin sbin lib lib64; do
		mkdir -p "$dir/usr/$d"
		[[ -e $dir/$d ]] || ln -s "usr/$d" "$dir/$d"
	done
	for deb in "$apt"/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x -C "$dir" --no-same-owner --keep-directory-symlink --exclude='./dev/*'
	done
	rm -rf "$apt"
	trap - EXIT
}

# bind_programs DIR FINAL: makes the programs unpacked in DIR, which is going to be FINAL, use the C library
# and the libraries next to them, so that they run on a machine that has others.
bind_programs() {
	local dir=$1 final=$2 f

	find "$dir"/usr -name '*.so*' -prune -o -type f -perm /111 -print | while IFS= read -r f; do
		{ patchelf --print-interpreter "$f" && patchelf --print-rpath "$f"; } >/dev/null 2>&1 || continue
		patchelf --set-interpreter "$final/lib64/ld-linux-x86-64.so.2" --force-rpath \
			--set-rpath "$final/lib/x86_64-linux-gnu" "$f"
	done
}

# quietly COMMAND...: shows what a command says only if it fails.
quietly() {
	local log status=0

	log=$(mktemp)
	"$@" >"$log" 2>&1 </dev/null || status=$?
	((status == 0)) || cat "$log" >&2
	rm -f "$log"
	return "$status"
}

# prepare_guests SERIES: what it takes to start guests with that kernel.
prepare_guests() {
	need_packages gcc libc6-dev make python3
	"$top/scripts/qemu" >/dev/null
	"$top/scripts/kernel" "$1" >/dev/null
	say "Building"
	quietly make -C "$top" tools
	quietly "$top/scripts/kbuild" "$1"
	"$top/scripts/initramfs" "$1" >/dev/null
}

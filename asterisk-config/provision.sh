#!/bin/bash
# Gives this checkout an Asterisk: the machine's own where it is fit, else Debian's package in a root of its own.
#   provision.sh [VAR]     VAR is the directory for what is made here (default: var)
# Writes VAR/asterisk/chosen: the root to use, or "/" for the machine's own Asterisk. Safe to repeat; a root is built
# aside and renamed into place, so an interrupted run leaves none behind.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
var=${1:-var}
suites=(forky sid) # the Debian suites that carry Asterisk 22, stablest first
packages=asterisk,asterisk-moh-opsound-wav,asterisk-core-sounds-en-wav,ca-certificates
modules=(res_ari res_ari_channels res_stasis chan_pjsip app_mixmonitor app_stasis)

say() { echo "asterisk: $*"; }
fail() {
    say "$1" >&2
    say "fix: $2" >&2
    exit 1
}

choose_rights() {
    if [ "$(id -u)" -eq 0 ]; then
        as_root=()
    elif command -v sudo >/dev/null; then
        as_root=(sudo)
    else
        fail "a root for Asterisk can only be made as root, and there is no sudo" \
            "run as root, or install sudo, or set CALLCENTER_ASTERISK_ROOT to a root made elsewhere"
    fi
}

# The machine's own Asterisk is fit when it is 20 or later, has ARI and PJSIP, and has music for callers who wait.
system_asterisk_is_fit() {
    command -v asterisk >/dev/null || return 1
    local version module directory
    version=$(asterisk -V 2>/dev/null | sed -n 's/^Asterisk \(certified[-/]\)\?\([0-9]*\).*/\2/p')
    [ "${version:-0}" -ge 20 ] || { say "the machine's Asterisk ${version:-?} is older than 20: not used"; return 1; }
    for directory in /usr/lib/*/asterisk/modules /usr/lib/asterisk/modules /usr/lib64/asterisk/modules; do
        [ -e "$directory/res_ari.so" ] || continue
        for module in "${modules[@]}"; do
            [ -e "$directory/$module.so" ] || { say "the machine's Asterisk has no $module: not used"; return 1; }
        done
        compgen -G "/usr/share/asterisk/moh/*.wav" >/dev/null && return 0
        say "the machine's Asterisk has no music on hold (/usr/share/asterisk/moh/*.wav): not used"
        return 1
    done
    say "the machine's Asterisk has no ARI: not used"
    return 1
}

# The Debian mirror that this machine already uses; nothing here knows a host's name.
find_mirror() {
    mirror=${CALLCENTER_DEBIAN_MIRROR:-}
    [ -z "$mirror" ] || return 0
    mirror=$(apt-get indextargets --format '$(COMPONENT) $(LABEL) $(SITE)' 'Created-By: Packages' |
        sed -n 's/^main Debian //p' | head -n 1)
    [ -n "$mirror" ] && return 0
    say "fetching the package lists, to learn this machine's Debian mirror"
    "${as_root[@]}" apt-get update --quiet=2 </dev/null
    mirror=$(apt-get indextargets --format '$(COMPONENT) $(LABEL) $(SITE)' 'Created-By: Packages' |
        sed -n 's/^main Debian //p' | head -n 1)
    [ -n "$mirror" ] || fail "apt knows no Debian mirror on this machine" \
        "set CALLCENTER_DEBIAN_MIRROR to the address of one"
}

# bootstrap SUITE ROOT [APT OPTION]: prints what mmdebstrap says and, as it downloads quietly, how far it is.
bootstrap() {
    local suite=$1 target=$2 option=${3:-} progress status=0
    (while sleep 5; do
        say "  … $(du -sm "$target" 2>/dev/null | cut -f 1 || true) of about 390 MB"
    done) &
    progress=$!
    "${as_root[@]}" mmdebstrap --variant=apt --include="$packages" ${option:+--aptopt="$option"} \
        "$suite" "$target" "$mirror" </dev/null 2>&1 |
        tee "$log" | sed -u -n 's/^\(I\|W\|E\): /asterisk:   /p' || status=$?
    kill "$progress" 2>/dev/null || true
    wait "$progress" 2>/dev/null || true
    return "$status"
}

build() {
    local suite target=$1
    for suite in "${suites[@]}"; do
        say "making a root with Debian $suite's Asterisk (about 390 MB, a minute or so)"
        bootstrap "$suite" "$target" && return 0
        # apt refuses a mirror whose Release file has expired. Signatures stay checked without the date.
        if grep -qi 'is expired' "$log"; then
            say "the mirror's Release file for $suite has expired; again without the check of its date"
            "${as_root[@]}" rm -rf --one-file-system "$target"
            bootstrap "$suite" "$target" 'Acquire::Check-Valid-Until "false"' && return 0
        fi
        "${as_root[@]}" rm -rf --one-file-system "$target"
    done
    fail "no root could be made; the last words were: $(grep '^E:' "$log" | tail -n 2 | tr '\n' ' ')" \
        "see $log; is the mirror reachable, and is there 1 GB of free disk space?"
}

finish() {
    local target=$1 name
    name=$(hostname)
    # Call set-up looks these names up; without an answer at hand each look-up blocks the call.
    printf '127.0.0.1 localhost\n127.0.0.1 %s\n127.0.0.1 A.ROOT-SERVERS.NET\n' "$name" |
        "${as_root[@]}" tee "$target/etc/hosts" >/dev/null
    # Whoever provisions runs the instances: their directories are theirs.
    "${as_root[@]}" install -d -m 0755 -o "$(id -u)" -g "$(id -g)" "$target/srv/callcenter"
    "${as_root[@]}" chroot "$target" asterisk -V |
        "${as_root[@]}" tee "$target/etc/callcenter-provisioned" >/dev/null # last: the stamp
}

mkdir -p "$var/asterisk"
var=$(cd "$var" && pwd)
log=$var/asterisk/provision.log
root=${CALLCENTER_ASTERISK_ROOT:-$var/asterisk/root}

if [ -n "${CALLCENTER_ASTERISK_ROOT:-}" ] && [ ! -x "$root/usr/sbin/asterisk" ]; then
    fail "CALLCENTER_ASTERISK_ROOT=$root has no usr/sbin/asterisk" "unset it, or let it name a provisioned root"
fi
if [ -x "$root/usr/sbin/asterisk" ] && { [ -s "$root/etc/callcenter-provisioned" ] || [ -n "${CALLCENTER_ASTERISK_ROOT:-}" ]; }; then
    say "$(cat "$root/etc/callcenter-provisioned" 2>/dev/null || echo Asterisk) in $root"
elif system_asterisk_is_fit; then
    root=/
    say "using the machine's own $(asterisk -V), with a configuration of our own"
else
    # It may hold recordings: whoever made it decides what becomes of it.
    [ ! -e "$root" ] || fail "$root is there but was not finished by this script" "move it away, then run this again"
    choose_rights
    "$here/packages.sh" mmdebstrap
    find_mirror
    new=$var/asterisk/.root.$$
    trap '"${as_root[@]}" rm -rf --one-file-system "$new"' EXIT
    trap 'exit 130' INT TERM
    build "$new"
    finish "$new"
    "${as_root[@]}" mv "$new" "$root"
    say "$(cat "$root/etc/callcenter-provisioned") is ready in $root"
fi
echo "$root" >"$var/asterisk/chosen"

# An ordinary user enters the root through sudo; ask for the password here, where somebody can still type it.
if [ "$root" != / ] && [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || sudo -v || fail "Asterisk in its own root is started through sudo" "run as root, or let sudo know you"
fi

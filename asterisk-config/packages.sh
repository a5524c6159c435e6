#!/bin/sh
# Installs the named Debian packages that are missing; does nothing, and asks for no rights, when none is.
#   packages.sh PACKAGE...
set -eu

missing=""
for package in "$@"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "packages: no apt-get on this machine. Install by hand:$missing" >&2
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null; then
    as_root="sudo"
else
    echo "packages: these are missing:$missing" >&2
    echo "packages: fix: run this as root, or install sudo, or as root: apt-get install$missing" >&2
    exit 1
fi

echo "packages: installing$missing"
install_missing() {
    # shellcheck disable=SC2086 # the list is meant to be split into words
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet=2 --no-install-recommends -o Dpkg::Use-Pty=0 $missing </dev/null
}
# The package lists may be old or absent: fetch them only when the first try needed them.
install_missing 2>/dev/null || {
    echo "packages: fetching the package lists first"
    $as_root apt-get update --quiet=2 </dev/null
    install_missing
}

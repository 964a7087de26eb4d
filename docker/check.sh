#!/bin/sh
# Checks what a container engine would, without one: the files the image copies exist, it runs as non-root and ships
# no shell, the compose file names files that are there.
set -eu
cd "$(dirname "$0")"
fail() { echo "docker/check.sh: $*" >&2; exit 1; }

for path in $(sed -n 's/^COPY \([A-Za-z][^-].*\) [^ ]*$/\1/p' Dockerfile); do
    [ -e "../$path" ] || fail "the Dockerfile copies $path, which does not exist"
done
grep -q '^USER nonroot' Dockerfile || fail "the image must not run as root"
grep -q '^FROM .*distroless.*:nonroot$' Dockerfile || fail "the last stage must be distroless and non-root"
grep -q '^ENTRYPOINT \["' Dockerfile || fail "ENTRYPOINT must be in exec form: there is no shell"
minimum=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' ../Cargo.toml)
grep -q "^FROM rust:$minimum" Dockerfile || fail "the build stage must use the minimum Rust version $minimum"
for file in $(sed -n 's/^ *- \.\/\([^:]*\):.*/\1/p' compose.yaml); do
    [ -e "$file" ] || fail "compose.yaml mounts $file, which does not exist"
done
if command -v docker >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then
    docker compose -f compose.yaml config --quiet || fail "compose.yaml does not parse"
fi
echo "docker/: ok"

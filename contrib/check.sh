#!/bin/sh
# Lints what is shipped beside the program with the tools of those who will read it. A tool that is missing is named;
# what takes no tool is checked by tests/it/contrib.rs.
set -eu
cd "$(dirname "$0")"
fail() { echo "contrib/check.sh: $*" >&2; exit 1; }
has() {
    command -v "$1" >/dev/null 2>&1 && return
    echo "contrib/check.sh: SKIPPED, no $1 here: $2"
    return 1
}

# A machine that runs nothing but such checks may be given the package.
if [ -n "${CI:-}" ] && [ "$(id -u)" = 0 ] && ! command -v promtool >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1; then
    apt-get install -y -qq --no-install-recommends prometheus >/dev/null 2>&1 || true
fi

if has promtool "it comes with Prometheus; alerts and the format of the metrics are not checked"; then
    promtool check rules prometheus/alerts.yaml
    (cd prometheus && promtool test rules alerts_test.yaml)
    if has curl "the format of the metrics is not checked"; then
        said=$(mktemp)
        cargo run --locked --quiet -- demo --seconds 15 >"$said" 2>&1 &
        demo=$!
        # The address is printed once it is served.
        until admin=$(sed -n 's|^ *dashboard *\(http://[^ ]*\).*|\1|p' "$said") && [ -n "$admin" ]; do
            kill -0 "$demo" 2>/dev/null || fail "the demo did not start: $(cat "$said")"
            sleep 0.2
        done
        sleep 3
        curl --fail --silent --header 'accept: text/plain' "$admin/metrics" | promtool check metrics || fail "promtool refuses the metrics"
        kill "$demo" 2>/dev/null || true
        wait "$demo" 2>/dev/null || true
        rm -f "$said"
    fi
fi
if has kubectl "the manifests are not built"; then
    kubectl kustomize kubernetes >/dev/null
fi
if has systemd-analyze "the unit is not verified"; then
    # The program does not have to be installed where the unit is checked.
    unit=$(mktemp -d)
    sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' systemd/parallax.service >"$unit/parallax.service"
    complaints=$(systemd-analyze verify --man=no "$unit/parallax.service" 2>&1) || fail "$complaints"
    [ -z "$complaints" ] || fail "$complaints"
    systemd-analyze security --offline=true --threshold=20 "$unit/parallax.service" >/dev/null || fail "the unit may do more than it needs"
    rm -rf "$unit"
fi
if has shellcheck "shell scripts are parsed only"; then
    shellcheck --severity=warning github-action/gate.sh check.sh ../docker/check.sh
fi
bash -n github-action/gate.sh
echo "contrib/: ok"

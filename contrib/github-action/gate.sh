#!/usr/bin/env bash
# The gate as a step of a workflow; action.yml in the root calls it. What people give comes as environment variables
# and reaches commands as whole arguments: no value is ever part of a command line's text.
#
#   ADMIN WAIT CANDIDATE_BUILD FAIL_ON_INCONCLUSIVE REPORT COMMENT    the inputs
#   PARALLAX_TOKEN                                                    the token, read by `parallax` itself
#   GH_TOKEN                                                          for the comment alone
#
# Ends with 0 pass, 1 fail, 2 could not ask, 3 inconclusive (0 with FAIL_ON_INCONCLUSIVE=false).
set -Eeuo pipefail
# What goes wrong in here is not a verdict.
trap 'exit 2' ERR

readonly MARK='<!-- parallax gate -->'

output() { printf '%s=%s\n' "$1" "$2" >>"${GITHUB_OUTPUT:-/dev/null}"; }

# Nothing that was given is part of the message: it could hold workflow commands.
refuse() {
    echo "::error title=Parallax::$1"
    output verdict unknown
    output exit-code 2
    exit 2
}

boolean() {
    case "$2" in
        true | false) ;;
        *) refuse "$1 must be true or false" ;;
    esac
}

# One comment per pull request, found again by its first line and changed in place.
comment() {
    local pull found
    pull=$(sed -n 's|^refs/pull/\([0-9][0-9]*\)/.*$|\1|p' <<<"${GITHUB_REF:-}")
    if [ -z "$pull" ]; then
        echo "no comment: this run belongs to no pull request"
        return
    fi
    {
        echo "$MARK"
        # With the five worst rows of the table: the whole of it is in the job summary.
        awk '/^\|/ && ++rows > 7 { next } /^[-_]/ { exit } { print }' "$scratch/summary"
        echo
        echo "[All criteria](${GITHUB_SERVER_URL:-}/${GITHUB_REPOSITORY:-}/actions/runs/${GITHUB_RUN_ID:-}) are in the job summary."
    } >"$scratch/comment"
    # Only what a workflow has written: anybody may begin a comment with that line.
    found=$(gh api --paginate "repos/$GITHUB_REPOSITORY/issues/$pull/comments" \
        --jq ".[] | select(.user.type == \"Bot\" and (.body | startswith(\"$MARK\"))) | .id" | sed -n 1p) || return 1
    if [ -n "$found" ]; then
        gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$found" -F "body=@$scratch/comment"
    else
        gh api --silent --method POST "repos/$GITHUB_REPOSITORY/issues/$pull/comments" -F "body=@$scratch/comment"
    fi
}

boolean fail-on-inconclusive "${FAIL_ON_INCONCLUSIVE:=true}"
boolean comment "${COMMENT:=false}"
case "${REPORT:=}" in
    *$'\n'*) refuse "report must be one line" ;;
esac
[ -n "${ADMIN:=}" ] || refuse "admin is empty: give the URL of the admin interface"

ask=("--admin=$ADMIN")
[ -z "${CANDIDATE_BUILD:=}" ] || ask+=("--candidate-build=$CANDIDATE_BUILD")
wait=()
[ -z "${WAIT:=}" ] || wait=("--wait=$WAIT")

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
code=0
GITHUB_STEP_SUMMARY=$scratch/summary parallax gate "${ask[@]}" ${wait[@]+"${wait[@]}"} --format github || code=$?
[ ! -e "$scratch/summary" ] || cat "$scratch/summary" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
case $code in
    0) verdict=pass ;;
    1) verdict=fail ;;
    3) verdict=inconclusive ;;
    *)
        verdict=unknown
        echo "::error title=Parallax::the gate could not be asked: the log of this step says why. This is not a pass."
        ;;
esac
output verdict "$verdict"
output exit-code "$code"

eta=
if [ "$verdict" = inconclusive ]; then
    # The verdict is the one above; this answer is asked for its number alone.
    eta=$({ parallax gate "${ask[@]}" --format json || true; } | sed -n 's/^  "eta_seconds": \([0-9][0-9]*\),*$/\1/p')
fi
output eta-seconds "$eta"

report=
if [ -n "$REPORT" ] && [ "$verdict" != unknown ]; then
    if mkdir -p -- "$(dirname -- "$REPORT")" && parallax report "--admin=$ADMIN" --format html "--output=$REPORT"; then
        report=$REPORT
    else
        echo "::warning title=Parallax::the report could not be written: the log of this step says why"
    fi
fi
output report-path "$report"

if [ "$COMMENT" = true ] && [ "$verdict" != unknown ]; then
    comment || echo "::warning title=Parallax::the comment could not be written: it takes the permission pull-requests: write"
fi

if [ "$verdict" = inconclusive ] && [ "$FAIL_ON_INCONCLUSIVE" = false ]; then
    exit 0
fi
exit "$code"

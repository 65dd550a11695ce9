# Faults on purpose: a tiny pipeline fails, or is killed, at each passage of each point (fault.h), and is killed at random moments;
# run again, it ends as if nothing had been. Here an even sample, and ten moments; `faults.sh --all --kills=100` takes all.
work=$(mktemp -d "${TMPDIR:-/tmp}/tribikos-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
/usr/bin/python3 "$(dirname "$0")/faults.py" "$work/faults" "$@"

#!/bin/sh
# Checks the model with spin: the rules as they are must show no fault in any of the worlds, and each rule left out
# must show the fault that it prevents. Fails otherwise. With -long also the worlds that take minutes and gigabytes.
# Needs spin and gcc.
set -u
cd "$(dirname "$0")" || exit 1
for tool in spin gcc; do
	command -v "$tool" >/dev/null || { echo "check.sh: $tool is missing (apt-get install spin gcc)" >&2; exit 1; }
done
model=$PWD
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work" || exit 1
failures=0

# run WHAT FLAGS: build and run the checker; WHAT is safety or live. Leaves its output in ./out.
run() {
	rm -f pan pan.* ./*.trail
	compile="-DCOLLAPSE -DSAFETY"
	search=""
	define=""
	[ "$1" = live ] && compile="-DCOLLAPSE -DNFAIR=3" search="-a -f" define="-DLIVE"
	# Flags are words, so they are not quoted.
	# shellcheck disable=SC2086
	spin -a $define $2 "$model/session.pml" >out 2>&1 &&
		gcc "$opt" -w $compile -o pan pan.c >>out 2>&1 &&
		./pan -m100000 $search >out 2>&1
}

# row RESULT WHAT FLAGS: one line of the table.
row() {
	states=$(awk '/ states, stored/ { print $1; exit }' out)
	depth=$(sed -n 's/.*depth reached \([0-9]*\).*/\1/p' out | head -n 1)
	seconds=$(sed -n 's/^pan: elapsed time \([0-9.e+-]*\).*/\1/p' out | head -n 1)
	printf '%-14s %-7s %10s %6s %7s  %s\n' "$1" "$2" "${states:--}" "${depth:--}" "${seconds:--}" "$3"
}

# good WHAT FLAGS: the whole world is searched, and nothing is found.
good() {
	opt=-O2
	run "$1" "$2"
	if grep -q 'errors: 0$' out && ! grep -q 'error:\|max search depth\|out of memory\|not completed' out; then
		row ok "$1" "$2"
	else
		row FAILED "$1" "$2"
		failures=$((failures + 1))
		sed -n '/pan:1/p; /[Ee]rror/p' out >&2
	fi
}

# broken FAULT FLAGS: this fault, and no other, is found first.
broken() {
	opt=-O0
	what=safety expect="assertion violated  !($1)"
	[ "$1" = neverconfirmed ] && what=live expect="acceptance cycle"
	run "$what" "$2"
	if grep -qF "pan:1: $expect" out; then
		row "$1" "$what" "$2"
	else
		row NOT-FOUND "$what" "$2"
		failures=$((failures + 1))
		echo "expected: $1" >&2
		sed -n '/pan:1/p; /[Ee]rror/p' out >&2
	fi
}

printf '%-14s %-7s %10s %6s %7s  %s\n' result search states depth seconds flags
good safety "-DCRASHES=1 -DGROUPS=1"
good safety "-DCRASHES=1 -DROOM=1"
good safety "-DCRASHES=1 -DROOM=2 -DGROUPS=1 -DN1=1"
good safety "-DCRASHES=1 -DEVICTS=1"
good safety "-DCRASHES=1 -DEVICTS=1 -DRESEND=1 -DN1=1"
good safety "-DPROCESSED=1 -DNACKS=2 -DN1=0"
good safety "-DPROCESSED=1 -DNACKS=1 -DN1=0 -DRESEND=1 -DCRASHES=1"
good safety "-DCLOSERS=3 -DGROUPS=1"
good safety "-DCLOSERS=3 -DPROCESSED=1 -DNACKS=2 -DN1=0"
good safety "-DCLOSERS=3 -DPROCESSED=1 -DNACKS=1 -DN0=2 -DN1=1"
good live "-DCRASHES=1"
good live "-DGROUPS=1"
good live "-DROOM=1"
good live "-DCRASHES=1 -DEVICTS=1 -DRESEND=1 -DN1=1"
good live "-DPROCESSED=1 -DNACKS=2 -DN1=0"
good live "-DCLOSERS=3"
if [ "${1-}" = -long ]; then
	good safety "-DCRASHES=1 -DGROUPS=1 -DROOM=2"
	good safety "-DCRASHES=1 -DCUTS=3"
	good safety "-DCRASHES=1 -DEVICTS=1 -DRESEND=1"
	good safety "-DPROCESSED=1 -DNACKS=2 -DN1=1"
	good safety "-DCLOSERS=3 -DPROCESSED=1 -DNACKS=2 -DN0=2 -DN1=2 -DCUTS=1"
	good safety "-DPROCESSED=1 -DNACKS=1 -DN1=0 -DRESEND=1 -DCRASHES=1 -DEVICTS=1"
	good live "-DCRASHES=1 -DGROUPS=1"
	good live "-DCRASHES=1 -DEVICTS=1"
	good live "-DPROCESSED=1 -DNACKS=1 -DN1=0 -DRESEND=1 -DCRASHES=1 -DEVICTS=1"
fi

broken duplicate "-DBREAK_NO_JOIN -DBREAK_NO_CHECK"
broken duplicate "-DBREAK_AGAIN_LESS -DRESEND=1 -DCRASHES=1 -DEVICTS=1 -DN1=0"
broken outoforder "-DBREAK_NEW_FIRST -DBREAK_NO_CHECK"
broken outoforder "-DBREAK_NO_RESEND -DBREAK_NO_CHECK"
broken falsereceipt "-DBREAK_TRUE_ON_CUT"
broken falsereceipt "-DBREAK_ACK_ALL"
broken falsereceipt "-DBREAK_NO_EPOCH -DCRASHES=1"
broken falsereceipt "-DBREAK_NACK_PASSED -DPROCESSED=1 -DNACKS=1 -DN1=0"
broken falsereceipt "-DBREAK_NO_INSTANCE -DBREAK_NO_CHECK -DCRASHES=1"
broken falsereceipt "-DBREAK_NEW_FOR_LOST -DBREAK_NO_CHECK -DCRASHES=1"
broken neverconfirmed "-DBREAK_NO_RESEND -DN1=0"
broken neverconfirmed "-DBREAK_NO_PURE_ACK -DN1=0"
broken neverconfirmed "-DBREAK_LIMIT_ONCE -DROOM=1 -DN1=0"
broken neverconfirmed "-DBREAK_NACK_ONCE -DPROCESSED=1 -DNACKS=1 -DN1=0"
broken protocolerror "-DBREAK_NO_JOIN"
broken protocolerror "-DBREAK_EARLY_COUNTS"
broken protocolerror "-DBREAK_NO_INSTANCE -DCRASHES=1"
broken protocolerror "-DBREAK_INSTANCE_ONLY -DEVICTS=1"
broken protocolerror "-DBREAK_NEW_FOR_LOST -DCRASHES=1"
broken protocolerror "-DBREAK_OVERRUN -DROOM=1"
broken midgroup "-DBREAK_REGROUP -DGROUPS=1"
broken livelinkcut "-DBREAK_STALE_HELLO"
broken livelinkcut "-DBREAK_OPENING"
broken inexactclose "-DBREAK_NO_TOMBSTONE -DCLOSERS=3"
broken inexactclose "-DBREAK_CLOSE_READS -DCLOSERS=3"
broken inexactclose "-DBREAK_CLOSE_NO_NACKS -DCLOSERS=3 -DPROCESSED=1 -DNACKS=1 -DN1=0"
broken falsereceipt "-DBREAK_CLOSE_PASSES -DCLOSERS=3 -DPROCESSED=1 -DNACKS=1 -DN0=0 -DN1=1"

if [ "$failures" -gt 0 ]; then
	echo "check.sh: $failures failed" >&2
	exit 1
fi
echo "all as expected"

#!/bin/sh
# The tests of report. Prints one line per test; fails if any does.
# usage: run.sh FOLDER-OF-WORDCOUNT-AND-CALC
# SPDX-License-Identifier: MIT OR Apache-2.0
bin=$1 number=0 failed=0
# same NAME WANTED GOT
same() {
	number=$((number + 1))
	if [ "$2" = "$3" ]; then echo "ok $number - $1"
	else failed=$((failed + 1)); echo "not ok $number - $1"; echo "# wanted: $2"; echo "# got: $3"; fi
}
report() { ./report -b "$bin" "$@"; }
sample=tests/sample.txt

report $sample >report.tmp || echo "# report failed"
same "words" "$("$bin/wordcount" -t $sample | awk -F '\t' '$2 == "words" { print $3 }')" "$(awk '$1 == "words" { print $2 }' report.tmp)"
same "bytes" "$(wc -c <$sample | tr -d ' ')" "$(awk '$1 == "bytes" { print $2 }' report.tmp)"
same "no line is wider than 72" 0 "$(awk 'length($0) > 72' report.tmp | wc -l | tr -d ' ')"
same "the widest bar fills the line" 72 "$(awk 'length($0) > n && /#/ { n = length($0) } END { print n }' report.tmp)"
same "eight frequent words" 8 "$(sed -n '/^Frequent/,/^Reading/p' report.tmp | grep -c '%')"
same "two frequent words" 2 "$(report -n 2 $sample | sed -n '/^Frequent/,/^Reading/p' | grep -c '%')"
same "shares of the lengths add up" "yes" "$(sed -n '/^Words by length/,/^Words by class/p' report.tmp | awk '/%/ { n += $3 } END { print (n > 99 && n < 101 ? "yes" : n) }')"
same "50 columns" 0 "$(report -w 50 $sample | awk 'length($0) > 50' | wc -l | tr -d ' ')"
same "a title" "Der Bau" "$(report -t 'Der Bau' $sample | sed -n '2s/^ *//p')"
same "two files have twice the words" "$(($(awk '$1 == "words" { print $2 }' report.tmp) * 2))" "$(report $sample $sample | awk '$1 == "words" { print $2 }')"
same "an empty file" "0" "$(report /dev/null | awk '$1 == "words" { print $2 }')"
same "the versions" "report 1.0" "$(report -V | sed -n 1p)"
same "twice the same" "$(cat report.tmp)" "$(report $sample)"
report ./no-such-file >/dev/null 2>&1; same "a file that is not there" 1 $?
./report -b ./no-such-folder $sample >/dev/null 2>&1; same "helpers that are not there" 1 $?
./report >/dev/null 2>&1; same "no file at all" 2 $?
rm -f report.tmp
echo "1..$number"
[ "$failed" = 0 ] || echo "# $failed of $number tests failed"
[ "$failed" = 0 ]

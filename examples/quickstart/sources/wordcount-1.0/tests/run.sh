#!/bin/sh
# The tests of wordcount. Prints one line per test; fails if any does.
# SPDX-License-Identifier: MIT OR Apache-2.0
number=0 failed=0
ok() { number=$((number + 1)); echo "ok $number - $1"; }
not_ok() { number=$((number + 1)); failed=$((failed + 1)); echo "not ok $number - $1"; printf '%s\n' "$2" | sed 's/^/# /'; }
# same NAME WANTED GOT
same() { if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "wanted: $2
got: $3"; fi; }
fable=tests/fable.txt
field() { ./wordcount -t -n 100 "$fable" | awk -F '\t' -v k="$1" -v n="$2" '$1 == k && $2 == n { print $3 }'; }

same "version" "wordcount 1.0 (libtext 1.0)" "$(./wordcount --version)"
same "lines" "$(wc -l <$fable | tr -d ' ')" "$(field total lines)"
same "bytes" "$(wc -c <$fable | tr -d ' ')" "$(field total bytes)"
same "words" 74 "$(field total words)"
same "sentences" 10 "$(field total sentences)"
same "the most frequent word" "$(printf 'word\tthe\t11')" "$(./wordcount -t -n 1 $fable | tail -n 1)"
same "words with a hyphen" 2 "$(field word twenty-one)"
same "a word with a quote" 1 "$(field word "didn't")"
same "Cyrillic, folded" 1 "$(field word 'что')"
same "a cedilla, folded" 1 "$(field word 'ça')"
same "numbers by name" 4 "$(field class number)"
same "stop words left out" "$(printf 'word\tcat\t3')" "$(./wordcount -s -t $fable | grep '^word' | sed -n 1p)"
same "lengths add up to all words" "$(field total words)" "$(./wordcount -t $fable | awk -F '\t' '$1 == "length" { n += $3 } END { print n }')"
same "standard input is the same" "$(./wordcount $fable)" "$(./wordcount - <$fable)"
same "two files count twice" 148 "$(./wordcount -t $fable $fable | awk -F '\t' '$2 == "words" { print $3 }')"
same "nothing in, nothing out" 0 "$(./wordcount -t </dev/null | awk -F '\t' '$2 == "words" { print $3 }')"
same "many different words" "5000 5000" "$(awk 'BEGIN { for (i = 0; i < 5000; i++) print "w" i }' | ./wordcount -t | awk -F '\t' '$2 == "words" || $2 == "different" { printf "%s%s", s, $3; s = " " }')"
if ./wordcount ./no-such-file >/dev/null 2>&1; then not_ok "a file that is not there" "exit status 0"; else ok "a file that is not there"; fi
if ./wordcount -n x $fable >/dev/null 2>&1; then not_ok "a number that is none" "exit status 0"; else ok "a number that is none"; fi
echo "1..$number"
[ "$failed" = 0 ] || echo "# $failed of $number tests failed"
[ "$failed" = 0 ]

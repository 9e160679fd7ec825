#!/bin/sh
# The tests of calc. Prints one line per test; fails if any does.
# SPDX-License-Identifier: MIT OR Apache-2.0
number=0 failed=0
# gives EXPRESSION WANTED
gives() {
	number=$((number + 1))
	got=$(./calc -- "$1" 2>&1)
	if [ "$got" = "$2" ]; then echo "ok $number - $1"
	else failed=$((failed + 1)); echo "not ok $number - $1"; echo "# wanted: $2"; echo "# got: $got"; fi
}
# fails EXPRESSION, with this message
fails() {
	number=$((number + 1))
	if got=$(./calc -- "$1" 2>&1); then failed=$((failed + 1)); echo "not ok $number - $1 is taken: $got"; return; fi
	if [ "$got" = "calc: expression 1: $2" ]; then echo "ok $number - $1 is refused"
	else failed=$((failed + 1)); echo "not ok $number - $1"; echo "# wanted: $2"; echo "# got: $got"; fi
}

gives '1 + 2 * 3' 7
gives '(1 + 2) * 3' 9
gives '2 ^ 3 ^ 2' 512
gives '-2 ^ 2' -4
gives '2 ^ -0' 1
gives '--5 - -5' 10
gives '-7 / 2' -3
gives '-7 % 2' -1
gives '2^64' 18446744073709551616
gives '0xff + 0b101 + 0o17' 275
gives '1_000_000 × 3' 3000000
gives '10 ÷ 3' 3
gives '25!' 15511210043330985984000000
gives '3!!' 720
gives '100! / 98!' 9900
gives '2^100 > 100^2' 1
gives '1 == 2' 0
gives 'gcd(2^40 * 15, 2^20 * 35, 2^10 * 55)' 5120
gives 'GCD(12, 18)' 6
gives 'sqrt(10^40 + 1)' 100000000000000000000
gives 'prime(2^89 - 1)' 1
gives 'prime(2^83 - 1)' 0
gives 'nextprime(10^12)' 1000000000039
gives 'powmod(3, 10^30, 1000003)' "$(./calc -- '3^(10^30 % 1000002) % 1000003')"
gives 'fib(100)' 354224848179261915075
gives 'binomial(60, 30)' 118264581564861424
gives 'max(3, 9, 2) - min(3, 9, 2)' 7
gives 'ratio(2, 3, 1000)' 667
gives 'bits(2^1000)' 1001
gives '(2^521 - 1) * (2^607 - 1) % (2^521 - 1)' 0
gives '3 # a comment' 3
fails '1 +' 'a number is missing (column 4)'
fails '(1 + 2' 'a closing bracket is missing (column 7)'
fails '1 / (3 - 3)' 'division by zero (column 12)'
fails '1 2' 'the line should end here (column 3)'
fails 'cow(3)' "there is no function 'cow' (column 7)"
fails 'x + 1' "'x' has no value (column 3)"
fails '0xfg' 'not a number in base 16 (column 1)'
fails '2 ^ 2 ^ 60' 'the result would be too large (column 11)'
fails 'é ; 1' "what is ';'? (column 3)"

number=$((number + 1))
got=$(printf 'n = 17\nm = N ^ 2\n\nn * m # cubed\n' | ./calc -b 16 | tr '\n' ' ')
if [ "$got" = "11 121 1331 " ]; then echo "ok $number - variables, lines and bases"
else failed=$((failed + 1)); echo "not ok $number - variables, lines and bases: $got"; fi

# Sums of the first n cubes, against the square of the sum, for many n.
number=$((number + 1))
i=1; while [ $i -le 2000 ]; do echo "s = s + $i^3"; echo "s == (($i * ($i + 1)) / 2)^2"; i=$((i + 1)); done >check.tmp
got=$({ echo 's = 0'; cat check.tmp; } | ./calc | awk 'NR > 1 && NR % 2 == 1' | sort -u)
rm -f check.tmp
if [ "$got" = 1 ]; then echo "ok $number - 2000 sums of cubes"
else failed=$((failed + 1)); echo "not ok $number - 2000 sums of cubes"; fi

echo "1..$number"
[ "$failed" = 0 ] || echo "# $failed of $number tests failed"
[ "$failed" = 0 ]

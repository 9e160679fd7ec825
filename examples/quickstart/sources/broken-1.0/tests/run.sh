#!/bin/sh
# The test of banner.
# SPDX-License-Identifier: MIT OR Apache-2.0
want=' ###  #   #
#   # #  # 
#   # ###  
#   # #  # 
 ###  #   #'
if [ "$(./banner OK)" = "$want" ]; then echo "ok 1 - OK"; else echo "not ok 1 - OK"; exit 1; fi
echo "1..1"

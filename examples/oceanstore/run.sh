#!/bin/sh
# A store of blocks in miniature: says who and where it is, then keeps the last 16 blocks it was given, one every
# few seconds, and says so in a line each.
# usage: run.sh [SECONDS]
set -eu

interval=${1:-5}
store=${HOME:-.}/blocks
trap 'echo "oceanstore: stopping"; exit 0' TERM INT

say() {
  printf '%s %s\n' "$(date -u '+%Y-%m-%d %H:%M:%S')" "$*"
}

mkdir -p "$store"
say "oceanstore: ${ROLE:-peer} is user $(id -un 2>/dev/null || id -u) on $(uname -n) ($(uname -sr)), in $(pwd)"

block=0
while :; do
  slot=$((block % 16))
  say "block $block" >"$store/$slot"
  say "stored block $block, holding $(find "$store" -type f | wc -l) of 16"
  block=$((block + 1))
  sleep "$interval" &
  wait $!
done

#!/bin/sh
# Outlives the daemon that started it, just long enough to kill what the daemon can no longer stop.
#
# stdin: "+PID" when a command began (leader of its session and group), "-PID" when all of it is gone.
# Its end means that the daemon is gone, for whatever reason, and that its commands must not outlive it.
# $1: text that stands in the environment of every process of its commands.
#
# Members are told as in tree-members.ts: by descent, session, group and environment. Without /proc only groups are killed.

marker=$1
trap '' HUP INT TERM
roots=' '

while read -r line; do
  pid=${line#?}
  case $line in
    +*) roots="$roots$pid " ;;
    -*) case $roots in *" $pid "*) roots="${roots%%" $pid "*} ${roots#*" $pid "}" ;; esac ;;
  esac
done

# Adds to $tree every living process that belongs to $roots or to $tree; sets $grew when it found one.
look() {
  for stat in /proc/[0-9]*/stat; do
    { read -r line < "$stat"; } 2>/dev/null || continue
    pid=${stat#/proc/}
    pid=${pid%/stat}
    case $tree in *" $pid "*) continue ;; esac
    # After the name in parentheses: state, parent, group, session, … and as the 18th the number of threads: a process
    # whose first thread has ended lives on in the others.
    # shellcheck disable=SC2086
    set -- ${line##*) }
    case $1 in Z | X | x) [ "${18}" -gt 1 ] || continue ;; esac
    case "$roots|$tree|$marked" in
      *" $pid "* | *" $2 "*) ;;
      *) case $roots in *" $3 "* | *" $4 "*) ;; *) continue ;; esac ;;
    esac
    tree="$tree$pid "
    grew=1
  done
}

for pid in $roots; do kill -s STOP -- "-$pid" 2>/dev/null; done

round=0
while [ "$round" -lt 100 ]; do
  round=$((round + 1))
  marked=' '
  for file in $(grep -lsF -- "$marker" /proc/[0-9]*/environ 2>/dev/null); do
    pid=${file#/proc/}
    marked="$marked${pid%/environ} "
  done
  # All are found before the first is killed: what a killed parent leaves behind could no longer be traced to it.
  tree=' '
  grew=1
  while [ "$grew" = 1 ]; do
    grew=0
    look
  done
  for pid in $roots; do kill -s KILL -- "-$pid" 2>/dev/null; done
  [ "$tree" = ' ' ] && exit 0
  # shellcheck disable=SC2086
  kill -s KILL $tree 2>/dev/null
  roots="$roots${tree# }"
done

#!/bin/sh
# Keeps programs running in this sliver: docs/reference/programs.md says how. Put here by the node, again at every
# start of the sliver. Uses what the smallest images have: sh, coreutils or busybox, tar, setsid; no flock.

LIBRARY=/usr/lib/slicelab
PROGRAMS=/var/lib/slicelab/programs
# A log is two segments, each closed once it is as long as this; what is written meanwhile may make it twice as long.
SEGMENT_BYTES=2097152
GRACE_SECONDS=5
PATIENCE_SECONDS=60
LONGEST_DELAY=60
HEALTHY_SECONDS=60
PLAIN_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# What the command line is told by: the exit code.
NO_PROGRAM=66
BUSY=75

umask 022

fail() {
  echo "slicelab: $1" >&2
  exit "${2:-1}"
}

pause() { sleep 0.1 2>/dev/null || sleep 1; }

# First line of a file in $line, or nothing; no process is started for it.
read_line() {
  line=
  { IFS= read -r line <"$1"; } 2>/dev/null
  [ -n "$line" ]
}

# $start: when process $1 started, in the kernel's ticks; with its number that names a process for ever. $session: its
# session. False for one that has ended.
look_at() {
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- ${stat##*) }
  [ "$1" != Z ] && [ "$1" != X ] || return 1
  session=$4
  start=${20}
}

# Whether the process that "NUMBER START" names is alive.
is_alive() {
  local number="${1%% *}" when="${1#* }"
  [ -n "$number" ] && look_at "$number" && [ "$start" = "$when" ]
}

supervisor_lives() { read_line "$1/supervisor" && is_alive "$line"; }

size_of() { stat -c %s "$1" 2>/dev/null || wc -c <"$1" 2>/dev/null || echo 0; }

# Numbers of the segments of the log in the current directory: $oldest and $newest, 0 when there are none.
find_segments() {
  local file number
  oldest=0 newest=0
  for file in log.*; do
    number=${file#log.}
    [ -e "$file" ] || continue
    [ "$number" -gt "$newest" ] && newest=$number
    if [ "$oldest" -eq 0 ] || [ "$number" -lt "$oldest" ]; then oldest=$number; fi
  done
}

check_name() {
  case $1 in
  '' | -* | *[!a-z0-9-]* | ????????????????????????????????*) fail "\"$1\" is no program's name" 64 ;;
  esac
}

need() {
  check_name "$1"
  [ -e "$PROGRAMS/$1/digest" ] || fail "no program $1 is kept in this sliver" $NO_PROGRAM
}

# --- one at a time -----------------------------------------------------------------------------------------------

# Waits until no other process changes the program $1. Held until this process ends or lets go; a dead holder is none.
lock() {
  local lock="$PROGRAMS/.$1.lock" holder tries=0 deadline
  deadline=$(($(date +%s) + PATIENCE_SECONDS))
  look_at $$
  while ! ln -s "$$ $start" "$lock" 2>/dev/null; do
    holder=$(readlink "$lock")
    if [ -n "$holder" ] && ! is_alive "$holder"; then
      # Renamed, then looked at again: whoever was faster has it.
      if mv "$lock" "$lock.$$" 2>/dev/null; then
        [ "$(readlink "$lock.$$")" = "$holder" ] && rm -f "$lock.$$" || mv "$lock.$$" "$lock"
      fi
      look_at $$
      continue
    fi
    [ -n "$holder" ] || [ -w "$PROGRAMS" ] || fail "$PROGRAMS cannot be written by $(id -un)"
    tries=$((tries + 1))
    [ "$(date +%s)" -lt $deadline ] || fail "somebody else is changing program $1 in this sliver; try again" $BUSY
    # Whoever waits for long should not take the processor from whom it waits for.
    if [ $tries -le 5 ]; then pause; else sleep 0.5 2>/dev/null || sleep 1; fi
    look_at $$
  done
  trap "unlock '$1'" EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

unlock() {
  rm -f "$PROGRAMS/.$1.lock"
  trap - EXIT
}

# --- the supervisor ----------------------------------------------------------------------------------------------

# state: "STATE PID STARTS EXIT SINCE TICKS"; - for what there is not. TICKS: when the process PID started.
write_state() {
  echo "$1 $2 $3 $4 $5 $6" >state.new && mv -f state.new state
}

read_state() {
  if read_line state; then set -- $line; else set -- new - 0 - - -; fi
  state=$1 pid=$2 starts=$3 code=$4 since=$5 ticks=$6
}

# Standard input to the log's segments, of which the last two are kept. A full disk loses output, never the program.
write_log() {
  local size
  find_segments
  [ "$newest" -gt 0 ] || newest=1
  : >>"log.$newest"
  while :; do
    size=$(size_of "log.$newest")
    if [ "$size" -ge "$SEGMENT_BYTES" ]; then
      newest=$((newest + 1))
      : >"log.$newest" && rm -f "log.$((newest - 2))"
      size=0
    fi
    if ! dd bs=32768 count=64 >>"log.$newest" 2>/dev/null; then
      sleep 1
    elif [ "$(size_of "log.$newest")" -eq "$size" ]; then
      return
    fi
  done
}

# Runs the program $1 until it is over. The process of this function is its supervisor.
supervise() {
  local home=/ user=root restart=always delay=1 began over
  cd "$PROGRAMS/$1" || exit 1
  read_line home && home=$line
  read_line user && user=$line
  read_line restart && restart=$line
  read_state
  rm -f out && mkfifo out || exit 1
  write_log <out &
  exec 3>out
  look_at $$
  echo "$$ $start" >supervisor.new && mv -f supervisor.new supervisor || exit 1
  while :; do
    starts=$((starts + 1)) began=$(date +%s)
    start_program "$1" "$home" "${user%%:*}" &
    pid=$!
    look_at $pid || start=- # it may have ended already
    write_state running $pid $starts "$code" "$began" "$start"
    wait $pid
    code=$?
    since=$(date +%s)
    case $restart in
    always) over=no ;;
    on-failure) [ $code -eq 0 ] && over=yes || over=no ;;
    *) over=yes ;;
    esac
    if [ $over = yes ]; then
      write_state ended - $starts $code "$since" -
      exit 0
    fi
    write_state waiting - $starts $code "$since" -
    kill -9 "-$pid" 2>/dev/null # what it left behind would be in its own way
    [ $((since - began)) -ge $HEALTHY_SECONDS ] && delay=1
    sleep $delay 3>&-
    delay=$((delay * 2))
    [ $delay -le $LONGEST_DELAY ] || delay=$LONGEST_DELAY
  done
}

# Becomes the program: a session of its own, and nothing of the environment of whoever started it.
start_program() {
  local run="$PROGRAMS/$1/run"
  exec >&3 2>&1 3>&- </dev/null
  cd "$2" || echo "slicelab: there is no $2 here; this is $PWD"
  exec env -i PATH=$PLAIN_PATH HOME="$2" USER="$3" LOGNAME="$3" LANG=C.UTF-8 \
    SLICELAB_PROGRAM="$PROGRAMS/$1/" setsid /bin/sh "$run"
}

# --- starting and ending -----------------------------------------------------------------------------------------

# Starts the supervisor of program $1, detached from everything; returns when it is there. The lock is held.
start() {
  local directory="$PROGRAMS/$1" user= uid= gid= before= name deadline
  read_line "$directory/supervisor" && before=$line
  read_line "$directory/user" && user=$line
  case $user in
  '') uid=0 gid=0 ;;
  *[!0-9:]*) uid=$(id -u "$user" 2>/dev/null) gid=$(id -g "$user" 2>/dev/null) ;;
  *:*) uid=${user%%:*} gid=${user#*:} ;;
  *) uid=$user gid=$user ;;
  esac
  [ -n "$uid" ] || fail "there is no user $user in this sliver any more"
  name=$1
  set -- /bin/sh "$LIBRARY/program" supervise "$1"
  if [ "$(id -u)" != "$uid" ]; then
    [ "$(stat -c %u "$directory")" = "$uid" ] || chown -R "$uid:$gid" "$directory"
    become "$uid" "$gid" "$user" || fail "this image has nothing to run a program as $user with; it needs setpriv, chroot, start-stop-daemon or su"
    case $how in
    setpriv) set -- setpriv --reuid "$uid" --regid "$gid" $groups -- "$@" ;;
    chroot) set -- chroot --userspec="$uid:$gid" / "$@" ;;
    start-stop-daemon) set -- start-stop-daemon -S -n slicelab-none -a /bin/sh -c "$uid:$gid" -- "$LIBRARY/program" supervise "$name" ;;
    su) set -- su -s /bin/sh "$user" -c "$*" ;;
    esac
  fi
  (
    trap - EXIT HUP INT TERM
    export SLICELAB_SUPERVISES="$directory/"
    exec setsid "$@" </dev/null >/dev/null 2>&1
  ) &
  deadline=$(($(date +%s) + PATIENCE_SECONDS))
  until read_line "$directory/supervisor" && [ "$line" != "$before" ]; do
    [ "$(date +%s)" -lt $deadline ] || fail "the program's supervisor did not start" $BUSY
    pause
  done
}

# $how: a way to run something as another user that this image has.
become() {
  groups=--clear-groups
  id -u "$3" >/dev/null 2>&1 && groups=--init-groups
  how=setpriv
  setpriv --reuid "$1" --regid "$2" $groups -- true 2>/dev/null && return
  how=chroot
  chroot --userspec="$1:$2" / true 2>/dev/null && return
  how=start-stop-daemon # busybox's way
  start-stop-daemon -S -n slicelab-none -a /bin/true -c "$1:$2" 2>/dev/null && return
  how=su
  su -s /bin/sh "$3" -c true 2>/dev/null
}

# Numbers of the processes with the entry $1 in their environment, or of the session $2.
members() {
  local process number
  for process in $(grep -lzxF -e "$1" /proc/[0-9]*/environ 2>/dev/null); do
    number=${process#/proc/}
    number=${number%/environ}
    [ "$number" != $$ ] && look_at "$number" && echo "$number"
  done
  [ "$2" = none ] && return
  for process in /proc/[0-9]*; do
    look_at "${process#/proc/}" && [ "$session" = "$2" ] && echo "${process#/proc/}"
  done
}

# Ends every process of program $1: the supervisor, what it runs, and what that started wherever it went.
end_processes() {
  local directory="$PROGRAMS/$1" session_of=none deadline living
  supervisor_lives "$directory" && kill -9 "${line%% *}" 2>/dev/null
  read_line "$directory/state" && set -- $line
  if [ "$1" = running ] && is_alive "$2 $6"; then
    session_of=$2
    kill -15 "-$2" 2>/dev/null
    deadline=$(($(date +%s) + GRACE_SECONDS))
    while is_alive "$2 $6" && [ "$(date +%s)" -lt $deadline ]; do pause; done
  fi
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    living=$(members "SLICELAB_PROGRAM=$directory/" $session_of)
    [ -n "$living" ] || break
    kill -9 $living 2>/dev/null
    pause
  done
  # What writes the log ends by itself once nobody can say anything more; what does not, is ended.
  deadline=$(($(date +%s) + 2))
  while living=$(members "SLICELAB_SUPERVISES=$directory/" none) && [ -n "$living" ]; do
    [ "$(date +%s)" -lt $deadline ] || kill -9 $living 2>/dev/null
    pause
  done
}

# The same with root's rights where the image gives them: programs may have used them too.
end_all() {
  if [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then
    sudo -n /bin/sh "$LIBRARY/program" end "$1"
  else
    end_processes "$1"
  fi
}

# --- what is asked for -------------------------------------------------------------------------------------------

reply() {
  if [ $# -gt 0 ]; then printf 'slicelab-program %s\n' "$*"; else echo slicelab-program; fi
}

# Whether the program $1 is there as the digest $2 says (any, when $3 is "keep").
is_installed() {
  read_line "$PROGRAMS/$1/digest" && { [ "$line" = "$2" ] || [ "$3" = keep ]; }
}

# Answers for a program that is there and needs nothing; false when its supervisor is to be started.
settled() {
  (
    cd "$PROGRAMS/$1" || exit 1
    read_state
    if [ "$state" = ended ]; then reply ended "$code"; else supervisor_lives . && reply running; fi
  )
}

# put NAME DIGEST replace|keep: installs the program from the archive on standard input unless it is there, and has it
# running. The archive: files/… for the home, title, restart, and at last run.
put() {
  local directory="$PROGRAMS/$1" staging="$PROGRAMS/.$1.$$" old word=started
  check_name "$1"
  mkdir -p "$PROGRAMS" 2>/dev/null
  if is_installed "$1" "$2" "$3"; then
    settled "$1" && exit
    lock "$1"
    settled "$1" && exit
    end_all "$1"
    start "$1"
    reply started
    exit
  fi
  if [ -e "$directory" ] && [ ! -O "$directory" ]; then
    fail "program $1 belongs to another user of this sliver; slice stop --name $1 ends it first"
  fi
  for old in "$PROGRAMS/.$1".[0-9]*; do
    [ -e "/proc/${old##*.}" ] || rm -rf "$old"
  done
  mkdir "$staging" || fail "$PROGRAMS cannot be written to"
  trap "rm -rf '$staging'" EXIT
  trap 'exit 129' HUP
  tar -xf - -C "$staging" && [ -f "$staging/run" ] || fail "the program's files did not arrive whole; try again"
  lock "$1"
  trap "rm -rf '$staging'; unlock '$1'" EXIT
  [ -e "$directory/digest" ] && word=replaced
  rm -f "$directory/digest"
  [ -e "$directory" ] && end_all "$1"
  mkdir -p "$directory"
  if [ -d "$staging/files" ]; then
    (cd "$staging/files" && find . -type f) | while IFS= read -r file; do
      mkdir -p "$HOME/$(dirname "$file")" && mv -f "$staging/files/$file" "$HOME/$file" || exit 1
    done || fail "the program's files could not be put into $HOME"
  fi
  rm -f "$directory/state" "$directory/supervisor"
  mv -f "$staging/run" "$staging/title" "$staging/restart" "$directory/" || fail "$directory cannot be written to"
  echo "${USER:-$(id -un)}" >"$directory/user" && echo "$HOME" >"$directory/home" || fail "the disk is full"
  echo "$2" >"$directory/digest" || fail "the disk is full"
  start "$1"
  reply $word
}

# stop NAME: ends the program and forgets it, its log too.
stop() {
  need "$1"
  if [ ! -O "$PROGRAMS/$1" ] && [ "$(id -u)" != 0 ]; then
    exec sudo -n /bin/sh "$LIBRARY/program" stop "$1"
  fi
  lock "$1"
  rm -f "$PROGRAMS/$1/digest"
  end_all "$1"
  rm -rf "${PROGRAMS:?}/$1"
  reply stopped
}

# ps: one line a program, at last one without words: NAME STATE PID STARTS EXIT SINCE RESTART TITLE. `lost`: its supervisor was ended by somebody.
ps() {
  local directory restart title
  for directory in "$PROGRAMS"/*/; do
    [ -e "$directory/digest" ] || continue
    cd "$directory" || continue
    read_state
    restart=always title=
    read_line restart && restart=$line
    read_line title && title=$line
    [ "$state" = ended ] || supervisor_lives . || state=lost
    directory=${directory%/}
    reply "${directory##*/} $state $pid $starts $code $since $restart $title"
  done
  reply
}

# log NAME LINES follow|end [SEGMENT OFFSET]: a line "slicelab-program SEGMENT OFFSET" says where in the log what comes
# after it begins; whoever lost the connection goes on from there, plus what was read already.
log() {
  local number="$4" offset="$5" size follow="$3" wanted="$2" skip last length
  need "$1"
  cd "$PROGRAMS/$1" || exit 1
  until find_segments && [ "$newest" -gt 0 ]; do
    [ "$follow" = follow ] || { reply 1 0; exit; }
    pause
  done
  if [ -z "$number" ]; then
    size=$(size_of "log.$newest")
    skip=$({ [ "$oldest" -lt "$newest" ] && cat "log.$oldest"; head -c "$size" "log.$newest"; } | tail -n "$wanted" | wc -c)
    number=$newest offset=$((size - skip))
    if [ "$offset" -lt 0 ] && [ "$oldest" -lt "$newest" ]; then
      number=$oldest offset=$(($(size_of "log.$oldest") + offset))
    fi
  fi
  if [ "$number" -lt "$oldest" ] || [ "$number" -gt "$newest" ]; then number=$oldest offset=0; fi
  last=$newest length=${size:-$(size_of "log.$newest")}
  reply "$number" "$offset"
  while [ -e run ]; do
    size=$(size_of "log.$number")
    [ "$follow" = follow ] || [ "$number" -lt "$last" ] || size=$length # what comes meanwhile is for who follows
    if [ "$size" -gt "$offset" ]; then
      tail -c "+$((offset + 1))" "log.$number" | head -c $((size - offset)) || exit
      offset=$size
    elif [ "$follow" != follow ] && [ "$number" -ge "$last" ]; then
      exit 0
    elif [ -e "log.$((number + 1))" ]; then
      # Nothing is added to a segment once there is the next; nothing was, since its size was looked at, either.
      [ "$(size_of "log.$number")" -le "$offset" ] || continue
      offset=$((offset - size)) number=$((number + 1))
    elif find_segments && [ "$number" -lt "$oldest" ]; then
      number=$oldest offset=0
    else
      offset=$size # a machine that crashed may have lost what was written last
      sleep 0.3 2>/dev/null || sleep 1
    fi
  done
}

# boot: the sliver has started; so do its programs.
boot() {
  local directory name
  for directory in "$PROGRAMS"/*/; do
    [ -e "$directory/digest" ] || continue
    directory=${directory%/}
    name=${directory##*/}
    /bin/sh "$LIBRARY/program" resume "$name" &
  done
  wait
}

# A program that is never to be started again was ended by the sliver's own end.
resume() {
  local restart=always
  check_name "$1"
  lock "$1"
  cd "$PROGRAMS/$1" || exit 1
  read_line restart && restart=$line
  read_state
  [ "$state" != ended ] && ! supervisor_lives . || exit 0
  if [ "$restart" = never ] && [ "$starts" -gt 0 ]; then
    write_state ended - "$starts" 137 "$(date +%s)" -
  else
    start "$1"
  fi
}

case $1 in
put) put "$2" "$3" "$4" ;;
stop) stop "$2" ;;
ps) ps ;;
log) log "$2" "$3" "$4" "$5" "$6" ;;
boot) boot ;;
resume) resume "$2" ;;
supervise) supervise "$2" ;;
end) end_processes "$2" ;;
*) fail "this is run by the slice command and by the node; see slice launch" 64 ;;
esac

#!/bin/sh
# chat.sh PROGRAM CASE: the chat room, with members of its own and with members at terminals.
set -eu
chat=$1
folder=$(mktemp -d)
server=''
trap '[ -z "$server" ] || kill -9 "$server"; rm -rf "$folder"' EXIT
cd "$folder"
host=unix:$folder/room

fail()
{
    echo "chat.sh: $*"
    tail -n 5 ./*
    exit 1
}

within() # SECONDS COMMAND…: until it succeeds
{
    tenths=$(($1 * 10))
    shift
    until "$@"; do
        tenths=$((tenths - 1))
        [ $tenths -gt 0 ] || fail "not within its time: $*"
        sleep 0.1
    done
}

open_room() # KIND
{
    "$chat" --kind "$1" --host "$host" >said 2>err &
    server=$!
    within 10 grep -q '^\* the room at .* is open$' said
}

close_room()
{
    kill -TERM "$server"
    status=0
    wait "$server" || status=$?
    server=''
    [ $status = 0 ] || fail "the server's status is $status"
    rm room
}

# In a room of that kind: ann joins at a terminal, descriptor 3, and says something.
ann_joins() # KIND WORDS
{
    open_room "$1"
    mkfifo typed
    "$chat" --join ann --host "$host" <typed >heard_ann 2>err_ann &
    ann=$!
    exec 3>typed
    echo "$2" >&3
    within 10 grep -q "^<ann> $2\$" heard_ann
}

case $2 in
coroutine | thread)
    "$chat" --kind "$2" --load 1000 >out || fail "status $?"
    grep -q '^members  *1000$' out || fail "not 1000"
    grep -q '^too slow  *1$' out || fail "slow"
    ;;
people)
    for kind in coroutine thread; do
        ann_joins $kind "is anybody here?"
        # Empty lines are not said; a last line without its end is.
        printf '\n\nme\nlast words' | "$chat" --join bob --host "$host" >heard_bob 2>err_bob &
        bob=$!
        within 10 grep -q '^<bob> last words$' heard_ann
        grep -q '^<bob> me$' heard_ann || fail "$kind: ann has not heard all of bob"
        [ "$(grep -c bob heard_ann)" = 2 ] || fail "$kind: empty lines were said"
        wait $bob || fail "bob's status $?"
        exec 3>&-
        wait $ann || fail "ann's status $?"
        [ "$(sed 1d said)" = "$(cat heard_ann)" ] || fail "$kind: the room has heard something else"
        close_room
        [ -z "$(cat err err_ann err_bob)" ] || fail "errors"
        rm -f typed said heard_*
    done
    ;;
stop) # while somebody is there
    for kind in coroutine thread; do
        ann_joins $kind hello
        close_room
        wait $ann || fail "ann's status $?" # she is told, though nothing was typed
        exec 3>&-
        rm -f typed said heard_ann
    done
    ;;
usage)
    while read -r arguments; do
        status=0
        # shellcheck disable=SC2086 # several words
        "$chat" $arguments >out 2>err || status=$?
        [ $status = 2 ] || fail "status $status of $arguments"
        [ "$(wc -l <err)" = 1 ] || fail "not one line for $arguments"
        [ ! -s out ] || fail "output for $arguments"
    done <<END
--kind fibre
--kind
--load 5
--load many
--join
--join much_too_long_a_name_for_anybody_to_have
--verbose
word
END
    status=0
    "$chat" --join ann --host "unix:$folder/nobody" </dev/null >out 2>err || status=$?
    [ $status = 1 ] || fail "status $status where there is no room"
    grep -q 'chat: unix:' err || fail "not where there is no room"
    "$chat" --help | grep -q -e '--load' || fail "help"
    ;;
*)
    fail "no case $2"
    ;;
esac

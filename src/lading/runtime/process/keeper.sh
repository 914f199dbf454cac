# Keeps one instance: holds its lock, notes which process it is and, once that has ended, how.
#
#   keeper.sh DIRECTORY ATTEMPT ADDRESS_SPACE_KIB|- CGROUP[:CGROUP...]|- PROGRAM [ARGUMENT...]
#
# Standard input is the lock file: whoever finds the lock free knows that no start of this instance is under way.
# A signal sent to the whole group must not end the keeper before it has noted the exit status.
trap : HUP INT QUIT TERM
# What a shell says about a program that was killed does not belong into the program's log.
exec 3>&2 2> /dev/null
directory=$1 attempt=$2 memory=$3 cgroups=$4
shift 4
(
    # A subshell's $$ is its parent's; only the kernel knows this process, by number and start time.
    IFS= read -r self < /proc/self/stat || exit 126
    if [ "$cgroups" != - ]; then
        IFS=:
        for cgroup in $cgroups; do
            echo 0 > "$cgroup/cgroup.procs" || exit 126
        done
        unset IFS
    fi
    if [ "$memory" != - ]; then
        ulimit -v "$memory" || exit 126
    fi
    LADING_RECORD=$LADING_KEEPER
    export LADING_RECORD
    unset LADING_KEEPER
    # From here on it counts as started; replacing standard input lets go of the lock.
    printf '%s\n' "$self" > "$directory/$attempt.pid" || exit 126
    exec "$@" < /dev/null 2>&3 3>&-
)
echo "$?" > "$directory/$attempt.exit"

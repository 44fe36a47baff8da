#!/bin/sh
# package/check.sh install BUILD: installs the build to a scratch prefix below it, moved once, so that nothing
#     depends on the path it was configured with.
# package/check.sh pkgconfig|cmake BUILD shared|static|explore|tls-shared|tls-static: builds a C and a C++17 program against
#     that, runs both; explore: tests that are linked with the explorer, and the first program wrapped by it; tls: a C
#     program that uses it.
set -eu
consumer=$(cd "$(dirname "$0")/consumer" && pwd)
way=$1
build=$2
kind=${3:-}
prefix=$build/package/prefix
scratch=$build/package/$way-$kind

if [ "$way" = install ]; then
    rm -rf "$build/package"
    cmake --install "$build" --prefix "$build/package/first"
    mv "$build/package/first" "$prefix"
    exit
fi
[ "$kind" != explore ] || find "$prefix" -name 'libcheng-explore.a' | grep -q . || { echo "SKIP: built without the explorer"; exit 77; }
[ "$kind" = "${kind#tls}" ] || find "$prefix" -name 'cheng-tls.pc' | grep -q . || { echo "SKIP: built without TLS"; exit 77; }
command -v g++ >/dev/null || { echo "SKIP: no g++"; exit 77; }
rm -rf "$scratch"
mkdir -p "$scratch"
library_dir=$(dirname "$(find "$prefix" -name 'libcheng.so')")

build_consumers()
{
    cflags=$(pkg-config --cflags cheng)
    libs=$(pkg-config --libs cheng)
    [ "$kind" = shared ] || libs=$(echo "$(pkg-config --static --libs cheng) " | sed 's/-lcheng /-l:libcheng.a /')
    echo "cflags: $cflags; libs: $libs"
    # shellcheck disable=SC2086 # several words each
    {
        gcc -std=c11 -Wall -Werror $cflags "$consumer/main.c" $libs -o "$scratch/consumer_c"
        g++ -std=c++17 -Wall -Werror $cflags "$consumer/main.cpp" $libs -o "$scratch/consumer_cpp"
    }
}

build_tls()
{
    libs=$(pkg-config --libs cheng-tls)
    [ "$kind" = tls-shared ] ||
        libs=$(echo "$(pkg-config --static --libs cheng-tls) " | sed 's/-lcheng\(-tls\)\{0,1\} /-l:libcheng\1.a /g')
    echo "libs: $libs"
    # shellcheck disable=SC2046,SC2086 # several words each
    gcc -std=c11 -Wall -Werror $(pkg-config --cflags cheng-tls) "$consumer/tls.c" $libs -o "$scratch/consumer_tls"
}

build_explored() # the flags are for compiling only
{
    cflags=$(pkg-config --cflags cheng-explore)
    libs=$(pkg-config --libs cheng-explore)
    # shellcheck disable=SC2086 # several words each
    {
        gcc -std=c11 -Wall -Werror $cflags -c "$consumer/explore.c" -o "$scratch/c.o"
        g++ -std=c++17 -Wall -Werror $cflags -c "$consumer/explore.cpp" -o "$scratch/cpp.o"
        gcc -std=c11 -Wall -Werror $cflags -c "$consumer/main.c" -o "$scratch/main.o"
        gcc "$scratch/c.o" $libs -o "$scratch/explore_c"
        g++ "$scratch/cpp.o" $libs -o "$scratch/explore_cpp"
        if command -v clang >/dev/null; then
            clang -std=c11 -O2 -Wall -Werror $cflags -c "$consumer/explore.c" -o "$scratch/clang.o"
            clang "$scratch/clang.o" $libs -o "$scratch/explore_clang"
        fi
    }
    libs=$(pkg-config --libs cheng-explore-main)
    # shellcheck disable=SC2086
    gcc "$scratch/main.o" $libs -o "$scratch/explore_main"
}

case $way in
pkgconfig)
    command -v pkg-config >/dev/null || { echo "SKIP: no pkg-config"; exit 77; }
    export PKG_CONFIG_PATH="$library_dir/pkgconfig"
    case $kind in
    explore) build_explored ;;
    tls-*) build_tls ;;
    *) build_consumers ;;
    esac
    ;;
cmake)
    cmake -S "$consumer" -B "$scratch" -G Ninja -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++ \
        -DCMAKE_PREFIX_PATH="$prefix" -DBUILD_SHARED_LIBS="$([ "${kind%shared}" != "$kind" ] && echo ON || echo OFF)"
    cmake --build "$scratch"
    ;;
esac

if [ "$kind" = explore ]; then
    for program in explore_c explore_cpp explore_clang; do
        [ -e "$scratch/$program" ] || continue
        "$scratch/$program" 2>"$scratch/report"
        grep -q "^to see it again: CHENG_REPLAY='test:" "$scratch/report"
        ! grep 'cheng/lock.h:' "$scratch/report" || { echo "$program: not the user's line"; exit 1; }
    done
    "$scratch/explore_main" 2>&1 | grep -q '^cheng-explore: main: nothing found in [1-9].*: these are all$'
    exit
fi
programs="consumer_c consumer_cpp"
[ "$kind" = "${kind#tls}" ] || programs=consumer_tls
for program in $programs; do
    linked=static
    readelf -d "$scratch/$program" | grep -q 'NEEDED.*libcheng\(-tls\)\{0,1\}\.so' && linked=shared
    [ $linked = "${kind#tls-}" ] || { echo "$program is linked with the $linked library"; exit 1; }
    LD_LIBRARY_PATH=$library_dir "$scratch/$program"
done

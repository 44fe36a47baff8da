#!/bin/sh
# package/check.sh install BUILD: installs the build to a scratch prefix below it, moved once, so that nothing
#     depends on the path it was configured with.
# package/check.sh pkgconfig|cmake BUILD shared|static: builds a C and a C++17 program against that, runs both.
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
command -v g++ >/dev/null || { echo "SKIP: no g++"; exit 77; }
rm -rf "$scratch"
mkdir -p "$scratch"
library_dir=$(dirname "$(find "$prefix" -name 'libcheng.so')")

case $way in
pkgconfig)
    command -v pkg-config >/dev/null || { echo "SKIP: no pkg-config"; exit 77; }
    export PKG_CONFIG_PATH="$library_dir/pkgconfig"
    cflags=$(pkg-config --cflags cheng)
    libs=$(pkg-config --libs cheng)
    [ "$kind" = shared ] || libs=$(echo "$(pkg-config --static --libs cheng) " | sed 's/-lcheng /-l:libcheng.a /')
    echo "cflags: $cflags; libs: $libs"
    # shellcheck disable=SC2086 # several words each
    {
        gcc -std=c11 -Wall -Werror $cflags "$consumer/main.c" $libs -o "$scratch/consumer_c"
        g++ -std=c++17 -Wall -Werror $cflags "$consumer/main.cpp" $libs -o "$scratch/consumer_cpp"
    }
    ;;
cmake)
    cmake -S "$consumer" -B "$scratch" -G Ninja -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++ \
        -DCMAKE_PREFIX_PATH="$prefix" -DBUILD_SHARED_LIBS="$([ "$kind" = shared ] && echo ON || echo OFF)"
    cmake --build "$scratch"
    ;;
esac

for program in consumer_c consumer_cpp; do
    linked=static
    readelf -d "$scratch/$program" | grep -q 'NEEDED.*libcheng\.so' && linked=shared
    [ $linked = "$kind" ] || { echo "$program is linked with the $linked library"; exit 1; }
    LD_LIBRARY_PATH=$library_dir "$scratch/$program"
done

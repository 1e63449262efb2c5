#!/usr/bin/env bash
# What the libraries define, by nm:
#  - libhakmem.a and libhakmem-perf.a define every public symbol that libc.a's malloc.o defines. One that is missing makes
#    a -static link pull malloc.o in as well, and fail with duplicate definitions.
#  - the shared libraries export the malloc family, operator new and delete, and hak_*, and nothing else.
#  - libhakmem_core.a defines no malloc and no operator new.
#  - the shared libraries need no libstdc++: they are preloaded into C programs.
set -euo pipefail
build=${HAKMEM_BUILD:?}
status=0
complain() { printf 'symbols: %s\n' "$*"; status=1; }

# Defined external names, without version suffixes.
defined() { nm "$@" --defined-only --extern-only 2>/dev/null | awk 'NF == 3 { sub(/@.*/, "", $3); print $3 }' | sort -u; }

# malloc.o's names that other objects of libc.a use are its interface, as are those without a leading underscore.
libc_interface() {
  local libc work; libc=$(${CC:-gcc} -print-file-name=libc.a); work=$(mktemp -d)
  (cd "$work" && ar x "$libc" malloc.o && defined malloc.o >all)
  nm "$libc" --undefined-only 2>/dev/null | awk 'NF == 2 && $1 == "U" { print $2 }' | sort -u >"$work/used"
  { comm -12 "$work/all" "$work/used"; grep -v '^_' "$work/all"; } | sort -u
  rm -rf "$work"
}

wanted=$(libc_interface)
(($(wc -l <<<"$wanted") > 15)) || complain "libc.a's malloc.o was not read: $wanted"
for archive in libhakmem.a libhakmem-perf.a; do
  missing=$(comm -23 <(printf '%s\n' "$wanted") <(defined "$build/$archive"))
  [[ -z $missing ]] || complain "$archive does not define: ${missing//$'\n'/ }"
done

family='(malloc|calloc|realloc|free|cfree|reallocarray|posix_memalign|aligned_alloc|memalign|valloc|pvalloc|malloc_[a-z_]+'
family+='|mallinfo2?|mallopt|free_sized|free_aligned_sized|__libc_[a-z_]+|__posix_memalign|__malloc_[a-z_]+'
family+='|hak_[a-z0-9_]+|_Zn[wa].*|_Zd[la]P.*)'
for library in libhakmem.so libhakmem-perf.so; do
  extra=$(defined -D "$build/$library" | grep -vxE "$family" || true)
  [[ -z $extra ]] || complain "$library also exports: ${extra//$'\n'/ }"
  for name in malloc free aligned_alloc __libc_memalign _Znwm _ZdlPvmSt11align_val_t hak_version; do
    grep -qx "$name" <(defined -D "$build/$library") || complain "$library does not export $name"
  done
  [[ $(readelf -d "$build/$library") != *NEEDED*libstdc++* ]] || complain "$library needs libstdc++"
done

core=$(defined "$build/libhakmem_core.a" | grep -xE 'malloc|free|calloc|realloc|_Zn[wa].*|_Zd[la]P.*' || true)
[[ -z $core ]] || complain "libhakmem_core.a defines ${core//$'\n'/ }"
exit "$status"

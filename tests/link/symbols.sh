#!/usr/bin/env bash
# What the libraries define, by nm:
#  - libhakmem.a and libhakmem-perf.a define every symbol that libc.a's malloc.o defines. One that is missing and used
#    makes a -static link pull malloc.o in as well, and fail with duplicate definitions.
#  - the shared libraries export the malloc family, operator new and delete, and hak_*, and nothing else.
#  - libhakmem_core.a defines no malloc and no operator new.
#  - the shared libraries need libc alone: they are preloaded into C programs.
set -euo pipefail
build=${HAKMEM_BUILD:?}
status=0
complain() { printf 'symbols: %s\n' "$*"; status=1; }

# Defined external names, without version suffixes.
defined() { nm "$@" --defined-only --extern-only 2>/dev/null | awk 'NF == 3 { sub(/@.*/, "", $3); print $3 }' | sort -u; }

# Every external name of libc.a's malloc.o.
libc_interface() {
  local libc work; libc=$(${CC:-gcc} -print-file-name=libc.a); work=$(mktemp -d)
  (cd "$work" && ar x "$libc" malloc.o && defined malloc.o)
  rm -rf "$work"
}

wanted=$(libc_interface)
(($(wc -l <<<"$wanted") > 30)) || complain "libc.a's malloc.o was not read: $wanted"
for archive in libhakmem.a libhakmem-perf.a; do
  missing=$(comm -23 <(printf '%s\n' "$wanted") <(defined "$build/$archive"))
  [[ -z $missing ]] || complain "$archive does not define: ${missing//$'\n'/ }"
done

# bad_alloc's type information is weak in every program that throws it.
allowed='cfree|dlopen|prctl|reallocarray|free_sized|free_aligned_sized|hak_[a-z0-9_]+|__libc_[a-z_]+|_Zn[wa].*|_Zd[la]P.*|_ZT[IS]St.*'
for library in libhakmem.so libhakmem-perf.so; do
  extra=$(defined -D "$build/$library" | grep -vxE "$allowed" | grep -vxF "$wanted" || true)
  [[ -z $extra ]] || complain "$library also exports: ${extra//$'\n'/ }"
  for name in malloc free aligned_alloc __libc_memalign _Znwm _ZdlPvmSt11align_val_t hak_version; do
    grep -qx "$name" <(defined -D "$build/$library") || complain "$library does not export $name"
  done
  # Whatever else is called could be a cancellation point, take a lock, or be another library's that allocates.
  imports='_ITM_.*|__gmon_start__|__cxa_(begin_catch|end_catch|finalize)|__gxx_personality_v0|_ZSt15get_new_handlerv|_ZSt17__throw_bad_allocv'
  imports+='|__environ|environ|__errno_location|getauxval|getpagesize|mem(chr|cpy|move|set|cmp)|str(chr|chrnul|cmp|len|ncmp|str)'
  imports+='|bcmp|dlsym|pthread_(key_create|setspecific)|__register_atfork|sigaction'  # at start, no lock held
  imports+='|pthread_(create|attr_(init|destroy|setstacksize|setdetachstate)|sigmask)|sigfillset'  # HAKMEM_BACKGROUND: no lock held
  imports+='|fprintf'                                                               # to the FILE given to malloc_info
  foreign=$(nm -D --undefined-only "$build/$library" | awk '{ sub(/@.*/, "", $NF); print $NF }' | grep -vxE "$imports" || true)
  [[ -z $foreign ]] || complain "$library calls ${foreign//$'\n'/ }: a raw system call instead (src/pal/system_call.h)?"
  needed=$(readelf -d "$build/$library" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -vxE 'libc\.so\.6|ld-linux.*' || true)
  [[ -z $needed ]] || complain "$library needs ${needed//$'\n'/ }"
done

core=$(defined "$build/libhakmem_core.a" | grep -xE 'malloc|free|calloc|realloc|_Zn[wa].*|_Zd[la]P.*' || true)
[[ -z $core ]] || complain "libhakmem_core.a defines ${core//$'\n'/ }"
exit "$status"

# The tools of every shell script: bash loops and arrays, sort with two threads, awk, sed, grep -r, find.
# shellcheck shell=bash disable=SC2034
needs=(bash awk sort grep sed find xargs diff)
witness=(awk sort grep sed find xargs)

bash_loops() {
  local i text='' word
  local -A seen=()
  local -a list=()
  for ((i = 0; i < 10000; ++i)); do
    word=w$((i * 7919 % 4001))
    seen[$word]=${seen[$word]:-}$((i % 10))
    list+=("${word/w/item-}")
    text+=${word:1:2}
    ((i % 5)) || unset "seen[w$((i * 31 % 4001))]"
    ((i % 300)) || text=${text//1/one}
  done
  echo "${#seen[@]} ${#list[@]} ${#text}"
  printf '%s\n' "${!seen[@]}" "${seen[@]}" "${list[@]}" "$text" | sort | sha256sum
  for ((i = 0; i < 200; ++i)); do list[i]=$(printf "%d %s" "$i" "${list[i]}"); done
  printf '%s ' "${list[@]:0:5}"
}

workload() {
  bash_loops
  awk 'BEGIN { x = 1; for (i = 0; i < 60000; ++i) { x = (x * 1103515 + 12345) % 2147483; print x, "row", i } }' >rows
  sort --parallel=2 -S 8M -k1,1n -k3,3nr rows | sha256sum
  sort --parallel=2 -u -k1,1 rows | wc -l
  awk '{ count[$1 % 5000]++; text[$1 % 700] = text[$1 % 700] $3 } END {
    for (k in count) total += count[k] * k; for (k in text) bytes += length(text[k]); print total, bytes }' rows
  sed -E 's/([0-9]+) row ([0-9]*)7/\2-\1/; /99/d; y/123/abc/' rows | sha256sum
  mkdir tree
  split -n l/20 -a 2 rows tree/part.
  grep -r -c -E '(1[0-9]+)9+ row .*3$' tree | sort
  grep -r -o -h -P '(?<=row )\d*77\d*(?=7)' tree | sort | sha256sum
  find tree -name 'part.*' -print0 | sort -z | xargs -0 -n 3 -P 2 cksum | sort
  diff <(head -n 3000 rows | sort) <(sed -n '50,3100p' rows | sort) | sha256sum || true
}

# tar, xz -T2, zstd -T2, gzip, bzip2: pack, test, unpack and compare a tree of generated files.
# shellcheck shell=bash disable=SC2034
needs=(tar xz zstd gzip bzip2 awk diff)
witness=(tar xz zstd gzip bzip2)

workload() {
  awk 'BEGIN {
    for (d = 0; d < 6; ++d) {
      system("mkdir -p tree/dir" d)
      for (f = 0; f < 15; ++f) {
        file = "tree/dir" d "/file" f
        for (i = 0; i < 900; ++i) printf "%d %d word%d line\n", i * d, i * i % (f + 7), (i * 7919 + d * f) % 4001 >file
        close(file)
      }
    }
  }'
  tar --sort=name --mtime=@1600000000 --owner=0 --group=0 --numeric-owner -cf tree.tar tree
  xz -T2 -6 --block-size=1MiB -k tree.tar
  zstd -q -T2 -9 tree.tar
  gzip -9 -n -k tree.tar
  bzip2 -k tree.tar
  sha256sum tree.tar tree.tar.*
  xz -t -T2 -v tree.tar.xz 2>/dev/null
  zstd -q -t tree.tar.zst
  gzip -t tree.tar.gz
  mkdir from_xz from_zstd from_gzip
  tar -C from_xz -xf tree.tar.xz
  tar -C from_zstd --zstd -xf tree.tar.zst
  tar -C from_gzip -xzf tree.tar.gz
  diff -r tree from_xz/tree
  diff -r tree from_zstd/tree
  diff -r tree from_gzip/tree
  tar -tvf tree.tar.bz2 | sha256sum
}

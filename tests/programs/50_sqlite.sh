# sqlite3: 150,000 rows, indexes, joins, window functions, deletes, vacuum, integrity_check.
# shellcheck shell=bash disable=SC2034
needs=(sqlite3)
witness=(sqlite3)

workload() {
  sqlite3 -batch -bail data.db <"$PROGRAMS/rows.sql" 2>&1
  # A database in memory takes its pages from malloc.
  sqlite3 -batch -bail :memory: <"$PROGRAMS/rows.sql" 2>&1
  sqlite3 data.db .dump | sha256sum
  sha256sum data.db
}

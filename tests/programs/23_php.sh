# php, which loads each of its extensions with RTLD_DEEPBIND: arrays, strings, regular expressions, JSON, dates.
# shellcheck shell=bash disable=SC2034
needs=(php)
witness=(php)

workload() {
  php -m
  php "$PROGRAMS/php_heap.php"
}

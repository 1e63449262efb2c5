# redis-server on a socket of its own: deterministic commands, redis-benchmark, save, reload, shutdown.
# Debian's redis is linked with jemalloc; the preloaded allocator takes its place.
# shellcheck shell=bash disable=SC2034
needs=(redis-server redis-cli redis-benchmark awk)
witness=(redis-server redis-cli redis-benchmark)

# No reply in the order of a hash table: the server seeds its hash at random.
commands() {
  awk 'BEGIN {
    for (i = 1; i <= 1000; ++i) {
      text = sprintf("%0" (1 + i * 37 % 900) "d", i)
      printf "SET str:%d %s\nAPPEND str:%d tail%d\n", i % 800, text, i * 3 % 800, i
      printf "HSET hash:%d field%d %s\nRPUSH list:%d %d item%d\n", i % 50, i, substr(text, 1, 80), i % 40, i, i
      printf "ZADD zset:%d %d member%d\nSADD set:%d %d\n", i % 30, i * 7919 % 1009, i, i % 20, i * 31 % 5000
      printf "XADD stream:%d 0-%d n %d\nSETRANGE range:%d %d x\n", i % 5, i, i, i % 10, i * 17 % 8000
      if (i % 3 == 0) printf "DEL str:%d\nLPOP list:%d\n", i * 11 % 800, i % 40
    }
    print "DBSIZE\nSTRLEN str:7\nHLEN hash:3\nLRANGE list:3 0 9\nZRANGE zset:4 0 9 WITHSCORES"
    print "SORT set:5 LIMIT 0 9\nZUNIONSTORE union 3 zset:1 zset:2 zset:3\nSINTERSTORE both set:1 set:2"
    print "BITCOUNT range:3\nXLEN stream:2\nSUNIONSTORE all set:7 set:8\nSORT all\nDUMP list:9"
    print "EVAL \"local t = {} for i = 1, 20000 do t[i] = tostring(i) end return #table.concat(t)\" 0"
    print "DEBUG DIGEST\nDEBUG RELOAD\nDEBUG DIGEST"
  }'
}

start_server() {
  redis-server --port 0 --unixsocket s --dir "$PWD" --save '' --daemonize no --loglevel warning \
    --io-threads 2 --enable-debug-command yes --hash-max-listpack-entries 64 >server.log 2>&1 &
  server=$!
  # Its log goes to standard error, where run.sh looks for lines of the allocator.
  trap 'kill -KILL "$server" 2>/dev/null || true; cat server.log >&2' EXIT
  local try
  for ((try = 0; try < 200; ++try)); do
    [ "$(redis-cli -s s PING 2>/dev/null || true)" != PONG ] || return 0
    sleep 0.1
  done
  cat server.log >&2
  return 1
}

workload() {
  start_server
  commands | redis-cli -s s >replies.txt
  sha256sum replies.txt
  tail -n 40 replies.txt
  redis-benchmark -s s -q -n 1500 -c 20 -P 4 -d 300 -r 5000 --threads 2 \
    -t set,get,incr,lpush,rpop,sadd,hset,zadd,lrange_100,mset >benchmark.txt 2>&1
  redis-cli -s s FLUSHALL
  commands | redis-cli -s s | sha256sum
  redis-cli -s s SAVE
  redis-check-rdb dump.rdb | grep -c 'looks OK'
  redis-cli -s s DEBUG DIGEST
  redis-cli -s s BGREWRITEAOF >/dev/null  # a fork of the threaded server, which walks every object
  until redis-cli -s s INFO persistence | grep -q '^aof_rewrite_in_progress:0'; do sleep 0.1; done
  redis-cli -s s INFO persistence | grep '^aof_last_bgrewrite_status'
  redis-cli -s s SHUTDOWN NOSAVE || true
  wait "$server"
  echo "server status $?"
}

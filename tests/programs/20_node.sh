# node: objects, buffers, zlib, crypto on the thread pool, worker threads that transfer buffers.
# shellcheck shell=bash disable=SC2034
needs=(node)
witness=(node)

workload() {
  node --version
  node "$PROGRAMS/node_heap.js" 2>&1
}

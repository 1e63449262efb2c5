// Allocation-heavy work for the node test: objects, buffers, JSON, zlib, crypto and worker threads that
// pass and transfer memory to one another. Prints check sums only, so that two runs compare equal.
'use strict';
const crypto = require('crypto');
const zlib = require('zlib');
const {Worker, isMainThread, parentPort, workerData} = require('worker_threads');

// A fixed generator: Math.random would differ from run to run.
function generator(seed) {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0);
}

function digest(data) {
  return crypto.createHash('sha256').update(data).digest('hex').slice(0, 16);
}

function object_churn(seed, rounds) {
  const next = generator(seed);
  const kept = new Map();
  for (let i = 0; i < rounds; ++i) {
    const key = 'k' + (next() % 5000);
    kept.set(key, {text: 'x'.repeat(next() % 200), list: Array.from({length: next() % 20}, next)});
    if (next() % 3 === 0) kept.delete('k' + (next() % 5000));
  }
  return digest(JSON.stringify([...kept].sort((a, b) => (a[0] < b[0] ? -1 : 1))));
}

// Off-heap blocks of every size: these are malloc's, not V8's.
function buffer_churn(seed, rounds) {
  const next = generator(seed);
  const kept = new Array(400).fill(null);
  const hash = crypto.createHash('sha256');
  for (let i = 0; i < rounds; ++i) {
    const block = Buffer.allocUnsafeSlow(1 + (next() % (i % 50 === 0 ? 300000 : 5000)));
    block.fill(i & 255);
    const slot = next() % kept.length;
    if (kept[slot]) hash.update(kept[slot].subarray(0, 64));
    kept[slot] = block;
  }
  return hash.digest('hex').slice(0, 16);
}

function compression(seed, rounds) {
  const next = generator(seed);
  const results = [];
  for (let i = 0; i < rounds; ++i) {
    const text = Buffer.from(Array.from({length: 4000}, () => 'word' + (next() % 97)).join(' '));
    const packed = zlib.deflateSync(text, {level: 1 + (i % 9)});
    if (!zlib.inflateSync(packed).equals(text)) throw new Error('inflate differs');
    if (!zlib.brotliDecompressSync(zlib.brotliCompressSync(text, {params: {
      [zlib.constants.BROTLI_PARAM_QUALITY]: 4}})).equals(text)) throw new Error('brotli differs');
    results.push(digest(packed));
  }
  return digest(results.join());
}

function run_worker(index) {
  return new Promise((resolve, reject) => {
    const given = new ArrayBuffer(100000 + index * 1000);
    new Uint8Array(given).fill(index + 1);
    const worker = new Worker(__filename, {workerData: {index, given}, transferList: [given]});
    let message;
    worker.on('message', (m) => { message = m; });
    worker.on('error', reject);
    worker.on('exit', (code) => resolve(`worker ${index} exit ${code} ${message.text} ` +
                                        digest(Buffer.from(message.returned))));
  });
}

function worker_body() {
  const {index, given} = workerData;
  const text = [object_churn(index, 15000), buffer_churn(index, 2000), digest(Buffer.from(given))];
  // The block that the main thread made goes back to it and is freed there.
  parentPort.postMessage({text: text.join(' '), returned: given}, [given]);
}

async function main() {
  console.log('objects', object_churn(1, 60000));
  console.log('buffers', buffer_churn(2, 15000));
  console.log('compression', compression(3, 12));
  for (let batch = 0; batch < 3; ++batch) {
    const lines = await Promise.all([0, 1, 2, 3].map((i) => run_worker(batch * 4 + i)));
    lines.forEach((line) => console.log(line));
  }
  const keys = await Promise.all(Array.from({length: 24}, (_, i) => new Promise((resolve, reject) =>
    crypto.scrypt('password' + i, 'salt', 64, {N: 1024},
                  (error, key) => (error ? reject(error) : resolve(key.toString('hex')))))));
  console.log('thread pool', digest(keys.join()));
}

if (isMainThread) main(); else worker_body();

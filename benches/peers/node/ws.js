// The peer on ws: an echo at any path, a process for each core, as node:cluster makes them.
//
// As its documentation advises for speed: bufferutil for the masks. Compression is off, as it is by default.
'use strict';

const cluster = require('node:cluster');
const { createRequire } = require('node:module');
const { availableParallelism } = require('node:os');
const path = require('node:path');

if (cluster.isPrimary) {
  start(process.argv[2]);
} else {
  serve(Number(process.argv[2]));
}

function start(port) {
  if (port === undefined) {
    console.error('usage: ws.js PORT');
    process.exit(2);
  }
  let missing = availableParallelism();
  for (let left = missing; left > 0; left -= 1) cluster.fork();
  cluster.on('listening', (_, address) => {
    missing -= 1;
    if (missing === 0) console.log(`listening on http://127.0.0.1:${address.port}`);
  });
  cluster.on('exit', (worker, code) => process.exit(code || 1));
}

function serve(port) {
  const { WebSocketServer } = createRequire(path.join(__dirname, '../../../target/peers/node/'))('ws');
  const server = new WebSocketServer({ port, host: '127.0.0.1', perMessageDeflate: false });
  server.on('connection', (socket) => {
    socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary }));
    // What was wrong with a connection is told to its peer, and nobody else wants to know.
    socket.on('error', () => {});
  });
}

// The peer on ws: an echo at any path, a process for each core, as node:cluster makes them.
//
// As its documentation advises for speed: bufferutil for the masks. Compression is off, as it is by default.
'use strict';

const { createRequire } = require('node:module');
const path = require('node:path');

const onEveryCore = require('./cores.js');

onEveryCore(serve);

function serve(port) {
  const { WebSocketServer } = createRequire(path.join(__dirname, '../../../target/peers/node/'))('ws');
  const server = new WebSocketServer({ port, host: '127.0.0.1', perMessageDeflate: false });
  server.on('connection', (socket) => {
    socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary }));
    // What was wrong with a connection is told to its peer, and nobody else wants to know.
    socket.on('error', () => {});
  });
}
